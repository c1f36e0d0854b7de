//! Holds the model of Xen to the truth: what real Xen answered to the conformance programs.
//!
//! tests/conformance.txt was printed by a guest on Xen 4.14, 4.17 and 4.20 (`selftest=conformance`), and the suite of
//! boots compares it with real Xen again. Here the model gets the same programs.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "support/mod.rs"]
mod support;

use log::{LevelFilter, Log, Metadata, Record};
use revector::fake::{Domain, Flushes};
use std::sync::Mutex;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Capture;

impl Log for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "conformance"
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[test]
fn the_model_answers_as_real_xen_did() {
    log::set_logger(&Capture).unwrap();
    log::set_max_level(LevelFilter::Info);
    let mut built = Domain::guest(64).build().unwrap();
    built.xen.forget_when(Flushes::AlsoImplied);
    support::boot(&mut built, "selftest=conformance").unwrap();
    let truth = include_str!("conformance.txt");
    let lines = LINES.lock().unwrap();
    let differ: Vec<String> = truth
        .lines()
        .zip(lines.iter())
        .filter(|(truth, model)| truth != model)
        .map(|(truth, model)| format!("Xen   {truth}\nmodel {model}"))
        .collect();
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), lines.len(), differ.join("\n"));
    assert_eq!(truth.lines().count(), lines.len());
    assert!(lines.len() >= 60, "{} programs", lines.len());
}
