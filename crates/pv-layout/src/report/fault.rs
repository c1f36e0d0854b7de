//! Traps, page-fault error codes, page-table flags and addresses, as text.
//!
//! Sources: Intel's manual, volume 3, chapter 6 (vectors, error codes); Xen's `asm/x86_64/page.h` for the form in which
//! Xen prints an entry's flags (bits 0 to 11 as they are, bits 52 to 63 above them); Linux's
//! `Documentation/arch/x86/x86_64/mm.rst` for the kernel's addresses, and Xen's `public/arch-x86/xen-x86_64.h` for
//! the hypervisor's.

use super::crash_facts::{Entry, Trap};

/// A trap's short name, and what it usually means in a kernel.
pub(super) fn trap(vector: u8) -> (&'static str, &'static str) {
    match vector {
        0 => ("divide error", "a division by zero"),
        1 => ("debug", "a debug trap that the kernel did not expect"),
        3 => ("int3", "a breakpoint, or code that was overwritten"),
        6 => ("invalid opcode", "in a kernel usually BUG(), else an instruction that this processor lacks"),
        7 => ("device not available", "floating point before it was set up"),
        8 => ("double fault", "a fault while another was handled, often a kernel stack that has run over"),
        10 => ("invalid TSS", "a broken task state"),
        11 => ("segment not present", "a segment that is not there"),
        12 => ("stack fault", "a stack outside its segment"),
        13 => (
            "general protection fault",
            "an instruction that PV kernels may not use, a non-canonical address or a bad selector",
        ),
        14 => ("page fault", "an access that the page tables do not allow"),
        16 => ("floating point error", "an unmasked floating point exception"),
        17 => ("alignment check", "an unaligned access with checking on"),
        18 => ("machine check", "the hardware reported an error of its own"),
        19 => ("SIMD error", "an unmasked floating point exception"),
        21 => (
            "control protection",
            "a return or an indirect branch to where control-flow protection allows none",
        ),
        _ => ("trap", "a trap that the guest had no handler for"),
    }
}

/// A page fault's error code: `a write by the kernel; nothing is mapped there`.
pub(super) fn error_code(code: u32) -> String {
    let bit = |bit: u32| code >> bit & 1 == 1;
    let access = match (bit(4), bit(1)) {
        (true, _) => "an instruction fetch",
        (false, true) => "a write",
        (false, false) => "a read",
    };
    let by = if bit(2) { "user mode" } else { "the kernel" };
    let why = match (bit(3), bit(0)) {
        (true, _) => "an entry has a reserved bit set",
        (false, true) => "the mapping forbids it",
        (false, false) => "nothing is mapped there",
    };
    format!("{access} by {by}; {why}")
}

/// Where an address lies in a Linux PV kernel's address space.
pub(super) fn region(at: u64) -> &'static str {
    const REGIONS: [(u64, &str); 17] = [
        (0xffff_ffff_ff00_0000, "in the fixed mappings"),
        (0xffff_ffff_a000_0000, "in the module area (or the kernel's own mapping, if it is built for KASLR)"),
        (0xffff_ffff_8000_0000, "in the kernel's high mapping"),
        (0xffff_ff00_0000_0000, "above the direct map, where little is mapped"),
        (0xffff_fe00_0000_0000, "in the per-processor areas"),
        (0xffff_fc00_0000_0000, "in no known area"),
        (
            0xffff_ec00_0000_0000,
            "in KASAN's shadow memory, which a kernel built with CONFIG_KASAN must have mapped first",
        ),
        (0xffff_eb00_0000_0000, "in no known area"),
        (0xffff_ea00_0000_0000, "in vmemmap, the array of page descriptors"),
        (0xffff_e900_0000_0000, "in no known area"),
        (0xffff_c900_0000_0000, "in the vmalloc area"),
        (0xffff_c880_0000_0000, "in no known area"),
        (0xffff_8880_0000_0000, "in the direct map"),
        (0xffff_8800_0000_0000, "in the direct map (before Linux 4.20)"),
        (0xffff_8000_0000_0000, "in the hypervisor's area"),
        (0x0000_8000_0000_0000, "not canonical: no such address exists"),
        (0x0000_0000_0001_0000, "in user space's half"),
    ];
    REGIONS.iter().find(|(start, _)| at >= *start).map_or("a null pointer", |(_, name)| name)
}

