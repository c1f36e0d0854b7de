//! What the project promises of its boot times, compared with a benchmark.
//!
//! Ratios and counts only: they are what carries over from an emulated machine. A promise whose boots were not run
//! is not compared with anything.

use super::figures::Figures;
use super::plan::{Host, Kind, SEED_MIB, Verify, Way};
use super::summary::{Summary, best, seconds};

/// What a promise that does not hold ends with: the code of a guest's FAILURE.
pub(crate) const BROKEN: u8 = 5;

/// Times faster than Linux to its init, to the first loaded module, where nothing is copied. (Where the list is copied,
/// most of the time is the host's: it touches the new list's memory for the first time.)
const SPEED: f64 = 300.0;
/// Seconds that 128 GiB may cost more than 1 GiB where nothing is copied.
const SLOPE: f64 = 0.02;
/// Times a first copy and a fill of as many bytes that moving the P2M by copying may take.
const COPY_LIMIT: f64 = 1.1;
/// Times a plain read of P2M and M2P that a full verification may take.
const VERIFY_LIMIT: f64 = 3.0;
const COPY_HYPERCALLS: f64 = 100.0;
const ALIAS_HYPERCALLS: f64 = 40.0;
/// KiB that may be taken besides the copy of the P2M.
const KEPT_KIB: f64 = 2048.0;

/// The bound of a promise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A promise, and whether it holds; `None` if this benchmark cannot tell.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    pub text: &'static str,
    pub bound: Bound,
    pub found: Option<f64>,
    pub holds: Option<bool>,
}

/// Compares every promise with the benchmark.
pub(crate) fn check(summary: &Summary) -> Vec<Promise> {
    let copy = summary.plain(SEED_MIB, Way::Copy);
    let alias = summary.plain(SEED_MIB, Way::Alias);
    let linear = summary.plain(SEED_MIB, Way::Linear);
    let mmu = |boot: Option<&Figures>| Some(boot?.counts.as_ref()?.mmu_hypercalls as f64);
    vec![
        promise("128 GiB, alias: times faster than Linux", Bound::AtLeast(SPEED), speed(summary, Way::Alias)),
        promise(
            "128 GiB, linear: times faster than Linux",
            Bound::AtLeast(SPEED),
            speed(summary, Way::Linear),
        ),
        promise(
            "alias: seconds more at 128 GiB than at 1 GiB",
            Bound::AtMost(SLOPE),
            slope(summary, Way::Alias),
        ),
        promise(
            "linear: seconds more at 128 GiB than at 1 GiB",
            Bound::AtMost(SLOPE),
            slope(summary, Way::Linear),
        ),
        promise(
            "128 GiB, copy: revector stage, times a first copy and a fill of as many bytes",
            Bound::AtMost(COPY_LIMIT),
            copy.and_then(revector_ratio),
        ),
        promise("128 GiB, copy: MMU hypercalls", Bound::AtMost(COPY_HYPERCALLS), mmu(copy)),
        promise("128 GiB, alias: MMU hypercalls", Bound::AtMost(ALIAS_HYPERCALLS), mmu(alias)),
        promise("128 GiB, linear: MMU hypercalls", Bound::AtMost(ALIAS_HYPERCALLS), mmu(linear)),
        promise(
            "128 GiB: full verification, times a plain read of P2M and M2P",
            Bound::AtMost(VERIFY_LIMIT),
            verified(summary).and_then(verify_ratio),
        ),
        promise("128 GiB, copy: KiB kept besides the copy", Bound::AtMost(KEPT_KIB), copy.and_then(kept_kib)),
    ]
}

fn promise(text: &'static str, bound: Bound, found: Option<f64>) -> Promise {
    let holds = found.map(|found| match bound {
        Bound::AtLeast(least) => found >= least,
        Bound::AtMost(most) => found <= most,
    });
    Promise { text, bound, found, holds }
}

fn speed(summary: &Summary, way: Way) -> Option<f64> {
    Some(summary.ready(SEED_MIB, Way::Linux)? / summary.ready(SEED_MIB, way)?)
}

