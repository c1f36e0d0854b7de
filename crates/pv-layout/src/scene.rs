//! A guest's memory, as a log describes it or as arithmetic predicts it: the one form between readers and pictures.
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
    /// A segment that matters to nothing here, such as a device tree or a second module.
    Other,
}

/// What builders and programs call a row.
struct Names {
    kind: Kind,
    /// The toolstack's word, which this project's guest prints too.
    toolstack: &'static str,
    /// Xen's word in its VIRTUAL MEMORY ARRANGEMENT, if it prints such a row.
    xen: Option<&'static str>,
    /// The word in `--format json`.
    key: &'static str,
}

const fn names(kind: Kind, toolstack: &'static str, xen: Option<&'static str>, key: &'static str) -> Names {
    Names { kind, toolstack, xen, key }
}

/// The rows in the builders' order; the last is for what has no word of its own.
const NAMES: [Names; 9] = [
    names(Kind::Kernel, "kernel", Some("Loaded kernel:"), "kernel"),
    names(Kind::Ramdisk, "ramdisk", Some("Init. ramdisk:"), "ramdisk"),
    names(Kind::P2m, "phys2mach", Some("Phys-Mach map:"), "p2m"),
    names(Kind::StartInfo, "start info", Some("Start info:"), "start_info"),
    names(Kind::Xenstore, "xenstore", Some("Xenstore ring:"), "xenstore"),
    names(Kind::Console, "console", Some("Console ring:"), "console"),
    names(Kind::PageTables, "page tables", Some("Page tables:"), "page_tables"),
    names(Kind::BootStack, "boot stack", Some("Boot stack:"), "boot_stack"),
    names(Kind::Other, "other", None, "other"),
];

impl Kind {
    /// The kind of a row with this name in the toolstack's log.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        NAMES.iter().find(|names| names.toolstack == name).map_or(Self::Other, |names| names.kind)
    }

    /// The kind of a row with these words in Xen's log.
    #[must_use]
    pub fn of_xens_name(words: &str) -> Self {
        NAMES.iter().find(|names| names.xen == Some(words)).map_or(Self::Other, |names| names.kind)
    }

    /// The toolstack's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names().toolstack
    }

    /// Xen's words for it, if Xen prints such a row.
    #[must_use]
    pub fn xens_name(self) -> Option<&'static str> {
        self.names().xen
    }

    /// The word for programs.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.names().key
    }

    fn names(self) -> &'static Names {
        NAMES.iter().find(|names| names.kind == self).unwrap_or(&NAMES[NAMES.len() - 1])
    }
}

/// One row of the builder's layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub kind: Kind,
    /// The builder's own word for it.
    pub name: String,
    /// First page, if the row has pseudo-physical pages that are known.
    pub pfn: Option<u64>,
    /// Pages of 4096 bytes; a row that a builder prints in bytes is rounded up.
    pub pages: u64,
    /// First address in the high mapping, or wherever an `INIT_P2M` note puts it; nothing if it is not mapped.
    pub address: Option<u64>,
}

/// The addresses that modules are loaded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleArea {
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

impl ModuleArea {
    /// Without KASLR, and in kernels built for at most 512 MiB of image: 0xffffffffa0000000.
    pub const CLASSIC: Self = Self { start: 0xffff_ffff_a000_0000, end: 0xffff_ffff_ff00_0000 };
    /// Of a guest that loads no modules there: a 32-bit kernel, Mini-OS.
    pub const NONE: Self = Self { start: u64::MAX, end: u64::MAX };

    /// Whether there is one.
    #[must_use]
    pub const fn exists(self) -> bool {
        self.start < self.end
    }
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
    /// The same pages, reached as a list at addresses of its own; nothing of it in the high mapping any more.
    Listed,
    /// New pages, reached through the direct map, as far as the source lists them.
    Copied(Vec<Run>),
}

/// Pages one after the other, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub first: u64,
    /// First page after it.
    pub end: u64,
}

/// One range of the machine's or the guest's memory map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapRange {
    /// First byte's address.
    pub start: u64,
    /// First address after it.
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
    /// First address after the initial mapping.
    pub mapped_end: Option<u64>,
    pub tables: Option<TableCounts>,
    pub area: ModuleArea,
    pub memory_map: Vec<MapRange>,
    pub after: After,
}

impl Run {
    /// How many pages it has.
    #[must_use]
    pub const fn pages(self) -> u64 {
        self.end.saturating_sub(self.first)
    }
}

impl Row {
    /// First address after the row, if it is mapped.
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
    fn the_357a3cfb_list_has_37_8_mib_in_the_module_area() {
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
