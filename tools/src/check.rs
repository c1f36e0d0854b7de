//! `revector check`: what a kernel asks its builder for, and for which sizes its modules could not be loaded.
//!
//! The notes and the limits are `pv_layout::{image, check}`'s; here is the command line.

use anyhow::Result;
use clap::{Args, ValueEnum};
use pv_layout::{
    address::ModulesAt,
    check::{self, Question},
    image::PvImage,
    predict::domain::Builder,
};
use std::path::PathBuf;

/// How the answer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Term,
    Svg,
}

/// Say what a PV kernel asks its builder for, and when its modules could not be loaded.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads an ELF file or a bzImage (gzip, xz, zstd): its Xen notes, where the toolstack and Xen put its\n\
    P2M and ramdisk, and from which ramdisk on they reach the module area, for memory from 64 MiB to\n\
    512 GiB.\n\n\
    Example: does Debian's kernel keep the module area free?\n  \
    revector check /boot/vmlinuz-6.1.0-50-amd64"
)]
pub(crate) struct CheckArgs {
    /// The kernel
    image: PathBuf,
    /// Where the module area starts
    #[arg(long, value_name = "ADDRESS", default_value = "0xffffffffa0000000")]
    module_area: ModulesAt,
    /// Only as Xen builds its initial domain, or else (with svg) as the toolstack builds a guest
    #[arg(long)]
    dom0: bool,
    /// Words and a curve of characters, or the curve as a picture
    #[arg(long, value_enum, default_value = "term")]
    format: Format,
}

/// Runs the verb; returns what is to be printed.
pub(crate) fn run(args: &CheckArgs) -> Result<String> {
    let image = PvImage::read(&args.image)?;
    let area = args.module_area.area();
    let question = |builder| Question { kernel: image.kernel(), builder, area };
    let builder = if args.dom0 { Builder::Xen } else { Builder::Toolstack };
    if args.format == Format::Svg {
        return Ok(check::svg(&args.image, &question(builder)));
    }
    let mut out = check::about(&args.image, &image);
    let builders: &[Builder] = if args.dom0 { &[Builder::Xen] } else { &[Builder::Toolstack, Builder::Xen] };
    for builder in builders {
        out += &check::answer(&question(*builder));
    }
    Ok(out)
}
