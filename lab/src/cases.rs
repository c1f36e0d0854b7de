//! Boots that `pvlab suite` runs, and what a case is; `table` has all of them.
//!
//! A case names what is unusual about it and takes the rest from `CASE`. Guests share one machine where they can;
//! `suite` sees to that.

use crate::{
    builder::Notes,
    grub::GrubVersion,
    guest::{Reading, Reboot},
    lab::XenVersion,
    script::Step,
};
use pv_layout::verdict::Outcome;
use std::borrow::Cow;

/// Where the image of a case comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Image {
    /// The unikernel.
    Normal,
    /// The unikernel as large as the kernel of the problem's report, without the notes that move the P2M.
    Seed,
    /// `examples/hello`: a kernel on `xen-pv` alone.
    Hello,
    /// `examples/p2m`: one on `pv-memory` as well.
    P2m,
}

/// How the image of a case is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// By the toolstack, paused; the layout rows of both sides are compared.
    Guest,
    /// By a plain `xl create -c`, which says nothing of the layout.
    Plain,
    /// By the toolstack, in pv-shim, whose builder prints its layout on the guest's console.
    Shim,
    /// By this GRUB, which the toolstack starts; it says nothing of the layout.
    Grub(GrubVersion),
    /// As the initial domain, console through Xen.
    Dom0,
    /// As the initial domain, console on the second serial port.
    Dom0Com2,
}

/// Whether the guest's layout is compared with its builder's log, if it is in there, and with the prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// By every builder, but after a plain `xl create -c`.
    Compare,
    /// For guests that have none, or are meant to die before.
    Ignore,
}

/// One boot, and what it must lead to.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: Cow<'static, str>,
    pub(crate) image: Image,
    /// Of the unikernel.
    pub(crate) notes: Notes,
    pub(crate) start: Start,
    pub(crate) memory_mib: u64,
    /// The most that it may have later, if that is more.
    pub(crate) maxmem_mib: Option<u64>,
    /// As on the command line: `none`, a size, or a file of the checkout.
    pub(crate) ramdisk: &'static str,
    /// A newc archive of the checkout for the head of a sized ramdisk.
    pub(crate) archive: Option<&'static str>,
    pub(crate) cmdline: &'static str,
    /// From the guest's start to its end. With a script: for each step, and from the last one to the end.
    pub(crate) timeout_secs: u64,
    /// What is done with the guest while it runs.
    pub(crate) script: &'static [Step],
    pub(crate) reboot: Reboot,
    /// The only Xen releases that the case is for; all, if it names none.
    pub(crate) xens: &'static [XenVersion],
    pub(crate) outcome: Outcome,
    /// Console lines that must appear; `*` stands for anything in between.
    pub(crate) says: &'static [&'static str],
    /// Console lines that must not appear.
    pub(crate) never_says: &'static [&'static str],
    /// Lines of Xen's own log that must appear, for what the guest cannot say itself.
    pub(crate) xen_says: &'static [&'static str],
    /// A file of the checkout that must equal the console lines with this tag, the tag taken off. The initial domain
    /// is held to what follows a bar in its lines, a guest to what is before it.
    pub(crate) golden: Option<(&'static str, &'static str)>,
    /// A file of the checkout with names of modules; each must be in the guest's list.
    pub(crate) listed: Option<&'static str>,
    /// Most MMU hypercalls that the whole boot may make.
    pub(crate) mmu_at_most: Option<u64>,
    pub(crate) rows: Rows,
    /// What the toolstack's programs read of the guest's P2M, for comparison with the guest's own line.
    pub(crate) reading: Reading,
    /// The differences that must be found, for each program; if there are none here, none may be found.
    pub(crate) misreads: &'static [&'static str],
}

/// What a case is unless it says otherwise.
pub(crate) const CASE: Case = Case {
    name: Cow::Borrowed(""),
    image: Image::Normal,
    notes: Notes::None,
    start: Start::Guest,
    memory_mib: 64,
    maxmem_mib: None,
    ramdisk: "none",
    archive: None,
    cmdline: "",
    timeout_secs: 60,
    script: &[],
    reboot: Reboot::Ends,
    xens: &[],
    outcome: Outcome::Success,
    says: &[],
    never_says: &["panic", "Test result: FAILURE"],
    xen_says: &[],
    golden: None,
    listed: None,
    mmu_at_most: None,
    rows: Rows::Compare,
    reading: Reading::Nothing,
    misreads: &[],
};

/// The archive that `make` puts at the head of ramdisks.
pub(crate) const ARCHIVE: Option<&str> = Some("target/image/modules.cpio");
/// Line that a module prints from its init.
pub(crate) const HELLO: &str = "module: hello: 6 of 6 relocation checks hold";

/// What the loader read back: modules get pages that nothing shows, where there are any.
const UNSHOWN: &str =
    "module: hello: 3 pages of code and constants, 0 of them in the direct map, none writable there";

/// The same where the direct map shows every page, with `p2m=baseline`.
const SEALED: &str =
    "module: hello: 3 pages of code and constants, 3 of them in the direct map, none writable there";

/// Those that need no archive of many modules and no machine of their own.
pub(crate) fn quick() -> Vec<Case> {
    [basics(), conformance(), refusals()].concat()
}

/// Those that share a machine last, or take one of their own.
pub(crate) fn slow() -> Vec<Case> {
    [collisions(), direct()].concat()
}

