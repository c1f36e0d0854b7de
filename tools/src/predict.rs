//! `revector predict`: the layout that a domain builder would make, before there is a domain.
//!
//! The arithmetic and the text are in `pv_layout::predict`; here is the command line.

use crate::{builder::Builder, format::Format};
use anyhow::{Result, bail};
use clap::Args;
use pv_layout::{
    address::{ListAt, ModulesAt},
    draw,
    image::PvImage,
    predict::{
        self, Gzip,
        domain::{self, Domain, Kernel, RamdiskPlace},
    },
    ramdisk::Ramdisk,
    report::Verdict,
    sizes::{self, Pages},
};
use std::path::Path;

/// Print the layout that a domain builder would make.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is booted. The image's notes INIT_P2M and MOD_START_PFN are followed; for a kernel that\n\
    is given by its size, --init-p2m and --unmapped-ramdisk stand for them. A bare number is MiB,\n\
    0xe43p is pages, 12345b bytes. In pv-shim the domain has what the container's Xen leaves of its memory.\n\n\
    Exit codes: 0 the module area is free, 5 something lies in it; 1 and 2 are the command's own.\n\n\
    Example: the guest of 128 GiB in which no module can be loaded\n  \
    revector predict --memory 128G --ramdisk 0x10784p --kernel 0xe43p"
)]
pub(crate) struct PredictArgs {
    /// The domain's memory
    #[arg(long, value_name = "SIZE")]
    memory: Pages,
    /// The ramdisk: a file, a size, or none
    #[arg(long, value_name = "FILE|SIZE|none", default_value = "none")]
    ramdisk: String,
    /// The kernel: an image, or the size of one linked 16 MiB into the high mapping
    #[arg(long, value_name = "IMAGE|SIZE", default_value = "target/image/revector")]
    kernel: String,
    /// Who builds the guest: the toolstack, pv-shim or GRUB
    #[arg(long, value_enum, default_value = "xl", conflicts_with = "dom0")]
    builder: Builder,
    /// Built by Xen as the initial domain
    #[arg(long)]
    dom0: bool,
    /// The image has the INIT_P2M note with this address
    #[arg(long, value_name = "ADDRESS")]
    init_p2m: Option<ListAt>,
    /// The image has the MOD_START_PFN note
    #[arg(long)]
    unmapped_ramdisk: bool,
    /// A gzip ramdisk stays packed, as Xen 4.20's toolstack leaves it
    #[arg(long)]
    packed_ramdisk: bool,
    /// Where the module area starts
    #[arg(long, value_name = "ADDRESS", default_value = "0xffffffffa0000000")]
    module_area: ModulesAt,
    /// How the layout is shown
    #[arg(long, value_enum, default_value = "term")]
    format: Format,
}

/// Runs the verb; returns what is to be printed, and whether anything is in the way of modules.
pub(crate) fn run(args: &PredictArgs) -> Result<(String, Verdict)> {
    let domain = args.domain()?;
    let plan = domain.plan()?;
    let scene = predict::scene(&domain, &plan, args.module_area.area());
    let verdict = if predict::collision(&scene).is_empty() { Verdict::Fine } else { Verdict::Problem };
    let text = match args.format {
        Format::Term => predict::text(&domain, &plan, &scene),
        Format::Json => predict::json(&domain, &plan, &scene)?,
        Format::Svg => draw::svg(&scene),
        Format::Html => draw::html(&[draw::Page { findings: predict::findings(&scene), scene }]),
    };
    Ok((text, verdict))
}

impl PredictArgs {
    fn domain(&self) -> Result<Domain> {
        let mut kernel = kernel(&self.kernel)?;
        kernel.list_at = self.init_p2m.map(|at| at.0).or(kernel.list_at);
        if self.unmapped_ramdisk {
            kernel.ramdisk = RamdiskPlace::Unmapped;
        }
        let builder = if self.dom0 { domain::Builder::Xen } else { self.builder.arithmetic() };
        let unpacks = builder == domain::Builder::Toolstack && !self.packed_ramdisk;
        let gzip = if unpacks { Gzip::Unpacked } else { Gzip::Kept };
        let ramdisk = self.ramdisk.parse::<Ramdisk>()?;
        Ok(Domain { builder, pages: self.memory.0, kernel, ramdisk: predict::bytes(&ramdisk, gzip)? })
    }
}

fn kernel(text: &str) -> Result<Kernel> {
    if sizes::parse(text).is_some() {
        return Ok(Kernel::of_pages(text.parse::<Pages>()?.0));
    }
    if !Path::new(text).is_file() {
        bail!(
            "kernel '{text}': expected an image or a size such as 0xe43p or 14M; no such file is here: check the path"
        );
    }
    Ok(PvImage::read(Path::new(text))?.kernel())
}
