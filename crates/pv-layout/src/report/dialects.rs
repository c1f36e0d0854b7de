//! All dialects in one table: the only file that knows each of them.

use super::{
    crash, dom0_builder, guest, keyword::Words, linux, mini_os, refusals, refused_by_xen, toolstack,
};
use aho_corasick::BuildError;
use anyhow::{Result, anyhow};
use std::sync::LazyLock;

/// Built once: it takes longer than reading a short log.
static WORDS: LazyLock<Result<Words, BuildError>> = LazyLock::new(|| {
    let dialects = [
        refusals::WORDS.as_slice(),
        toolstack::WORDS,
        dom0_builder::WORDS,
        mini_os::WORDS,
        guest::WORDS,
        linux::WORDS,
        crash::WORDS,
        &refused_by_xen::WORDS,
    ];
    Words::new(dialects.concat())
});

/// The words of all dialects.
pub(super) fn words() -> Result<&'static Words> {
    WORDS.as_ref().map_err(|error| anyhow!("cannot build the table of known words: {error}"))
}
