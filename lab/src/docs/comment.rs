//! The comment before a block: where its lines come from.

use anyhow::{Result, bail, ensure};
use std::path::PathBuf;

/// Where the lines of a block come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Printed by a command.
    Capture(Capture),
    /// The text of a file, or of the block after a mark in it.
    Include { file: PathBuf, mark: Option<String> },
}

/// A command, and where else its lines can be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Capture {
    pub(super) command: String,
    /// The case of the suite whose console has the same lines.
    pub(super) suite: Option<String>,
    /// What the command writes, where it runs too long to be run for the documents alone.
    pub(super) file: Option<PathBuf>,
    /// Words that may differ from run to run, as numbers may.
    pub(super) vary: Vec<String>,
}

/// The source that a line names, if it is such a comment.
pub(super) fn source(line: &str) -> Result<Option<Source>> {
    let Some(text) = body(line) else { return Ok(None) };
    if let Some(rest) = text.strip_prefix("capture:") {
        return capture(rest).map(|capture| Some(Source::Capture(capture)));
    }
    Ok(text.strip_prefix("include:").map(include))
}

/// The name that a line gives the block after it.
pub(super) fn mark(line: &str) -> Option<&str> {
    Some(body(line)?.strip_prefix("mark:")?.trim())
}

fn body(line: &str) -> Option<&str> {
    Some(line.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim())
}

fn capture(text: &str) -> Result<Capture> {
    let mut parts = text.split(';').map(str::trim);
    let command = parts.next().unwrap_or_default().to_owned();
    ensure!(!command.is_empty(), "expected a command after `capture:`, found none");
    let mut capture = Capture { command, ..Capture::default() };
    for part in parts {
        match part.split_once(':').map(|(key, value)| (key, value.trim())) {
            Some(("suite", case)) => capture.suite = Some(case.to_owned()),
            Some(("file", file)) => capture.file = Some(file.into()),
            Some(("vary", words)) => capture.vary = words.split_whitespace().map(str::to_owned).collect(),
            _ => bail!("expected suite:, file: or vary: after the command, found '{part}'"),
        }
    }
    Ok(capture)
}

fn include(text: &str) -> Source {
    let (file, mark) = match text.trim().split_once('#') {
        Some((file, mark)) => (file, Some(mark.to_owned())),
        None => (text.trim(), None),
    };
    Source::Include { file: file.into(), mark }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_names_a_command_and_where_else_its_lines_are() {
        let line = "<!-- capture: make run; suite: small; vary: words vectors -->";
        let Some(Source::Capture(capture)) = source(line).unwrap() else { panic!("{line}") };
        assert_eq!((capture.command.as_str(), capture.suite.as_deref()), ("make run", Some("small")));
        assert_eq!(capture.vary, ["words", "vectors"]);
        assert!(source("<!-- capture: make run; sweet: small -->").is_err());
        assert!(source("<!-- capture: -->").is_err());
        assert_eq!(source("<!-- a note -->").unwrap(), None);
    }

    #[test]
    fn a_comment_names_a_file_and_a_mark_in_it() {
        let mark = Some("times".to_owned());
        assert_eq!(
            source("<!-- include: a.md#times -->").unwrap(),
            Some(Source::Include { file: "a.md".into(), mark })
        );
        assert_eq!(super::mark("<!-- mark: times -->"), Some("times"));
        assert_eq!(super::mark("mark: times"), None);
    }
}
