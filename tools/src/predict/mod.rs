//! `revector predict`: the layout that a domain builder would make, before there is a domain.
//!
//! ```text
//! arguments, image -> Domain -> plan (tables) -> text | json | a Scene, which draw makes a picture of
//! ```
//!
//! `domain` holds the arithmetic, `check` asks it for many sizes, `suite` holds it against each guest that it boots.

pub mod domain;
mod tables;
mod words;

use crate::{
    draw,
    image::PvImage,
    lab::XenVersion,
    ramdisk::Ramdisk,
    report::{Finding, Severity},
    scene::{After, Kind, ModuleArea, Row, Scene},
    sizes::{self, Size},
};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use domain::{Builder, Domain, Kernel, Plan, RamdiskPlace};
use std::{fs, path::Path};

/// How a result is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Term,
    Json,
    Svg,
    Html,
}

/// Print the layout that a domain builder would make.
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is booted. The image's notes INIT_P2M and MOD_START_PFN are followed; for a kernel that\n\
    is told by its size, --init-p2m and --unmapped-ramdisk stand for them. A bare number is MiB,\n\
    0xe43p is pages, 12345b bytes.\n\n\
    Example: the guest of 128 GiB in which no module can be loaded\n  \
    revector predict --memory 128G --ramdisk 0x10784p --kernel 0xe43p"
)]
pub(crate) struct PredictArgs {
    /// The domain's memory
    #[arg(long, value_name = "SIZE")]
    memory: Size,
    /// The ramdisk: a file, a size, or none
    #[arg(long, value_name = "FILE|SIZE|none", default_value = "none")]
    ramdisk: String,
    /// The kernel: an image, or the size of one linked 16 MiB into the high mapping
    #[arg(long, value_name = "IMAGE|SIZE", default_value = "target/image/revector")]
    kernel: String,
    /// Built by Xen as the initial domain
    #[arg(long)]
    dom0: bool,
    /// The image has the INIT_P2M note with this address
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    init_p2m: Option<u64>,
    /// The image has the MOD_START_PFN note
    #[arg(long)]
    unmapped_ramdisk: bool,
    /// A gzip ramdisk stays packed, as Xen 4.20's toolstack leaves it
    #[arg(long)]
    packed_ramdisk: bool,
    /// Where the module area starts
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "0xffffffffa0000000")]
    module_area: u64,
    /// How the layout is told
    #[arg(long, value_enum, default_value = "term")]
    format: Format,
}

/// Reads an address, hexadecimal with `0x`.
pub(crate) fn address(text: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text).replace('_', "");
    u64::from_str_radix(&digits, 16)
        .with_context(|| format!("expected an address such as 0xffffffffa0000000, found '{text}'"))
}

/// Runs the verb; returns what is to be printed.
pub(crate) fn run(args: &PredictArgs) -> Result<String> {
    let domain = args.domain()?;
    let plan = domain.plan()?;
    let area = ModuleArea { start: args.module_area, ..ModuleArea::CLASSIC };
    let scene = scene(&domain, &plan, area);
    Ok(match args.format {
        Format::Term => words::text(&domain, &plan, &scene),
        Format::Json => words::json(&domain, &plan, &scene)?,
        Format::Svg => draw::svg(&scene),
        Format::Html => draw::html(&[draw::Page { findings: findings(&scene), scene }]),
    })
}

/// What the page says above its picture.
fn findings(scene: &Scene) -> Vec<Finding> {
    let (p2m, others) = collision(scene);
    if p2m == 0 && others == 0 {
        return Vec::new();
    }
    vec![Finding {
        severity: Severity::Problem,
        title: format!("{} of the P2M lie in the module area", Size(p2m)),
        detail: format!(
            "The builder maps {} of the P2M and {} of other rows at or above {:#018x}, where modules go. A kernel that \
             leaves them there cannot load modules.",
            Size(p2m),
            Size(others),
            scene.area.start
        ),
        cures: words::CURES.map(str::to_owned).to_vec(),
        guest: 0,
    }]
}

impl PredictArgs {
    fn domain(&self) -> Result<Domain> {
        let mut kernel = kernel(&self.kernel)?;
        kernel.list_at = self.init_p2m.or(kernel.list_at);
        if self.unmapped_ramdisk {
            kernel.ramdisk = RamdiskPlace::Unmapped;
        }
        let builder = if self.dom0 { Builder::Xen } else { Builder::Toolstack };
        let gzip = if self.dom0 || self.packed_ramdisk { Gzip::Kept } else { Gzip::Unpacked };
        let ramdisk = self.ramdisk.parse::<Ramdisk>()?;
        Ok(Domain { builder, pages: self.memory.pages(), kernel, ramdisk: bytes(&ramdisk, gzip)? })
    }
}

