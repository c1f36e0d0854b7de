//! What a kernel asks its builder for, and for which sizes its modules could not be loaded.
//!
//! `image` reads the notes, `loaders` and `krata` say who boots the kernel, `limits` asks `predict` about many sizes,
//! `curve` shows the answer, `machine` compares the kernel with a machine's memory map.

mod curve;
mod krata;
mod limits;
mod loaders;
mod machine;

pub use limits::Question;
pub use machine::on_machine;

use crate::{
    image::{PvImage, notes},
    predict::domain::{Builder, Domain, RamdiskPlace},
    sizes::Size,
};
use limits::Limits;
use std::path::Path;

/// The limits of one question as a picture.
#[must_use]
pub fn svg(path: &Path, question: &Question) -> String {
    curve::svg(question, &title(path, question.builder))
}

fn title(path: &Path, builder: Builder) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    format!("{name}, {}", who(builder))
}

fn who(builder: Builder) -> String {
    let article = if builder == Builder::Xen { "the" } else { "a" };
    format!("as {article} {} ({builder})", builder.domain())
}

/// What the image is and asks for.
#[must_use]
pub fn about(path: &Path, image: &PvImage) -> String {
    let size = Size(image.end - image.start);
    let mut out = format!(
        "{}: {}, {:#018x} -> {:#018x} ({size}), entry {:#018x}\n\nnotes\n",
        path.display(),
        image.packing,
        image.start,
        image.end,
        image.entry
    );
    for note in &image.notes {
        out += &format!("  {:19} {:20} {}\n", note.name(), note.value.to_string(), note.meaning());
        if !note.features().is_empty() {
            out += &format!("  {:19} {:20} = {}\n", "", "", note.features().join(", "));
        }
    }
    for warning in warnings(image) {
        out += &format!("warning: {warning}\n");
    }
    out + &loaders::text(image)
}

/// What builders would refuse, or this command does not know.
fn warnings(image: &PvImage) -> Vec<&'static str> {
    let mut found = Vec::new();
    if image.text(notes::XEN_VERSION).is_none_or(|version| !version.starts_with("xen-3.0")) {
        found.push("builders want the note XEN_VERSION to begin with xen-3.0: they refuse this image");
    }
    let generic = image.text(notes::LOADER).is_some_and(|loader| loader.starts_with("generic"));
    if !generic && image.text(notes::GUEST_OS).is_none_or(|system| !system.starts_with("linux")) {
        found.push("builders want LOADER generic or GUEST_OS linux: they refuse this image");
    }
    if image.text(notes::BSD_SYMTAB).is_some_and(|value| value.starts_with("yes")) {
        found.push("BSD_SYMTAB: all rows after the image lie higher than shown here, by its symbol table");
    }
    if image.number(notes::SUPPORTED_FEATURES).is_some_and(|bits| bits >> 11 & 1 == 0) {
        found.push("SUPPORTED_FEATURES lacks dom0: Xen refuses it as the initial domain");
    }
    found
}

/// Where one builder puts each row, and the limits that follow.
#[must_use]
pub fn answer(question: &Question) -> String {
    let table = question.table();
    let mut out = format!(
        "\n{}\n  {}\n  {}\n\n",
        who(question.builder),
        list_in_words(question),
        ramdisk_in_words(question)
    );
    out += &format!("  {:>8}  {:>14} {:>14} {:>12}\n", "memory", "collides from", "P2M from", "refused from");
    for limits in &table {
        out += &row(limits);
    }
    if let Some(largest) = question.largest() {
        out += &format!("  {}\n", most_in_words(question, largest));
    }
    if !question.collides() {
        return out + "  (ramdisk sizes) No ramdisk collides at any of these sizes.\n";
    }
    out + "  (ramdisk sizes; 0: without a ramdisk too)\n\n" + &curve::text(question)
}

fn row(limits: &Limits) -> String {
    let from_ramdisk = |size: Option<Size>| match size {
        None => "never".to_owned(),
        Some(Size(0)) => "0".to_owned(),
        Some(size) => size.to_string(),
    };
    format!(
        "  {:>8}  {:>14} {:>14} {:>12}\n",
        limits.memory.to_string(),
        from_ramdisk(limits.collides_from),
        from_ramdisk(limits.p2m_from),
        from_ramdisk(limits.refused_from)
    )
}

fn list_in_words(question: &Question) -> String {
    let Question { kernel, builder, .. } = *question;
    let domain = Domain { builder, pages: 0, kernel, ramdisk: None };
    match (kernel.list_at, domain.list_address()) {
        (_, Some(address)) => format!("P2M: at {address:#x}, by INIT_P2M; outside the initial mapping"),
        (Some(address), None) => format!(
            "P2M: after the ramdisk; INIT_P2M {address:#x} is ignored (not on a page, or not below VIRT_BASE)"
        ),
        (None, None) => "P2M: after the ramdisk, in the initial mapping (no INIT_P2M note)".to_owned(),
    }
}

/// Only a P2M in the initial mapping limits the memory: that mapping has 2 GiB at most, and the list 2 MiB for each GiB.
fn most_in_words(question: &Question, largest: Size) -> String {
    let Question { kernel, builder, .. } = *question;
    let domain = Domain { builder, pages: 0, kernel, ramdisk: None };
    let note = match domain.list_address() {
        None => "; for more, the image needs the note INIT_P2M",
        Some(_) => "",
    };
    format!("Largest memory, without a ramdisk: {} GiB{note}.", largest.mib() >> 10)
}

const fn ramdisk_in_words(question: &Question) -> &'static str {
    match question.kernel.ramdisk {
        RamdiskPlace::Mapped => "ramdisk: after the image, in the initial mapping (no MOD_START_PFN note)",
        RamdiskPlace::Unmapped => "ramdisk: in memory only, not mapped, by MOD_START_PFN",
    }
}
