//! Content of machine frames: stored once it is written, made up by a rule before.
//!
//! Copying and filling move rules, so that moving 1 GiB of list costs nothing. `contents` has the rules.

use alloc::borrow::Cow;
use alloc::boxed::Box;
#[cfg(test)]
use alloc::vec::Vec;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use crate::contents::{Contents, ListTable, Rule};
use crate::machine::Machine;
use xen::Words;
use xen::addr::Mfn;

/// Content of a frame that was written.
#[derive(Clone, Debug)]
enum Content {
    Own(Box<Words>),
    By(Rule),
}

/// The frames of the machine.
pub(crate) struct Memory {
    pub(crate) machine: Machine,
    contents: Contents,
    written: FrameMap<Content>,
}

impl Memory {
    pub(crate) fn new(machine: Machine, contents: Contents) -> Self {
        Self { machine, contents, written: FrameMap::default() }
    }

    /// Reads a frame.
    pub(crate) fn words(&self, mfn: Mfn) -> Cow<'_, Words> {
        match self.written.get(&mfn.raw()) {
            Some(Content::Own(words)) => Cow::Borrowed(words),
            Some(Content::By(rule)) => Cow::Owned(self.contents.words(&self.machine.scatter, *rule)),
            None => Cow::Owned(
                self.contents.words(&self.machine.scatter, self.contents.rule(&self.machine.scatter, mfn)),
            ),
        }
    }

    /// Reads one word of a frame.
    pub(crate) fn word(&self, mfn: Mfn, index: usize) -> u64 {
        match self.written.get(&mfn.raw()) {
            Some(Content::Own(words)) => words[index],
            Some(Content::By(rule)) => self.contents.word(&self.machine.scatter, *rule, index),
            None => self.contents.word(
                &self.machine.scatter,
                self.contents.rule(&self.machine.scatter, mfn),
                index,
            ),
        }
    }

    /// Reads a frame for writing.
    pub(crate) fn words_mut(&mut self, mfn: Mfn) -> &mut Words {
        if !matches!(self.written.get(&mfn.raw()), Some(Content::Own(_))) {
            let words = Box::new(self.words(mfn).into_owned());
            self.written.insert(mfn.raw(), Content::Own(words));
        }
        match self.written.get_mut(&mfn.raw()) {
            Some(Content::Own(words)) => words,
            _ => unreachable!("made own above"),
        }
    }

    /// Copies a frame.
    pub(crate) fn copy(&mut self, from: Mfn, to: Mfn) {
        let content = match self.written.get(&from.raw()) {
            Some(content) => content.clone(),
            None => Content::By(self.contents.rule(&self.machine.scatter, from)),
        };
        self.written.insert(to.raw(), content);
    }

    /// Fills a frame with one word.
    pub(crate) fn fill(&mut self, mfn: Mfn, word: u64) {
        self.written.insert(mfn.raw(), Content::By(Rule::Same(word)));
    }

    /// Makes a frame a table that shows pages of the list.
    pub(crate) fn show_list(&mut self, mfn: Mfn, table: ListTable) {
        self.written.insert(mfn.raw(), Content::By(Rule::ListTable(table)));
    }

    /// Returns which pages of the list a table shows, if it is as the builder made it, or a copy of that.
    pub(crate) fn list_table(&self, mfn: Mfn) -> Option<ListTable> {
        match self.written.get(&mfn.raw()) {
            Some(Content::By(Rule::ListTable(table))) => Some(*table),
            _ => None,
        }
    }

    /// Returns which page of the list a frame backs, if the list has a mapping of its own.
    pub(crate) fn list_number(&self, mfn: Mfn) -> Option<u64> {
        let pfn = self.machine.scatter.pfn(mfn).filter(|_| self.contents.list.groups() > 0)?;
        self.contents.list.number(pfn)
    }

    /// Returns the frame of a page of the list.
    pub(crate) fn list_frame(&self, number: u64) -> Option<Mfn> {
        self.contents.list_frame(&self.machine.scatter, number)
    }

    /// Returns how many groups of 512 pages the list has; none without a mapping of its own.
    pub(crate) fn list_groups(&self) -> u64 {
        self.contents.list.groups()
    }

    /// Returns which page of the ramdisk a frame holds, if it holds one unchanged.
    pub(crate) fn ramdisk_number(&self, mfn: Mfn) -> Option<usize> {
        let rule = match self.written.get(&mfn.raw()) {
            Some(Content::Own(_)) => return None,
            Some(Content::By(rule)) => *rule,
            None => self.contents.rule(&self.machine.scatter, mfn),
        };
        match rule {
            Rule::Ramdisk(page) => Some(page),
            _ => None,
        }
    }

    /// Returns the ramdisk's bytes, whole pages.
    pub(crate) const fn ramdisk(&self) -> &'static [u8] {
        self.contents.ramdisk_bytes
    }

    /// Returns how many pages are stored.
    #[cfg(test)]
    pub(crate) fn stored(&self) -> usize {
        self.written.values().filter(|content| matches!(content, Content::Own(_))).count()
    }

    /// Stores what follows from a rule, but for single words.
    #[cfg(test)]
    pub(crate) fn store(&mut self) {
        let frames: Vec<_> = self.written.keys().copied().map(Mfn::new).collect();
        let list: Vec<_> = (0..).map_while(|number| self.list_frame(number)).collect();
        frames.into_iter().chain(list).for_each(|mfn| {
            self.words_mut(mfn);
        });
    }
}

/// Map by frame or page number.
pub(crate) type FrameMap<T> = HashMap<u64, T, BuildHasherDefault<FrameHasher>>;

/// One multiplication: frame numbers are already scattered, and a test does many millions of lookups.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FrameHasher(u64);

impl Hasher for FrameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}