/// The domain that a boot with these files and this memory has.
pub(crate) fn domain_of(
    image: &Path,
    memory: Size,
    (ramdisk, gzip): (&Ramdisk, Gzip),
    builder: Builder,
) -> Result<Domain> {
    let kernel = PvImage::read(image)?.kernel();
    Ok(Domain { builder, pages: memory.pages(), kernel, ramdisk: bytes(ramdisk, gzip)? })
}

fn kernel(text: &str) -> Result<Kernel> {
    if let Some(size) = sizes::parse(text) {
        return Ok(Kernel::of_pages(size.pages()));
    }
    if !Path::new(text).is_file() {
        bail!(
            "kernel '{text}': expected an image or a size such as 0xe43p or 14M; no such file is here: check the path"
        );
    }
    Ok(PvImage::read(Path::new(text))?.kernel())
}

/// What the builder does with a gzip ramdisk. Seen: the toolstacks of 4.14 and 4.17 unpack it, that of 4.20 does not,
/// and Xen itself never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gzip {
    Unpacked,
    Kept,
}

impl Gzip {
    /// What this release's toolstack does.
    pub(crate) fn by_toolstack(xen: XenVersion) -> Self {
        match xen {
            XenVersion::V4_14 | XenVersion::V4_17 => Self::Unpacked,
            XenVersion::V4_20 => Self::Kept,
        }
    }
}

/// How long the ramdisk is when it is in place: who unpacks gzip believes the length at its end.
fn bytes(ramdisk: &Ramdisk, gzip: Gzip) -> Result<Option<u64>> {
    Ok(match ramdisk {
        Ramdisk::None => None,
        Ramdisk::Sized { bytes } => Some(*bytes),
        Ramdisk::File(path) => {
            let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Some(placed_bytes(&content, gzip))
        }
    })
}

fn placed_bytes(content: &[u8], gzip: Gzip) -> u64 {
    const MOST: u64 = 1 << 30;
    let length = content.len() as u64;
    let unpacked = match content {
        [0x1f, 0x8b, .., a, b, c, d] => u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => 0,
    };
    if gzip == Gzip::Unpacked && unpacked <= MOST { length.max(unpacked) } else { length }
}

/// The plan as a scene, for pictures.
pub(crate) fn scene(domain: &Domain, plan: &Plan, area: ModuleArea) -> Scene {
    let who = match domain.builder {
        Builder::Toolstack => "guest",
        Builder::Xen => "initial domain",
    };
    let row = |row: &domain::Placed| Row {
        kind: row.kind,
        name: row.kind.name().to_owned(),
        pfn: Some(row.pfn),
        pages: row.pages,
        address: row.address,
    };
    Scene {
        title: format!("{} {who}, predicted", Size::of_pages(domain.pages)),
        pages: Some(domain.pages),
        rows: plan.rows.iter().map(row).collect(),
        alloc_end: Some(plan.alloc_end),
        mapped_end: Some(plan.mapped_end),
        tables: Some(plan.tables),
        area,
        memory_map: Vec::new(),
        after: After::Unknown,
    }
}

/// Bytes of the P2M, and of everything else, that lie in the module area.
pub(crate) fn collision(scene: &Scene) -> (u64, u64) {
    let sum = |p2m: bool| {
        let rows = scene.rows.iter().filter(|row| (row.kind == Kind::P2m) == p2m);
        rows.map(|row| row.bytes_in(scene.area)).fold(0, u64::saturating_add)
    };
    (sum(true), sum(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gzip_ramdisk_is_as_long_as_it_says_where_it_is_unpacked_and_as_it_is_elsewhere() {
        let packed = [&[0x1f, 0x8b, 8, 0][..], &5000_u32.to_le_bytes()].concat();
        assert_eq!(placed_bytes(&packed, Gzip::Unpacked), 5000);
        assert_eq!(placed_bytes(&packed, Gzip::Kept), 8);
        assert_eq!(placed_bytes(b"070701", Gzip::Unpacked), 6);
        let huge = [&[0x1f, 0x8b, 8, 0][..], &u32::MAX.to_le_bytes()].concat();
        assert_eq!(placed_bytes(&huge, Gzip::Unpacked), 8);
    }

    #[test]
    fn addresses_are_hexadecimal_with_or_without_their_mark() {
        assert_eq!(address("0xffffffffa0000000").unwrap(), 0xffff_ffff_a000_0000);
        assert_eq!(address("ffffffffc0000000").unwrap(), 0xffff_ffff_c000_0000);
        assert!(address("moon").unwrap_err().to_string().contains("0xffffffffa0000000"));
    }
}
