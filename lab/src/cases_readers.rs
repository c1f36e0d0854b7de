//! Guests whose P2M the toolstack's programs read when they have ended, after the move.
//!
//! `xl dump-core` maps page by page, some thousand in a second under emulation, so that large guests are not dumped.
//! Neighbours: `readers` compares what is read; `table` lists these cases.

use crate::{
    builder::Notes,
    cases::{Case, case},
    guest::Reading,
    lab::XenVersion,
};
use std::borrow::Cow;

/// The strategies that each size is moved with.
const STRATEGIES: [Way; 3] = [
    Way { name: "copy", cmdline: "digest=on p2m=copy" },
    Way { name: "alias", cmdline: "digest=on p2m=alias" },
    Way { name: "linear", cmdline: "digest=on p2m=linear" },
];

/// The classic way moves the P2M too, with a hypercall for each page: a small guest is enough.
const BASELINE: Way = Way { name: "baseline", cmdline: "digest=on p2m=baseline" };

/// Sizes at which lists end anywhere in a slot of 2 MiB and in a GiB.
const SIZES_MIB: [u64; 5] = [64, 65, 1280, 3584, 3992];

/// The largest guest that is dumped, in MiB.
const DUMPED_UP_TO_MIB: u64 = 1280;

struct Way {
    name: &'static str,
    cmdline: &'static str,
}

/// A small guest, a smaller one to be dumped, and one with a wrong frame list.
pub(crate) fn quick() -> Vec<Case> {
    let read = |name, reading, cmdline| Case { reading, cmdline, ..case(name) };
    vec![
        read("readers-small", Reading::Mfndump, "digest=on"),
        Case { memory_mib: 32, ..read("readers-core", Reading::All, "digest=on p2m=alias") },
        Case { notes: Notes::InitP2m, ..read("readers-linear", Reading::Mfndump, "digest=on p2m=linear") },
        lost(read("readers-control", Reading::Mfndump, "digest=on selftest=lost-leaf")),
        misplaced(Reading::Mfndump),
        read("readers-grown", Reading::Mfndump, "digest=on p2m=linear selftest=grown"),
    ]
}

/// Each size with each strategy, and each wrong frame list, for both programs.
pub(crate) fn all() -> Vec<Case> {
    let sized = |way: &Way, memory_mib| Case {
        name: Cow::Owned(format!("readers-{memory_mib}m-{}", way.name)),
        cmdline: way.cmdline,
        memory_mib,
        timeout_secs: 120,
        reading: if memory_mib <= DUMPED_UP_TO_MIB { Reading::All } else { Reading::Mfndump },
        ..case("")
    };
    let read = |name, cmdline| Case { reading: Reading::All, cmdline, ..case(name) };
    let noted = |memory_mib| Case { notes: Notes::InitP2m, ..sized(&STRATEGIES[2], memory_mib) };
    let mut cases = vec![
        Case { name: "readers-65m-linear-init-p2m".into(), ..noted(65) },
        Case { name: "readers-1280m-linear-init-p2m".into(), ..noted(1280) },
        Case { name: "readers-core-misplaced-list".into(), ..misplaced(Reading::All) },
        read("readers-grown-copy", "digest=on p2m=copy selftest=grown"),
        read("readers-grown-alias", "digest=on p2m=alias selftest=grown"),
        read("readers-grown-linear", "digest=on p2m=linear selftest=grown"),
        Case {
            notes: Notes::InitP2m,
            ..read("readers-grown-init-p2m", "digest=on p2m=linear selftest=grown")
        },
        sized(&BASELINE, 65),
        lost(read("readers-lost-leaf", "digest=on selftest=lost-leaf")),
        Case {
            misreads: &["expected digest *; the first frame listed twice is mfn *, for pfn 0x0 and 0x200"],
            ..read("readers-twice-named-leaf", "digest=on selftest=twice-named-leaf")
        },
    ];
    cases.extend(SIZES_MIB.iter().flat_map(|&mib| STRATEGIES.iter().map(move |way| sized(way, mib))));
    cases
}

/// A guest whose list is published where the direct map shows it: its last 256 MiB are lost. Programs of 4.14 read the
/// frame list.
fn misplaced(reading: Reading) -> Case {
    Case {
        memory_mib: 1280,
        xens: &[XenVersion::V4_17, XenVersion::V4_17Debug, XenVersion::V4_20],
        misreads: &[
            "expected 327680 entries with a frame, found 262144",
            "expected 0x4ffff to be the last page *",
        ],
        reading,
        cmdline: "digest=on p2m=linear selftest=misplaced-list",
        timeout_secs: 120,
        ..case("readers-misplaced-list")
    }
}

/// A guest whose frame list has a hole for a leaf.
fn lost(case: Case) -> Case {
    Case {
        misreads: &["expected 16384 entries with a frame, found 15872; the first one lost is pfn 0x200"],
        ..case
    }
}
