//! A benchmark as Markdown: times, counts, limits, promises.

use super::claims::{Bound, Promise, revector_ratio, verified, verify_ratio};
use super::figures::Figures;
use super::plan::{Host, SEED_MIB, Way};
use super::summary::{Summary, seconds};
use std::fmt::Write;

/// The whole report.
pub(crate) fn markdown(summary: &Summary, promises: &[Promise]) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "Xen {} under QEMU's emulation, one run.\n", summary.xen);
    times(&mut out, summary);
    counts(&mut out, summary);
    stages(&mut out, summary);
    limits(&mut out, summary);
    kept(&mut out, promises);
    out
}

fn times(out: &mut String, summary: &Summary) {
    out.push_str(
        "| RAM | Linux, to init | baseline | copy | alias | linear | copy: Linux / ours | alias: Linux / ours | \
        linear: Linux / ours | baseline / copy |\n",
    );
    out.push_str("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for mib in summary.sizes() {
        let ready = |way| summary.ready(mib, way);
        let ratio = |over: Way, under: Way| Some(ready(over)? / ready(under)?);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            ram(mib),
            time(ready(Way::Linux)),
            time(ready(Way::Baseline)),
            time(ready(Way::Copy)),
            time(ready(Way::Alias)),
            time(ready(Way::Linear)),
            times_as(ratio(Way::Linux, Way::Copy)),
            times_as(ratio(Way::Linux, Way::Alias)),
            times_as(ratio(Way::Linux, Way::Linear)),
            times_as(ratio(Way::Baseline, Way::Copy)),
        );
    }
    out.push_str("\nSeconds from entry to the first loaded module, `verify=off`; medians. Runs of each: ");
    let runs: Vec<String> = summary.sizes().iter().map(|mib| runs(summary, *mib)).collect();
    let _ = writeln!(out, "{}.\n", runs.join(", "));
}

fn runs(summary: &Summary, mib: u64) -> String {
    let runs =
        summary.groups.iter().filter(|group| group.median.kind.memory_mib == mib).map(|group| group.runs);
    format!("{} {}", ram(mib), runs.max().unwrap_or(0))
}

fn counts(out: &mut String, summary: &Summary) {
    out.push_str(
        "| RAM | mode | MMU hypercalls | entries written | KiB copied | KiB filled | pages kept | processor \
        time |\n",
    );
    out.push_str("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for figures in plain(summary) {
        let cpu = figures.cpu_seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.1} s"));
        let (mib, way) = (ram(figures.kind.memory_mib), figures.kind.way.name());
        let Some(counts) = &figures.counts else {
            let _ = writeln!(out, "| {mib} | {way} | - | - | - | - | - | {cpu} |");
            continue;
        };
        let kept = counts.kept_pages.map_or("-".to_owned(), |pages| pages.to_string());
        let (calls, entries) = (counts.mmu_hypercalls, counts.entries);
        let (copied, filled) = (counts.copied_kib, counts.filled_kib);
        let _ =
            writeln!(out, "| {mib} | {way} | {calls} | {entries} | {copied} | {filled} | {kept} | {cpu} |");
    }
    out.push('\n');
}

/// The median boots on warm memory, in the order of the table.
fn plain(summary: &Summary) -> impl Iterator<Item = &Figures> {
    summary
        .sizes()
        .into_iter()
        .flat_map(move |mib| Way::ALL.into_iter().filter_map(move |way| summary.plain(mib, way)))
}

const STAGES: [&str; 9] =
    ["start_info", "layout", "walk", "direct_map", "p2m", "revector", "cleanup", "vmalloc", "module"];

