//! A guest's memory, as a log tells it or as arithmetic predicts it: the one form between readers and pictures.
//!
//! A domain builder places rows (kernel, ramdisk, P2M, ...) at rising pseudo-physical pages, and shows each page at
//! `HIGH + pfn * 4096`. Whatever lies at or above [`ModuleArea::start`] there is in the way of modules. The direct
//! map shows the same pages again from `DIRECT` on; that is where the P2M goes. `report` fills a scene from logs,
//! `predict` and `check` from an image and sizes; the pictures are drawn from nothing else.

/// Where the high mapping of a PV kernel starts (`__ka`, `__START_KERNEL_map`).
pub const HIGH: u64 = 0xffff_ffff_8000_0000;
/// Where Linux's and this project's direct map starts (`__va`).
pub const DIRECT: u64 = 0xffff_8800_0000_0000;
/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// What a row holds. The order is the builder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Kernel,
    Ramdisk,
    P2m,
    StartInfo,
    Xenstore,
    Console,
    PageTables,
    BootStack,
    /// A segment that has no part in this story, such as a device tree or a second module.
    Other,
}

/// One row of the builder's layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub kind: Kind,
    /// The builder's own word for it.
    pub name: String,
    /// First page, if the row has pseudo-physical pages that are known.
    pub pfn: Option<u64>,
    /// Pages of 4096 bytes; a row that a builder tells in bytes is rounded up.
    pub pages: u64,
    /// First address in the high mapping, or wherever an `INIT_P2M` note puts it; nothing if it is not mapped.
    pub address: Option<u64>,
}

/// The addresses that modules are loaded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleArea {
    pub start: u64,
    /// First address behind it.
    pub end: u64,
}

impl ModuleArea {
    /// Without KASLR, and in kernels built for at most 512 MiB of image: 0xffffffffa0000000.
    pub const CLASSIC: Self = Self { start: 0xffff_ffff_a000_0000, end: 0xffff_ffff_ff00_0000 };
}

/// How many page tables of each level the builder made, L1 first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableCounts(pub [u64; 4]);

/// What became of the P2M.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// The source does not say.
    Unknown,
    /// It stays where the builder put it.
    Kept,
    /// The same pages, reached through the direct map; nothing of it in the high mapping any more.
    Aliased,
    /// New pages, reached through the direct map. The ranges are `(first pfn, pages)` where the source tells them.
    Copied(Vec<(u64, u64)>),
}

/// One range of the machine's or the guest's memory map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapRange {
    /// First byte's address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// The map's own word: `usable`, `reserved`, `ACPI data`, ...
    pub kind: String,
}

/// A guest's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// For people: `128 GiB guest, by xl 4.17`.
    pub title: String,
    /// Pages of the guest, if known.
    pub pages: Option<u64>,
    /// In the builder's order.
    pub rows: Vec<Row>,
    /// First address that the builder did not use.
    pub alloc_end: Option<u64>,
    /// First address behind the initial mapping.
    pub mapped_end: Option<u64>,
    pub tables: Option<TableCounts>,
    pub area: ModuleArea,
    pub memory_map: Vec<MapRange>,
    pub after: After,
}

impl Row {
    /// First address behind the row, if it is mapped.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.address.map(|start| start.saturating_add(self.pages.saturating_mul(PAGE)))
    }

    /// Bytes of it that lie in `area`.
    #[must_use]
    pub fn bytes_in(&self, area: ModuleArea) -> u64 {
        let Some((start, end)) = self.address.zip(self.end()) else { return 0 };
        end.min(area.end).saturating_sub(start.max(area.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_list_has_37_8_mib_in_the_module_area() {
        let list = Row {
            kind: Kind::P2m,
            name: "phys2mach".to_owned(),
            pfn: Some(0x125c7),
            pages: 0x1_0000,
            address: Some(0xffff_ffff_925c_7000),
        };
        assert_eq!(list.end(), Some(0xffff_ffff_a25c_7000));
        assert_eq!(list.bytes_in(ModuleArea::CLASSIC), 0x25c_7000);
        let unmapped = Row { address: None, ..list };
        assert_eq!(unmapped.bytes_in(ModuleArea::CLASSIC), 0);
    }
}
