//! A document as lines, and the blocks in it that come from elsewhere.

use super::comment::{self, Source};
use anyhow::{Context, Result, bail};
use std::ops::Range;

/// A document.
#[derive(Debug)]
pub(super) struct Page {
    lines: Vec<String>,
    blocks: Vec<Block>,
}

/// Lines of a document that are taken from somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) source: Source,
    /// Number of the first line, from 1.
    pub(super) first: usize,
    lines: usize,
}

impl Page {
    /// Finds the blocks of a document.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < lines.len() {
            let source = comment::source(&lines[at]).with_context(|| format!("line {}", at + 1))?;
            let fence = lines[at].starts_with("```").then(|| after_fence(&lines, at));
            at = match source {
                Some(source) => {
                    let inside = extent(&lines, at + 1)?;
                    blocks.push(Block { source, first: inside.start + 1, lines: inside.len() });
                    after_block(&lines, inside.end)
                }
                // What a fence holds is no comment of the document, whatever it looks like.
                None => fence.unwrap_or(at + 1),
            };
        }
        Ok(Self { lines, blocks })
    }

    /// The lines of the block after a mark.
    pub(super) fn marked(text: &str, mark: &str) -> Result<Vec<String>> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let found = lines.iter().position(|line| comment::mark(line) == Some(mark));
        let at = found.with_context(|| format!("expected <!-- mark: {mark} -->, found none"))?;
        let inside = extent(&lines, at + 1)?;
        Ok(lines[inside].to_vec())
    }

    /// The blocks in their order.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The lines of a block.
    pub(super) fn lines(&self, block: &Block) -> &[String] {
        &self.lines[block.first - 1..block.first - 1 + block.lines]
    }

    /// Puts other lines in the place of a block's. The blocks after it must have been replaced already.
    pub(super) fn replace(&mut self, block: &Block, lines: &[String]) {
        let start = block.first - 1;
        self.lines.splice(start..start + block.lines, lines.iter().cloned());
    }

    /// The document as text.
    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// The block that starts after a comment, further comments and blank lines: what is inside a fence, or a table.
fn extent(lines: &[String], after: usize) -> Result<Range<usize>> {
    let is_between = |line: &String| line.trim().is_empty() || line.starts_with("<!--");
    let skipped = lines[after..].iter().take_while(|line| is_between(line)).count();
    let start = after + skipped;
    match lines.get(start) {
        Some(line) if line.starts_with("```") => Ok(start + 1..after_fence(lines, start) - 1),
        Some(line) if line.starts_with('|') => Ok(start..table_end(lines, start)),
        _ => bail!("line {}: expected a fence or a table after this comment, found neither", after),
    }
}

fn table_end(lines: &[String], start: usize) -> usize {
    start + lines[start..].iter().take_while(|line| line.starts_with('|')).count()
}

/// The line after the fence that line `at` opens; the document's end if it is never closed.
fn after_fence(lines: &[String], at: usize) -> usize {
    let inside = lines[at + 1..].iter().take_while(|line| !line.starts_with("```")).count();
    at + inside + 2
}

/// The line after a block that ends at `end`: after a table there is no fence to skip.
fn after_block(lines: &[String], end: usize) -> usize {
    if lines.get(end).is_some_and(|line| line.starts_with("```")) { end + 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A\n<!-- capture: make run -->\n\n```text\none\n...\n```\n<!-- mark: t -->\n\
        <!-- include: b.md -->\n| a |\n| - |\n\nend\n";

    #[test]
    fn blocks_are_what_fences_hold_and_tables() {
        let page = Page::parse(TEXT).unwrap();
        let lines: Vec<_> = page.blocks().iter().map(|block| page.lines(block)).collect();
        assert_eq!(lines, [["one", "..."], ["| a |", "| - |"]]);
        assert_eq!(page.blocks()[0].first, 5);
        assert_eq!(Page::marked(TEXT, "t").unwrap(), ["| a |", "| - |"]);
        assert!(Page::marked(TEXT, "u").is_err());
    }

    #[test]
    fn replacing_a_block_leaves_everything_else() {
        let mut page = Page::parse(TEXT).unwrap();
        let block = page.blocks()[0].clone();
        page.replace(&block, &["two".to_owned()]);
        assert_eq!(page.text(), TEXT.replace("one\n...", "two"));
    }

    #[test]
    fn a_comment_inside_a_fence_is_text_and_one_without_a_block_is_an_error() {
        let inside = "```text\n<!-- capture: make run -->\n```\n";
        assert_eq!(Page::parse(inside).unwrap().blocks(), []);
        assert!(Page::parse("<!-- capture: make run -->\nprose\n").is_err());
        assert!(Page::parse("<!-- capture: make run -->").is_err());
    }
}
