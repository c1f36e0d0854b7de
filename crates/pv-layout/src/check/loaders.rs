//! Which loaders can boot a kernel: by how it is packed and by what its notes say.
//!
//! | who | unpacks |
//! | --- | --- |
//! | toolstack, PV-GRUB | all but zstd; zstd since 4.15 |
//! | Xen, for its initial domain | the same, but only as a bzImage's payload |
//! | GRUB as a PV guest | gzip, xz, lzo |
//! | krata | gzip, xz, and see `krata` for its notes |
//!
//! Sources: libxenguest's xg_dom_bzimageloader.c and xg_dom_core.c, Xen's common/decompress.c and arch/x86/bzimage.c,
//! GRUB's loader/i386/xen_file.c and io/ filters, at Xen 4.14 and later.

use super::krata;
use crate::image::{
    PvImage, notes,
    unpack::{Method, Packing},
};

/// A loader, and whether it boots the kernel: nothing wrong, or why not.
pub(super) type Answer = (&'static str, Option<String>);

/// Which kinds of guest a kernel can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinds {
    Pv,
    Pvh,
    Both,
    Neither,
}

impl Kinds {
    /// By the notes: PV needs its entry or its base, PVH the note PHYS32_ENTRY.
    pub(super) fn of(image: &PvImage) -> Self {
        let pv = image.number(notes::ENTRY).or(image.number(notes::VIRT_BASE)).is_some();
        let pvh = image.number(notes::PHYS32_ENTRY).is_some();
        match (pv, pvh) {
            (true, true) => Self::Both,
            (true, false) => Self::Pv,
            (false, true) => Self::Pvh,
            (false, false) => Self::Neither,
        }
    }

    /// As text, with the note that decides.
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::Pv => "PV (it has no note PHYS32_ENTRY, so not PVH)",
            Self::Pvh => "PVH only (it has neither ENTRY nor VIRT_BASE, so not PV)",
            Self::Both => "PV and PVH",
            Self::Neither => "neither PV nor PVH by its notes",
        }
    }

    const fn is_pv(self) -> bool {
        matches!(self, Self::Pv | Self::Both)
    }
}

/// What each loader makes of a kernel that is packed so.
pub(super) fn answers(packing: Packing, kinds: Kinds) -> Vec<Answer> {
    let method = match packing {
        Packing::Plain => Method::None,
        Packing::Whole(method) | Packing::BzImage(method) => method,
    };
    let zstd = |old: &str| (method == Method::Zstd).then(|| format!("{old} cannot unpack zstd"));
    let whole = matches!(packing, Packing::Whole(_)).then(|| "Xen unpacks bzImages only".to_owned());
    let whole_for_toolstack = match packing {
        Packing::Whole(Method::Gzip) | Packing::Plain | Packing::BzImage(_) => None,
        Packing::Whole(other) => {
            Some(format!("of files that are packed as a whole it unpacks gzip only, not {other}"))
        }
    };
    let grub = match method {
        Method::None | Method::Gzip | Method::Xz | Method::Lzo => None,
        other => Some(format!("GRUB cannot unpack {other}")),
    };
    let pv = (!kinds.is_pv()).then(|| "the kernel is not for PV".to_owned());
    let or = |one: &Option<String>, other: &Option<String>| one.clone().or_else(|| other.clone());
    vec![
        ("toolstack, Xen 4.14", or(&whole_for_toolstack, &zstd("it"))),
        ("toolstack, Xen 4.15 and later", whole_for_toolstack.clone()),
        ("Xen 4.14, as initial domain", or(&pv, &or(&whole, &zstd("it")))),
        ("Xen 4.15 and later, as initial domain", or(&pv, &whole)),
        ("PV-GRUB of Xen 4.14", or(&pv, &or(&whole_for_toolstack, &zstd("it")))),
        ("GRUB as a PV guest (grub-xen)", or(&pv, &grub)),
    ]
}

/// All of it as text.
pub(super) fn text(image: &PvImage) -> String {
    let kinds = Kinds::of(image);
    let mut out = format!("\nkinds of guest\n  {}\n\nloaders\n", kinds.describe());
    let kratas = ("krata, as a PV zone", krata::refuses(image));
    for (who, refuses) in answers(image.packing, kinds).into_iter().chain([kratas]) {
        let answer = refuses.map_or_else(|| "boots it".to_owned(), |why| format!("no: {why}"));
        out += &format!("  {who:38} {answer}\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(packing: Packing) -> Vec<&'static str> {
        let answers = answers(packing, Kinds::Both);
        answers.into_iter().filter(|(_, why)| why.is_some()).map(|(who, _)| who).collect()
    }

    #[test]
    fn every_method_is_refused_by_the_loaders_that_lack_it() {
        let grub = "GRUB as a PV guest (grub-xen)";
        assert_eq!(refused(Packing::Plain), [""; 0]);
        assert_eq!(refused(Packing::BzImage(Method::Gzip)), [""; 0]);
        assert_eq!(refused(Packing::BzImage(Method::Lzo)), [""; 0]);
        assert_eq!(refused(Packing::BzImage(Method::Lz4)), [grub]);
        assert_eq!(refused(Packing::BzImage(Method::Bzip2)), [grub]);
        assert_eq!(
            refused(Packing::BzImage(Method::Zstd)),
            ["toolstack, Xen 4.14", "Xen 4.14, as initial domain", "PV-GRUB of Xen 4.14", grub]
        );
        assert_eq!(refused(Packing::Whole(Method::Gzip)).len(), 2);
        assert_eq!(refused(Packing::Whole(Method::Xz)).len(), 5);
    }

    #[test]
    fn a_kernel_for_pvh_alone_is_no_initial_domain_of_pv() {
        let answers = answers(Packing::Plain, Kinds::Pvh);
        assert_eq!(answers.iter().filter(|(_, why)| why.is_some()).count(), 4);
    }
}
