//! Whole domains of the model's builders held to real ones: start_info, and every mapping that the L4 table leads to.
//!
//! `handed_over/captured.txt` is what a kernel found that four builders had made, on several releases and with each
//! note. The model builds the same domains, and is walked here in the way of that kernel: nothing of the library's walk
//! is used. `builders` has the entries' bits, and larger lists.

use std::collections::BTreeMap;

use xen::addr::{Mfn, Pfn, PfnRange};
use xen::start_info::{BootInfo, Mark};
use xen_model::{Builder, Built, Domain, ImageShape, Notes, P2mNote, Ramdisk, RamdiskNote, Xen};

const HIGH: u64 = 0xffff_ffff_8000_0000;

/// Adjacent pages with the same rights and entries of the same size.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    at: u64,
    pfn: u64,
    pages: u64,
    how: String,
}

/// Everything recorded about one boot.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HandOver {
    /// Fields of start_info.
    pub(crate) fields: BTreeMap<String, u64>,
    /// Pages of the rings: xenstore, console.
    pub(crate) rings: (u64, u64),
    /// Tables of levels 4 to 2.
    tables: Vec<String>,
    /// What is mapped, but for the image.
    runs: Vec<Run>,
    /// Tables of levels 1 to 4.
    pub(crate) counts: [u64; 4],
}

/// A boot of the file.
pub(crate) struct Boot {
    /// Its first line.
    pub(crate) name: &'static str,
    /// The domain that was built.
    pub(crate) domain: Domain,
    lines: Vec<&'static str>,
}

impl Boot {
    /// What a kernel with these pages was given.
    pub(crate) fn seen(&self, image: PfnRange) -> HandOver {
        read(&self.lines, image)
    }
}

impl HandOver {
    /// First address after the high mapping.
    pub(crate) fn mapped_end(&self) -> u64 {
        self.runs.last().map_or(HIGH, |run| run.at + run.pages * 4096)
    }

    /// Adds a run, the part in the image left out, to the one before if they are one.
    fn add(&mut self, run: Run, image: PfnRange) {
        let image = HIGH + image.start.raw() * 4096..HIGH + image.end.raw() * 4096;
        let size = if run.how.ends_with("4K") { 1 } else { run.pages };
        for page in (0..run.pages).step_by(size as usize) {
            let at = run.at + page * 4096;
            let pfn = run.pfn.wrapping_add(page);
            if image.contains(&at) {
                continue;
            }
            let follows = |last: &&mut Run| {
                let end = (last.at + last.pages * 4096, last.pfn + last.pages);
                end == (at, pfn) && last.how == run.how
            };
            match self.runs.last_mut().filter(follows) {
                Some(last) => last.pages += size,
                None => self.runs.push(Run { at, pfn, pages: size, how: run.how.clone() }),
            }
        }
    }
}

fn number(text: &str) -> u64 {
    let text = text.trim_end_matches(':');
    let digits = text.strip_prefix("0x");
    digits.map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16)).unwrap()
}

/// `word` after the first `name`.
fn after<'t>(words: &[&'t str], name: &str) -> &'t str {
    words[words.iter().position(|word| *word == name).unwrap() + 1]
}

/// `boot grub 2.06 image 0x65 ramdisk 5012 INIT_P2M`
fn domain(line: &str, pages: u64) -> Domain {
    let words: Vec<_> = line.split(' ').collect();
    let has = |note| words.contains(&note);
    let bytes = match (words[1], words[2], number(after(&words, "ramdisk"))) {
        // Up to 4.16 it gave whole pages of a mapped ramdisk, too; the model's toolstack is a later one.
        ("toolstack", "4.14", bytes) => bytes.next_multiple_of(4096),
        (_, _, bytes) => bytes,
    };
    Domain {
        pages,
        builder: match words[1] {
            "toolstack" => Builder::Toolstack,
            "xen" => Builder::Xen,
            "shim" => Builder::Shim,
            "grub" => Builder::Grub,
            other => panic!("no builder is called {other}"),
        },
        image: ImageShape { pages: number(after(&words, "image")), text: 1, rodata: 0 },
        notes: Notes {
            p2m: if has("INIT_P2M") { P2mNote::InitP2m } else { P2mNote::None },
            ramdisk: if has("MOD_START_PFN") { RamdiskNote::ModStartPfn } else { RamdiskNote::None },
        },
        ramdisk: (bytes > 0).then(|| Ramdisk::blank(bytes)),
        ..Domain::guest(0)
    }
}

/// Reads a block of the file.
fn read(lines: &[&str], image: PfnRange) -> HandOver {
    let mut read = HandOver::default();
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        match words[0] {
            "start_info:" => {
                let pairs = words[1..].chunks_exact(2);
                let named = |name: &str| if name == "evtchn" { "console.evtchn" } else { name }.to_owned();
                read.fields.extend(pairs.map(|pair| (named(pair[0]), number(pair[1]))));
            }
            "rings:" => {
                read.rings = (number(words[3]), number(words[6]));
            }
            "table:" => read.tables.push((*line).to_owned()),
            "map:" => {
                let how = words[6..].join(" ");
                let run = Run { at: number(words[1]), pfn: number(words[3]), pages: number(words[5]), how };
                read.add(run, image);
            }
            "maps:" => read.counts = ["L1", "L2", "L3", "L4"].map(|level| number(after(&words, level))),
            other => panic!("{other}"),
        }
    }
    // For frames, only their presence is recorded; the initial domain has a description of its screen instead.
    read.fields.remove("shared_info");
    if read.rings.0 != u64::MAX {
        for ring in ["store_mfn", "console_mfn"] {
            read.fields.insert(ring.to_owned(), 1);
        }
    }
    read
}

