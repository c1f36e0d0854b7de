//! Places in a memory map: where RAM holds something in one piece.

use crate::scene::MapRange;
use std::ops::Range;

/// The lowest multiple of `align` from `lowest` on where RAM has `bytes` in one piece.
pub(crate) fn place(map: &[MapRange], bytes: u64, lowest: u64, align: u64) -> Option<u64> {
    let mut ram: Vec<_> =
        map.iter().filter(|range| range.kind == "usable").map(|range| (range.start, range.end)).collect();
    ram.sort_unstable();
    // Maps have ranges that touch.
    let mut joined: Vec<Range<u64>> = Vec::new();
    for (start, end) in ram {
        match joined.last_mut() {
            Some(last) if last.end >= start => last.end = last.end.max(end),
            _ => joined.push(start..end),
        }
    }
    let others: Vec<_> = map.iter().filter(|range| range.kind != "usable").collect();
    joined.iter().find_map(|Range { start, end }| {
        let at = (*start).max(lowest).checked_next_multiple_of(align)?;
        let last = at.checked_add(bytes).filter(|last| last <= end)?;
        // A map may call a range both; then it is no RAM.
        others.iter().all(|other| last <= other.start || other.end <= at).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64, kind: &str) -> MapRange {
        MapRange { start, end, kind: kind.to_owned() }
    }

    #[test]
    fn the_lowest_place_that_holds_it_is_found() {
        let map = [
            range(0x10_0000, 0x400_0000, "usable"),
            range(0x400_0000, 0x400_c000, "ACPI NVS"),
            range(0x400_c000, 0x800_0000, "usable"),
            range(0x800_0000, 0x9df_f000, "usable"),
        ];
        let at = |bytes| place(&map, bytes, 16 << 20, 2 << 20);
        assert_eq!(at(0x100_0000), Some(0x100_0000));
        assert_eq!(at(0x310_0000), Some(0x420_0000));
        assert_eq!(at(0x600_0000), None);
        assert_eq!(place(&[], 1, 0, 1), None);
    }
}
