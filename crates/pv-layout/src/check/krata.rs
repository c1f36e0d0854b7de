//! Whether krata boots a kernel as a PV zone: it has a domain builder of its own, with rules of its own.
//!
//! It refuses an image without any one of six notes, `INIT_P2M` and `MOD_START_PFN` among them, and asks for neither
//! XEN_VERSION nor LOADER. It unpacks gzip and xz wherever in the file a stream begins, and nothing else. `loaders`
//! shows the answer beside the others', `image` has read what krata would read.
//!
//! Sources, for facts: crates/xen/xenplatform/src/elfloader.rs and boot.rs of edera-dev/krata, a58bb3b.

use crate::image::{
    PvImage, notes,
    unpack::{Method, Packing},
};

/// In the order in which krata asks for them.
const WANTED: [(u32, &str); 6] = [
    (notes::PADDR_OFFSET, "PADDR_OFFSET"),
    (notes::VIRT_BASE, "VIRT_BASE"),
    (notes::ENTRY, "ENTRY"),
    (notes::HYPERCALL_PAGE, "HYPERCALL_PAGE"),
    (notes::INIT_P2M, "INIT_P2M"),
    (notes::MOD_START_PFN, "MOD_START_PFN"),
];

/// Why krata does not boot the image; nothing if it does.
pub(super) fn refuses(image: &PvImage) -> Option<String> {
    let (Packing::Plain
    | Packing::Whole(Method::Gzip | Method::Xz)
    | Packing::BzImage(Method::Gzip | Method::Xz)) = image.packing
    else {
        return Some(format!("it unpacks gzip and xz only; this is {}", image.packing));
    };
    let lacks = |has: &dyn Fn(u32) -> bool| {
        let names: Vec<_> = WANTED.iter().filter(|(kind, _)| !has(*kind)).map(|(_, name)| *name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = lacks(&|kind| image.notes.iter().any(|note| note.kind == kind)) {
        return Some(format!("it wants these notes too: {names}"));
    }
    if let Some(names) = lacks(&|kind| image.sections.notes.contains(&kind)) {
        return Some(format!(
            "it finds notes by sections, and there not these: {names}; keep .note sections"
        ));
    }
    image.sections.stray.map(|at| {
        format!("it copies every segment, and one at {at:#x} lies outside what is loaded; leave that one out")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{
        notes::{Note, Value},
        sections::Sections,
    };

    fn image(kinds: &[u32]) -> PvImage {
        let notes = kinds.iter().map(|kind| Note { kind: *kind, value: Value::Number(1) });
        PvImage {
            packing: Packing::Plain,
            base: 0,
            start: 0,
            end: 0,
            entry: 0,
            notes: notes.collect(),
            sections: Sections { notes: kinds.to_vec(), stray: None },
        }
    }

    #[test]
    fn each_of_six_notes_is_wanted_and_the_missing_ones_are_named() {
        let all = WANTED.map(|(kind, _)| kind);
        assert_eq!(refuses(&image(&all)), None);
        for (missing, name) in WANTED {
            let kinds: Vec<_> = all.into_iter().filter(|kind| *kind != missing).collect();
            assert_eq!(refuses(&image(&kinds)), Some(format!("it wants these notes too: {name}")));
        }
        let why = refuses(&image(&all[..4])).unwrap();
        assert!(why.ends_with("INIT_P2M, MOD_START_PFN"), "{why}");
    }

    #[test]
    fn packing_sections_and_segments_count_too() {
        let good = image(&WANTED.map(|(kind, _)| kind));
        for (packing, boots) in [
            (Packing::BzImage(Method::Xz), true),
            (Packing::Whole(Method::Gzip), true),
            (Packing::BzImage(Method::Zstd), false),
        ] {
            assert_eq!(refuses(&PvImage { packing, ..good.clone() }).is_none(), boots, "{packing}");
        }
        let stripped = PvImage { sections: Sections::default(), ..good.clone() };
        assert!(refuses(&stripped).unwrap().contains("by sections"));
        let sections = Sections { stray: Some(0), ..good.sections.clone() };
        assert!(refuses(&PvImage { sections, ..good }).unwrap().contains("at 0x0 lies outside"));
    }
}
