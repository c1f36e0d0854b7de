//! `revector check`: what a kernel asks its builder for, and for which sizes its modules could not be loaded.
//!
//! `image` reads the notes, `loaders` says who boots the kernel, `limits` asks `predict` about many sizes, `curve`
//! shows the answer, `machine` holds the kernel against a machine's memory map.

mod curve;
mod limits;
mod loaders;
mod machine;

use crate::{
    image::{PvImage, notes},
    predict::{
        address,
        domain::{Builder, Domain, RamdiskPlace},
    },
    scene::ModuleArea,
    sizes::Size,
};
use anyhow::Result;
use clap::{Args, ValueEnum};
use limits::{Limits, Question};
use std::path::{Path, PathBuf};

/// How the answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Term,
    Svg,
}

/// Say what a PV kernel asks its builder for, and when its modules could not be loaded.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads an ELF file or a bzImage (gzip, lzma, xz, lzo, lz4, zstd): its Xen notes, who can boot it, where the toolstack and Xen put its\n\
    P2M and ramdisk, and from which ramdisk on they reach the module area, for memory from 64 MiB to\n\
    512 GiB.\n\n\
    Example: does Debian's kernel keep the module area free?\n  \
    revector check /boot/vmlinuz-6.1.0-50-amd64"
)]
pub(crate) struct CheckArgs {
    /// The kernel
    image: PathBuf,
    /// Where the module area starts
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "0xffffffffa0000000")]
    module_area: u64,
    /// Only as Xen builds its initial domain, or else (with svg) as the toolstack builds a guest
    #[arg(long)]
    dom0: bool,
    /// Whether it conflicts with the memory map of the machine whose `xl dmesg` this is
    #[arg(long, value_name = "LOG")]
    e820: Option<PathBuf>,
    /// Words and a curve of characters, or the curve as a picture
    #[arg(long, value_enum, default_value = "term")]
    format: Format,
}

/// Runs the verb; returns what is to be printed.
pub(crate) fn run(args: &CheckArgs) -> Result<String> {
    let image = PvImage::read(&args.image)?;
    let area = ModuleArea { start: args.module_area, ..ModuleArea::CLASSIC };
    let question = |builder| Question { kernel: image.kernel(), builder, area };
    let builder = if args.dom0 { Builder::Xen } else { Builder::Toolstack };
    if args.format == Format::Svg {
        return Ok(curve::svg(&question(builder), &title(&args.image, builder)));
    }
    let mut out = about(&args.image, &image);
    out += &loaders::text(&image);
    if let Some(log) = &args.e820 {
        return Ok(out + &machine::text(image.kernel(), log)?);
    }
    let builders: &[Builder] = if args.dom0 { &[Builder::Xen] } else { &[Builder::Toolstack, Builder::Xen] };
    for builder in builders {
        out += &answer(&question(*builder));
    }
    Ok(out)
}

fn title(path: &Path, builder: Builder) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    format!("{name}, {}", who(builder))
}

const fn who(builder: Builder) -> &'static str {
    match builder {
        Builder::Toolstack => "as a guest (toolstack)",
        Builder::Xen => "as the initial domain (Xen)",
    }
}

/// What the image is and asks for.
pub(crate) fn about(path: &Path, image: &PvImage) -> String {
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
    out
}

/// What builders would stumble over, or this command does not know.
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
        found.push("BSD_SYMTAB: all rows after the image lie higher than told here, by its symbol table");
    }
    if image.number(notes::SUPPORTED_FEATURES).is_some_and(|bits| bits >> 11 & 1 == 0) {
        found.push("SUPPORTED_FEATURES lacks dom0: Xen refuses it as the initial domain");
    }
    found
}

/// Where one builder puts things, and the limits that follow.
fn answer(question: &Question) -> String {
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
    if table.iter().all(|limits| limits.collides_from.is_none()) {
        return out + "  (ramdisk sizes) No ramdisk collides at any of these sizes.\n";
    }
    out + "  (ramdisk sizes; 0: without a ramdisk too)\n\n" + &curve::text(question)
}

fn row(limits: &Limits) -> String {
    let told = |size: Option<Size>| match size {
        None => "never".to_owned(),
        Some(Size(0)) => "0".to_owned(),
        Some(size) => size.to_string(),
    };
    format!(
        "  {:>8}  {:>14} {:>14} {:>12}\n",
        limits.memory.to_string(),
        told(limits.collides_from),
        told(limits.p2m_from),
        told(limits.refused_from)
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

const fn ramdisk_in_words(question: &Question) -> &'static str {
    match question.kernel.ramdisk {
        RamdiskPlace::Mapped => "ramdisk: after the image, in the initial mapping (no MOD_START_PFN note)",
        RamdiskPlace::Unmapped => "ramdisk: in memory only, not mapped, by MOD_START_PFN",
    }
}
