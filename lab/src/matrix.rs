//! Cases over memory sizes and ramdisks: the corners where rounding goes wrong.
//!
//! 899, 1027, 2049 and 5000 MiB are no multiple of 2 MiB in pages of list, or lie just beside a power of two; 899 is
//! the size at which the change that this project started from first failed. Each with every kind of ramdisk that
//! fits, moved by copy, and by alias; above 899 MiB the latter is left to the long run.

use crate::cases::{CASE, Case, Rows};
use pv_layout::verdict::Outcome;
use std::borrow::Cow;

/// Memory sizes in MiB.
const SIZES: [u64; 6] = [32, 64, 899, 1027, 2049, 5000];
/// What a ramdisk is called in a case's name, how it is written, and the MiB that it takes.
const RAMDISKS: [(&str, &str, u64); 4] =
    [("no-ramdisk", "none", 0), ("one-page", "1p", 1), ("odd", "1234567b", 2), ("300m", "300M", 300)];
/// Below its kernel a guest has 16 MiB, and tables, stack and rounding take less than this.
const OVERHEAD_MIB: u64 = 16 + 8;

/// Above this, what is moved by alias is left to the long run: sizes round alike for both.
const ALIAS_UP_TO_MIB: u64 = 899;

/// What is quick enough for every change.
pub(crate) fn cases() -> Vec<Case> {
    combinations().filter(|case| !is_long(case)).collect()
}

/// The rest.
pub(crate) fn long() -> Vec<Case> {
    combinations().filter(is_long).collect()
}

fn is_long(case: &Case) -> bool {
    case.memory_mib > ALIAS_UP_TO_MIB && case.cmdline == "p2m=alias"
}

/// Every combination; those that do not fit must be refused with a message.
fn combinations() -> impl Iterator<Item = Case> {
    let mut cases = Vec::new();
    for memory_mib in SIZES {
        for (ramdisk_name, ramdisk, ramdisk_mib) in RAMDISKS {
            let fits = ramdisk_mib + OVERHEAD_MIB <= memory_mib;
            for (strategy, cmdline) in [("copy", "p2m=copy"), ("alias", "p2m=alias")] {
                let name = Cow::Owned(format!("{memory_mib}m-{ramdisk_name}-{strategy}"));
                let case = Case { name, memory_mib, ramdisk, cmdline, ..CASE };
                match (fits, strategy) {
                    (true, _) => cases.push(case),
                    (false, "copy") => {
                        cases.push(Case { outcome: Outcome::NotBuilt, rows: Rows::Ignore, ..case });
                    }
                    (false, _) => {}
                }
            }
        }
    }
    cases.into_iter()
}
