//! Guests of 128 GiB and more: the one that the project is about, and the largest that a tree can describe.
//!
//! Each takes gigabytes of the host, for Xen's own arrays and for the P2M. Neighbours: `table` runs them.

use pv_layout::verdict::Outcome;

use crate::builder::Notes;
use crate::cases::{ARCHIVE, Case, HELLO, Image, Start, case};

/// The guest of the seed: 128 GiB, a kernel of 0xe43 pages, a ramdisk of 0x10784 pages.
pub(crate) fn seeds() -> Vec<Case> {
    vec![
        // A module of 16 MiB besides.
        Case {
            archive: Some("target/image/big.cpio"),
            says: &[HELLO, "big: 16 MiB: every page is its own"],
            ..seed("seed-copy", "")
        },
        seed("seed-alias", "p2m=alias"),
        Case {
            outcome: Outcome::Failure,
            says: &[
                "vmalloc: allocation failure, allocated 16384 of 20480 bytes*",
                "*module::load::load+0x*/0x*",
            ],
            never_says: &["panic"],
            mmu_at_most: None,
            ..seed("seed-keep", "p2m=keep")
        },
    ]
}

/// The same with `INIT_P2M`: the list's 256 MiB come back, and the L3, the L2 and the 128 L1 tables that map it.
pub(crate) fn noted_seed() -> Case {
    Case {
        notes: Notes::InitP2m,
        says: &[
            "layout: phys2mach *: 0x0000008000000000 -> 0x0000008010000000  (pfn 0x12800 + 0x10082 pages)",
            "layout: nothing lies in the module area, which starts at 0xffffffffa0000000",
            "p2m: the list has a mapping of its own at 0x0000008000000000 -> 0x0000008010000000: *",
            "verify: 33554432 of 33554432 entries equal M2P",
            "cleanup: the P2M's own mapping dropped, 0x82 pages of its tables given back",
            "cleanup: 0x10000 pages of the old P2M given back, *",
            HELLO,
        ],
        never_says: &["panic", "Test result: FAILURE", "of the P2M lie in the module area"],
        ..seed("seed-init-p2m", "p2m=copy")
    }
}

fn seed(name: &'static str, cmdline: &'static str) -> Case {
    Case {
        image: Image::Seed,
        memory_mib: 131_072,
        ramdisk: "67460p",
        archive: ARCHIVE,
        timeout_secs: 300,
        cmdline,
        says: SEED_ROWS,
        mmu_at_most: Some(300),
        ..case(name)
    }
}

/// The largest guests that a tree of three levels can describe, and domains that it cannot. QEMU takes 10 to 15 GiB for
/// each.
pub(crate) fn edge() -> Vec<Case> {
    let edge = |name, gib: u64, cmdline, says| Case {
        memory_mib: gib * 1024,
        timeout_secs: 600,
        cmdline,
        says,
        mmu_at_most: Some(40),
        ..case(name)
    };
    let full = &["verify: 134217728 of 134217728 entries equal M2P", HELLO];
    vec![
        edge("edge-511g", 511, "", &["verify: 133955584 of 133955584 entries equal M2P", HELLO]),
        edge("edge-512g", 512, "", full),
        edge("edge-512g-alias", 512, "p2m=alias", full),
        edge("edge-512g-linear", 512, "p2m=linear", full),
        edge("edge-513g", 513, "verify=sample", &[LIST_ONLY, HELLO]),
        Case {
            outcome: Outcome::Skip,
            never_says: &["panic", "the domain builder is at fault"],
            mmu_at_most: None,
            ..edge(
                "edge-513g-copy",
                513,
                "p2m=copy",
                &["p2m: 0x8040000 pages (513 GiB): expected 0x8000000 (512 GiB) or fewer, *; use p2m=linear"],
            )
        },
        edge("edge-600g", 600, "verify=full", &["verify: 157286400 of 157286400 entries equal M2P*", HELLO]),
        edge("edge-900g", 900, "verify=sample", &[LIST_ONLY, HELLO]),
        edge("edge-900g-unverified", 900, "p2m=linear verify=off", &[LIST_ONLY, HELLO]),
        Case {
            start: Start::Dom0,
            notes: Notes::InitP2m,
            // Neither tree nor list is published, and a module finds the P2M all the same.
            ramdisk: "target/image/samples.cpio.gz",
            says: &[
                LIST_ONLY,
                "revector: leaves stay at *: mapped by large pages, *",
                "module: sample: * says: 4 of 4 checks hold, *",
                HELLO,
            ],
            ..edge("edge-dom0-700g", 700, "verify=sample", &[])
        },
    ]
}

/// What says that a domain is larger than a tree.
const LIST_ONLY: &str = "p2m: no machine-frame tree: it would end at 512 GiB";

const SEED_ROWS: &[&str] = &[
    "layout: kernel *: 0xffffffff81000000 -> 0xffffffff81e43000  (pfn 0x1000 + 0xe43 pages)",
    "layout: ramdisk *: 0xffffffff81e43000 -> 0xffffffff925c7000  (pfn 0x1e43 + 0x10784 pages)",
    "layout: phys2mach *: 0xffffffff925c7000 -> 0xffffffffa25c7000  (pfn 0x125c7 + 0x10000 pages)",
    "layout: start info *: 0xffffffffa25c7000  (pfn 0x225c7)",
    "layout: xenstore *: 0xffffffffa25c8000  (pfn 0x225c8)",
    "layout: console *: 0xffffffffa25c9000  (pfn 0x225c9)",
    "layout: page tables *: 0xffffffffa25ca000 -> 0xffffffffa26e1000  (pfn 0x225ca + 0x117 pages)",
    "layout: boot stack *: 0xffffffffa26e1000  (pfn 0x226e1)",
    "layout: 37.8 MiB of the P2M lie in the module area*",
    "walk: tables: L4 1, L3 1, L2 1, L1 276",
    "verify: 33554432 of 33554432 entries equal M2P",
    HELLO,
];
