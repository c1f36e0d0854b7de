//! The command itself: exit codes, standard input, colours, messages.

#![expect(clippy::disallowed_methods, reason = "files of the tests themselves")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

fn log(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/pv-layout/tests/logs")
        .join(format!("{name}.log"))
        .display()
        .to_string()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revector"));
    command
        .arg("report")
        .args(arguments)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("the output is text");
    (status.code().expect("it ends by itself"), text(stdout), text(stderr))
}

fn with_input(arguments: &[&str], input: &[u8]) -> (i32, String) {
    let mut child =
        command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the command runs");
    child.stdin.take().expect("it has an input").write_all(input).expect("it reads its input");
    let output = child.wait_with_output().expect("it ends");
    (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_exit_code_is_the_verdict() {
    assert_eq!(output(&mut command(&[&log("xl-4.4-small")])).0, 0);
    assert_eq!(output(&mut command(&[&log("seed")])).0, 5);
    let (code, text) = with_input(&[], b"nothing of interest\n");
    assert_eq!(code, 4);
    assert!(text.starts_with("UNREADABLE: "), "{text}");
}

#[test]
fn the_first_line_is_the_verdict() {
    assert!(output(&mut command(&[&log("seed")])).1.starts_with("PROBLEM: 37.8 MiB of the P2M "));
    assert!(output(&mut command(&[&log("xl-4.4-small")])).1.starts_with("OK: "));
}

#[test]
fn standard_input_is_read_without_a_name_and_with_a_dash() {
    let bytes = std::fs::read(log("seed")).expect("the log is there");
    let (code, text) = with_input(&[], &bytes);
    assert_eq!(code, 5);
    assert_eq!(with_input(&["-"], &bytes), (code, text.clone()));
    assert_eq!(output(&mut command(&[&log("seed")])).1, text);
}

#[test]
fn colours_are_for_terminals_and_for_those_who_insist() {
    let coloured = |command: &mut Command| output(command).1.contains('\u{1b}');
    let path = log("seed");
    assert!(!coloured(&mut command(&[&path])));
    assert!(coloured(command(&[&path]).env("CLICOLOR_FORCE", "1")));
    assert!(!coloured(command(&[&path]).env("NO_COLOR", "1")));
}

#[test]
fn json_has_what_the_text_has() {
    let (code, text, _) = output(&mut command(&["--format", "json", &log("seed")]));
    assert_eq!(code, 5);
    let json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(json["format"], 2);
    assert_eq!(json["verdict"], "problem");
    let rows = json["guests"][0]["rows"].as_array().expect("a guest has rows");
    let list = rows.iter().find(|row| row["kind"] == "p2m").expect("it has a list");
    assert_eq!(list["start"], "0xffffffff925c7000");
    assert_eq!(list["bytes_in_module_area"], 0x25c_7000);
    assert_eq!(json["findings"][0]["severity"], "problem");
}

#[test]
fn another_module_area_leads_to_another_verdict() {
    let area = ["--module-area", "0xffffffffc0000000", &log("xl-4.14-seed")];
    assert_eq!(output(&mut command(&area)).0, 0);
    assert_eq!(output(&mut command(&[&log("xl-4.14-seed")])).0, 5);
}

#[test]
fn wrong_arguments_are_refused_with_what_was_expected() {
    let (code, _, complaint) = output(&mut command(&["--module-area", "0x1000", &log("seed")]));
    assert_eq!(code, 2);
    assert!(
        complaint.contains("expected an address of the high mapping, from 0xffffffff80000000"),
        "{complaint}"
    );
    let (code, _, complaint) = output(&mut command(&["no-such.log"]));
    assert_eq!(code, 1);
    assert!(complaint.contains("cannot read no-such.log"), "{complaint}");
}

#[test]
fn the_help_fits_a_screen_and_has_an_example() {
    let (code, help, _) = output(&mut command(&["--help"]));
    assert_eq!(code, 0);
    assert!(help.lines().count() <= 24, "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    assert!(help.contains("revector report xl.log console.log"), "{help}");
}
