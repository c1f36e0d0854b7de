//! The boots of a benchmark by kind, each with its median: what table, picture and promises are made from.

use super::figures::{Figures, Limit};
use super::plan::{Host, Kind, Verify, Way};
use crate::lab::XenVersion;
use serde::Serialize;

/// Repetitions of one kind of boot.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    pub runs: usize,
    /// Microseconds until each was ready, fastest first.
    pub ready_micros: Vec<u64>,
    /// The boot in the middle: its times are the group's.
    pub median: Figures,
}

/// A whole benchmark.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    pub xen: String,
    pub groups: Vec<Group>,
}

impl Summary {
    /// Sorts boots into groups.
    pub(crate) fn of(xen: XenVersion, mut boots: Vec<Figures>) -> Self {
        boots.sort_by_key(|boot| (boot.kind, boot.ready_micros));
        let groups = boots.chunk_by(|a, b| a.kind == b.kind).map(group).collect();
        Self { xen: xen.to_string(), groups }
    }

    /// The sizes, smallest first.
    pub(crate) fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<u64> = self.groups.iter().map(|group| group.median.kind.memory_mib).collect();
        sizes.dedup();
        sizes
    }

    /// The group of one kind.
    pub(crate) fn group(&self, kind: Kind) -> Option<&Group> {
        self.groups.iter().find(|group| group.median.kind == kind)
    }

    /// The median boot of a size and way, on warm memory, unverified.
    pub(crate) fn plain(&self, memory_mib: u64, way: Way) -> Option<&Figures> {
        let kind = Kind { memory_mib, way, host: Host::Warm, verify: Verify::Off };
        self.group(kind).map(|group| &group.median)
    }

    /// Seconds until such a boot was ready.
    pub(crate) fn ready(&self, memory_mib: u64, way: Way) -> Option<f64> {
        self.plain(memory_mib, way)?.ready_micros.map(seconds)
    }
}

/// The boot in the middle; of an even number, the slower one.
fn group(boots: &[Figures]) -> Group {
    Group {
        runs: boots.len(),
        ready_micros: boots.iter().filter_map(|boot| boot.ready_micros).collect(),
        median: boots[boots.len() / 2].clone(),
    }
}

pub(crate) fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// The fastest of the limits whose name begins with `prefix`, in microseconds for `amount`.
pub(crate) fn best(figures: &Figures, prefix: &str, amount: u64) -> Option<f64> {
    let limits = figures.limits.iter().filter(|(name, _)| name.starts_with(prefix));
    limits.filter_map(|(_, limit)| scaled(*limit, amount)).min_by(f64::total_cmp)
}

fn scaled(limit: Limit, amount: u64) -> Option<f64> {
    (limit.amount > 0).then(|| limit.micros as f64 * amount as f64 / limit.amount as f64)
}

#[cfg(test)]
mod tests {
    use super::{Summary, best};
    use crate::bench::figures::Figures;
    use crate::bench::plan::{Host, Kind, Verify, Way};
    use crate::lab::XenVersion;

    fn boot(way: Way, ready: u64) -> Figures {
        let kind = Kind { memory_mib: 64, way, host: Host::Warm, verify: Verify::Off };
        let console = [
            format!("[    0.{ready:06}] module: hello: loaded in 1 us"),
            "[    0.5] limits: copy by words: 100 KiB in 50 us".to_owned(),
            "[    0.5] limits: copy by vectors: 50 KiB in 20 us".to_owned(),
        ];
        Figures::of_console(kind, &console)
    }

    #[test]
    fn the_median_is_taken_by_kind() {
        let boots =
            [300, 100, 200].map(|ready| boot(Way::Copy, ready)).into_iter().chain([boot(Way::Alias, 9)]);
        let summary = Summary::of(XenVersion::V4_17, boots.collect());
        assert_eq!(summary.groups.len(), 2);
        assert_eq!(summary.ready(64, Way::Copy), Some(0.0002));
        assert_eq!(summary.ready(64, Way::Linux), None);
        assert_eq!(summary.sizes(), [64]);
    }

    #[test]
    fn the_best_limit_is_the_fastest_for_the_same_amount() {
        assert_eq!(best(&boot(Way::Copy, 1), "copy by ", 1000), Some(400.0));
        assert_eq!(best(&boot(Way::Copy, 1), "fill by ", 1000), None);
    }
}
