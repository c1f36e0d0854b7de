//! `pvlab walls` on houses built here: one with all its walls, and the same with one of them taken out.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A sound house: two packages, an arrow down, tests that look at everything, a re-export.
const SOUND: [(&str, &str); 9] = [
    ("Cargo.toml", "[workspace]\nmembers = [\"pv-layout\", \"pvlab\"]\nresolver = \"3\"\n"),
    ("pv-layout/Cargo.toml", "[package]\nname = \"pv-layout\"\nedition = \"2024\"\n"),
    ("pv-layout/src/lib.rs", "pub mod a;\nmod b;\nmod c;\npub use a::A;\n"),
    (
        "pv-layout/src/a.rs",
        "use crate::b::B;\npub struct A(pub B);\n#[cfg(test)]\nmod tests {\n    use crate::c::C;\n}\n",
    ),
    // A name in a text is no import.
    (
        "pv-layout/src/b.rs",
        "pub struct B;\npub const TEXT: &str = \"use crate::a::A;\";\n// use crate::a::A;\n",
    ),
    ("pv-layout/src/c.rs", "use crate::A;\npub struct C(A);\n"),
    (
        "pvlab/Cargo.toml",
        "[package]\nname = \"pvlab\"\nedition = \"2024\"\n[dependencies]\npv-layout = { path = \"../pv-layout\" }\n",
    ),
    ("pvlab/src/lib.rs", "mod inner;\n"),
    ("pvlab/src/inner/mod.rs", "mod leaf;\npub fn all() -> usize {\n    leaf::one()\n}\n"),
];
const LEAF: (&str, &str) = ("pvlab/src/inner/leaf.rs", "pub fn one() -> usize {\n    1\n}\n");

/// Builds the house with some files in place of those of the same name.
fn house(name: &str, other: &[(&str, &str)]) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("walls-{name}"));
    let _ = fs::remove_dir_all(&root);
    for (path, text) in SOUND.iter().chain([&LEAF]).chain(other) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }
    root
}

/// The exit code, and what is said.
fn walls(name: &str, other: &[(&str, &str)]) -> (Option<i32>, String) {
    let root = house(name, other);
    let mut command = Command::new(env!("CARGO_BIN_EXE_pvlab"));
    let output = command.args(["walls", "--root"]).arg(root).output().expect("the command runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn assert_broken(name: &str, other: &[(&str, &str)], complaints: &[&str]) {
    let (code, text) = walls(name, other);
    assert_eq!(code, Some(5), "{text}");
    for complaint in complaints {
        assert!(text.contains(complaint), "expected '{complaint}' in\n{text}");
    }
}

#[test]
fn a_house_with_all_its_walls_is_sound() {
    let (code, text) = walls("sound", &[]);
    assert_eq!((code, text.as_str()), (Some(0), "2 packages, 0 complaints\n"));
}

#[test]
fn a_circle_of_two_files_is_named_with_both_imports() {
    let back = ("pv-layout/src/b.rs", "use crate::a;\npub struct B;\nfn f(_: &a::A) {}\n");
    assert_broken(
        "circle",
        &[back],
        &["pv-layout/src/a.rs:1: crate::b::B is in", "pv-layout/src/b.rs:3: a::A is in"],
    );
}

#[test]
fn a_circle_through_a_re_export_is_one_of_the_files_that_define_the_names() {
    let back = ("pv-layout/src/b.rs", "use crate::A;\npub struct B(Box<A>);\n");
    assert_broken("re-export", &[back], &["pv-layout/src/b.rs:1: crate::A is in pv-layout/src/a.rs"]);
}

#[test]
fn a_circle_of_three_files_is_found_and_so_is_one_in_a_macro() {
    let back =
        ("pv-layout/src/b.rs", "pub struct B;\nfn f() -> String {\n    format!(\"{}\", crate::c::D)\n}\n");
    let c = ("pv-layout/src/c.rs", "use crate::A;\npub const D: usize = 1;\npub struct C(A);\n");
    assert_broken("three", &[back, c], &["circle of 3 files", "pv-layout/src/b.rs:3: crate::c::D is in"]);
}

#[test]
fn a_file_that_takes_a_type_from_the_one_that_calls_it_is_in_a_circle() {
    let all = (
        "pvlab/src/inner/mod.rs",
        "mod leaf;\npub struct Case;\npub fn all() -> usize {\n    leaf::one(&Case)\n}\n",
    );
    let leaf = ("pvlab/src/inner/leaf.rs", "use super::Case;\npub fn one(_: &Case) -> usize {\n    1\n}\n");
    assert_broken(
        "child",
        &[all, leaf],
        &["pvlab/src/inner/leaf.rs:1: super::Case is in pvlab/src/inner/mod.rs"],
    );
}

#[test]
fn an_arrow_up_is_named_and_a_dev_dependency_is_none() {
    let up = |section| {
        format!(
            "[package]\nname = \"pv-layout\"\nedition = \"2024\"\n[{section}]\nrevector = {{ path = \"../revector\" }}\n"
        )
    };
    let kernel = [
        ("Cargo.toml", "[workspace]\nmembers = [\"pv-layout\", \"pvlab\", \"revector\"]\nresolver = \"3\"\n"),
        ("revector/Cargo.toml", "[package]\nname = \"revector\"\nedition = \"2024\"\n"),
        ("revector/src/lib.rs", "\n"),
    ];
    let (normal, dev) = (up("dependencies"), up("dev-dependencies"));
    let normal = [&kernel[..], &[("pv-layout/Cargo.toml", &normal)]].concat();
    assert_broken("up", &normal, &["pv-layout may depend on [], found an arrow to revector"]);
    let (code, text) = walls("dev", &[&kernel[..], &[("pv-layout/Cargo.toml", &dev)]].concat());
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_file_of_301_lines_and_a_function_of_61_are_too_long_and_one_less_is_not() {
    let file = |lines: usize| format!("pub struct B;\n{}", "// a line\n".repeat(lines - 1));
    let function = |lines: usize| {
        let mut text = "pub struct B;\n\npub fn long() {\n".to_owned();
        // Braces, blank lines and comments do not count.
        for n in 0..lines {
            writeln!(text, "    // no code\n\n    let _ = {n};").expect("a text takes everything");
        }
        text + "}\n"
    };
    let with = |name: &str, text: &str| walls(name, &[("pv-layout/src/b.rs", text)]);
    assert!(with("file-300", &file(300)).0 == Some(0) && with("function-60", &function(60)).0 == Some(0));
    let (code, text) = with("file-301", &file(301));
    assert_eq!(code, Some(5));
    assert!(text.contains("pv-layout/src/b.rs: expected at most 300 lines, found 301"), "{text}");
    let (code, text) = with("function-61", &function(61));
    assert_eq!(code, Some(5));
    assert!(
        text.contains("pv-layout/src/b.rs:3: fn long: expected at most 60 lines of code, found 61"),
        "{text}"
    );
}
