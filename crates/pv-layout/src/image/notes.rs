//! Xen's ELF notes: types, names, values, and what each means to whom.
//!
//! Source: xen/include/public/elfnote.h and features.h (MIT), which give the numbers; who reads what is from the two
//! builders. `image` collects them, `check` prints them.

use anyhow::{Context, Result};
use object::{LittleEndian, elf, read::elf::NoteIterator};
use std::fmt;

pub const ENTRY: u32 = 1;
pub const HYPERCALL_PAGE: u32 = 2;
pub const VIRT_BASE: u32 = 3;
pub const PADDR_OFFSET: u32 = 4;
pub const XEN_VERSION: u32 = 5;
pub const GUEST_OS: u32 = 6;
pub const LOADER: u32 = 8;
pub const FEATURES: u32 = 10;
pub const BSD_SYMTAB: u32 = 11;
pub const INIT_P2M: u32 = 15;
pub const MOD_START_PFN: u32 = 16;
pub const SUPPORTED_FEATURES: u32 = 17;
pub const PHYS32_ENTRY: u32 = 18;

/// Types by number: name, and meaning for a 64-bit PV kernel.
const KINDS: [(&str, &str); 20] = [
    ("INFO", "for people"),
    ("ENTRY", "address of the first instruction"),
    ("HYPERCALL_PAGE", "page that the builder fills with hypercall stubs"),
    ("VIRT_BASE", "address that page 0 is mapped at"),
    ("PADDR_OFFSET", "what the file's physical addresses count from"),
    ("XEN_VERSION", "interface that the kernel is written for; mandatory"),
    ("GUEST_OS", "name of the system"),
    ("GUEST_VERSION", "version of the system"),
    ("LOADER", "loader that it wants; generic, if GUEST_OS does not begin with linux"),
    ("PAE_MODE", "no meaning for a 64-bit kernel"),
    ("FEATURES", "features that it needs (!) or can use"),
    ("BSD_SYMTAB", "yes: the symbol table is put after the image, and all else after that"),
    ("HV_START_LOW", "no meaning for a 64-bit kernel"),
    ("L1_MFN_VALID", "no builder reads it"),
    ("SUSPEND_CANCEL", "no builder reads it; the toolstack may always cancel a suspend"),
    ("INIT_P2M", "address that it wants the P2M at, outside the initial mapping"),
    ("MOD_START_PFN", "not 0: the ramdisk is given by its page number and not mapped"),
    ("SUPPORTED_FEATURES", "features that it can use, as bits"),
    ("PHYS32_ENTRY", "entry for PVH, not for PV"),
    ("PHYS32_RELOC", "for PVH, not for PV"),
];

/// Bits of `SUPPORTED_FEATURES`.
const FEATURE_BITS: [&str; 20] = [
    "writable_page_tables",
    "writable_descriptor_tables",
    "auto_translated_physmap",
    "supervisor_mode_kernel",
    "pae_pgdir_above_4gb",
    "mmu_pt_update_preserve_ad",
    "highmem_assist",
    "gnttab_map_avail_bits",
    "hvm_callback_vector",
    "hvm_safe_pvclock",
    "hvm_pirqs",
    "dom0",
    "grant_map_identity",
    "memory_op_vnode_supported",
    "ARM_SMCCC_supported",
    "linux_rsdp_unrestricted",
    "not_direct_mapped",
    "direct_mapped",
    "runstate_phys_area",
    "vcpu_time_phys_area",
];

/// One note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub kind: u32,
    pub value: Value,
}

/// A note's value, as builders tell numbers and texts apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Number(u64),
    Text(String),
    /// Anything longer that is no text.
    Bytes(Vec<u8>),
}

impl Note {
    /// The name of its type.
    #[must_use]
    pub fn name(&self) -> String {
        self.known().map_or_else(|| format!("type {}", self.kind), |(name, _)| (*name).to_owned())
    }

    /// What it means.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        self.known().map_or("not in Xen's public headers up to 4.20", |(_, meaning)| meaning)
    }

    /// The features that its bits name.
    #[must_use]
    pub fn features(&self) -> Vec<&'static str> {
        match self.value {
            Value::Number(bits) if self.kind == SUPPORTED_FEATURES => {
                let set = |(bit, name): (usize, &&'static str)| (bits >> bit & 1 == 1).then_some(*name);
                FEATURE_BITS.iter().enumerate().filter_map(set).collect()
            }
            _ => Vec::new(),
        }
    }

    fn known(&self) -> Option<&'static (&'static str, &'static str)> {
        KINDS.get(usize::try_from(self.kind).ok()?)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{value:#x}"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

/// Those of `list` whose name is Xen.
pub(super) fn xen(mut list: NoteIterator<'_, elf::FileHeader64<LittleEndian>>) -> Result<Vec<Note>> {
    let mut found = Vec::new();
    while let Some(note) = list.next().context("an ELF note ends after its segment: the image is damaged")? {
        let endian = LittleEndian;
        if note.name() == b"Xen" {
            let kind = note.n_type(endian).0;
            found.push(Note { kind, value: value(kind, note.desc()) });
        }
    }
    Ok(found)
}

/// Texts are known by their type; any other value of at most eight bytes is a number, as for builders.
fn value(kind: u32, bytes: &[u8]) -> Value {
    const TEXTS: [u32; 7] = [XEN_VERSION, GUEST_OS, 7, LOADER, 9, FEATURES, BSD_SYMTAB];
    if bytes.len() > 8 && !TEXTS.contains(&kind) {
        return Value::Bytes(bytes.to_vec());
    }
    if TEXTS.contains(&kind) {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let text = String::from_utf8_lossy(&bytes[..end]);
        return Value::Text(text.chars().filter(|c| !c.is_control()).collect());
    }
    Value::Number(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian_and_texts_end_at_their_nul() {
        assert_eq!(
            value(VIRT_BASE, &[0, 0, 0, 0x80, 0xff, 0xff, 0xff, 0xff]),
            Value::Number(0xffff_ffff_8000_0000)
        );
        assert_eq!(value(LOADER, b"generic\0"), Value::Text("generic".into()));
        assert_eq!(value(GUEST_OS, b"a\x1b[31m"), Value::Text("a[31m".into()));
        assert_eq!(value(INIT_P2M, &[]), Value::Number(0));
        assert_eq!(value(13, &[1; 16]).to_string(), "16 bytes");
    }

    #[test]
    fn features_are_named_by_their_bits() {
        let note = Note { kind: SUPPORTED_FEATURES, value: Value::Number(0x801) };
        assert_eq!(note.features(), ["writable_page_tables", "dom0"]);
        assert_eq!(Note { kind: 99, ..note }.name(), "type 99");
    }
}
