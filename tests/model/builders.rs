//! The model's builders compared with real ones: Xen's own for the initial domain, and the toolstack's for a guest.
//!
//! Every test of the library starts from what `Domain::build` makes, so what is false there is false everywhere.
//! `start_info.txt` has start_info, and the tables of an `INIT_P2M` list, as real builders left them; the logs
//! of `crates/pv-layout/tests/logs` have the rows that Xen printed for initial domains of all kinds, from 4.1 on. The
//! model builds the same domains, and is then read from outside: its structure field by field, its tables word by word.

use crate::captured;
use crate::captured::notes;
use xen::abi::{MmuUpdate, StartInfo};
use xen::addr::{Mfn, PAGE_SIZE, Pfn, PfnRange, VirtAddr};
use xen_model::{Builder, Built, Domain, ImageShape, Kind, Ramdisk, Xen};

const HIGH: u64 = 0xffff_ffff_8000_0000;
/// As the captured line, which only says of frames that they are there.
fn line_of(info: &StartInfo, builder: Builder) -> String {
    let console = if builder == Builder::Xen { info.console_mfn } else { u64::from(info.console_mfn != 0) };
    format!(
        "nr_pages {:#x} flags {:#x} store_mfn {:#x} store_evtchn {} console_mfn {console:#x} console_evtchn {} pt_base \
         {:#x} nr_pt_frames {:#x} mfn_list {:#x} mod_start {:#x} mod_len {:#x} first_p2m_pfn {:#x} nr_p2m_frames {:#x}",
        info.nr_pages,
        info.flags,
        u64::from(info.store_mfn != 0),
        info.store_evtchn,
        info.console_evtchn,
        info.pt_base,
        info.nr_pt_frames,
        info.mfn_list,
        info.mod_start,
        info.mod_len,
        info.first_p2m_pfn,
        info.nr_p2m_frames,
    )
}

/// Reads the list's tables by machine frame, in the way of the image that printed the captured lines.
struct Reader<'x> {
    xen: &'x Xen,
    lines: Vec<String>,
}

impl Reader<'_> {
    fn pfn(&self, word: u64) -> Pfn {
        self.xen.machine().pfn(Mfn::new(word >> 12 & 0xff_ffff_ffff)).unwrap()
    }

    fn table(&mut self, word: u64, level: u32) {
        const BITS: u64 = 0xfff0_0000_0000_0fff;
        self.lines.push(format!("table L{level} pfn {:#x} entry {:#x}", self.pfn(word).raw(), word & BITS));
        let mut run: Option<(usize, Pfn, u64, u64)> = None;
        for (index, word) in self.xen.frame(Mfn::new(word >> 12 & 0xff_ffff_ffff)).iter().copied().enumerate()
        {
            if word & 1 == 0 {
                continue;
            }
            if level > 1 && word & 0x80 == 0 {
                self.data(level, run.take());
                self.table(word, level - 1);
                continue;
            }
            let pages = 1 << (9 * (level - 1));
            match &mut run {
                Some((_, first, _, length)) if first.plus(*length) == self.pfn(word) => *length += pages,
                _ => {
                    self.data(level, run.take());
                    run = Some((index, self.pfn(word), word & BITS, pages));
                }
            }
        }
        self.data(level, run);
    }

    fn data(&mut self, level: u32, run: Option<(usize, Pfn, u64, u64)>) {
        self.lines.extend(run.map(|(index, first, bits, pages)| {
            format!("data L{level} index {index} pfn {:#x} + {pages:#x} bits {bits:#x}", first.raw())
        }));
    }
}

/// What the captured image would print of a built domain.
fn lines_of(built: &Built, builder: Builder) -> Vec<String> {
    let mut reader = Reader { xen: &built.xen, lines: vec![line_of(&built.start_info, builder)] };
    if built.start_info.mfn_list < HIGH {
        let slot = (built.start_info.mfn_list >> 39) as usize % 512;
        let entry = built.xen.frame(built.xen.root())[slot];
        reader.table(entry, 3);
    }
    reader.lines
}

#[test]
fn start_info_and_the_lists_tables_are_those_of_real_builders() {
    for boot in captured::boots() {
        let built = boot.domain.build().unwrap_or_else(|error| panic!("{}: {error:?}", boot.name));
        assert_eq!(lines_of(&built, boot.domain.builder), boot.lines, "{}", boot.name);
    }
}

/// The list is read where start_info says it is, by the processor's way.
#[test]
fn a_list_with_a_mapping_of_its_own_reads_as_the_p2m_through_every_size_of_page() {
    for (builder, mib) in [
        (Builder::Toolstack, 1300),
        (Builder::Grub, 1300),
        (Builder::Xen, 1539),
        (Builder::Shim, 513 * 1024 + 1),
    ] {
        let domain = Domain { builder, notes: notes(true, false), ..Domain::guest(mib) };
        let built = domain.build().unwrap();
        let xen = &built.xen;
        let probed = (0..domain.pages).step_by(if mib > 4096 { 4099 } else { 1 }).chain([domain.pages - 1]);
        for pfn in probed {
            let at = VirtAddr::new(built.start_info.mfn_list + pfn * 8);
            let mapping = xen.mapping(at).unwrap_or_else(|| panic!("{builder:?}: nothing at {at:#x}"));
            assert!(mapping.writable);
            let word = xen.frame(mapping.mfn)[pfn as usize % 512];
            assert_eq!(
                Some(Mfn::new(word)),
                xen.machine().mfn(Pfn::new(pfn)),
                "{builder:?}, {mib} MiB, pfn {pfn:#x}"
            );
        }
    }
}

