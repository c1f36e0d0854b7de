//! Any bytes as a log for `revector report`.

use pv_layout::report::{Format, Report, Verdict};

use super::assert_one_line;

/// Reads a log, shows what it amounts to in every format, and does so again with the same outcome.
pub fn run(data: &[u8]) {
    let read = || Report::of_bytes(data).expect("memory can be read");
    let report = read();
    assert_eq!(report, read());
    assert_eq!(report.verdict() == Verdict::Unreadable, report.scenes.is_empty());
    for finding in &report.findings {
        assert!(finding.guest < report.scenes.len(), "{finding:?}");
        assert_one_line(&finding.title);
    }
    report.reading.named.iter().for_each(|unusable| assert_one_line(&unusable.why));
    let text = Format::Term.show(&report).expect("text can be written");
    assert!(text.ends_with('\n') && !text.contains('\r'), "{text:?}");
    assert!(Format::Json.show(&report).expect("JSON can be written").starts_with('{'));
}