fn slope(summary: &Summary, way: Way) -> Option<f64> {
    Some(summary.ready(SEED_MIB, way)? - summary.ready(1024, way)?)
}

/// The stage, against the best copy of as many bytes into memory as fresh as the stage's own, and the best fill.
pub(crate) fn revector_ratio(boot: &Figures) -> Option<f64> {
    let counts = boot.counts.as_ref()?;
    let least = best(boot, "first copy", counts.copied_kib)? + best(boot, "fill by ", counts.filled_kib)?;
    Some(*boot.stages.get("revector")? as f64 / least)
}

/// The second verification: like the read, it comes when both arrays have been read once in that boot. The first
/// one also pays for pages that the host took away in the meantime.
pub(crate) fn verify_ratio(boot: &Figures) -> Option<f64> {
    let read = boot.limits.get("read of P2M and M2P")?;
    Some(seconds(*boot.verify_micros.last()?) / seconds(read.micros))
}

fn kept_kib(boot: &Figures) -> Option<f64> {
    boot.counts.as_ref()?.kept_pages.map(|pages| (pages * 4) as f64)
}

/// The 357a3cfb guest, verified.
pub(crate) fn verified(summary: &Summary) -> Option<&Figures> {
    let kind = Kind { memory_mib: SEED_MIB, way: Way::Copy, host: Host::Cold, verify: Verify::Full };
    summary.group(kind).map(|group| &group.median)
}

#[cfg(test)]
mod tests {
    use super::{Bound, check, promise};
    use crate::bench::{
        figures::Figures,
        plan::{Host, Kind, SEED_MIB, Verify, Way},
        summary::Summary,
    };
    use crate::lab::XenVersion;

    fn boots(linux_seconds: u64) -> Summary {
        let kind = |way, memory_mib| Kind { memory_mib, way, host: Host::Warm, verify: Verify::Off };
        let boot = |way, memory_mib, lines: &[&str]| {
            Figures::of_console(
                kind(way, memory_mib),
                &lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>(),
            )
        };
        let copy = [
            "[    0.2] revector: done: 140 us, 2 hypercalls (1 MMU), 256 entries, 100 KiB copied, 100 KiB filled",
            "[    1.000000] module: hello: loaded in 9 us",
            "[    1.2] total: done: 1 us, 83 hypercalls (16 MMU), 1 entries, 100 KiB copied, 100 KiB filled",
            "[    1.3] limits: first copy: 100 KiB in 70 us",
            "[    1.3] limits: fill by words: 100 KiB in 30 us",
        ];
        let mut linux = boot(Way::Linux, SEED_MIB, &[]);
        linux.ready_micros = Some(linux_seconds * 1_000_000);
        let linear = boot(Way::Linear, SEED_MIB, &["[    0.100000] module: hello: loaded in 9 us"]);
        Summary::of(XenVersion::V4_17, vec![boot(Way::Copy, SEED_MIB, &copy), linear, linux])
    }

    fn of<'a>(promises: &'a [super::Promise], word: &str) -> &'a super::Promise {
        promises.iter().find(|promise| promise.text.contains(word)).unwrap()
    }

    #[test]
    fn a_promise_holds_on_one_side_of_its_bound_only() {
        assert_eq!(promise("", Bound::AtLeast(2.0), Some(2.0)).holds, Some(true));
        assert_eq!(promise("", Bound::AtLeast(2.0), Some(1.9)).holds, Some(false));
        assert_eq!(promise("", Bound::AtMost(2.0), Some(2.1)).holds, Some(false));
        assert_eq!(promise("", Bound::AtMost(2.0), None).holds, None);
    }

    #[test]
    fn ratios_are_made_of_the_boots_of_one_run() {
        let (slow, fast) = (check(&boots(30)), check(&boots(29)));
        assert_eq!(of(&slow, "linear: times faster").holds, Some(true));
        assert_eq!(of(&fast, "linear: times faster").holds, Some(false));
        assert_eq!(of(&slow, "revector stage").found, Some(1.4));
        assert_eq!(of(&slow, "copy: MMU").found, Some(16.0));
        assert_eq!(of(&slow, "alias: times faster").holds, None);
    }
}
