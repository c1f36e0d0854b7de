//! Random domains from a seed: the same number always makes the same domain.

use revector::addr::{Mfn, Pfn, PfnRange};
use revector::fake::{Domain, Hardware, ImageShape, Notes, P2mNote, Ramdisk, RamdiskNote};
use revector::xen::start_info::Role;

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
}

impl Case {
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed);
        let mut domain = Domain {
            pages: pages(random),
            image: image(random),
            notes: Notes {
                p2m: P2mNote::None,
                ramdisk: random.pick(&[RamdiskNote::None, RamdiskNote::None, RamdiskNote::ModStartPfn]),
            },
            ramdisk: None,
            role: random.pick(&[Role::Guest, Role::Guest, Role::InitialDomain]),
            hardware: Hardware::None,
            holes: Vec::new(),
            seed,
            // The highest needs all 40 bits of an entry's frame number but those above M2P's own end.
            first_mfn: Mfn::new(random.pick(&[0x100, 0x10_0000, 1 << 33, (1 << 34) + 7])),
        };
        domain.ramdisk = ramdisk(random, &domain);
        domain.holes = holes(random, &domain);
        Self { domain, line: line(random) }
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

/// Up to three holes behind what the builder places, some of whole leaves and more.
fn holes(random: &mut Random, domain: &Domain) -> Vec<PfnRange> {
    let Ok(rows) = domain.rows() else { return Vec::new() };
    let mut holes = Vec::new();
    let mut at = rows.end.raw();
    for _ in 0..random.below(4) {
        let start = at + random.below(domain.pages / 4);
        let pages = random.pick(&[1, 100, 512, 1500, 4096]);
        // Half of the memory behind the holes stays, for the boot to work with.
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
