//! Random domains from a seed: the same number always makes the same domain.

use xen::addr::{Mfn, Pfn, PfnRange};
use xen_model::{
    BuildError, Builder, Built, Domain, Hardware, ImageShape, Notes, P2mNote, Ramdisk, RamdiskNote,
};

/// A small generator (xorshift64*).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end
    }

    /// One of several.
    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

/// A domain and a command line.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) domain: Domain,
    pub(crate) line: String,
    pub(crate) planted: Planted,
}

/// Where a builder has put another domain's frame, for which M2P has the number of the page that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// Nowhere.
    Nowhere,
    /// start_info's frame of the console ring.
    Ring,
    /// The P2M's entry of a page of the initial mapping.
    Mapped(Pfn),
    /// The P2M's entry of a page that nothing maps yet.
    Unmapped(Pfn),
}

impl Planted {
    fn new(random: &mut Random, domain: &Domain) -> Self {
        let Ok(rows) = domain.rows() else { return Self::Nowhere };
        let after_end = domain.pages - rows.end.raw();
        match random.below(8) {
            0 if domain.builder != Builder::Xen => Self::Ring,
            1 => Self::Mapped(Pfn::new(random.below(rows.mapped_end.raw()))),
            2 if after_end > 0 => Self::Unmapped(rows.end.plus(random.below(after_end))),
            _ => Self::Nowhere,
        }
    }

    pub(crate) fn plant(self, built: &mut Built) {
        match self {
            Self::Nowhere => {}
            Self::Ring => {
                let foreign = built.xen.machine().foreign_at(built.rows.console.start);
                built.start_info.console_mfn = foreign.raw();
            }
            Self::Mapped(pfn) | Self::Unmapped(pfn) => {
                *built.list_entry(pfn) = built.xen.machine().foreign_at(pfn).raw();
            }
        }
    }
}

impl Case {
    /// A builder and notes by chance, and perhaps a frame of another domain.
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let ramdisk = random.pick(&[RamdiskNote::None, RamdiskNote::None, RamdiskNote::ModStartPfn]);
        let builder = random.pick(&[Builder::Toolstack, Builder::Toolstack, Builder::Xen]);
        let mut case = Self::made(random, seed, builder, Notes { p2m: P2mNote::None, ramdisk });
        case.planted = Planted::new(random, &case.domain);
        case
    }

    /// This builder and these notes, and nothing foreign.
    pub(crate) fn of(seed: u64, builder: Builder, notes: Notes) -> Self {
        Self::made(&mut Random::new(seed), seed, builder, notes)
    }

    fn made(random: &mut Random, seed: u64, builder: Builder, notes: Notes) -> Self {
        let mut domain = Domain {
            pages: pages(random),
            image: image(random),
            notes,
            ramdisk: None,
            builder,
            hardware: Hardware::None,
            holes: Vec::new(),
            // A quarter of them have contiguous frames.
            seed: if seed.is_multiple_of(4) { 0 } else { seed },
            // The highest needs all 40 bits of an entry's frame number but those above M2P's own end.
            first_mfn: Mfn::new(random.pick(&[0x100, 0x10_0000, 1 << 33, (1 << 34) + 7])),
            command_line: "",
            fault: None,
        };
        domain.ramdisk = ramdisk(random, &domain);
        give_what_is_needed(&mut domain);
        domain.holes = holes(random, &domain);
        let line = line(random);
        Self { domain, line, planted: Planted::Nowhere }
    }
}

/// Xen allocates a power of two of pages for what it maps, GRUB has itself in memory: both refuse small domains.
fn give_what_is_needed(domain: &mut Domain) {
    while let (true, Err(BuildError::NoMemory { needed })) =
        (domain.builder != Builder::Toolstack, domain.rows())
    {
        domain.pages = needed + 8192;
    }
}

/// Sizes that were bugs somewhere, and any size, also one that is no multiple of anything.
fn pages(random: &mut Random) -> u64 {
    let mib = random.pick(&[32, 64, 64, 65, 128, 899, 1024, 1027, 2049, 5000]);
    mib * 256 + random.pick(&[0, 0, 1, 511, 100])
}

fn image(random: &mut Random) -> ImageShape {
    let text = 1 + random.below(400);
    let rodata = 1 + random.below(200);
    ImageShape { pages: text + rodata + 2 + random.below(600), text, rodata }
}

fn ramdisk(random: &mut Random, domain: &Domain) -> Option<Ramdisk> {
    let module_area = 494 << 20;
    let room = (domain.pages * 4096).saturating_sub(24 << 20) / 2;
    let bytes = match random.below(6) {
        0 => return None,
        1 => 4096,
        2 => 1 + random.below(3 << 20),
        3 => return Some(Ramdisk::holding(&super::archive(&[("lib/one.ko", super::hello())]))),
        _ => module_area + random.below(40 << 20),
    };
    (bytes < room).then(|| Ramdisk::blank(bytes))
}

/// Up to three holes after what the builder places, some of whole leaves and more.
fn holes(random: &mut Random, domain: &Domain) -> Vec<PfnRange> {
    let Ok(rows) = domain.rows() else { return Vec::new() };
    if domain.builder == Builder::Grub {
        return Vec::new();
    }
    let mut holes = Vec::new();
    let mut at = rows.end.raw();
    for _ in 0..random.below(4) {
        let start = at + random.below(domain.pages / 4);
        let pages = random.pick(&[1, 100, 512, 1500, 4096]);
        // Half of the memory after the holes stays, for the boot to work with.
        if start + pages + 2 * pages_of_list(domain) + 2048 < domain.pages {
            holes.push(PfnRange::new(Pfn::new(start), pages));
        }
        at = start + pages;
    }
    holes
}

const fn pages_of_list(domain: &Domain) -> u64 {
    domain.pages.div_ceil(512)
}

fn line(random: &mut Random) -> String {
    let strategy = random.pick(&["copy", "copy", "alias", "alias", "keep"]);
    let cleanup = random.pick(&["on", "on", "on", "off"]);
    let verify = random.pick(&["full", "sample", "off"]);
    format!("p2m={strategy} cleanup={cleanup} verify={verify}")
}
