//! `revector check`: what a kernel asks its builder for, who boots it, and where or for which sizes it could not work.
//!
//! The notes and the limits are `pv_layout::{image, check}`'s; here is the command line.

use crate::builder::Builder;
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use pv_layout::{
    address::ModulesAt,
    check::{self, Question},
    image::PvImage,
    predict::domain,
    report::Verdict,
};
use std::path::PathBuf;

/// How the answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Term,
    Svg,
}

/// Say what a PV kernel asks its builder for, and when its modules could not be loaded.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads an ELF file or a bzImage (gzip, lzma, xz, lzo, lz4, zstd): its Xen notes, who can boot it, where the\n\
    toolstack and Xen (with --builder: pv-shim, GRUB) put its P2M and ramdisk, and from which ramdisk on\n\
    they reach the module area, for memory from 64 MiB to 16 TiB.\n\n\
    Exit codes: 0 nothing reaches it at any size (with --e820: no conflict), 5 something does; 1 and 2 are\n\
    the command's own.\n\n\
    Example: does Debian's kernel keep the module area free?\n  \
    revector check /boot/vmlinuz-6.1.0-50-amd64"
)]
pub(crate) struct CheckArgs {
    /// The kernel
    image: PathBuf,
    /// Where the module area starts
    #[arg(long, value_name = "ADDRESS", default_value = "0xffffffffa0000000")]
    module_area: ModulesAt,
    /// Only as this builder builds a guest: the toolstack (also for svg), pv-shim or GRUB
    #[arg(long, value_enum, conflicts_with_all = ["dom0", "e820"])]
    builder: Option<Builder>,
    /// Only as Xen builds its initial domain
    #[arg(long)]
    dom0: bool,
    /// Whether it conflicts with the memory map of the machine whose `xl dmesg` this is
    #[arg(long, value_name = "LOG")]
    e820: Option<PathBuf>,
    /// Words and a curve of characters, or the curve as a picture
    #[arg(long, value_enum, default_value = "term")]
    format: Format,
}

impl CheckArgs {
    /// A picture is of one builder.
    fn builders(&self) -> Vec<domain::Builder> {
        let guests = self.builder.map(Builder::arithmetic);
        match (guests, self.format) {
            (Some(builder), _) => vec![builder],
            (None, _) if self.dom0 => vec![domain::Builder::Xen],
            (None, Format::Svg) => vec![domain::Builder::Toolstack],
            (None, Format::Term) => vec![domain::Builder::Toolstack, domain::Builder::Xen],
        }
    }
}

/// Runs the verb; returns what is to be printed, and whether anything is in the way: of modules at any size, or of the
/// kernel on a machine.
pub(crate) fn run(args: &CheckArgs) -> Result<(String, Verdict)> {
    let image = PvImage::read(&args.image)?;
    if let Some(log) = &args.e820 {
        ensure!(args.format == Format::Term, "--e820 is answered in words: leave out --format svg");
        let (answer, verdict) = check::on_machine(image.kernel(), log)?;
        return Ok((check::about(&args.image, &image) + &answer, verdict));
    }
    let area = args.module_area.area();
    let question = |builder| Question { kernel: image.kernel(), builder, area };
    let questions: Vec<_> = args.builders().iter().map(|builder| question(*builder)).collect();
    let collides = questions.iter().any(Question::collides);
    let verdict = if collides { Verdict::Problem } else { Verdict::Fine };
    let text = match args.format {
        Format::Svg => questions.iter().map(|question| check::svg(&args.image, question)).collect(),
        Format::Term => {
            let answers = questions.iter().map(check::answer).collect::<String>();
            check::about(&args.image, &image) + &answers
        }
    };
    Ok((text, verdict))
}
