//! Files of at most 300 lines, functions of at most 60 lines of code.

use super::scan::{self, braces, inner, is, is_punct};
use anyhow::{Context, Result};
use proc_macro2::{Group, TokenStream, TokenTree};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Lines of a file, tests and comments included.
const FILE: usize = 300;
/// Lines between a function's braces that have code on them; clippy counts the same.
const FUNCTION: usize = 60;

/// What is too long in the files below a folder of the checkout, but for what was built there.
pub(crate) fn complaints(folder: &Path, root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let of_file = |file: &PathBuf| of_file(file, file.strip_prefix(root).unwrap_or(file));
    Ok(files.iter().map(of_file).collect::<Result<Vec<_>>>()?.concat())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, files)?;
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn of_file(file: &Path, name: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", name.display()))?;
    of_text(&text, name)
}

fn of_text(text: &str, name: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > FILE {
        found.push(format!("{}: expected at most {FILE} lines, found {lines}", name.display()));
    }
    for function in functions(&scan::tokens(text)?) {
        if function.lines > FUNCTION {
            found.push(format!(
                "{}:{}: fn {}: expected at most {FUNCTION} lines of code, found {}",
                name.display(),
                function.line,
                function.name,
                function.lines
            ));
        }
    }
    Ok(found)
}

/// A function and the lines of its body that have code on them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// All functions, those in traits and implementations too.
fn functions(tokens: &[TokenTree]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if is(token, "fn")
            && let Some(TokenTree::Ident(name)) = tokens.get(at + 1)
            && let Some(body) = body_after(tokens, at)
        {
            let line = name.span().start().line;
            found.push(Function { name: name.to_string(), line, lines: lines_of_code(&body) });
        }
        if let TokenTree::Group(group) = token {
            found.extend(functions(&inner(group)));
        }
    }
    found
}

/// The next group in braces, unless the function ends without one.
fn body_after(tokens: &[TokenTree], at: usize) -> Option<Group> {
    let rest = tokens[at..].iter();
    let ends = |token: &&TokenTree| is_punct(token, ';') || braces(token).is_some();
    rest.clone().find(ends).and_then(braces).cloned()
}

fn lines_of_code(body: &Group) -> usize {
    let mut lines = BTreeSet::new();
    collect_lines(body.stream(), &mut lines);
    lines.len()
}

fn collect_lines(stream: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in stream {
        lines.extend([token.span().start().line, token.span().end().line]);
        if let TokenTree::Group(group) = token {
            lines.extend([group.span_open().start().line, group.span_close().end().line]);
            collect_lines(group.stream(), lines);
        }
    }
}
