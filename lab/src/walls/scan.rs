//! What one file says of modules: which it declares, what it imports, which names it defines, which paths it writes.
//!
//! Read as the compiler's tokens (crate proc-macro2), not by a grammar: `use`, `mod` and what defines a name are
//! recognized by their keyword, a path by its `::`. Code in macros is seen too. What is only compiled for tests is left
//! out: tests may look at everything.

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};

/// A module's own names; a file is one module with those inside it.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Files that are modules of this one: name, path if an attribute gives one, line.
    pub(crate) files: Vec<(String, Option<String>)>,
    /// Modules written out in this one.
    pub(crate) inside: BTreeMap<String, Module>,
    /// Names that `use` brings in, each with the path that it stands for.
    pub(crate) imports: BTreeMap<String, Path>,
    /// Modules all of whose names are brought in.
    pub(crate) globs: Vec<Path>,
    /// Names that are defined here.
    pub(crate) defined: BTreeSet<String>,
    /// Paths of two parts and more that are written anywhere in it.
    pub(crate) written: Vec<Path>,
}

/// A path as it is written, and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) parts: Vec<String>,
    pub(crate) line: usize,
}

/// Keywords that are followed by the name of what they define.
const DEFINES: [&str; 9] =
    ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"];

/// Splits a file's text.
pub(crate) fn tokens(text: &str) -> Result<Vec<TokenTree>> {
    let stream: TokenStream = text.parse().map_err(|error| anyhow!("cannot split it into words: {error}"))?;
    Ok(stream.into_iter().collect())
}

/// Reads a file or an inline module.
pub(crate) fn module(tokens: &[TokenTree]) -> Module {
    let mut found = Module::default();
    Scan { found: &mut found, level: Level::Items }.all(tokens);
    found
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    /// Where names are the module's.
    Items,
    /// Inside a body: names are nobody else's.
    Body,
}

struct Scan<'a> {
    found: &'a mut Module,
    level: Level,
}

