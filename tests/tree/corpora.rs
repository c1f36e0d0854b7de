//! Runs every input that fuzzing has kept through the function it was kept for, with the stable compiler.
//!
//! `make fuzz` looks for new ones; whatever it finds is fixed and its input stays in `fuzz/corpus/`.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library for the fuzz targets, a module here")]
mod targets;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("each target has a corpus") {
        let path = entry.expect("the corpus can be listed").path();
        println!("{}", path.display()); // shown if the next line panics
        run(&fs::read(&path).expect("an input can be read"));
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", folder.display());
}

#[test]
fn start_info() {
    replay("start_info", targets::start_info::run);
}

#[test]
fn store() {
    replay("store", targets::store::run);
}

#[test]
fn options() {
    replay("options", targets::options::run);
}

#[test]
fn newc() {
    replay("newc", targets::newc::run);
}

#[test]
fn gunzip() {
    replay("gunzip", targets::gunzip::run);
}

#[test]
fn object() {
    replay("object", targets::object::run);
}

#[test]
fn report() {
    replay("report", targets::report::run);
}

#[test]
fn source() {
    replay("source", targets::source::run);
}

#[test]
fn check() {
    replay("check", targets::check::run);
}

#[test]
fn tools_rows() {
    replay("tools_rows", targets::tools_rows::run);
}

#[test]
fn tools_symbols() {
    replay("tools_symbols", targets::tools_symbols::run);
}

#[test]
fn every_target_is_replayed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for entry in fs::read_dir(root).expect("the targets can be listed") {
        let name = entry.expect("the targets can be listed").file_name();
        let target =
            name.to_str().and_then(|name| name.strip_suffix(".rs")).expect("a target is a Rust file");
        assert!(include_str!("corpora.rs").contains(&format!("fn {target}()")), "{target} is missing above");
    }
}
