//! `make new`: the package that it makes outside the checkout is a kernel whose test passes on the model.
//!
//! That it boots on Xen is seen by `cargo run` there; the same program is a case of the suite, `example-hello`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A folder that is not there yet.
fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn new_kernel(folder: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/new-kernel");
    Command::new(script).arg(folder).output().expect("the script can run")
}

#[test]
fn a_new_kernel_passes_its_test() {
    let folder = fresh("new").join("my-kernel");
    let made = new_kernel(&folder);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut test = Command::new(env!("CARGO"));
    test.args(["test", "--quiet", "--offline"]).current_dir(&folder);
    // Kept, so that only the first run compiles what the package depends on.
    test.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-target"));
    let test = test.output().expect("cargo can run");
    let said = String::from_utf8_lossy(&test.stdout);
    assert!(test.status.success(), "{said}{}", String::from_utf8_lossy(&test.stderr));
    assert!(said.contains("1 passed"), "{said}");
    let main = fs::read_to_string(folder.join("src/main.rs")).expect("a kernel has a main");
    assert!(main.contains("Notes::new(\"my-kernel\")"), "{main}");
}

#[test]
fn a_folder_in_use_and_a_name_that_is_none_are_refused() {
    let used = fresh("used");
    fs::create_dir_all(&used).expect("the folder can be made");
    fs::write(used.join("file"), "").expect("the folder can be written");
    for folder in [used, fresh("Capital"), fresh("1st")] {
        let refused = new_kernel(&folder);
        assert_eq!(refused.status.code(), Some(4), "{}", folder.display());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("expected"), "{}", folder.display());
    }
}
