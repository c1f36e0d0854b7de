//! The developers' command line: helps that fit a screen, sizes that are checked.

use std::process::{Command, Stdio};

fn output(words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pvlab"));
    let output = command.args(words).stdin(Stdio::null()).output().expect("the command runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("it ends by itself"), complaint)
}

#[test]
fn a_size_is_checked_by_every_verb() {
    for words in ["0", "1b", "0p", "1K", "moon"]
        .into_iter()
        .flat_map(|size| [["run", "--memory", size], ["bench", "--sizes", size]])
    {
        let (code, complaint) = output(&words);
        assert_eq!(code, 2, "{words:?}: {complaint}");
        assert!(complaint.contains("expected") && complaint.contains(words[2]), "{words:?}: {complaint}");
    }
}

/// What `pvlab WORDS --help` prints on a terminal of 100 columns.
fn help(words: &[&str]) -> String {
    let typed = [&["pvlab"], words, &["--help"]].concat();
    pvlab::command().term_width(100).try_get_matches_from(typed).expect_err("help is no verb").to_string()
}

#[test]
fn the_help_of_every_verb_fits_a_screen_and_has_an_example() {
    let command = pvlab::command();
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    for text in shown.map(|verb| help(&[verb.get_name()])).chain([help(&[])]) {
        assert!(text.lines().count() <= 40, "{} lines\n{text}", text.lines().count());
        assert!(text.contains("Example"), "{text}");
    }
}