/// The same of a built domain.
fn seen(built: &Built, builder: Builder) -> HandOver {
    let info = &built.start_info;
    let has_rings = builder != Builder::Xen;
    let ring = |mfn: u64| if has_rings { 1 } else { mfn };
    let page = |row: PfnRange| if has_rings { row.start.raw() } else { u64::MAX };
    let fields = [
        ("nr_pages", info.nr_pages),
        ("flags", u64::from(info.flags)),
        ("store_mfn", ring(info.store_mfn)),
        ("console_mfn", ring(info.console_mfn)),
        ("console.evtchn", u64::from(info.console_evtchn)),
        ("pt_base", info.pt_base),
        ("nr_pt_frames", info.nr_pt_frames),
        ("mfn_list", info.mfn_list),
        ("mod_start", info.mod_start),
        ("mod_len", info.mod_len),
        ("first_p2m_pfn", info.first_p2m_pfn),
        ("nr_p2m_frames", info.nr_p2m_frames),
    ];
    let mut seen = HandOver {
        fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        rings: (page(built.rows.store), page(built.rows.console)),
        ..HandOver::default()
    };
    walk(&built.xen, &mut seen, built.rows.image, built.xen.root(), 4, 0);
    seen
}

fn walk(xen: &Xen, seen: &mut HandOver, image: PfnRange, table: Mfn, level: usize, base: u64) {
    let m2p = |mfn: Mfn| xen.machine().m2p(mfn).map_or(u64::MAX, Pfn::raw);
    seen.counts[level - 1] += 1;
    if level > 1 {
        seen.tables.push(format!("table: L{level} for {base:#x}: pfn {:#x}", m2p(table)));
    }
    let span = 1_u64 << (12 + 9 * (level - 1));
    for (index, word) in (0_u64..).zip(*xen.frame(table)) {
        let low = base.wrapping_add(index * span);
        let at = if level == 4 && index > 255 { low | 0xffff << 48 } else { low };
        let is_xens = level == 4 && (256..272).contains(&index);
        let mfn = Mfn::new(word >> 12 & 0xff_ffff_ffff);
        if word & 1 == 0 || is_xens {
            continue;
        }
        if level > 1 && word & 0x80 == 0 {
            walk(xen, seen, image, mfn, level - 1, at);
            continue;
        }
        let rights = if word & 2 == 0 { "ro" } else { "rw" };
        let how = format!("{rights} {}", ["4K", "2M", "1G"][level - 1]);
        seen.add(Run { at, pfn: m2p(mfn), pages: span / 4096, how }, image);
    }
}

/// Every boot of the file.
pub(crate) fn boots() -> Vec<Boot> {
    let blocks = include_str!("handed_over/captured.txt").split("\n\n").map(str::trim);
    let boots: Vec<_> = blocks.filter(|block| block.starts_with("boot ")).map(boot).collect();
    assert_eq!(boots.len(), BOOTS, "boots in the file");
    boots
}

fn boot(block: &'static str) -> Boot {
    let mut lines = block.lines();
    let name = lines.next().unwrap_or_default();
    let lines: Vec<_> = lines.collect();
    let first: Vec<_> = lines[0].split(' ').collect();
    Boot { name, domain: domain(name, number(after(&first, "nr_pages"))), lines }
}

#[test]
fn start_info_and_every_mapping_are_those_of_real_builders() {
    for boot in boots() {
        let built = boot.domain.build().unwrap_or_else(|error| panic!("{}: {error:?}", boot.name));
        let real = boot.seen(built.rows.image);
        assert_eq!(seen(&built, boot.domain.builder), real, "{}", boot.name);
    }
}

/// What a kernel knows its builder by: in what a real one handed over, and in the model's domain.
#[test]
fn the_mark_of_each_real_domain_is_its_builders() {
    for boot in boots() {
        let built = boot.domain.build().unwrap_or_else(|error| panic!("{}: {error:?}", boot.name));
        let real = boot.seen(built.rows.image);
        let builder = boot.domain.builder;
        let expected = match builder {
            Builder::Toolstack => Mark::None,
            Builder::Xen => Mark::Xen,
            Builder::Shim => Mark::Shim,
            Builder::Grub => Mark::Grub,
        };
        let page = |pfn: u64| (pfn != u64::MAX).then(|| Pfn::new(pfn));
        let (store, console) = real.rings;
        let flags = u32::try_from(real.fields["flags"]).expect("flags have 32 bits");
        let seen = Mark::of(builder.role(), flags, page(store), page(console));
        assert_eq!(seen, expected, "{}", boot.name);
        let info = BootInfo::parse(&built.start_info, built.facts, &built.xen).expect("it is right");
        assert_eq!(info.mark, expected, "{}", boot.name);
    }
}

const BOOTS: usize = 47;
