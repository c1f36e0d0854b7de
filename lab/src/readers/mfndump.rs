//! The text of `xen-mfndump dump-p2m`.
//!
//! A line for each page below the domain's `max_pfn`, between two that say where the listing begins and ends:
//!
//! ```text
//!  --- Dumping P2M for domain 1 ---
//!  Guest Width: 8, PT Levels: 4 P2M size: = 16384
//!   pfn=0x0 ==> mfn=0x43800 (type 0x3) L3
//!   ...
//!  --- End of P2M for domain 1 ---
//! ```
//!
//! A page without a frame has all ones for it. Source: tools/misc/xen-mfndump.c, `dump_p2m_func`; seen on 4.14, 4.17
//! and 4.20.

use super::pairs::{Pair, Pairs};
use anyhow::{Context, Result, bail};
use pv_layout::input;
use std::path::Path;

/// Reads the text in a file. It has some 40 bytes for each page, so that the limit is passed by guests above 24 GiB.
pub(super) fn read(file: &Path) -> Result<Pairs> {
    parse(&String::from_utf8_lossy(&input::file(file, input::LOG)?))
        .with_context(|| format!("in {}", file.display()))
}

fn parse(text: &str) -> Result<Pairs> {
    let mut pairs = Pairs { present: Vec::new(), missing: Some(0) };
    let (mut size, mut listed, mut ended) = (None, 0_u64, false);
    for line in text.lines() {
        if let Some(number) = line.split_once("P2M size: = ") {
            size = Some(number.1.trim().parse::<u64>().with_context(|| format!("in '{line}'"))?);
        } else if let Some(pair) = page(line) {
            listed += 1;
            match pair.mfn {
                u64::MAX => pairs.missing = pairs.missing.map(|missing| missing + 1),
                _ => pairs.present.push(pair),
            }
        }
        ended |= line.contains("End of P2M");
    }
    if !ended {
        bail!("expected a line 'End of P2M' at the end, found none: the program stopped early");
    }
    if size != Some(listed) {
        bail!("expected as many pages as the line 'P2M size' says, {size:?}, found {listed}");
    }
    Ok(pairs)
}

fn page(line: &str) -> Option<Pair> {
    let (pfn, rest) = line.trim_start().strip_prefix("pfn=0x")?.split_once(" ==> mfn=0x")?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    Some(Pair { pfn: number(pfn)?, mfn: number(rest.split(' ').next()?)? })
}

#[cfg(test)]
mod tests {
    use super::{Pair, Pairs, parse};

    const TEXT: &str = " --- Dumping P2M for domain 1 ---\n Guest Width: 8, PT Levels: 4 P2M size: = 3\n  \
        pfn=0x0 ==> mfn=0x43800 (type 0x3) L3\n  pfn=0x1 ==> mfn=0xffffffffffffffff (type 0xf)\n  \
        pfn=0x2 ==> mfn=0x43802 (type 0x0)\n --- End of P2M for domain 1 ---\n";

    #[test]
    fn pages_with_and_without_a_frame_are_told_apart() {
        let present = vec![Pair { pfn: 0, mfn: 0x43800 }, Pair { pfn: 2, mfn: 0x43802 }];
        assert_eq!(parse(TEXT).unwrap(), Pairs { present, missing: Some(1) });
    }

    #[test]
    fn a_text_that_stops_early_or_lacks_pages_is_refused() {
        let stopped = parse(TEXT.split(" --- End").next().unwrap()).unwrap_err().to_string();
        assert!(stopped.contains("End of P2M"), "{stopped}");
        let lacking = parse(&TEXT.replace("= 3", "= 4")).unwrap_err().to_string();
        assert!(lacking.contains("found 3"), "{lacking}");
    }
}
