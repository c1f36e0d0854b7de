//! Programs that must not compile: a pfn for an mfn, a stage before the one that it needs, pages with two holders.
//!
//! Each program in `refused/` breaks one promise, which its first line states; beside it is what the compiler says,
//! which is what a person will read who makes that mistake. The exact text belongs to one compiler, named in
//! `refused/compiler`. With another one each program must still be refused, and not because a name in it is gone;
//! this test says then that it did not compare the texts. They are written anew, and `refused/compiler` with them, by
//!
//! ```text
//! TRYBUILD=overwrite cargo test --package pv-memory --test refused
//! ```
//!
//! and then read: a program that is refused for another reason than its name gives proves nothing.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use trybuild::TestCases;

/// Names the folder of programs, in the process that has them compiled.
const FOLDER: &str = "REFUSED_FOLDER";
/// Errors for a name that does not exist: import, path, type, value.
const NO_SUCH_NAME: [&str; 4] = ["E0432", "E0433", "E0412", "E0425"];

#[test]
fn each_program_is_refused_for_its_reason() {
    if let Some(folder) = env::var_os(FOLDER) {
        TestCases::new().compile_fail(Path::new(&folder).join("*.rs"));
        return;
    }
    let folder = folder();
    let (compiler, recorded) = (compiler(), recorded(&folder));
    if env::var_os("TRYBUILD").is_some_and(|mode| mode == "overwrite") {
        assert_refused(&folder, Texts::Write);
        fs::write(folder.join("compiler"), format!("{compiler}\n")).expect("the folder can be written");
    } else if compiler == recorded {
        assert_refused(&folder, Texts::Compare);
    } else {
        eprintln!(
            "{compiler}: each program must be refused; the texts are {recorded}'s and are not compared"
        );
        assert_refused_by_another_compiler(&folder);
    }
}

#[test]
fn there_are_enough_programs() {
    let folder = folder();
    let (programs, texts) = (with_extension(&folder, "rs"), with_extension(&folder, "stderr"));
    assert!(programs.len() >= 30, "{} programs", programs.len());
    assert_eq!(programs.len(), texts.len(), "each program has a text");
}

/// What becomes of what the compiler says.
#[derive(Clone, Copy)]
enum Texts {
    Compare,
    Write,
}

/// Has the folder's programs compiled by a process of its own, because cargo knows from the environment that a kernel
/// does not unwind: without that any kernel would be refused.
fn assert_refused(folder: &Path, texts: Texts) {
    let this = env::current_exe().expect("a running program has a path");
    let mut compile = Command::new(this);
    compile.args(["--exact", "each_program_is_refused_for_its_reason", "--nocapture"]);
    compile.env(FOLDER, folder).env("CARGO_PROFILE_DEV_PANIC", "abort").env_remove("TRYBUILD");
    if let Texts::Write = texts {
        compile.env("TRYBUILD", "overwrite");
    }
    let status = compile.status().expect("this program can run again");
    assert!(status.success(), "a program compiles, or its text is another: see above");
    assert_names_exist(folder);
}

/// Compiles copies, whose texts are whatever this compiler says.
fn assert_refused_by_another_compiler(folder: &Path) {
    let copies = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused");
    let _ = fs::remove_dir_all(&copies);
    fs::create_dir_all(&copies).expect("the folder for temporary files can be written");
    for program in with_extension(folder, "rs") {
        fs::copy(&program, copies.join(name(&program))).expect("a program can be copied");
    }
    assert_refused(&copies, Texts::Write);
}

/// A program whose names are gone is refused whatever it does.
fn assert_names_exist(folder: &Path) {
    for text in with_extension(folder, "stderr") {
        let gone: Vec<_> =
            errors(&text).into_iter().filter(|code| NO_SUCH_NAME.contains(&code.as_str())).collect();
        assert!(gone.is_empty(), "{}: refused for a name that is gone: {gone:?}", text.display());
    }
}

/// The codes of the errors in a text.
fn errors(text: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(text).unwrap_or_else(|error| panic!("{}: {error}", text.display()));
    text.lines().filter_map(|line| Some(line.strip_prefix("error[")?.split_once(']')?.0.to_owned())).collect()
}

fn with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn name(path: &Path) -> &OsStr {
    path.file_name().expect("a file has a name")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused")
}

/// The compiler that the texts are of.
fn recorded(folder: &Path) -> String {
    fs::read_to_string(folder.join("compiler")).unwrap_or_default().trim_end().to_owned()
}

/// What `rustc --version` says.
fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("the compiler can run");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
