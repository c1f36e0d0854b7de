//! All dialects in one table: the only file that knows each of them.

use super::{dom0_builder, guest, keyword::Words, linux, toolstack};
use aho_corasick::BuildError;
use anyhow::{Result, anyhow};
use std::sync::LazyLock;

/// Built once: it takes longer than reading a short log.
static WORDS: LazyLock<Result<Words, BuildError>> = LazyLock::new(|| {
    Words::new([toolstack::WORDS, dom0_builder::WORDS, guest::WORDS, linux::WORDS].concat())
});

/// The words of all dialects.
pub(super) fn words() -> Result<&'static Words> {
    WORDS.as_ref().map_err(|error| anyhow!("cannot build the table of known words: {error}"))
}
