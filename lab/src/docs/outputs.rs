//! What commands print and files hold, each command run once.

use super::{comment::Capture, page::Page};
use anyhow::{Context, Result};
use pv_layout::{input, note};
use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Whether the documents are written or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Write,
    Check,
}

/// Where the suite keeps the consoles of its cases, by how the case was booted.
const CONSOLES: [&str; 3] =
    ["shared/CASE/console.log", "large/CASE/console.log", "CASE-machine/CASE/console.log"];

/// The outputs seen so far.
#[derive(Debug)]
pub(super) struct Outputs {
    root: PathBuf,
    mode: Mode,
    seen: BTreeMap<String, Option<Vec<String>>>,
}

impl Outputs {
    /// Outputs of a checkout.
    pub(super) const fn new(root: PathBuf, mode: Mode) -> Self {
        Self { root, mode, seen: BTreeMap::new() }
    }

    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }

    /// The lines to look in; none where a command that takes long has not been run.
    pub(super) fn of(&mut self, capture: &Capture) -> Result<Option<&[String]>> {
        let key = format!("{}; {:?}", capture.command, capture.suite);
        if !self.seen.contains_key(&key) {
            let lines = self.fresh(capture)?;
            self.seen.insert(key.clone(), lines);
        }
        Ok(self.seen.get(&key).and_then(Option::as_deref))
    }

    fn fresh(&self, capture: &Capture) -> Result<Option<Vec<String>>> {
        match (&capture.file, &capture.suite, self.mode) {
            (Some(file), ..) => self.written(file, &capture.command),
            (None, Some(case), Mode::Check) => self.console(case).map(Some),
            _ => self.print(&capture.command).map(Some),
        }
    }

    /// The lines of a file, or of the block after a mark in it.
    pub(super) fn file(&self, file: &Path, mark: Option<&str>) -> Result<Vec<String>> {
        let text = input::text(&self.root.join(file))?;
        match mark {
            Some(mark) => Page::marked(&text, mark).with_context(|| file.display().to_string()),
            None => Ok(lines(&text)),
        }
    }

    fn written(&self, file: &Path, command: &str) -> Result<Option<Vec<String>>> {
        let path = self.root.join(file);
        if !path.is_file() {
            note!("{} is not there, so what the documents take from it stays: {command}", file.display());
            return Ok(None);
        }
        input::text(&path).map(|text| Some(lines(&text)))
    }

    fn console(&self, case: &str) -> Result<Vec<String>> {
        let suite = self.root.join("target/lab/suite");
        let found = CONSOLES.iter().map(|path| suite.join(path.replace("CASE", case)));
        let found = found.into_iter().find(|path| path.is_file());
        let file =
            found.with_context(|| format!("no console log of case {case}: make test-xen writes it"))?;
        input::text(&file).map(|text| lines(&text))
    }

    /// What a command prints on both its streams. Its exit code is its own: transcripts also show boots that fail.
    fn print(&self, command: &str) -> Result<Vec<String>> {
        note!("{command}");
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(&self.root)
            .env("PATH", self.path()?);
        let output = shell.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command}"))?;
        Ok(lines(&String::from_utf8_lossy(&output.stdout)))
    }

    /// The search path with the checkout's own commands first.
    fn path(&self) -> Result<OsString> {
        let others = env::var_os("PATH").unwrap_or_default();
        let own = self.root.join("target/debug");
        env::join_paths([own].into_iter().chain(env::split_paths(&others))).context("cannot set PATH")
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("revector-docs-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("target/lab/suite/shared/small")).unwrap();
        folder
    }

    fn capture(command: &str, case: Option<&str>) -> Capture {
        Capture { command: command.to_owned(), suite: case.map(str::to_owned), ..Capture::default() }
    }

    #[test]
    fn a_command_runs_once_and_both_its_streams_count() {
        let root = folder("once");
        let mut outputs = Outputs::new(root.clone(), Mode::Write);
        let twice = capture("echo x >> ran; cat ran; echo y >&2; false", None);
        assert_eq!(outputs.of(&twice).unwrap().unwrap(), ["x", "y"]);
        assert_eq!(outputs.of(&twice).unwrap().unwrap(), ["x", "y"]);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_check_takes_boots_from_the_suite_and_says_when_they_are_not_there() {
        let root = folder("suite");
        fs::write(root.join("target/lab/suite/shared/small/console.log"), "from the suite\r\n").unwrap();
        let mut outputs = Outputs::new(root.clone(), Mode::Check);
        let lines = outputs.of(&capture("echo from a boot", Some("small"))).unwrap();
        assert_eq!(lines.unwrap(), ["from the suite"]);
        assert!(outputs.of(&capture("echo from a boot", Some("large"))).is_err());
        let long = Capture { file: Some("target/none.md".into()), ..capture("sleep 900", None) };
        assert_eq!(outputs.of(&long).unwrap(), None);
        fs::remove_dir_all(root).unwrap();
    }
}
