//! Any bytes as a kernel: read or refused with a message, and what is read is laid out by both builders.

use pv_layout::image::PvImage;
use pv_layout::predict::domain::{Builder, Domain, Plan};

const PAGE: u64 = 4096;

/// Reads `data` as a PV kernel, and plans domains of some sizes with it.
pub fn run(data: &[u8]) {
    let image = match PvImage::parse(data) {
        Ok(image) => image,
        Err(error) => return assert!(!format!("{error:#}").is_empty()),
    };
    assert!(image.base <= image.start && image.start < image.end && !image.notes.is_empty());
    assert!(image.notes.iter().all(|note| !note.value.to_string().contains('\n')));
    for builder in [Builder::Toolstack, Builder::Xen] {
        for (pages, ramdisk) in [(0x4000, None), (0x4_0001, Some(5000)), (1 << 27, Some(1 << 30))] {
            let domain = Domain { builder, pages, kernel: image.kernel(), ramdisk };
            match domain.plan() {
                Ok(plan) => assert_sound(&plan, pages),
                Err(refusal) => super::assert_one_line(&refusal),
            }
        }
    }
}

/// Rows follow each other without a hole while they are mapped, and all of them lie in memory.
fn assert_sound(plan: &Plan, pages: u64) {
    let ends = plan.rows.iter().map(|row| row.pfn + row.pages);
    assert!(ends.max().is_none_or(|end| end <= pages));
    let in_order: Vec<_> = plan.rows.iter().filter(|row| row.address.is_some()).collect();
    let adjacent = in_order.windows(2).filter(|pair| pair[0].pfn + pair[0].pages == pair[1].pfn);
    // A list at an address of its own is the only one that need not follow.
    assert!(adjacent.count() + 2 >= in_order.len());
    assert!(plan.alloc_end <= plan.mapped_end && plan.mapped_end.is_multiple_of(PAGE));
}
