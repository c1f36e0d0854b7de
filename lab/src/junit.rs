//! The suite's results as JUnit XML, the form that CI systems read.
//!
//! `suite` writes it when all cases are done.

use pv_layout::verdict::Outcome;
use std::{fmt::Write, time::Duration};

/// The result of one case.
#[derive(Debug)]
pub(crate) struct CaseResult {
    pub(crate) name: String,
    pub(crate) time: Duration,
    /// How the boot ended; none if its machine was lost.
    pub(crate) outcome: Option<Outcome>,
    /// What was wrong; empty if nothing was.
    pub(crate) complaints: Vec<String>,
}

/// The whole file.
pub(crate) fn xml(suite: &str, results: &[CaseResult]) -> String {
    let failed = results.iter().filter(|result| !result.complaints.is_empty()).count();
    let time: f64 = results.iter().map(|result| result.time.as_secs_f64()).sum();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" \
         time=\"{time:.3}\">\n",
        escape(suite),
        results.len()
    );
    for result in results {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escape(suite),
            escape(&result.name),
            result.time.as_secs_f64()
        );
        out += &match result.complaints.join("\n") {
            text if text.is_empty() => "/>\n".to_owned(),
            text => format!(">\n    <failure>{}</failure>\n  </testcase>\n", escape(&text)),
        };
    }
    out + "</testsuite>\n"
}

/// Escapes what XML reserves and drops what it forbids.
fn escape(text: &str) -> String {
    let allowed = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    let text: String = allowed.collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::{CaseResult, xml};
    use pv_layout::verdict::Outcome;
    use std::time::Duration;

    #[test]
    fn results_become_one_suite() {
        let result = |name: &str, complaints: &[&str]| CaseResult {
            name: name.to_owned(),
            time: Duration::from_millis(1500),
            outcome: Some(Outcome::Success),
            complaints: complaints.iter().map(|text| (*text).to_owned()).collect(),
        };
        let text = xml("xen-4.17", &[result("good", &[]), result("bad", &["a < b", "\u{1b}[31m & c"])]);
        assert!(text.contains("tests=\"2\" failures=\"1\" time=\"3.000\""));
        assert!(text.contains("name=\"good\" time=\"1.500\"/>"));
        assert!(text.contains("<failure>a &lt; b\n[31m &amp; c</failure>"));
    }
}