fn stages(out: &mut String, summary: &Summary) {
    let _ = writeln!(out, "| ms | {} |", STAGES.join(" | "));
    let _ = writeln!(out, "| --- |{}", " ---: |".repeat(STAGES.len()));
    for figures in plain(summary).filter(|figures| !figures.stages.is_empty()).chain(verified(summary)) {
        let host = if figures.kind.host == Host::Cold { ", cold host memory" } else { "" };
        let _ = write!(out, "| {}, {}{host} |", ram(figures.kind.memory_mib), figures.kind.way.name());
        for stage in STAGES {
            let micros = figures.stages.get(stage);
            let _ = write!(
                out,
                " {} |",
                micros.map_or("-".to_owned(), |micros| format!("{:.1}", millis(*micros)))
            );
        }
        out.push('\n');
    }
    out.push('\n');
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// What the machine could do, in the boots of the 357a3cfb guest.
fn limits(out: &mut String, summary: &Summary) {
    for figures in summary.plain(SEED_MIB, Way::Copy).into_iter().chain(verified(summary)) {
        let host = match figures.kind.host {
            Host::Warm => "warm",
            Host::Cold => "cold",
        };
        let _ = writeln!(out, "Limits measured in the 128 GiB boot with `copy` on {host} host memory:\n");
        out.push_str("| what | amount | ms |\n| --- | ---: | ---: |\n");
        for (name, limit) in &figures.limits {
            let _ = writeln!(out, "| {name} | {} | {:.1} |", limit.amount, millis(limit.micros));
        }
        let revector = figures.stages.get("revector").map_or(0, |micros| *micros);
        let _ = writeln!(
            out,
            "| revector stage, for comparison | | {:.1} ({}) |",
            millis(revector),
            times_as(revector_ratio(figures))
        );
        for verify in &figures.verify_micros {
            let _ = writeln!(out, "| full verification, for comparison | | {:.1} |", millis(*verify));
        }
        if let Some(ratio) = verify_ratio(figures) {
            let _ = writeln!(out, "| second verification / read | | {ratio:.2} |");
        }
        if let Some(ready) = figures.ready_micros {
            let _ =
                writeln!(out, "| entry to first module, for comparison | | {:.1} |", seconds(ready) * 1e3);
        }
        out.push('\n');
    }
}

fn kept(out: &mut String, promises: &[Promise]) {
    out.push_str("| promise | bound | found | holds |\n| --- | ---: | ---: | --- |\n");
    for Promise { text, bound, found, holds } in promises {
        let bound = match bound {
            Bound::AtLeast(least) => format!("at least {least}"),
            Bound::AtMost(most) => format!("at most {most}"),
        };
        let found = found.map_or("-".to_owned(), |found| format!("{found:.2}"));
        let holds = match holds {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not measured",
        };
        let _ = writeln!(out, "| {text} | {bound} | {found} | {holds} |");
    }
}

/// A size as people say it.
pub(crate) fn ram(mib: u64) -> String {
    if mib.is_multiple_of(1024) { format!("{} GiB", mib / 1024) } else { format!("{mib} MiB") }
}

fn time(seconds: Option<f64>) -> String {
    seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.3}"))
}

fn times_as(ratio: Option<f64>) -> String {
    ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"))
}

#[cfg(test)]
mod tests {
    use super::{markdown, ram};
    use crate::bench::{
        claims,
        figures::Figures,
        plan::{Host, Kind, Verify, Way},
        summary::Summary,
    };
    use crate::lab::XenVersion;

    #[test]
    fn a_missing_boot_is_a_dash_and_no_promise_is_held_against_it() {
        let kind = Kind { memory_mib: 64, way: Way::Copy, host: Host::Warm, verify: Verify::Off };
        let boot = Figures::of_console(kind, &["[    0.250000] module: hello: loaded in 9 us".to_owned()]);
        let summary = Summary::of(XenVersion::V4_17, vec![boot]);
        let table = markdown(&summary, &claims::check(&summary));
        assert!(table.contains("| 64 MiB | - | - | 0.250 | - | - | - | - |"), "{table}");
        assert!(!table.contains("NO"), "{table}");
    }

    #[test]
    fn sizes_are_said_in_the_largest_unit_that_divides_them() {
        assert_eq!((ram(64), ram(131_072)), ("64 MiB".to_owned(), "128 GiB".to_owned()));
    }
}
