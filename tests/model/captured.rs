//! Reads `start_info.txt`: what real builders handed over.

use xen_model::{Builder, Domain, ImageShape, Notes, P2mNote, Ramdisk, RamdiskNote};

/// A boot of the file.
#[derive(Debug)]
pub(crate) struct Boot {
    /// Its first line.
    pub(crate) name: &'static str,
    /// The domain that was built.
    pub(crate) domain: Domain,
    /// The other lines.
    pub(crate) lines: Vec<&'static str>,
}

impl Boot {
    /// A number of start_info.
    pub(crate) fn field(&self, name: &str) -> u64 {
        let mut words = self.lines[0].split(' ').skip_while(|word| *word != name);
        number(words.nth(1).unwrap_or_else(|| panic!("no {name}")))
    }
}

/// Every boot of the file.
pub(crate) fn boots() -> Vec<Boot> {
    let blocks = include_str!("start_info.txt").split("\n\n").map(str::trim);
    let boots: Vec<_> = blocks.filter(|block| block.starts_with("boot ")).map(boot).collect();
    assert_eq!(boots.len(), 35, "boots in the file");
    boots
}

fn boot(block: &'static str) -> Boot {
    let mut lines = block.lines();
    let name = lines.next().unwrap_or_default();
    Boot { name, domain: domain(name), lines: lines.collect() }
}

/// `boot xen 4.17 mib 256 image 0xbf ramdisk 5000001 MOD_START_PFN INIT_P2M`
fn domain(line: &str) -> Domain {
    let words: Vec<_> = line.split(' ').collect();
    let ramdisk = number(words[8]);
    Domain {
        builder: builder(words[1]),
        image: ImageShape { pages: number(words[6]), text: 80, rodata: 40 },
        notes: notes(words.contains(&"INIT_P2M"), words.contains(&"MOD_START_PFN")),
        ramdisk: (ramdisk > 0).then(|| Ramdisk::blank(ramdisk)),
        ..Domain::guest(number(words[4]))
    }
}

fn builder(name: &str) -> Builder {
    match name {
        "toolstack" => Builder::Toolstack,
        "xen" => Builder::Xen,
        "shim" => Builder::Shim,
        "grub" => Builder::Grub,
        other => panic!("no builder is called {other}"),
    }
}

pub(crate) const fn notes(p2m: bool, ramdisk: bool) -> Notes {
    Notes {
        p2m: if p2m { P2mNote::InitP2m } else { P2mNote::None },
        ramdisk: if ramdisk { RamdiskNote::ModStartPfn } else { RamdiskNote::None },
    }
}

fn number(text: &str) -> u64 {
    let digits = text.strip_prefix("0x");
    let number = digits.map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16));
    number.unwrap_or_else(|_| panic!("{text} is no number"))
}
