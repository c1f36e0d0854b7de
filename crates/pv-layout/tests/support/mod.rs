//! What the tests of `revector report` share: the logs, and reports of them as plain text.

#![allow(dead_code, reason = "each test program uses a part")]

use pv_layout::report::{Format, Report};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn logs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs")
}

#[expect(clippy::disallowed_methods, reason = "files of the tests themselves")]
pub(crate) fn log(name: &str) -> Vec<u8> {
    fs::read(logs().join(format!("{name}.log"))).expect("the log is there")
}

pub(crate) fn report_of(names: &[&str]) -> Report {
    let logs: Vec<_> = names.iter().map(|name| ((*name).to_owned(), log(name))).collect();
    let inputs = logs.iter().map(|(name, bytes)| Ok((name.clone(), bytes.as_slice())));
    Report::of(inputs, None).expect("memory can be read")
}

pub(crate) fn plain(report: &Report) -> String {
    let text = Format::Term.show(report).expect("text can be written");
    anstream::adapter::strip_str(&text).to_string()
}
