//! Page-table entries: the only file that knows their bits.
//!
//! Xen edits what a guest writes (adds U, G, bit 52, A at some levels), so entries are compared by meaning
//! ([`Pte::mfn`], [`Pte::is_writable`], ...), never as words. An entry is cleared by writing zero: an entry that is
//! merely non-present but keeps an address lets Xen crash the domain on processors with the L1TF flaw.
//!
//! Neighbours: `tables` walks entries, `commit` writes them. Sources: xen/include/public/arch-x86/xen-x86_64.h;
//! AMD64 Architecture Programmer's Manual volume 2, 5.4.

use x86_64::structures::paging::PageTableFlags as Flags;

use crate::addr::{ENTRIES, Mfn, PAGE_SIZE, VirtAddr};

/// Bits 12 to 51: where an entry keeps its machine frame.
const FRAME_MASK: u64 = 0x000f_ffff_ffff_f000;

/// Level of a page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Maps pages; an entry spans 4 KiB.
    L1,
    /// Points to L1 tables; an entry spans 2 MiB.
    L2,
    /// Points to L2 tables; an entry spans 1 GiB.
    L3,
    /// Points to L3 tables and is the root; an entry spans 512 GiB.
    L4,
}

impl Level {
    /// Returns the bytes that one entry of this level spans.
    #[must_use]
    pub const fn span(self) -> u64 {
        match self {
            Self::L1 => PAGE_SIZE,
            Self::L2 => PAGE_SIZE * ENTRIES,
            Self::L3 => PAGE_SIZE * ENTRIES * ENTRIES,
            Self::L4 => PAGE_SIZE * ENTRIES * ENTRIES * ENTRIES,
        }
    }

    /// Returns the index of the entry that covers `at` in a table of this level.
    #[must_use]
    pub const fn index(self, at: VirtAddr) -> usize {
        // Below 512: fits any usize.
        ((at.as_u64() / self.span()) % ENTRIES) as usize
    }

    /// Returns the level of the tables that point to this level; for the root, which has none above it, its own.
    #[must_use]
    pub const fn above(self) -> Self {
        match self {
            Self::L1 => Self::L2,
            Self::L2 => Self::L3,
            Self::L3 | Self::L4 => Self::L4,
        }
    }

    /// Returns the level of the tables that this level points to.
    #[must_use]
    pub const fn below(self) -> Option<Self> {
        match self {
            Self::L1 => None,
            Self::L2 => Some(Self::L1),
            Self::L3 => Some(Self::L2),
            Self::L4 => Some(Self::L3),
        }
    }
}

/// What a mapping allows. There is no writable and executable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and execute: code.
    Code,
    /// Read: constants, page tables.
    ReadOnly,
    /// Read and write: data.
    Data,
}

/// Whether anything below an upper-level entry may be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As the lower levels say.
    Inherit,
    /// Nothing below is executable: the direct map, which shares L1 tables with the executable high mapping.
    NeverExecute,
}

/// Page-table entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Pte(u64);

impl Pte {
    /// Entry that maps nothing: all bits zero.
    pub const ABSENT: Self = Self(0);

    /// Bits that the processor sets when it uses an entry. Whether an entry has them depends on what was accessed, so
    /// comparisons of entries leave them out.
    pub const USED: u64 = Flags::ACCESSED.union(Flags::DIRTY).bits();

    /// Wraps a word read from a table.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// Returns the word to write.
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// Returns an L1 entry that maps `mfn`.
    ///
    /// The user bit stays clear: Xen adds it, together with the bit that marks a kernel mapping.
    #[must_use]
    pub const fn leaf(mfn: Mfn, access: Access) -> Self {
        let bits = match access {
            Access::Code => Flags::empty(),
            Access::ReadOnly => Flags::NO_EXECUTE,
            Access::Data => Flags::NO_EXECUTE.union(Flags::WRITABLE).union(Flags::DIRTY),
        };
        Self::compose(mfn, bits)
    }

    /// Returns an entry that points to the table in `mfn`.
    #[must_use]
    pub const fn table(mfn: Mfn, reach: Reach) -> Self {
        let bits = match reach {
            Reach::Inherit => Flags::WRITABLE,
            Reach::NeverExecute => Flags::WRITABLE.union(Flags::NO_EXECUTE),
        };
        Self::compose(mfn, bits)
    }

    const fn compose(mfn: Mfn, bits: Flags) -> Self {
        let base = Flags::PRESENT.union(Flags::ACCESSED);
        Self((mfn.raw() * PAGE_SIZE) | base.union(bits).bits())
    }

    /// Returns the same entry without the right to write.
    #[must_use]
    pub const fn read_only(self) -> Self {
        Self(self.0 & !Flags::WRITABLE.bits())
    }

    /// Tells whether the processor would follow the entry.
    #[must_use]
    pub const fn is_present(self) -> bool {
        self.0 & Flags::PRESENT.bits() != 0
    }

    /// Tells whether no bit is set. Stricter than "not present".
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Tells whether the entry allows writing.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0 & Flags::WRITABLE.bits() != 0
    }

    /// Tells whether the entry allows execution.
    #[must_use]
    pub const fn is_executable(self) -> bool {
        self.0 & Flags::NO_EXECUTE.bits() == 0
    }

    /// Tells whether an L2 or L3 entry maps a large page (only Xen's own entries do, and those of an `INIT_P2M` list
    /// that Xen's builder made).
    #[must_use]
    pub const fn is_large(self) -> bool {
        self.0 & Flags::HUGE_PAGE.bits() != 0
    }

    /// Returns the machine frame that the entry holds.
    #[must_use]
    pub const fn mfn(self) -> Mfn {
        Mfn::new((self.0 & FRAME_MASK) / PAGE_SIZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_access_is_writable_and_executable() {
        for access in [Access::Code, Access::ReadOnly, Access::Data] {
            let entry = Pte::leaf(Mfn::new(0x1234), access);
            assert!(!(entry.is_writable() && entry.is_executable()), "{access:?}");
        }
    }

    #[test]
    fn a_frame_above_16_tib_survives() {
        let mfn = Mfn::new((1 << 40) - 1);
        assert_eq!(Pte::leaf(mfn, Access::Data).mfn(), mfn);
        assert_eq!(Pte::table(mfn, Reach::NeverExecute).mfn(), mfn);
    }

    #[test]
    fn the_module_area_starts_at_entry_256_of_its_l2_table() {
        let start = VirtAddr::new(0xffff_ffff_a000_0000);
        assert_eq!(Level::L2.index(start), 256);
        assert_eq!(Level::L3.index(start), 510);
        assert_eq!(Level::L4.index(start), 511);
    }
}
