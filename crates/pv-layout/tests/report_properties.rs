//! Promises that `revector report` keeps for any input: it does not panic, its lines fit, and a good log that is cut
//! off anywhere is never called a bad one.

#![expect(clippy::disallowed_methods, reason = "files of the tests themselves")]

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::{collection::vec, sample::select, test_runner::Config};
use pv_layout::{
    predict::domain,
    report::{Format, Report, Verdict},
    scene::{Kind, Scene},
};
use std::{fs, path::Path, sync::LazyLock};

/// All logs of the other tests, by name.
static LOGS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs");
    let mut logs = Vec::new();
    for folder in [folder.join("public"), folder] {
        for entry in fs::read_dir(folder).expect("the logs can be listed") {
            let path = entry.expect("the logs can be listed").path();
            if path.extension().is_some_and(|kind| kind == "log") {
                logs.push((path.display().to_string(), fs::read(&path).expect("a log can be read")));
            }
        }
    }
    logs.sort();
    assert!(logs.len() > 20, "{} logs", logs.len());
    logs
});

/// Words with which a kernel or Xen says that it ended; written down here apart from those in the report's tables.
const DEATHS: [&str; 22] = [
    "kernel BUG at ",
    "BUG: unable to handle ",
    "BUG: kernel NULL pointer",
    "Unable to handle kernel paging request",
    "general protection fault: 0000 [#",
    "general protection fault, probably",
    "PANIC: early exception",
    "Kernel panic - not syncing",
    "Hardware Dom0 crashed",
    "Hardware Dom0 halted",
    "Hardware Dom0 shutdown",
    "crashed on cpu#",
    "fault/trap [#",
    "Unhandled: vec ",
    "Watchdog timer fired for domain 0\n",
    "soft lockup - CPU#",
    "- Crashing",
    "Could not construct d",
    "can't allocate low memory",
    "no loader found",
    "ERROR!!! out of memory",
    "not xen image",
];

fn verdict(log: &[u8]) -> Verdict {
    Report::of_bytes(log).expect("memory can be read").verdict()
}

/// Reads a log and shows it in every format.
fn holds(log: &[u8]) {
    let report = Report::of_bytes(log).expect("memory can be read");
    assert!(report.findings.iter().all(|finding| finding.guest < report.scenes.len()));
    assert_eq!(report.verdict() == Verdict::Unreadable, report.scenes.is_empty());
    let text = Format::Term.show(&report).expect("text can be written");
    let text = anstream::adapter::strip_str(&text).to_string();
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    let json = Format::Json.show(&report).expect("JSON can be written");
    serde_json::from_str::<serde_json::Value>(&json).expect("JSON is JSON");
}

/// The logs that a test is about; a test of none would prove nothing.
fn chosen(wanted: impl Fn(&[u8]) -> bool) -> Vec<&'static (String, Vec<u8>)> {
    let chosen: Vec<_> = LOGS.iter().filter(|(_, log)| wanted(log)).collect();
    assert!(chosen.len() > 5, "{} logs", chosen.len());
    chosen
}

#[test]
fn no_prefix_of_a_good_log_is_bad() {
    for (name, log) in chosen(|log| verdict(log) == Verdict::Fine && !collides(log)) {
        for end in 0..log.len() {
            assert_ne!(verdict(&log[..end]), Verdict::Problem, "{name}, the first {end} bytes");
        }
    }
}

/// Every prefix that holds a whole line of a death is a problem, whatever else is in it.
#[test]
fn no_prefix_with_a_death_in_it_is_well() {
    let mut deaths = 0;
    for (name, log) in LOGS.iter() {
        let mut dead = false;
        let ends = log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let mut start = 0;
        for end in ends {
            let line = String::from_utf8_lossy(&log[start..end]).into_owned();
            dead |= DEATHS.iter().any(|word| line.contains(word));
            start = end;
            if dead {
                deaths += 1;
                assert_eq!(verdict(&log[..end]), Verdict::Problem, "{name}, up to {line}");
            }
        }
    }
    assert!(deaths > 100, "only {deaths} prefixes have a death");
}

/// Wherever a log is cut off: a death that is still in the text is a problem.
#[test]
fn no_cut_hides_a_death() {
    let mut deaths = 0;
    for (name, log) in LOGS.iter().filter(|(_, log)| log.len() < 2000) {
        let first = (0..log.len()).find(|end| {
            let text = String::from_utf8_lossy(&log[..*end]);
            DEATHS.iter().any(|word| text.contains(word))
        });
        for end in first.into_iter().flat_map(|first| first..log.len()) {
            deaths += 1;
            let text = || String::from_utf8_lossy(&log[..end]).into_owned();
            assert_eq!(verdict(&log[..end]), Verdict::Problem, "{name}: {}", text());
        }
    }
    assert!(deaths > 1000, "only {deaths} prefixes have a death");
}

/// The sizes in a finding are checked against the builder's arithmetic: the last that fits, and the next one that does
/// not.
#[test]
fn no_cure_is_refuted_by_the_arithmetic() {
    let mut held = 0;
    for (name, log) in LOGS.iter() {
        let ends: Vec<_> =
            log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
        for end in ends.into_iter().chain([log.len()]) {
            let report = Report::of_bytes(&log[..end]).expect("memory can be read");
            for finding in &report.findings {
                let scene = &report.scenes[finding.guest];
                let cures = finding.cures.iter().filter(|cure| cure.contains("at most "));
                for cure in cures {
                    held += 1;
                    assert!(fits_only_so(scene, cure), "{name}, the first {end} bytes: {cure}");
                }
            }
        }
    }
    assert!(held > 10, "only {held} cures have numbers");
}

