//! How much memory a guest needs to be built at all: told when the toolstack refuses one.
//!
//! The builder lays image, ramdisk, P2M list, three pages, page tables and a stack out from 16 MiB on, and maps to a
//! multiple of 4 MiB with half a MiB to spare. Its own message for "does not fit" names none of that. `run` asks.

use anyhow::{Context, Result};
use object::{Object, ObjectSegment};
use std::{fs, path::Path};

const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;
/// Where images of this project are linked, as an offset from the start of the high mapping.
const HIGH: u64 = 0xffff_ffff_8000_0000;

/// Least memory in MiB for this image with a ramdisk of so many bytes.
pub(crate) fn least_mib(image: &Path, ramdisk_bytes: u64) -> Result<u64> {
    let bytes = fs::read(image).with_context(|| format!("reading {}", image.display()))?;
    least_for_image(&bytes, ramdisk_bytes).with_context(|| format!("image {}", image.display()))
}

/// Least memory in MiB for the image in `bytes`.
pub fn least_for_image(bytes: &[u8], ramdisk_bytes: u64) -> Result<u64> {
    let file = object::File::parse(bytes).context("expected an ELF file")?;
    let ends = file.segments().map(|segment| segment.address().saturating_add(segment.size()));
    let image_end = ends.max().unwrap_or(HIGH).saturating_sub(HIGH);
    Ok(least_for(image_end, ramdisk_bytes))
}

fn least_for(image_end: u64, ramdisk_bytes: u64) -> u64 {
    let fits = |mib: u64| {
        let list = mib * MIB / PAGE * 8;
        let data = pages(image_end) + pages(ramdisk_bytes) + pages(list) + 3 + 1;
        let tables = data / 512 + 5;
        data + tables + MIB / 2 / PAGE <= mib * 256
    };
    (1..).find(|mib| fits(*mib)).unwrap_or(u64::MAX)
}

const fn pages(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE)
}

#[cfg(test)]
mod tests {
    use super::least_for;

    #[test]
    fn an_image_at_16_mib_needs_a_little_more_than_that() {
        assert_eq!(least_for(0x0109_9000, 0), 18);
    }

    #[test]
    fn a_ramdisk_is_needed_on_top_and_the_list_grows_with_the_answer() {
        let with = least_for(0x0109_9000, 300 << 20);
        assert!((318..=322).contains(&with), "{with}");
    }
}
