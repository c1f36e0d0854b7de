//! What one boot's log says: times, hypercalls, entries, limits. The log's grammar is docs/boot-log.md.

use super::{
    linux,
    plan::{Kind, Verify, Way},
};
use crate::session::Report;
use serde::Serialize;
use std::{collections::BTreeMap, fs};

/// A measured amount and the microseconds it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Limit {
    pub amount: u64,
    pub micros: u64,
}

/// Counts of a whole boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub hypercalls: u64,
    pub mmu_hypercalls: u64,
    pub entries: u64,
    pub copied_kib: u64,
    pub filled_kib: u64,
    /// Pages taken and not given back, the new list against the old one.
    pub kept_pages: Option<u64>,
}

/// One boot, measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    #[serde(flatten)]
    pub kind: Kind,
    /// Microseconds from entry to the first loaded module, or to Linux's init; verification not counted.
    pub ready_micros: Option<u64>,
    /// The whole boot, with everything.
    pub total_micros: Option<u64>,
    /// Microseconds of each full verification.
    pub verify_micros: Vec<u64>,
    pub counts: Option<Counts>,
    /// Microseconds of each stage.
    pub stages: BTreeMap<String, u64>,
    pub limits: BTreeMap<String, Limit>,
    /// Seconds of processor time, as Xen counts them for the domain.
    pub cpu_seconds: Option<f64>,
}

impl Figures {
    /// Reads the log of a boot that has ended, however it did.
    pub(crate) fn read(kind: Kind, report: &Report) -> Self {
        let mut figures = match kind.way {
            Way::Linux => Self::of_linux(kind, &report.console),
            _ => Self::of_console(kind, &report.console),
        };
        let list = fs::read_to_string(report.folder.join("xl-list.log")).unwrap_or_default();
        let name = report.folder.file_name().map(|name| name.to_string_lossy().into_owned());
        figures.cpu_seconds = name.and_then(|name| cpu_seconds(&list, &name));
        figures
    }

    const fn new(kind: Kind) -> Self {
        Self {
            kind,
            ready_micros: None,
            total_micros: None,
            verify_micros: Vec::new(),
            counts: None,
            stages: BTreeMap::new(),
            limits: BTreeMap::new(),
            cpu_seconds: None,
        }
    }

    fn of_linux(kind: Kind, console: &[String]) -> Self {
        let seconds =
            console.iter().find_map(|line| line.split_once(linux::MARK)?.1.split(' ').next()?.parse().ok());
        let micros = seconds.map(|seconds: f64| (seconds * 1e6) as u64);
        Self { ready_micros: micros, total_micros: micros, ..Self::new(kind) }
    }

    pub(crate) fn of_console(kind: Kind, console: &[String]) -> Self {
        let mut figures = Self::new(kind);
        for line in console.iter().filter_map(|line| Line::parse(line)) {
            figures.take(&line);
        }
        figures
    }

    fn take(&mut self, line: &Line<'_>) {
        let Line { micros, stage, text } = *line;
        if let Some(cost) = text.strip_prefix("done: ") {
            self.take_cost(stage, cost);
        } else if stage == "module" && text.contains(": loaded in ") && self.ready_micros.is_none() {
            self.ready_micros = Some(micros - self.verify_micros.iter().sum::<u64>().min(micros));
        } else if stage == "total" && text.contains(" taken and kept") {
            let kept = text.split_once("; ").and_then(|(_, rest)| number_before(rest, " pages"));
            self.counts.get_or_insert_default().kept_pages = kept;
        } else if stage == "limits" {
            self.take_limit(text);
        }
    }

    fn take_cost(&mut self, stage: &str, cost: &str) {
        let Some(micros) = number_before(cost, " us") else { return };
        match stage {
            "total" => {
                self.total_micros = Some(micros);
                self.counts = counts(cost);
            }
            "verify" if self.kind.verify == Verify::Full => self.verify_micros.push(micros),
            _ => *self.stages.entry(stage.to_owned()).or_default() += micros,
        }
    }

    fn take_limit(&mut self, text: &str) {
        let parsed = text.split_once(": ").and_then(|(name, rest)| {
            let amount = rest.split(' ').next()?.parse().ok()?;
            Some((name, Limit { amount, micros: number_before(rest.split_once(" in ")?.1, " us")? }))
        });
        if let Some((name, limit)) = parsed {
            self.limits.insert(name.to_owned(), limit);
        }
    }