/// A case of this name that is otherwise as `CASE` says.
pub(crate) const fn case(name: &'static str) -> Case {
    Case { name: Cow::Borrowed(name), ..CASE }
}

fn basics() -> Vec<Case> {
    vec![
        Case { says: &[HELLO, UNSHOWN, "verify: 16384 of 16384 entries equal M2P"], ..case("small") },
        Case { start: Start::Plain, says: &[HELLO], ..case("plain-create") },
        Case { ramdisk: "target/image/modules.cpio", says: &[HELLO], ..case("module-from-ramdisk") },
        Case { cmdline: "p2m=alias", says: &["total: done:*, 0 KiB copied,*"], ..case("alias") },
        Case { cmdline: "p2m=linear", says: &[HELLO, "revector: * published as a list"], ..case("linear") },
        Case { memory_mib: 256, cmdline: "p2m=baseline", says: &[HELLO, SEALED], ..case("all-ram-shown") },
        Case { cmdline: "verify=sample", says: &["verify: * (sample of 16384)"], ..case("verify-sample") },
        Case { cmdline: "verify=off", says: &["verify: off"], ..case("verify-off") },
        Case { cmdline: "loglevel=debug", says: &["dump: after: 0xffff880000000000-*"], ..case("debug-log") },
        Case {
            memory_mib: 63,
            cmdline: "loglevel=debug",
            says: &["p2m: the list's last page ends with 256 words that are no entries: zero"],
            ..case("list-tail")
        },
        Case { cmdline: "p3m=copy", says: &["options: unknown key p3m, ignored"], ..case("unknown-key") },
        Case { cmdline: "p2m=keep", says: &["revector: p2m=keep:*"], ..case("keep-without-collision") },
        Case {
            cmdline: "limits=on",
            says: &["limits: first copy: 128 KiB in * us", "limits: L1 validation: 64 in * us"],
            ..case("limits")
        },
    ]
}

/// What real Xen says to the programs that its model is held to.
fn conformance() -> Vec<Case> {
    let programs = |name| Case {
        cmdline: "selftest=conformance",
        golden: Some(("conformance: ", "tests/model/conformance.txt")),
        ..case(name)
    };
    vec![
        programs("conformance"),
        Case { start: Start::Dom0, memory_mib: 256, ..programs("conformance-initial-domain") },
    ]
}

/// Input that must be refused with a message, and without a panic.
fn refusals() -> Vec<Case> {
    let error =
        |name, ramdisk, cmdline, says| Case { ramdisk, cmdline, outcome: Outcome::Error, says, ..case(name) };
    vec![
        Case {
            rows: Rows::Ignore,
            ..error(
                "bad-value",
                "none",
                "p2m=banana",
                &["*p2m=banana: expected one of copy, alias, linear, keep"],
            )
        },
        error("no-such-module", "none", "modules=absent", &["module: modules=absent: there is no such*"]),
        error("random-ramdisk", "target/image/random.bin", "", &["module: ramdisk: *expected*"]),
        error("truncated-ramdisk", "target/image/truncated.cpio", "", &["module: ramdisk: *"]),
        error("not-an-archive", "target/image/hello.o", "", &["module: ramdisk: *expected*ELF*"]),
        Case {
            ramdisk: "target/image/empty.bin",
            outcome: Outcome::NotBuilt,
            rows: Rows::Ignore,
            ..case("empty-ramdisk")
        },
        Case { memory_mib: 8, outcome: Outcome::NotBuilt, rows: Rows::Ignore, ..case("too-little-memory") },
    ]
}

/// The problem in a guest of 1 GiB: a ramdisk that puts the P2M across the start of the module area.
fn collisions() -> Vec<Case> {
    let small =
        |name, cmdline| Case { memory_mib: 1024, ramdisk: "494M", archive: ARCHIVE, cmdline, ..case(name) };
    let fails = |name, cmdline| Case {
        outcome: Outcome::Failure,
        says: &[
            "vmalloc: WARNING: L1 entry for 0xffffffffa0000000*",
            "*module::load::load+0x*/0x*",
            "vmalloc: allocation failure, allocated 16384 of 20480 bytes*",
        ],
        never_says: &["panic"],
        ..small(name, cmdline)
    };
    let across = &["layout: * of the P2M lie in the module area*", HELLO];
    vec![
        Case { says: across, mmu_at_most: Some(300), ..small("small-copy", "") },
        Case { says: across, ..small("small-alias", "p2m=alias") },
        fails("small-keep", "p2m=keep"),
        fails("small-no-cleanup", "cleanup=off"),
    ]
}

fn direct() -> Vec<Case> {
    let direct =
        |name, start, cmdline| Case { start, cmdline, memory_mib: 256, says: &[HELLO], ..case(name) };
    vec![
        direct("dom0", Start::Dom0, ""),
        direct("dom0-alias", Start::Dom0, "p2m=alias"),
        direct("dom0-com2", Start::Dom0Com2, "console=com2"),
        // A toolstack unpacks a ramdisk before the guest sees it; Xen's own builder leaves that to the kernel.
        Case {
            ramdisk: "target/image/samples.cpio.gz",
            says: &[
                "module: ramdisk: gzip, * bytes unpacked to *",
                "chain_top: five steps of 7 give 35",
                HELLO,
            ],
            ..direct("dom0-gzip", Start::Dom0, "")
        },
    ]
}