/// Xen lets a guest drop a large page of the list, by dropping its L4 entry, and never hook it again.
#[test]
fn the_lists_slot_can_be_dropped_and_not_taken_back() {
    let domain = Domain { builder: Builder::Xen, notes: notes(true, false), ..Domain::guest(1539) };
    let mut built = domain.build().unwrap();
    let root = built.xen.root();
    let list = xen_frames(&built);
    assert!(list.iter().all(|mfn| built.xen.kind(*mfn) == Some((Kind::Writable, 1))));
    let ptr = root.raw() * PAGE_SIZE + 8;
    let word = built.xen.frame(root)[1];
    built.xen.update(&[MmuUpdate { ptr, val: 0 }]).unwrap();
    assert!(
        list.iter().all(|mfn| built.xen.kind(*mfn).is_none()),
        "a page of the list is still counted as mapped"
    );
    built.xen.update(&[MmuUpdate { ptr, val: word }]).unwrap_err();
}

/// Frames of the list's own pages.
fn xen_frames(built: &Built) -> Vec<Mfn> {
    let pages = built.rows.list_runs().flat_map(PfnRange::iter);
    let frames: Vec<_> = pages.map(|pfn| built.xen.machine().mfn(pfn).unwrap()).collect();
    assert_eq!(frames.len(), 0x302);
    frames
}

/// Both ends of a line of Xen's builder: `Loaded kernel: ffffffff81000000->ffffffff8109b000`.
fn ends(log: &str, what: &str) -> Option<(u64, u64)> {
    let mut rest = log.lines().filter_map(|line| line.split_once(what)).map(|(_, rest)| rest.trim());
    let hex = |text: &str| u64::from_str_radix(text.split(' ').next().unwrap(), 16).unwrap();
    // "Init. ramdisk:" comes twice: where it is in the machine, and where it is mapped.
    rest.next_back().and_then(|rest| rest.split_once("->")).map(|(start, end)| (hex(start), hex(end)))
}

/// `(57344 pages to be allocated)`
fn to_be_allocated(log: &str) -> u64 {
    let before = log.split_once(" pages to be allocated").unwrap().0;
    before.rsplit_once('(').unwrap().1.parse().unwrap()
}

/// The initial domain that a log is of.
fn domain_of(log: &str) -> Domain {
    let (start, end) = ends(log, "Loaded kernel:").unwrap();
    assert_eq!(start, HIGH + (16 << 20), "where every image of these logs is linked");
    let (list, list_end) = ends(log, "Phys-Mach map:").unwrap();
    // Machine addresses, or without such a line no ramdisk at all.
    let ramdisk = log.lines().find_map(|line| ends(line, "Init. ramdisk:")).map(|(start, end)| end - start);
    let is_mapped = ends(log, "Init. ramdisk:").is_some_and(|(start, _)| start >= HIGH);
    Domain {
        pages: (list_end - list) / 8,
        image: ImageShape { pages: (end - start) / PAGE_SIZE, text: 1, rodata: 0 },
        notes: notes(list < HIGH, !is_mapped),
        ramdisk: ramdisk.map(Ramdisk::blank),
        builder: Builder::Xen,
        ..Domain::guest(0)
    }
}

/// `xen-4.6-dom0-clipped` and `xen-4.17-dom0-conflict` are not among them: their numbers are not all of one boot (what
/// they say was allocated and what was to be does not add up to the list's length).
#[test]
fn an_initial_domain_has_the_rows_that_xen_printed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/pv-layout/tests/logs");
    let mut ramdisks = [0; 3];
    for name in
        ["linux-6.1-dom0", "xen-4.1-dom0-ramdisk", "xen-4.14-dom0", "xen-4.17-dom0-revector", "xen-4.20-dom0"]
    {
        let log = std::fs::read_to_string(format!("{folder}/{name}.log")).unwrap();
        let domain = domain_of(&log);
        let rows = domain.rows().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let at = |pfn: Pfn| HIGH + pfn.raw() * PAGE_SIZE;
        let both = |row: PfnRange| Some((at(row.start), at(row.end)));
        assert_eq!(both(rows.tables), ends(&log, "Page tables:"), "{name}");
        assert_eq!(both(rows.stack), ends(&log, "Boot stack:"), "{name}");
        assert_eq!(Some((HIGH, at(rows.mapped_end))), ends(&log, "TOTAL:"), "{name}");
        assert_eq!(Some(at(rows.start_info.start)), ends(&log, "Start info:").map(|ends| ends.0), "{name}");
        let ramdisk = domain.ramdisk.map_or(0, |ramdisk| ramdisk.bytes().div_ceil(PAGE_SIZE));
        if rows.list.is_empty() {
            let list: u64 = rows.list_runs().map(PfnRange::pages).sum();
            assert_eq!(list, (domain.pages * 8).div_ceil(PAGE_SIZE), "{name}");
        } else {
            assert_eq!(Some(at(rows.list.start)), ends(&log, "Phys-Mach map:").map(|ends| ends.0), "{name}");
        }
        // What Xen had allocated when it printed this: a power of two of pages, and the ramdisk's.
        assert_eq!(domain.pages - to_be_allocated(&log), rows.placed.raw(), "{name}");
        let kind =
            usize::from(ramdisk > 0) + usize::from(ramdisk > 0 && !rows.ramdisk.start.eq(&rows.image.end));
        ramdisks[kind] += 1;
    }
    assert_eq!(ramdisks, [2, 1, 2], "logs without a ramdisk, with a mapped and with an unmapped one");
}