/// Whether a domain with the rows of a scene fits with the most that a cure names, and does not with a MiB or GiB more.
fn fits_only_so(scene: &Scene, cure: &str) -> bool {
    let row = |kind| scene.rows.iter().find(|row| row.kind == kind);
    let kernel = row(Kind::Kernel).expect("a layout that is understood has a kernel");
    let (start, end) = kernel.address.zip(kernel.end()).expect("the kernel is mapped");
    let ramdisk = row(Kind::Ramdisk).filter(|row| row.address.is_some()).map(|row| row.pages * 4096);
    let number = cure.split("at most ").nth(1).and_then(|rest| rest.split(' ').next());
    let number: u64 = number.and_then(|number| number.parse().ok()).expect("a cure names a number");
    let with = |number: u64| {
        let kernel = domain::Kernel { start, end, ..domain::Kernel::of_pages(1) };
        let pages = scene.pages.expect("the size is known");
        let (pages, ramdisk) = match cure.contains("ramdisk") {
            true => (pages, Some(number << 20).filter(|bytes| *bytes > 0)),
            false => (number << 18, ramdisk),
        };
        let builder = domain::Builder::Toolstack;
        let plan = domain::Domain { builder, pages, kernel, ramdisk }.plan();
        plan.is_ok_and(|plan| plan.alloc_end <= scene.area.start)
    };
    with(number) && !with(number + 1)
}

/// The domains that Xen says have crashed, by its own line and nothing else.
fn crashed(log: &str) -> Vec<u32> {
    let number = |line: &str| {
        let (before, _) = line.split_once(" crashed on cpu#")?;
        before.rsplit_once("Domain ")?.1.split(' ').next()?.parse().ok()
    };
    log.lines().filter_map(number).collect()
}

/// A crash is reported for the domain that Xen names, in the guest of that domain, and for no other.
#[test]
fn no_finding_is_about_another_domain() {
    let mut reported = 0;
    for (name, log) in LOGS.iter() {
        for end in log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1) {
            let domains = crashed(&String::from_utf8_lossy(&log[..end]));
            let report = Report::of_bytes(&log[..end]).expect("memory can be read");
            let titles: Vec<_> = report.findings.iter().map(|finding| &finding.title).collect();
            for domain in &domains {
                reported += 1;
                let who =
                    if *domain == 0 { "the initial domain".to_owned() } else { format!("domain {domain}") };
                let says = format!("Xen says that {who} crashed");
                assert!(titles.iter().any(|title| title.starts_with(&says)), "{name}: {says}: {titles:?}");
            }
            for finding in
                report.findings.iter().filter(|finding| finding.title.contains("Xen says that domain "))
            {
                let title = &report.scenes[finding.guest].title;
                assert!(
                    !title.contains("initial domain"),
                    "{name}: {} is reported for {title}",
                    finding.title
                );
            }
        }
    }
    assert!(reported > 30, "only {reported} prefixes have a crash");
}

/// Whether a good log has a part before the guest put something right.
fn collides(log: &[u8]) -> bool {
    let report = Report::of_bytes(log).expect("memory can be read");
    report.findings.iter().any(|finding| finding.title.contains(" lay in the module area"))
}

#[test]
fn every_prefix_of_a_bad_log_can_be_shown() {
    for (_, log) in chosen(|log| verdict(log) == Verdict::Problem) {
        (0..log.len()).step_by(7).for_each(|end| holds(&log[..end]));
    }
}

#[test]
fn any_log_from_any_line_on_can_be_shown() {
    for (_, log) in LOGS.iter() {
        let starts = log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        starts.for_each(|start| holds(&log[start..]));
    }
}

/// A line of some log, whole or cut, after some prefix; or no text at all.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<Vec<u8>> =
        LOGS.iter().flat_map(|(_, log)| log.split(|byte| *byte == b'\n').map(<[u8]>::to_vec)).collect();
    let prefix = select(vec![
        "",
        "(XEN) ",
        "(d1) ",
        "(d2) (XEN) ",
        "[    1.5] ",
        "Nov 22 10:00:00 host kernel: ",
        "\x1b[31m",
    ]);
    prop_oneof![
        8 => (prefix, select(lines), any::<u16>()).prop_map(|(prefix, line, cut)| {
            let end = if cut % 3 == 0 { usize::from(cut) % (line.len() + 1) } else { line.len() };
            [prefix.as_bytes(), &line[..end]].concat()
        }),
        1 => vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn lines_in_any_order_can_be_shown(lines in vec(line(), 0..80)) {
        holds(&lines.join(&b'\n'));
    }

    #[test]
    fn damaged_logs_can_be_shown(
        at in any::<proptest::sample::Index>(),
        damage in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut log = at.get(&LOGS).1.clone();
        for (place, byte) in damage {
            let place = place.index(log.len());
            log[place] = byte;
        }
        holds(&log);
    }

    #[test]
    fn what_is_no_text_can_be_shown(bytes in vec(any::<u8>(), 0..5000)) {
        holds(&bytes);
    }
}