    /// One line for people who wait.
    pub(crate) fn line(&self) -> String {
        let Kind { memory_mib, way, host, .. } = self.kind;
        let ready = self
            .ready_micros
            .map_or("no result".to_owned(), |micros| format!("{:.3} s", micros as f64 / 1e6));
        format!("{memory_mib:>7} MiB {:<9} {ready:>10}  ({host:?} host memory)", way.name())
    }
}

fn counts(cost: &str) -> Option<Counts> {
    Some(Counts {
        hypercalls: number_before(cost, " hypercalls")?,
        mmu_hypercalls: number_before(cost, " MMU)")?,
        entries: number_before(cost, " entries")?,
        copied_kib: number_before(cost, " KiB copied")?,
        filled_kib: number_before(cost, " KiB filled")?,
        kept_pages: None,
    })
}

/// A record of the log, in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub micros: u64,
    pub stage: &'a str,
    pub text: &'a str,
}

impl<'a> Line<'a> {
    /// Reads a record; `None` for other lines.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let (time, rest) = line.trim_end().strip_prefix('[')?.split_once("] ")?;
        let (seconds, micros) = time.trim().split_once('.')?;
        let (stage, text) = rest.split_once(": ")?;
        let micros = seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?;
        Some(Self { micros, stage, text })
    }
}

/// The number that ends right in front of `mark`.
fn number_before(text: &str, mark: &str) -> Option<u64> {
    let before = text.split_once(mark)?.0;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The last column of the domain's line of `xl list`.
fn cpu_seconds(list: &str, name: &str) -> Option<f64> {
    let line = list.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Figures, Limit, cpu_seconds};
    use crate::bench::plan::{Host, Kind, Verify, Way};

    const KIND: Kind = Kind { memory_mib: 64, way: Way::Copy, host: Host::Warm, verify: Verify::Full };

    fn read(console: &[&str]) -> Figures {
        Figures::of_console(KIND, &console.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_boots_log_gives_its_figures_without_the_time_of_verifying() {
        let figures = read(&[
            "[    0.100000] verify: done: 30000 us, 1 hypercalls (0 MMU), 0 entries, 0 KiB copied, 0 KiB filled; console 1",
            "[    0.200000] revector: done: 500 us, 2 hypercalls (1 MMU), 256 entries, 8 KiB copied, 8 KiB filled",
            "[    0.250000] module: hello: loaded in 8939 us",
            "[    0.260000] module: other: loaded in 1 us",
            "[    0.300000] total: done: 300000 us, 83 hypercalls (16 MMU), 2160 entries, 8 KiB copied, 9 KiB filled; other 3",
            "[    0.300100] total: 1112 us of that for the lines with done:; 405 pages (1620 KiB) taken and kept",
            "[    0.400000] limits: copy by words: 262144 KiB in 91543 us",
            "Test result: SUCCESS",
        ]);
        assert_eq!(figures.ready_micros, Some(220_000));
        assert_eq!(figures.stages["revector"], 500);
        let counts = figures.counts.unwrap();
        assert_eq!((counts.hypercalls, counts.mmu_hypercalls, counts.entries), (83, 16, 2160));
        assert_eq!((counts.filled_kib, counts.kept_pages), (9, Some(405)));
        assert_eq!(figures.limits["copy by words"], Limit { amount: 262_144, micros: 91_543 });
    }

    #[test]
    fn a_boot_that_loaded_nothing_has_no_time() {
        assert_eq!(
            read(&["[    0.1] walk: done: 1 us, 1 hypercalls (0 MMU), ...", "(XEN) x"]).ready_micros,
            None
        );
    }

    #[test]
    fn linux_says_its_time_in_a_line_of_its_own() {
        let kind = Kind { way: Way::Linux, ..KIND };
        let console = ["linux: init runs after 6.86 s".to_owned()];
        assert_eq!(Figures::of_linux(kind, &console).ready_micros, Some(6_860_000));
    }

    #[test]
    fn the_processor_time_is_that_of_the_domain_by_name() {
        let list =
            "Name ID Mem VCPUs State Time(s)\nDomain-0 0 512 1 r----- 9.1\ncopy-64-0 3 64 1 ---s-- 0.4\n";
        assert_eq!(cpu_seconds(list, "copy-64-0"), Some(0.4));
        assert_eq!(cpu_seconds(list, "copy-64"), None);
    }
}
