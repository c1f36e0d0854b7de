//! Boots that load modules of every kind; `cases` is the table that they are part of.
//!
//! The archives are made by `make`, but for the one of Linux modules: `suite` has `linux_modules` make that, once the
//! kernel package is there.

use crate::{
    cases::{Case, HELLO, case},
    lab::XenVersion,
};
use pv_layout::verdict::Outcome;

/// The archive of unmodified Linux modules, made by `linux_modules`.
pub(crate) const LINUX: &str = "target/image/linux.cpio";

/// The archive of all modules of that kernel, made by `linux_modules`.
pub(crate) const LINUX_ALL: &str = "target/image/linux_all.cpio";

/// Modules of every kind: ours, a distribution's, broken ones, damaged ones.
pub(crate) fn cases() -> Vec<Case> {
    let samples = |name, ramdisk| Case { ramdisk, says: SAMPLES, ..case(name) };
    vec![
        Case {
            cmdline: "sample.greeting=hi",
            ..samples("modules-in-any-order", "target/image/samples.cpio")
        },
        samples("modules-gzip", "target/image/samples.cpio.gz"),
        Case {
            ramdisk: "target/image/samples.cpio",
            cmdline: "modules=chain_top loglevel=debug",
            says: &[
                "chain_top: five steps of 7 give 35",
                "module: 2 loaded",
                "module: chain_top: * .text * bytes",
            ],
            never_says: &["sample: ", "panic"],
            ..case("modules-by-name")
        },
        Case {
            ramdisk: "target/image/broken.cpio",
            outcome: Outcome::Failure,
            says: BROKEN,
            never_says: &["panic"],
            ..case("modules-broken")
        },
        Case {
            ramdisk: "target/image/mutants.cpio",
            cmdline: "init=skip",
            outcome: Outcome::Error,
            says: &[
                "module: list: first *",
                "module: list: last *",
                "module: * of 202 modules did not load*",
            ],
            never_says: &["panic", "exception"],
            ..case("modules-mutants")
        },
        Case {
            ramdisk: LINUX,
            says: CALLED,
            never_says: &["WRONG", "panic"],
            listed: Some("target/image/linux.names"),
            xens: &[XenVersion::V4_17],
            ..case("modules-of-linux")
        },
    ]
}

/// The module area filled to its last page, and every module of a distribution at once: half a minute each, and up
/// to 1.5 GiB of the machine's memory.
pub(crate) fn long() -> Vec<Case> {
    vec![
        Case {
            memory_mib: 2048,
            ramdisk: "target/image/fill.cpio",
            outcome: Outcome::Error,
            says: FILLED,
            never_says: &["panic", "fill2: no gap", "fill: 20458 of"],
            timeout_secs: 300,
            ..case("module-area-filled")
        },
        Case {
            memory_mib: 2048,
            ramdisk: LINUX_ALL,
            outcome: Outcome::Error,
            says: &[
                "module: ext4: unknown symbols: *, mark_buffer_dirty, *",
                "module: list: libcurve25519_generic *",
                "module: list: lz4hc_compress *",
                "module: 4* of 40* modules did not load: expected all; each is reported above",
            ],
            never_says: &["*** panicked*"],
            timeout_secs: 300,
            xens: &[XenVersion::V4_17],
            ..case("modules-of-linux-all")
        },
    ]
}

/// The last page of `fill_rest` is followed by its guard page and the end of the area.
const FILLED: &[&str] = &[
    "module: fill1: 0xffffffffa0000000 -> 0xffffffffaf002000 *",
    "module: fill6: *",
    "fill: 61440 of 61440 pages are zeros",
    "module: fill_rest: * -> 0xfffffffffefff000 *",
    "fill: 20459 of 20459 pages are zeros",
    "vmalloc: no gap of * bytes left in 0xffffffffa0000000 -> 0xffffffffff000000*",
    "module: fill_rest: unloaded*",
    "module: fill1: unloaded*",
    "module: 1 of 8 modules did not load*",
];

const SAMPLES: &[&str] = &[
    "module: sample: * says: 4 of 4 checks hold",
    "module: chain_top: five steps of 7 give 35",
    "module: list: chain_base * 1 chain_top, Live 0xffffffffa*",
    "module: chain_base: in use by chain_top: *",
    "pages of init given back",
    "module: sample: goodbye",
    "module: 4 loaded",
    HELLO,
];

/// Each is followed by a module that loads.
const BROKEN: &[&str] = &[
    "module: unknown: unknown symbols: nowhere_function, nowhere_variable",
    "module: duplicate: symbol revector_print: expected a new name*kernel*",
    "module: far: relocation: R_X86_64_32 *",
    "module: init_error: init_module returned -19*",
    "*** exception in a module: 14: page fault*",
    "stumble+0x*/0x* [init_fault]",
    "init_module+0x*/0x* [init_fault]",
    "module: init_fault: exception 14 at *",
    "module: init_wild: exception 14 at 0x0000000000001000*",
    "object: *found an xz stream*",
    "module: list: good1 *",
    "module: list: good2 *",
    "module: list: good3 *",
    "module: list: good4 *",
    "module: list: good5 *",
    "module: list: good6 *",
    "module: list: good7 *",
    "module: 7 of 14 modules did not load*",
];

/// Unmodified modules whose functions are called, with the results published for them.
const CALLED: &[&str] = &[
    "linux: crc16: as published",
    "linux: crc-itu-t: as published",
    "linux: crc64: as published",
    "linux: crc7: as published",
    "linux: crc8: as published",
    "linux: crct10dif_common: as published",
    "linux: libarc4: as published",
    "linux: cifs_arc4: as published",
    "linux: blowfish_common: as published",
    "linux: twofish_common: as published",
    "linux: cast_common: as published",
    "linux: cifs_md4: as published",
    "linux: libpoly1305: as published",
    "linux: libcurve25519-generic: as published",
    "linux: lz4_compress: as published",
    "linux: lz4hc_compress: as published",
    "linux: cordic: as published",
    "linux: scsi_common: as published",
    "linux: pci-hyperv-intf: as published",
];
