//! The user's command installs with a Rust toolchain alone: no crate below it builds or links a C library.
//!
//! Such a crate says so in its manifest (`links`), or is named after what it binds (`liblzma-sys`), or compiles with
//! crate `cc`. libc is none of them: it declares what the standard library is linked with anyway.

use std::process::Command;

#[test]
fn no_c_library_is_built_or_linked() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names: Vec<_> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"pv-layout"), "{names:?}");
    for name in names {
        let is_c = name.ends_with("-sys") || ["cc", "cmake", "pkg-config", "bindgen"].contains(&name);
        assert!(!is_c && !name.starts_with("liblzma") && name != "pvlab", "{name}\n{tree}");
    }
}
