//! The page of instruction counts: what each stage costs in domains of several sizes.
//!
//! Written with the baseline, from the same counts, so that the two cannot differ. `gauge` calls this.

use super::counted::{BOOTS, FIRST_MODULE};
use std::{collections::BTreeMap, fmt::Write as _};

const HEAD: &str = "\
# Instruction counts

Thousands of instructions of each stage, Xen's included: the image as the initial domain, in a QEMU whose clock goes by
instructions. `boot` has 512 MiB and verifies each entry; the others say strategy and size, and do not verify.
`to_module` is everything from entry until the first module is loaded.
`make bench-gauge ACCEPT=1` wrote this page together with [bench-baseline.json](bench-baseline.json), which
`make bench-gauge` compares with: [benchmarks.md](benchmarks.md#instruction-counts).

";
const STAGES: [&str; 10] = [
    "walk",
    "direct_map",
    "p2m",
    "verify",
    "revector",
    "cleanup",
    "vmalloc",
    "module",
    FIRST_MODULE,
    "total",
];

/// The page, for counts called `BOOT/STAGE`.
pub(super) fn markdown(counts: &BTreeMap<String, u64>) -> String {
    let mut page = HEAD.to_owned();
    let _ = writeln!(page, "| boot | {} |", STAGES.join(" | "));
    let _ = writeln!(page, "| --- |{}", " ---: |".repeat(STAGES.len()));
    for boot in BOOTS {
        let cell = |stage: &&str| match counts.get(&format!("{}/{stage}", boot.name)) {
            Some(count) => (count / 1000).to_string(),
            None => "-".to_owned(),
        };
        let cells: Vec<_> = STAGES.iter().map(cell).collect();
        let _ = writeln!(page, "| {} | {} |", boot.name, cells.join(" | "));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn counts_are_in_thousands_and_what_was_not_counted_is_a_dash() {
        let page = markdown(&[("alias-256m/walk".to_owned(), 291_500)].into());
        assert!(page.contains("\n| alias-256m | 291 | - | - |"), "{page}");
    }
}
