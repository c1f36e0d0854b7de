//! Promises that `revector report` keeps for any input: it does not panic, its lines fit, and a good log that is cut
//! off anywhere is never called a bad one.

#![expect(clippy::disallowed_methods, reason = "files of the tests themselves")]

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::{collection::vec, sample::select, test_runner::Config};
use pv_layout::report::{Format, Report, Verdict};
use std::{fs, path::Path, sync::LazyLock};

/// All logs of the other test, by name.
static LOGS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs");
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder).expect("the logs can be listed") {
        let path = entry.expect("the logs can be listed").path();
        if path.extension().is_some_and(|kind| kind == "log") {
            logs.push((path.display().to_string(), fs::read(&path).expect("a log can be read")));
        }
    }
    logs.sort();
    assert!(logs.len() > 20, "{} logs", logs.len());
    logs
});

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

/// The logs that a test is about; it would prove nothing about none.
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

/// A line of some log, whole or cut, behind some prefix; or no text at all.
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
