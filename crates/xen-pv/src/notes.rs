//! ELF notes: what the domain builders of libxenguest, Xen (initial domain) and pv-shim read from an image.
//!
//! They are chosen in code and encoded at compile time. Entry and hypercall page have fixed addresses, which the
//! linker script (`kernel.ld`) asserts, so that no note needs a relocation.
//!
//! Sources: xen/include/public/elfnote.h.

use crate::area;

/// Address of the image's first page, the hypercall page.
pub const IMAGE: u64 = 0xffff_ffff_8100_0000;
/// Address of `_start`, in the page after it.
pub const ENTRY: u64 = IMAGE + 0x1000;
/// Where page 0 is mapped.
const VIRT_BASE: u64 = 0xffff_ffff_8000_0000;

/// Types of notes.
mod kind {
    pub(super) const ENTRY: u32 = 1;
    pub(super) const HYPERCALL_PAGE: u32 = 2;
    pub(super) const VIRT_BASE: u32 = 3;
    pub(super) const PADDR_OFFSET: u32 = 4;
    pub(super) const XEN_VERSION: u32 = 5;
    pub(super) const GUEST_OS: u32 = 6;
    pub(super) const LOADER: u32 = 8;
    pub(super) const FEATURES: u32 = 10;
    pub(super) const INIT_P2M: u32 = 15;
    pub(super) const MOD_START_PFN: u32 = 16;
}

/// The notes of an image.
///
/// ```
/// use xen::Notes;
/// const NOTES: Notes = Notes::new("hello").mod_start_pfn();
/// let bytes: [u8; NOTES.len()] = NOTES.bytes();
/// assert!(bytes.windows(5).any(|text| text == b"hello"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Notes {
    name: &'static str,
    init_p2m: Option<u64>,
    mod_start_pfn: Option<u32>,
}

impl Notes {
    /// Starts with the notes that every image of this crate needs; `name` is the guest OS in the toolstack's log.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, init_p2m: None, mod_start_pfn: None }
    }

    /// Requests that the builder map the P2M at `at` and not after the ramdisk. The L4 slot around `at` must hold
    /// nothing else: so a page-aligned address of the lower half, or one after [`area::VMALLOC`] and below the slot of
    /// the image. Linux uses 0x80_0000_0000, and so does the unikernel.
    ///
    /// # Panics
    /// If `at` is another address: builders silently ignore such a note, or fail.
    #[must_use]
    pub const fn init_p2m(self, at: u64) -> Self {
        let low = at < 0x8000_0000_0000;
        let high = at >= area::VMALLOC.end_raw() && at < 0xffff_ff80_0000_0000;
        assert!(at.is_multiple_of(4096), "expected the address of a page");
        assert!(low || high, "expected a canonical address in an L4 slot that nothing else uses");
        Self { init_p2m: Some(at), ..self }
    }

    /// Accepts a ramdisk that the builder does not map: `mod_start` is a page number then.
    #[must_use]
    pub const fn mod_start_pfn(self) -> Self {
        Self { mod_start_pfn: Some(1), ..self }
    }

    /// Returns the bytes that the notes take.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.write::<0>().at
    }

    /// Tells whether there is no note: never.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Returns the notes as they are encoded in the file; `N` is [`Notes::len`].
    ///
    /// # Panics
    /// If `N` is something else.
    #[must_use]
    pub const fn bytes<const N: usize>(&self) -> [u8; N] {
        let written = self.write::<N>();
        assert!(written.at == N);
        written.bytes
    }

    const fn write<const N: usize>(&self) -> Writer<N> {
        let mut notes = Writer::new()
            .note(kind::GUEST_OS, self.name.as_bytes(), Text::Terminated)
            .note(kind::LOADER, b"generic", Text::Terminated)
            .note(kind::XEN_VERSION, b"xen-3.0", Text::Terminated)
            .note(kind::VIRT_BASE, &VIRT_BASE.to_le_bytes(), Text::No)
            .note(kind::PADDR_OFFSET, &0_u64.to_le_bytes(), Text::No)
            .note(kind::ENTRY, &ENTRY.to_le_bytes(), Text::No)
            .note(kind::HYPERCALL_PAGE, &IMAGE.to_le_bytes(), Text::No)
            .note(kind::FEATURES, b"", Text::Terminated);
        if let Some(at) = self.init_p2m {
            notes = notes.note(kind::INIT_P2M, &at.to_le_bytes(), Text::No);
        }
        if let Some(yes) = self.mod_start_pfn {
            notes = notes.note(kind::MOD_START_PFN, &yes.to_le_bytes(), Text::No);
        }
        notes
    }
}

/// The notes of an image, aligned as builders expect them.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4))]
pub struct Aligned<const N: usize>(pub [u8; N]);

/// Whether a note's value is NUL-terminated text.
#[derive(Clone, Copy)]
enum Text {
    Terminated,
    No,
}

/// Writes notes one after the other; keeps counting when there is no room, so that `Writer<0>` measures the length.
struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    const fn note(self, kind: u32, value: &[u8], text: Text) -> Self {
        let len = value.len() + matches!(text, Text::Terminated) as usize;
        let mut notes = self.put(&4_u32.to_le_bytes()).put(&(len as u32).to_le_bytes());
        notes = notes.put(&kind.to_le_bytes()).put(b"Xen\0").put(value);
        notes.at = (notes.at - value.len() + len).next_multiple_of(4);
        notes
    }

    const fn put(mut self, bytes: &[u8]) -> Self {
        let mut index = 0;
        while index < bytes.len() {
            if self.at < N {
                self.bytes[self.at] = bytes[index];
            }
            self.at += 1;
            index += 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn each_note_has_its_size_its_type_and_its_value_padded_to_four_bytes() {
        const NOTES: Notes = Notes::new("a").init_p2m(0x80_0000_0000).mod_start_pfn();
        let bytes: [u8; NOTES.len()] = NOTES.bytes();
        let mut at = 0;
        let mut seen = Vec::new();
        while at < bytes.len() {
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            let (name, len, kind) = (word(at), word(at + 4) as usize, word(at + 8));
            assert_eq!((name, &bytes[at + 12..at + 16]), (4, &b"Xen\0"[..]));
            seen.push((kind, bytes[at + 16..at + 16 + len].to_vec()));
            at += 16 + len.next_multiple_of(4);
        }
        assert_eq!(at, bytes.len());
        assert!(seen.contains(&(kind::GUEST_OS, b"a\0".to_vec())));
        assert!(seen.contains(&(kind::INIT_P2M, 0x80_0000_0000_u64.to_le_bytes().to_vec())));
        assert!(seen.contains(&(kind::MOD_START_PFN, 1_u32.to_le_bytes().to_vec())));
        assert!(seen.contains(&(kind::ENTRY, ENTRY.to_le_bytes().to_vec())));
        assert_eq!(seen.len(), 10);
    }
}
