//! Compares the model of Xen with what real Xen answered to the conformance programs.
//!
//! conformance.txt was printed by a guest and by the initial domain on Xen 4.14, 4.17 and 4.20
//! (`selftest=conformance`), and the suite of boots compares it with real Xen again. Here the model gets the same
//! programs. Where the initial domain's answers differ, they follow a bar: it owns the machine's hardware, and when
//! Xen has built it there is no other domain.

use crate::support;
use log::{LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;
use xen_model::{Builder, Domain, Flushes, Hardware};

// A process has one logger, and other tests of this program run beside this one: each thread has its own lines.
thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static TAILS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Capture;

impl Log for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        matches!(metadata.target(), "conformance" | "p2m")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = record.args().to_string();
            match record.target() {
                "conformance" => LINES.with_borrow_mut(|lines| lines.push(line)),
                _ if line.contains("no entries") => TAILS.with_borrow_mut(|lines| lines.push(line)),
                _ => {}
            }
        }
    }

    fn flush(&self) {}
}

/// Boots a domain on the model and returns what it printed.
fn answers(domain: &Domain) -> Vec<String> {
    LINES.set(Vec::new());
    let mut built = domain.build().unwrap();
    // As Xen does since XSA-286's fixes: what it flushes unasked is among the answers.
    built.xen.forget_when(Flushes::AlsoImplied);
    support::boot(&mut built, "selftest=conformance").unwrap();
    LINES.take()
}

/// What real Xen answered, in a guest and in the initial domain: `name: a guest's answers | its, where they differ`.
fn truth() -> (Vec<String>, Vec<String>) {
    let both = |line: &str| {
        let (guest, initial) = line.split_once(" | ").unwrap_or((line, ""));
        let (name, own) = guest.split_once(": ").unwrap();
        let initial = if initial.is_empty() { own } else { initial };
        (guest.to_string(), format!("{name}: {initial}"))
    };
    include_str!("conformance.txt").lines().map(both).unzip()
}

fn differing(truth: &[String], model: &[String]) -> Vec<String> {
    let differ = truth.iter().zip(model).filter(|(truth, model)| truth != model);
    differ.map(|(truth, model)| format!("Xen   {truth}\nmodel {model}")).collect()
}

fn assert_same(truth: &[String], model: &[String]) {
    let differ = differing(truth, model);
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), model.len(), differ.join("\n"));
    assert_eq!(truth.len(), model.len());
    assert!(model.len() >= 90, "{} programs", model.len());
}

/// What the toolstack's builder leaves after the last entry; the suite's case `list-tail` checks that real ones do.
const LIST_TAIL: &str = "the list's last page ends with 256 words that are no entries: zero";

#[test]
fn the_model_answers_as_real_xen_did() {
    log::set_logger(&Capture).unwrap();
    log::set_max_level(LevelFilter::Debug);
    let (guest, initial) = truth();
    assert_same(&guest, &answers(&Domain::guest(64)));
    assert_same(&initial, &answers(&Domain { builder: Builder::Xen, ..Domain::guest(256) }));
    // A guest with hardware may choose how memory is cached, and nothing else that a guest may not.
    let owner = answers(&Domain { hardware: Hardware::Some, ..Domain::guest(64) });
    let cached =
        ["leaf-bit-write-through: ok", "leaf-bit-cache-disable: ok", "leaf-bit-pat: ok", "flush-caches: ok"];
    let others = owner.iter().filter(|line| !guest.contains(line)).collect::<Vec<_>>();
    assert_eq!(others, cached);
    assert_eq!(TAILS.take(), Vec::<String>::new(), "64 MiB fill the list's pages");
    answers(&Domain::guest(63));
    assert_eq!(TAILS.take(), [LIST_TAIL]);
}
