//! The table of boots that `revector suite` runs.
//!
//! A case names what is unusual about it and takes the rest from `CASE`. Guests share one machine where they can;
//! `suite` sees to that.

use crate::{lab::XenVersion, verdict::Outcome};

/// Where the image of a case comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Image {
    /// The unikernel.
    Normal,
    /// The unikernel as large as the kernel of the problem's report, without the notes that move the P2M.
    Seed,
    /// Another file of the checkout.
    #[expect(dead_code, reason = "for cases that boot broken images")]
    Path(&'static str),
}

/// How the image of a case is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// By the toolstack, paused; the layout rows of both sides are compared.
    Guest,
    /// By a plain `xl create -c`, which says nothing of the layout.
    Plain,
    /// As the initial domain, console through Xen.
    Dom0,
    /// As the initial domain, console on the second serial port.
    Dom0Com2,
}

/// Whether the guest's layout is compared with the toolstack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Wherever the toolstack tells it.
    Compare,
    /// For guests that are meant to die before they have one.
    Ignore,
}

/// One boot, and what it must lead to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) image: Image,
    pub(crate) start: Start,
    pub(crate) memory_mib: u64,
    /// As on the command line: `none`, a size, or a file of the checkout.
    pub(crate) ramdisk: &'static str,
    /// A newc archive of the checkout for the head of a sized ramdisk.
    pub(crate) archive: Option<&'static str>,
    pub(crate) cmdline: &'static str,
    pub(crate) timeout_secs: u64,
    /// The only Xen release that the case is for.
    pub(crate) only_xen: Option<XenVersion>,
    pub(crate) outcome: Outcome,
    /// Console lines that must appear; `*` stands for anything in between.
    pub(crate) says: &'static [&'static str],
    /// Console lines that must not appear.
    pub(crate) never_says: &'static [&'static str],
    pub(crate) rows: Rows,
}

/// What a case is unless it says otherwise.
const CASE: Case = Case {
    name: "",
    image: Image::Normal,
    start: Start::Guest,
    memory_mib: 64,
    ramdisk: "none",
    archive: None,
    cmdline: "",
    timeout_secs: 60,
    only_xen: None,
    outcome: Outcome::Success,
    says: &[],
    never_says: &["panic", "Test result: FAILURE"],
    rows: Rows::Compare,
};

/// Every case, quick ones first.
pub(crate) const CASES: &[Case] = &[
    Case { name: "small", ..CASE },
    Case { name: "small-plain-create", start: Start::Plain, ..CASE },
    Case { name: "alias", cmdline: "p2m=alias", ..CASE },
    Case { name: "one-page-ramdisk", ramdisk: "1p", ..CASE },
    Case { name: "odd-ramdisk", ramdisk: "12345b", ..CASE },
    Case {
        name: "bad-value",
        cmdline: "p2m=sideways",
        outcome: Outcome::Error,
        says: &["*copy*alias*keep*"],
        rows: Rows::Ignore,
        ..CASE
    },
    Case { name: "too-little-memory", memory_mib: 1, outcome: Outcome::NotBuilt, rows: Rows::Ignore, ..CASE },
    Case { name: "p2m-in-module-area-1g", memory_mib: 1024, ramdisk: "493M", ..CASE },
    Case { name: "p2m-across-module-area-1g", memory_mib: 1024, ramdisk: "495M", ..CASE },
    Case {
        name: "keep-collides-1g",
        memory_mib: 1024,
        ramdisk: "495M",
        cmdline: "p2m=keep",
        outcome: Outcome::Failure,
        says: &["vmalloc: allocation failure, allocated * of * bytes"],
        never_says: &["panic"],
        ..CASE
    },
    Case { name: "dom0", start: Start::Dom0, memory_mib: 256, ..CASE },
    Case { name: "dom0-com2", start: Start::Dom0Com2, memory_mib: 256, cmdline: "console=com2", ..CASE },
    Case {
        name: "seed-128g",
        image: Image::Seed,
        memory_mib: 131_072,
        // 0x10784 pages.
        ramdisk: "67460p",
        timeout_secs: 300,
        says: &["*phys2mach*0xffffffff925c7000 -> 0xffffffffa25c7000*"],
        ..CASE
    },
];
