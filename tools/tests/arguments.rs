//! What is no number, address, size or file is refused the same way by every verb: what was expected, what was found.

use std::process::{Command, Stdio};

fn output(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revector"));
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("the command runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("it ends by itself"), complaint)
}

fn assert_refused(arguments: &[&str], with: i32) {
    let (code, complaint) = output(arguments);
    assert_eq!(code, with, "{arguments:?}: {complaint}");
    assert!(complaint.contains("expected") && complaint.contains("found"), "{arguments:?}: {complaint}");
}

#[test]
fn an_address_is_checked_by_every_verb_alike() {
    for address in ["abc", "0x0", "5", "0xffffffffa0000001", "0xffffffffff000000", "0xffff800000000000"] {
        assert_refused(&["check", "--module-area", address, "/dev/null/none"], 2);
        assert_refused(&["predict", "--memory", "64", "--kernel", "1p", "--module-area", address], 2);
        assert_refused(&["report", "--module-area", address, "/dev/null/none"], 2);
    }
    for address in
        ["moon", "0x0", "0x8000000001", "0xffff800000000000", "0xffff87fffffff000", "0x800000000000"]
    {
        assert_refused(&["predict", "--memory", "64", "--kernel", "1p", "--init-p2m", address], 2);
    }
}

#[test]
fn a_size_is_checked_by_every_verb_alike() {
    for size in ["0", "1b", "0p"] {
        assert_refused(&["predict", "--memory", size, "--kernel", "1p"], 2);
        assert_refused(&["predict", "--memory", "64", "--kernel", size], 1);
    }
}

#[test]
fn a_ramdisk_that_is_no_file_is_called_what_it_is() {
    for (ramdisk, found) in
        [("/", "found a folder"), ("/dev/zero", "found a device"), ("/dev/null/none", "found none")]
    {
        let arguments = ["predict", "--memory", "64", "--kernel", "1p", "--ramdisk", ramdisk];
        assert_refused(&arguments, 1);
        assert!(output(&arguments).1.contains(found), "{ramdisk}");
    }
}

#[test]
fn reading_ends_at_a_limit_or_before() {
    assert_refused(&["check", "/dev/zero"], 1);
    assert_refused(&["check", "/"], 1);
    assert_refused(&["report", "/dev/zero"], 1);
    assert_refused(&["report", "/"], 1);
    assert_refused(&["symbolize", "--kernel", env!("CARGO_BIN_EXE_revector"), "/dev/zero"], 1);
    assert_refused(&["symbolize", "--kernel", "/dev/zero", "/dev/null"], 1);
}

#[test]
fn a_builder_has_the_words_of_make_run() {
    for builder in ["xl", "shim", "grub", "grub-2.06-debian11", "grub-2.06", "grub-2.12"] {
        let arguments = ["predict", "--memory", "64", "--kernel", "1p", "--builder", builder];
        assert_eq!(output(&arguments), (0, String::new()), "{builder}");
        assert_eq!(output(&[&arguments[..], &["--dom0"]].concat()).0, 2, "{builder} and the initial domain");
        assert_eq!(output(&["check", "/dev/null/none", "--builder", builder]).0, 1, "{builder}");
    }
    for verb in [&["predict", "--memory", "64"][..], &["check", "/dev/null/none"]] {
        let (code, complaint) = output(&[verb, &["--builder", "kexec"]].concat());
        assert_eq!(code, 2);
        assert!(complaint.contains("'kexec'") && complaint.contains("xl, shim, grub"), "{complaint}");
    }
}

#[test]
fn a_collision_ends_with_5_and_none_with_0() {
    let predict = |ramdisk: &str, more: &[&str]| {
        let arguments = ["predict", "--memory", "128G", "--kernel", "0xe43p", "--ramdisk", ramdisk];
        output(&[&arguments, more].concat()).0
    };
    for format in ["term", "json", "svg", "html"] {
        assert_eq!(predict("0x10784p", &["--format", format]), 5);
        assert_eq!(predict("1M", &["--format", format]), 0);
    }
    assert_eq!(predict("0x10784p", &["--module-area", "0xffffffffc0000000"]), 0);
    assert_eq!(predict("0x10784p", &["--init-p2m", "0x8000000000", "--unmapped-ramdisk"]), 0);
}