impl Scan<'_> {
    fn all(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        let mut attributes = Attributes::default();
        while at < tokens.len() {
            at += self.one(&tokens[at..], &mut attributes);
        }
    }

    /// Reads what the first tokens are; returns how many that were.
    fn one(&mut self, tokens: &[TokenTree], attributes: &mut Attributes) -> usize {
        if let [TokenTree::Punct(mark), TokenTree::Group(group), ..] = tokens
            && mark.as_char() == '#'
        {
            attributes.add(group);
            return 2;
        }
        // A lifetime is a quote and a name.
        if is_punct(&tokens[0], '\'') {
            return 2;
        }
        let TokenTree::Ident(word) = &tokens[0] else { return self.other(tokens, attributes) };
        match word.to_string().as_str() {
            "pub" | "unsafe" | "async" | "extern" => 1,
            "mod" => self.declared(tokens, attributes),
            "use" => self.used(tokens, attributes),
            _ if std::mem::take(attributes).test => skip_item(tokens),
            word if DEFINES.contains(&word) => self.defined(tokens),
            _ => self.path(tokens),
        }
    }

    fn other(&mut self, tokens: &[TokenTree], attributes: &mut Attributes) -> usize {
        match &tokens[0] {
            // pub(crate), pub(in path)
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Parenthesis && self.level == Level::Items =>
            {
                Scan { found: &mut *self.found, level: Level::Body }.all(&inner(group));
            }
            TokenTree::Group(group) => {
                *attributes = Attributes::default();
                Scan { found: &mut *self.found, level: Level::Body }.all(&inner(group));
            }
            _ => {}
        }
        1
    }

    fn declared(&mut self, tokens: &[TokenTree], attributes: &mut Attributes) -> usize {
        let attributes = std::mem::take(attributes);
        let [_, TokenTree::Ident(name), third, ..] = tokens else { return 1 };
        if attributes.test {
            return 3;
        }
        match third {
            TokenTree::Group(group) => {
                self.found.inside.insert(name.to_string(), module(&inner(group)));
            }
            _ => self.found.files.push((name.to_string(), attributes.path)),
        }
        3
    }

    fn used(&mut self, tokens: &[TokenTree], attributes: &mut Attributes) -> usize {
        let end = tokens.iter().position(|token| is_punct(token, ';')).unwrap_or(tokens.len());
        if !std::mem::take(attributes).test {
            self.tree(&tokens[1..end], &Vec::new());
        }
        end + 1
    }

    /// One branch of a `use`, after the parts before it.
    fn tree(&mut self, tokens: &[TokenTree], before: &[String]) {
        for branch in tokens.split(|token| is_punct(token, ',')) {
            let mut parts = before.to_vec();
            let mut line = 0;
            for (at, token) in branch.iter().enumerate() {
                line = line.max(token.span().start().line);
                match token {
                    TokenTree::Ident(word) if word == "as" => {
                        if let (Some(TokenTree::Ident(name)), true) =
                            (branch.get(at + 1), parts.len() > before.len())
                        {
                            self.found.imports.insert(name.to_string(), Path { parts: parts.clone(), line });
                        }
                        parts.clear();
                        break;
                    }
                    TokenTree::Ident(word) => parts.push(word.to_string()),
                    TokenTree::Group(group) => {
                        self.tree(&inner(group), &parts);
                        parts.clear();
                        break;
                    }
                    TokenTree::Punct(star) if star.as_char() == '*' => {
                        self.found.globs.push(Path { parts: std::mem::take(&mut parts), line });
                    }
                    _ => {}
                }
            }
            self.imported(parts, line);
        }
    }

    fn imported(&mut self, mut parts: Vec<String>, line: usize) {
        if parts.len() > 1 && parts.last().is_some_and(|last| last == "self") {
            parts.pop();
        }
        if let Some(name) = parts.last().cloned() {
            self.found.imports.insert(name, Path { parts, line });
        }
    }

    fn defined(&mut self, tokens: &[TokenTree]) -> usize {
        let name = tokens[1..].iter().find_map(|token| match token {
            TokenTree::Ident(word) if word != "mut" && word != "unsafe" && word != "fn" => {
                Some(word.to_string())
            }
            _ => None,
        });
        if let (Level::Items, Some(name)) = (self.level, name) {
            self.found.defined.insert(name);
        }
        1
    }

    fn path(&mut self, tokens: &[TokenTree]) -> usize {
        let line = tokens[0].span().start().line;
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(TokenTree::Ident(word)) = tokens.get(at) {
            parts.push(word.to_string());
            let colons = tokens.get(at + 1..at + 3);
            if !colons.is_some_and(|pair| pair.iter().all(|token| is_punct(token, ':'))) {
                break;
            }
            at += 3;
        }
        let read = (at + 1).min(tokens.len());
        if parts.len() > 1 {
            self.found.written.push(Path { parts, line });
        }
        read
    }
}

/// What is written before an item.
#[derive(Default)]
struct Attributes {
    test: bool,
    path: Option<String>,
}

impl Attributes {
    fn add(&mut self, group: &Group) {
        let text = group.stream().to_string().replace(' ', "");
        self.test |= text == "cfg(test)" || text == "test" || text.starts_with("cfg(all(test");
        if let Some(path) = text.strip_prefix("path=\"") {
            self.path = path.strip_suffix('"').map(str::to_owned);
        }
    }
}

/// An item ends with its braces or its semicolon.
fn skip_item(tokens: &[TokenTree]) -> usize {
    let end = tokens.iter().position(|token| is_punct(token, ';') || braces(token).is_some());
    end.map_or(tokens.len(), |end| end + 1)
}

pub(crate) fn inner(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

pub(crate) fn is(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

pub(crate) fn is_punct(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

pub(crate) fn braces(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}
