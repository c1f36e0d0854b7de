//! How much memory a guest needs to be built at all: shown when the toolstack refuses one.
//!
//! The builder's own message for "does not fit" names no size. `predict` knows when it would refuse; more memory has a
//! longer P2M but always more room for it, so that the least is found by halving. `run` asks.

use crate::{
    image::PvImage,
    predict::domain::{Builder, Domain, Kernel, Refusal},
    sizes::Size,
};
use anyhow::{Context, Result};
use std::path::Path;

/// 16 TiB: Xen makes no larger guest.
const MOST_MIB: u64 = 1 << 24;

/// Least memory in MiB for this image with a ramdisk of so many bytes.
pub fn least_mib(image: &Path, ramdisk_bytes: u64) -> Result<u64> {
    least_for(PvImage::read(image)?.kernel(), ramdisk_bytes)
        .with_context(|| format!("image {}", image.display()))
}

/// Least memory in MiB for the image in `bytes`.
pub fn least_for_image(bytes: &[u8], ramdisk_bytes: u64) -> Result<u64> {
    least_for(PvImage::parse(bytes)?.kernel(), ramdisk_bytes)
}

fn least_for(kernel: Kernel, ramdisk_bytes: u64) -> Result<u64> {
    let ramdisk = Some(ramdisk_bytes).filter(|bytes| *bytes > 0);
    let plan = |mib: u64| {
        let pages = Size::of_mib(mib).pages();
        Domain { builder: Builder::Toolstack, pages, kernel, ramdisk }.plan()
    };
    let too_small = |mib: u64| matches!(plan(mib), Err(Refusal::NoMemory { .. }));
    let (mut low, mut high) = (1, MOST_MIB);
    while low < high {
        let middle = u64::midpoint(low, high);
        if too_small(middle) { low = middle + 1 } else { high = middle }
    }
    plan(low).with_context(|| format!("no memory is enough for a ramdisk of {}", Size(ramdisk_bytes)))?;
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mapping ends on a multiple of 4 MiB, and all of it must be memory.
    #[test]
    fn an_image_at_16_mib_needs_the_next_4_mib_too() {
        assert_eq!(least_for(Kernel::of_pages(0x99), 0).unwrap(), 20);
    }

    #[test]
    fn a_ramdisk_is_needed_on_top_and_the_list_grows_with_the_answer() {
        let with = least_for(Kernel::of_pages(0x99), 300 << 20).unwrap();
        assert_eq!((with % 4, with > 316), (0, true), "{with}");
        assert!(least_for(Kernel::of_pages(0x99), 1 << 60).is_err());
    }
}
