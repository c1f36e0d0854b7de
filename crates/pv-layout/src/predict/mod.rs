//! The layout that a domain builder would make, before there is a domain.
//!
//! ```text
//! image, sizes -> Domain -> plan (tables) -> text | json | a Scene, which draw makes a picture of
//! ```
//!
//! `domain` holds the arithmetic, `builder` the builders' names, `check` asks it for many sizes, `suite` compares it
//! with each guest that it boots.

mod builder;
mod collision;
pub mod domain;
mod output;
mod refusal;
mod tables;

pub use collision::{Collision, collision};
pub use output::{json, text};

use crate::{
    finding::{Finding, Severity},
    input,
    ramdisk::Ramdisk,
    scene::{After, ModuleArea, Row, Scene},
    sizes::Size,
};
use anyhow::Result;
use domain::{Domain, Plan};

/// How a gzip stream begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What the page says above its picture.
#[must_use]
pub fn findings(scene: &Scene) -> Vec<Finding> {
    let found = collision(scene);
    let Collision { p2m, others } = found;
    if found.is_empty() {
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
        cures: output::CURES.map(str::to_owned).to_vec(),
        guest: 0,
    }]
}

/// What the builder does with a gzip ramdisk. Seen: the toolstacks of 4.14 and 4.17 unpack it, that of 4.20 does not,
/// and Xen itself never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gzip {
    Unpacked,
    Kept,
}

/// How long the ramdisk is when it is in place: a builder that unpacks gzip uses the length at its end.
///
/// # Errors
/// If a file cannot be read.
pub fn bytes(ramdisk: &Ramdisk, gzip: Gzip) -> Result<Option<u64>> {
    Ok(match ramdisk {
        Ramdisk::None => None,
        Ramdisk::Sized { bytes } => Some(*bytes),
        Ramdisk::File(path) => {
            let (length, tail) = input::length_and_tail(path, GZIP)?;
            Some(placed_bytes(length, tail, gzip))
        }
    })
}

/// How long a ramdisk of `length` bytes is in place; `tail` are the last four bytes of a gzip stream.
fn placed_bytes(length: u64, tail: Option<[u8; 4]>, gzip: Gzip) -> u64 {
    const MOST: u64 = 1 << 30;
    let unpacked = tail.map_or(0, |bytes| u64::from(u32::from_le_bytes(bytes)));
    if gzip == Gzip::Unpacked && unpacked <= MOST { length.max(unpacked) } else { length }
}

/// The plan as a scene, for pictures.
#[must_use]
pub fn scene(domain: &Domain, plan: &Plan, area: ModuleArea) -> Scene {
    let who = domain.builder.domain();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_gzip_ramdisk_is_as_long_as_it_says_where_it_is_unpacked_and_as_it_is_elsewhere() {
        let path = std::env::temp_dir().join(format!("revector-gzip-{}", std::process::id()));
        let placed = |content: &[u8], gzip| {
            fs::write(&path, content).unwrap();
            bytes(&Ramdisk::File(path.clone()), gzip).unwrap()
        };
        let packed = [&[0x1f, 0x8b, 8, 0][..], &5000_u32.to_le_bytes()].concat();
        assert_eq!(placed(&packed, Gzip::Unpacked), Some(5000));
        assert_eq!(placed(&packed, Gzip::Kept), Some(8));
        assert_eq!(placed(b"070701", Gzip::Unpacked), Some(6));
        let huge = [&[0x1f, 0x8b, 8, 0][..], &u32::MAX.to_le_bytes()].concat();
        assert_eq!(placed(&huge, Gzip::Unpacked), Some(8));
        fs::remove_file(&path).unwrap();
    }
}