/// What the first entry that ends a walk says: a hole, or rights that were not enough.
pub(super) fn walk(entries: &[Entry], trap: Option<Trap>) -> Option<String> {
    let last = entries.last()?;
    let Entry { level, index, value } = *last;
    if value & 1 == 0 {
        let what = if value == 0 { "empty".to_owned() } else { format!("not present ({value:#018x})") };
        return Some(format!("the first hole is L{level}[{index:#05x}], which is {what}"));
    }
    let written = trap.and_then(|trap| trap.error).is_some_and(|code| code >> 1 & 1 == 1);
    let fetched = trap.and_then(|trap| trap.error).is_some_and(|code| code >> 4 & 1 == 1);
    let read_only = entries.iter().find(|entry| entry.value >> 1 & 1 == 0).filter(|_| written);
    let no_execute = entries.iter().find(|entry| entry.value >> 63 == 1).filter(|_| fetched);
    let (entry, what) = match (read_only, no_execute) {
        (Some(entry), _) => (entry, "read-only; Xen keeps page tables so"),
        (None, Some(entry)) => (entry, "no-execute"),
        _ => (last, "present"),
    };
    Some(format!("L{}[{:#05x}] = {:#018x} is {what}", entry.level, entry.index, entry.value))
}

/// The bits that `Bad L1 flags 800000` names, each with its meaning.
pub(super) fn flags(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(" flags ")?;
    let digits = rest.trim_start_matches("0x").split(|c: char| !c.is_ascii_hexdigit()).next()?;
    let bits = u64::from_str_radix(digits, 16).ok().filter(|bits| *bits != 0)?;
    let large =
        if line.contains("L1") { "the PAT bit" } else { "PSE (a large page, which PV guests do not have)" };
    let known = [
        (0x8, "write-through"),
        (0x10, "cache disable"),
        (0x80, large),
        (0x100, "global"),
        (0x0038_0000, "a protection key"),
        (0x0040_0000, "the bit that marks grant mappings"),
        (0x0080_0000, "no-execute (NX), refused where the BIOS has NX turned off"),
    ];
    let mut rest = bits;
    let mut named: Vec<String> = Vec::new();
    for (mask, name) in known {
        if bits & mask != 0 {
            named.push(name.to_owned());
            rest &= !mask;
        }
    }
    if rest & 0x007f_f000 != 0 {
        named.push("software bits above the address".to_owned());
    }
    if named.is_empty() {
        named.push(format!("bits {rest:#x}"));
    }
    Some(format!("{bits:#x} is {}", super::text::list(&named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_says_what_was_done_by_whom_and_why_not() {
        assert_eq!(error_code(2), "a write by the kernel; nothing is mapped there");
        assert_eq!(error_code(3), "a write by the kernel; the mapping forbids it");
        assert_eq!(error_code(0x15), "an instruction fetch by user mode; the mapping forbids it");
        assert_eq!(error_code(9), "a read by the kernel; an entry has a reserved bit set");
    }

    #[test]
    fn addresses_are_in_the_area_that_linux_documents() {
        let cases = [
            (0x58, "null pointer"),
            (0x7f00_0000_0000, "user space"),
            (0x8000_0000_0000, "not canonical"),
            (0xffff_82d0_4020_0000, "hypervisor"),
            (0xffff_8881_0000_0000, "direct map"),
            (0xffff_c900_00a4_1000, "vmalloc"),
            (0xffff_ea00_0000_0040, "vmemmap"),
            (0xffff_fbff_f041_2fbe, "KASAN"),
            (0xffff_ffff_8141_2a30, "high mapping"),
            (0xffff_ffff_a000_0000, "module area"),
        ];
        for (at, words) in cases {
            assert!(region(at).contains(words), "{at:#x}: {}", region(at));
        }
    }

    #[test]
    fn a_walk_ends_at_a_hole_or_at_the_entry_that_forbids() {
        let entry = |level, value| Entry { level, index: 5, value };
        let trap = |error| Some(Trap { vector: 14, error: Some(error) });
        let hole = [entry(4, 0x1067), entry(3, 0)];
        assert!(walk(&hole, trap(2)).unwrap().contains("L3[0x005]"));
        let table = [entry(4, 0x1067), entry(3, 0x2067), entry(2, 0x3067), entry(1, 0x8010_0000_0000_4065)];
        assert!(walk(&table, trap(3)).unwrap().starts_with("L1[0x005] = 0x8010000000004065 is read-only"));
        assert!(walk(&table, trap(0x11)).unwrap().contains("no-execute"));
        assert_eq!(walk(&[], None), None);
    }

    #[test]
    fn flags_are_decoded_bit_by_bit() {
        assert!(flags("Bad L1 flags 800000").unwrap().contains("no-execute"));
        assert!(flags("Bad L1 flags 0x90").unwrap().ends_with("cache disable and the PAT bit"));
        assert!(flags("Bad L2 flags 80").unwrap().contains("large page"));
        assert!(flags("Bad L1 flags 400000").unwrap().contains("grant"));
        assert_eq!(flags("Bad L1 flags "), None);
    }
}
