//! One field of an object changed to one of many values: every field of the header, of each section, symbol and
//! relocation. Used by the library's tests and, for the same damage on real Xen, by the host command.

/// Values that each field takes.
pub(crate) const VALUES: usize = 128;

/// A number in an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// What the gABI calls it.
    pub(crate) name: &'static str,
    /// Where it is in the file.
    pub(crate) offset: usize,
    /// Its bytes.
    pub(crate) width: usize,
}

const HEADER: [(&str, usize); 17] = [
    ("ei_magic", 4),
    ("ei_class", 1),
    ("ei_data", 1),
    ("ei_version", 1),
    ("ei_rest", 8),
    ("ei_last", 1),
    ("e_type", 2),
    ("e_machine", 2),
    ("e_version", 4),
    ("e_entry", 8),
    ("e_phoff", 8),
    ("e_shoff", 8),
    ("e_flags", 4),
    ("e_phsizes", 6),
    ("e_shentsize", 2),
    ("e_shnum", 2),
    ("e_shstrndx", 2),
];
const SECTION: [(&str, usize); 10] = [
    ("sh_name", 4),
    ("sh_type", 4),
    ("sh_flags", 8),
    ("sh_addr", 8),
    ("sh_offset", 8),
    ("sh_size", 8),
    ("sh_link", 4),
    ("sh_info", 4),
    ("sh_addralign", 8),
    ("sh_entsize", 8),
];
const SYMBOL: [(&str, usize); 6] =
    [("st_name", 4), ("st_info", 1), ("st_other", 1), ("st_shndx", 2), ("st_value", 8), ("st_size", 8)];
const RELA: [(&str, usize); 4] = [("r_offset", 8), ("r_type", 4), ("r_sym", 4), ("r_addend", 8)];
const SYMTAB: u64 = 2;
const RELA_TABLE: u64 = 4;

/// Every field of a sound object.
pub(crate) fn fields(object: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    let table = number(object, 40, 8) as usize;
    add(&mut fields, 0, &HEADER);
    for section in 0..number(object, 60, 2) as usize {
        let at = table + section * 64;
        add(&mut fields, at, &SECTION);
        let (offset, size) = (number(object, at + 24, 8) as usize, number(object, at + 32, 8) as usize);
        match number(object, at + 4, 4) {
            SYMTAB => (0..size / 24).for_each(|n| add(&mut fields, offset + n * 24, &SYMBOL)),
            RELA_TABLE => (0..size / 24).for_each(|n| add(&mut fields, offset + n * 24, &RELA)),
            _ => {}
        }
    }
    fields
}

/// The object with a field changed to the value with this number.
pub(crate) fn mutant(object: &[u8], field: &Field, value: usize) -> Vec<u8> {
    let mut bytes = object.to_vec();
    let old = number(object, field.offset, field.width);
    let new = changed(old, object.len() as u64, value).to_le_bytes();
    bytes[field.offset..field.offset + field.width].copy_from_slice(&new[..field.width]);
    bytes
}

fn add(fields: &mut Vec<Field>, start: usize, layout: &[(&'static str, usize)]) {
    let mut offset = start;
    for &(name, width) in layout {
        fields.push(Field { name, offset, width });
        offset += width;
    }
}

fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    bytes[at..at + width].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Neighbours, limits and powers of two first; then numbers that look random and are always the same.
fn changed(old: u64, len: u64, value: usize) -> u64 {
    let special = [
        0,
        1,
        old.wrapping_add(1),
        old.wrapping_sub(1),
        old.wrapping_mul(2),
        old.wrapping_add(8),
        old.wrapping_add(4096),
        !old,
        len,
        len - 1,
        len.wrapping_sub(old),
        u64::MAX,
        u64::MAX - 7,
        u64::from(u32::MAX),
        1 << 31,
        1 << 32,
        1 << 63,
        i64::MAX as u64,
        256 << 20,
        0xffff_ffff_a000_0000,
    ];
    let mixed = (value as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ old.rotate_left(value as u32);
    match special.get(value) {
        Some(value) => *value,
        None if value.is_multiple_of(3) => old ^ (1 << (mixed >> 58)),
        None if value.is_multiple_of(2) => mixed >> (mixed >> 58),
        None => old.wrapping_add(mixed >> 56),
    }
}
