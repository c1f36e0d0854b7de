//! The guest's line about its P2M, and how a program's listing differs from it.
//!
//! Pure. The guest prints the line with `digest=on` (docs/boot-log.md):
//!
//! ```text
//! p2m: digest 0xdc47d4c5e8af811c of 16384 entries with a frame, pfn 0x0 to pfn 0x3fff; 0 missing
//! ```

use super::pairs::Pairs;
use anyhow::{Context, Result};

/// What the guest has printed about its P2M.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GuestLine {
    sum: u64,
    present: u64,
    missing: u64,
    first: u64,
    last: u64,
}

impl GuestLine {
    /// Finds and reads the line; the last one, if the P2M has changed and the guest has printed it again.
    pub(super) fn find(console: &[String]) -> Result<Self> {
        let line = console.iter().rev().find_map(|line| line.split_once("p2m: digest 0x"));
        let (_, line) =
            line.context("expected the guest's line 'p2m: digest', found none: it needs digest=on")?;
        Self::parse(line.trim_end()).with_context(|| format!("cannot read the guest's line '{line}'"))
    }

    fn parse(line: &str) -> Option<Self> {
        let hex = |digits| u64::from_str_radix(digits, 16).ok();
        let (sum, rest) = line.split_once(" of ")?;
        let (present, rest) = rest.split_once(" entries with a frame, pfn 0x")?;
        let (first, rest) = rest.split_once(" to pfn 0x")?;
        let (last, missing) = rest.split_once("; ")?;
        Some(Self {
            sum: hex(sum)?,
            present: present.parse().ok()?,
            missing: missing.strip_suffix(" missing")?.parse().ok()?,
            first: hex(first)?,
            last: hex(last)?,
        })
    }

    /// Every way in which a listing differs; none if it is the guest's P2M.
    pub(super) fn differences(&self, found: &Pairs) -> Vec<String> {
        let mut differences = Vec::new();
        let present = found.present.len() as u64;
        if present != self.present {
            let gap =
                found.gap().map_or(String::new(), |pfn| format!("; the first one lost is pfn {pfn:#x}"));
            differences.push(format!("expected {} entries with a frame, found {present}{gap}", self.present));
        }
        if let Some(missing) = found.missing.filter(|missing| *missing != self.missing) {
            differences.push(format!("expected {} entries without a frame, found {missing}", self.missing));
        }
        for (which, expected, found) in
            [("first", self.first, found.first()), ("last", self.last, found.last())]
        {
            if found != Some(expected) {
                let found = found.map_or("none".to_owned(), |pfn| format!("{pfn:#x}"));
                differences.push(format!(
                    "expected {expected:#x} to be the {which} page with a frame, found {found}"
                ));
            }
        }
        if found.sum() != self.sum {
            let twice = found.twice().map_or(String::new(), |[a, b]| {
                format!(
                    "; the first frame listed twice is mfn {:#x}, for pfn {:#x} and {:#x}",
                    a.mfn, a.pfn, b.pfn
                )
            });
            differences.push(format!(
                "expected digest {:#018x}, found {:#018x}{twice}",
                self.sum,
                found.sum()
            ));
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::{super::pairs::Pair, GuestLine, Pairs};

    const LINE: &str =
        "[    0.1] p2m: digest 0xaf01acd1f0e90822 of 3 entries with a frame, pfn 0x0 to pfn 0x3; 1 missing\r";

    fn differences(present: &[[u64; 2]], missing: Option<u64>) -> Vec<String> {
        let present = present.iter().map(|&[pfn, mfn]| Pair { pfn, mfn }).collect();
        GuestLine::find(&[LINE.to_owned()]).unwrap().differences(&Pairs { present, missing })
    }

    #[test]
    fn equal_pairs_have_no_differences_whether_holes_are_listed_or_not() {
        for missing in [None, Some(1)] {
            assert!(differences(&[[0, 0x1000], [1, 0x1001], [3, 0x2000]], missing).is_empty());
        }
    }

    #[test]
    fn pages_that_are_lost_are_counted_and_the_first_is_named() {
        let found = differences(&[[0, 0x1000], [3, 0x2000]], Some(2));
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "expected 3 entries with a frame, found 2; the first one lost is pfn 0x1");
        assert_eq!(found[1], "expected 1 entries without a frame, found 2");
    }

    #[test]
    fn pages_lost_at_the_end_change_the_last_page() {
        let found = differences(&[[0, 0x1000], [1, 0x1001]], None);
        assert!(found.iter().any(|text| text.contains("0x3 to be the last page")), "{found:?}");
    }

    #[test]
    fn a_frame_of_another_page_changes_the_digest() {
        let found = differences(&[[0, 0x1000], [1, 0x1000], [3, 0x2000]], None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("mfn 0x1000, for pfn 0x0 and 0x1"), "{found:?}");
    }

    #[test]
    fn the_last_line_counts() {
        let old = LINE.replace("3 entries", "4 entries");
        let found = GuestLine::find(&[old, LINE.to_owned()]).unwrap();
        assert_eq!(found, GuestLine::find(&[LINE.to_owned()]).unwrap());
    }

    #[test]
    fn a_guest_that_says_nothing_is_an_error() {
        let error = GuestLine::find(&["p2m: machine-frame tree published".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("digest=on"), "{error}");
    }
}
