//! Content of machine frames, generated when it is read.
//!
//! A frame's content is a description until it is written: one repeated word, a page of the builder's P2M list, or
//! a page of the ramdisk. Copying and filling move descriptions, so that moving 1 GiB of list costs nothing; a
//! described page is made real once, where a reader can borrow it for as long as nobody writes.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use crate::machine::Machine;
use xen::Words;
use xen::addr::{ENTRIES, Mfn, PAGE_SIZE, Pfn, PfnRange};

/// What free RAM holds under a debug Xen (`xen/common/page_alloc.c:scrub_one_page`).
pub(crate) const SCRUB: u64 = 0xc2c2_c2c2_c2c2_c2c2;

/// Where the builder put what this file generates.
#[derive(Clone)]
pub(crate) struct Contents {
    /// The P2M list, in runs of pages, first entries first.
    pub(crate) list: Vec<PfnRange>,
    /// Word after the list's last entry, in its last page.
    pub(crate) list_tail: u64,
    /// The ramdisk.
    pub(crate) ramdisk: PfnRange,
    /// Its bytes, whole pages.
    pub(crate) ramdisk_bytes: &'static [u8],
    /// What the builder cleared.
    pub(crate) zeroed: PfnRange,
}

/// Content of one frame.
#[derive(Clone, Debug)]
enum Content {
    Own(Box<Words>),
    Same(u64),
    List(usize),
    Ramdisk(usize),
}

/// The frames of the machine.
pub(crate) struct Memory {
    pub(crate) machine: Machine,
    contents: Contents,
    written: FrameMap<Content>,
    lists: Vec<OnceCell<Box<Words>>>,
    ramdisks: Vec<OnceCell<Box<Words>>>,
    same: Vec<(u64, Box<Words>)>,
}

impl Memory {
    pub(crate) fn new(machine: Machine, contents: Contents) -> Self {
        let mut memory = Self {
            machine,
            lists: contents.list.iter().flat_map(|run| run.iter().map(|_| OnceCell::new())).collect(),
            ramdisks: contents.ramdisk.iter().map(|_| OnceCell::new()).collect(),
            contents,
            written: FrameMap::default(),
            same: Vec::new(),
        };
        memory.know(0);
        memory.know(SCRUB);
        memory
    }

    /// Reads a frame.
    pub(crate) fn words(&self, mfn: Mfn) -> &Words {
        if let Some(Content::Own(words)) = self.written.get(&mfn.raw()) {
            return words;
        }
        match self.content(mfn) {
            // Written frames with own words were returned above.
            Content::Own(_) => unreachable!("own words are in `written`"),
            Content::Same(word) => match self.same.iter().find(|(known, _)| *known == word) {
                Some((_, words)) => words,
                None => panic!("word {word:#x} was not made known"),
            },
            Content::List(page) => self.lists[page].get_or_init(|| Box::new(self.list_page(page))),
            Content::Ramdisk(page) => self.ramdisks[page].get_or_init(|| Box::new(self.ramdisk_page(page))),
        }
    }

    /// Reads a frame for writing.
    pub(crate) fn words_mut(&mut self, mfn: Mfn) -> &mut Words {
        if !matches!(self.written.get(&mfn.raw()), Some(Content::Own(_))) {
            let words = Box::new(*self.words(mfn));
            self.written.insert(mfn.raw(), Content::Own(words));
        }
        match self.written.get_mut(&mfn.raw()) {
            Some(Content::Own(words)) => words,
            _ => unreachable!("made own above"),
        }
    }

    /// Copies a frame.
    pub(crate) fn copy(&mut self, from: Mfn, to: Mfn) {
        let content = self.content(from);
        self.written.insert(to.raw(), content);
    }

    /// Fills a frame with one word.
    pub(crate) fn fill(&mut self, mfn: Mfn, word: u64) {
        self.know(word);
        self.written.insert(mfn.raw(), Content::Same(word));
    }

    /// Returns which page of the ramdisk a frame holds, if it holds one unchanged.
    pub(crate) fn ramdisk_number(&self, mfn: Mfn) -> Option<usize> {
        match self.content(mfn) {
            Content::Ramdisk(page) => Some(page),
            _ => None,
        }
    }

    /// Returns the ramdisk's bytes, whole pages.
    pub(crate) const fn ramdisk(&self) -> &'static [u8] {
        self.contents.ramdisk_bytes
    }

    fn know(&mut self, word: u64) {
        if !self.same.iter().any(|(known, _)| *known == word) {
            self.same.push((word, Box::new([word; 512])));
        }
    }

    fn content(&self, mfn: Mfn) -> Content {
        if let Some(content) = self.written.get(&mfn.raw()) {
            return content.clone();
        }
        let Contents { ramdisk, zeroed, .. } = self.contents;
        let pfn = self.machine.pfn(mfn);
        if let Some(page) = pfn.and_then(|pfn| self.list_number(pfn)) {
            return Content::List(page as usize);
        }
        match pfn {
            Some(pfn) if ramdisk.contains(pfn) => Content::Ramdisk(pfn.above(ramdisk.start) as usize),
            Some(pfn) if !zeroed.contains(pfn) => Content::Same(SCRUB),
            _ => Content::Same(0),
        }
    }

    /// Returns which page of the list a page is.
    fn list_number(&self, pfn: Pfn) -> Option<u64> {
        let mut before = 0;
        for run in &self.contents.list {
            if run.contains(pfn) {
                return Some(before + pfn.above(run.start));
            }
            before += run.pages();
        }
        None
    }

    fn list_page(&self, page: usize) -> Words {
        let first = page as u64 * ENTRIES;
        core::array::from_fn(|index| {
            let pfn = Pfn::new(first + index as u64);
            if pfn.raw() >= self.machine.pages() {
                self.contents.list_tail
            } else {
                self.machine.mfn(pfn).map_or(u64::MAX, Mfn::raw)
            }
        })
    }

    fn ramdisk_page(&self, page: usize) -> Words {
        let bytes = &self.contents.ramdisk_bytes[page * PAGE_SIZE as usize..][..PAGE_SIZE as usize];
        let mut words = [0; 512];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        words
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
