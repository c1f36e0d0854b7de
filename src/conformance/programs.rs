//! The programs, grouped by the rule of Xen that they test.
//!
//! Left out on purpose: a non-present entry that keeps an address. On processors with the L1TF flaw Xen crashes the
//! domain for it, so it cannot be one program among others; the model refuses it by itself.

use super::op::At::{Alias, Linear, Scratch};
use super::op::Entry::{Of, Raw};
use super::op::Op::{
    Batch, Command, Elsewhere, Ext, ExtRaw, Map, Pin, Protect, Read, Root, Show, Store, Unpin, Unprotect,
    Write,
};
use super::op::bits::{A, AVL, AVL_HIGH, D, G, NX, P, PCD, PSE, PWT, RW, US};
use super::op::{NONE, Program, program};
use super::strangers;
use xen::mmuext::{
    CLEAR_PAGE, COPY_PAGE, FLUSH_CACHE, INVLPG_LOCAL, MARK_SUPER, NEW_BASEPTR, NEW_USER_BASEPTR,
    PIN_L1_TABLE, SET_LDT, TLB_FLUSH_LOCAL, UNPIN_TABLE,
};
use xen::pte::Level::{L1, L2, L3, L4};

/// Returns every program.
#[must_use]
pub fn all() -> [&'static [Program]; 8] {
    [PINS, LEAVES, LEAF_BITS, UPPER, UPDATES, EXTENDED, strangers::FLUSHES, strangers::OTHERS]
}

/// A page is a table or writable, never both; a pin is a flag, not a count.
const PINS: &[Program] = &[
    program("pin-a-zero-l1", &[Protect(0), Pin(L1, 0), Unpin(0), Unprotect(0)]),
    program("pin-a-writable-page", &[Pin(L1, 0)]),
    program("pin-twice", &[Protect(0), Pin(L1, 0), Pin(L1, 0), Unpin(0)]),
    program("unpin-what-is-not-pinned", &[Unpin(0)]),
    program("pin-as-another-level", &[Protect(0), Pin(L1, 0), Pin(L2, 0), Unpin(0), Pin(L2, 0), Unpin(0)]),
    program("make-a-pinned-table-writable", &[Protect(0), Pin(L1, 0), Unprotect(0), Unpin(0), Unprotect(0)]),
    program("writable-elsewhere", &[Map(Scratch(0), Of(0, P | RW)), Protect(0), Pin(L1, 0)]),
    program("read-only-elsewhere", &[Map(Scratch(0), Of(0, P)), Protect(0), Pin(L1, 0), Unpin(0)]),
    program("map-a-table-writable", &[Protect(0), Pin(L1, 0), Map(Scratch(0), Of(0, P | RW)), Unpin(0)]),
    program(
        "map-a-table-read-only",
        &[Protect(0), Pin(L1, 0), Map(Scratch(0), Of(0, P)), Read(Scratch(0)), Unpin(0)],
    ),
    program("pin-an-empty-l4", &[Protect(0), Pin(L4, 0), Unpin(0)]),
    program("pin-an-empty-l3", &[Protect(0), Pin(L3, 0), Unpin(0)]),
];

/// What an L1 entry may point to.
const LEAVES: &[Program] = &[
    program("leaf-to-a-page", &[Store(0, 0, Of(1, P | RW)), Protect(0), Pin(L1, 0), Show(0, 0), Unpin(0)]),
    program("leaf-to-itself-writable", &[Store(0, 0, Of(0, P | RW)), Protect(0), Pin(L1, 0)]),
    program("leaf-to-itself-read-only", &[Store(0, 0, Of(0, P)), Protect(0), Pin(L1, 0), Unpin(0)]),
    program(
        "leaf-to-a-table-writable",
        &[Protect(1), Pin(L1, 1), Store(0, 0, Of(1, P | RW)), Protect(0), Pin(L1, 0), Unpin(1)],
    ),
    program(
        "leaf-to-a-table-read-only",
        &[Protect(1), Pin(L1, 1), Store(0, 0, Of(1, P)), Protect(0), Pin(L1, 0), Unpin(0), Unpin(1)],
    ),
    program(
        "a-page-mapped-writable-by-a-table-cannot-become-one",
        &[
            Store(0, 0, Of(1, P | RW)),
            Protect(0),
            Pin(L1, 0),
            Protect(1),
            Pin(L1, 1),
            Write(0, 0, NONE),
            Pin(L1, 1),
        ],
    ),
    program("leaf-beyond-memory", &[Map(Scratch(0), Raw(0x000f_ffff_ffff_f000 | P))]),
    program("leaf-to-the-first-frame", &[Map(Scratch(0), Raw(P))]),
    program("absent-leaf-with-rights", &[Map(Scratch(0), Raw(RW)), Read(Scratch(0))]),
    program(
        "map-and-read",
        &[Map(Scratch(1), Of(1, P)), Read(Scratch(1)), Map(Scratch(1), NONE), Read(Scratch(1))],
    ),
    program(
        "one-page-at-two-addresses",
        &[Map(Scratch(0), Of(1, P | RW)), Map(Scratch(1), Of(1, P | RW)), Read(Scratch(1))],
    ),
];

/// Which bits an L1 entry may have.
const LEAF_BITS: &[Program] = &[
    program("leaf-bit-user", &[Map(Scratch(0), Of(1, P | US))]),
    program("leaf-bit-write-through", &[Map(Scratch(0), Of(1, P | PWT))]),
    program("leaf-bit-cache-disable", &[Map(Scratch(0), Of(1, P | PCD))]),
    program("leaf-bit-accessed-dirty", &[Map(Scratch(0), Of(1, P | A | D))]),
    program("leaf-bit-pat", &[Map(Scratch(0), Of(1, P | PSE))]),
    program("leaf-bit-global", &[Map(Scratch(0), Of(1, P | G))]),
    program("leaf-bit-software", &[Map(Scratch(0), Of(1, P | AVL))]),
    program("leaf-bit-software-high", &[Map(Scratch(0), Of(1, P | AVL_HIGH))]),
    program("leaf-bit-no-execution", &[Map(Scratch(0), Of(1, P | NX)), Read(Scratch(0))]),
];

/// Tables of level 2 and above: recursive promotion, no superpages, Xen's own slots.
const UPPER: &[Program] = &[
    program(
        "l2-to-an-l1",
        &[
            Protect(0),
            Protect(1),
            Store(2, 0, Of(0, P | RW)),
            Protect(2),
            Pin(L2, 2),
            Unprotect(0),
            Unpin(2),
            Unprotect(0),
        ],
    ),
    program("l2-to-a-writable-page", &[Store(2, 0, Of(0, P | RW)), Protect(2), Pin(L2, 2)]),
    program(
        "l2-to-an-l2",
        &[Protect(0), Pin(L2, 0), Store(2, 0, Of(0, P | RW)), Protect(2), Pin(L2, 2), Unpin(0)],
    ),
    program("l2-superpage", &[Store(2, 0, Of(0, P | RW | PSE)), Protect(2), Pin(L2, 2)]),
    program("l2-global", &[Protect(0), Store(2, 0, Of(0, P | RW | G)), Protect(2), Pin(L2, 2), Unpin(2)]),
    program(
        "l2-no-execution",
        &[Protect(0), Store(2, 0, Of(0, P | RW | NX)), Protect(2), Pin(L2, 2), Show(2, 0), Unpin(2)],
    ),
    program(
        "l2-software-bits",
        &[Protect(0), Store(2, 0, Of(0, P | RW | AVL | AVL_HIGH)), Protect(2), Pin(L2, 2), Unpin(2)],
    ),
    program(
        "l2-cache-bits",
        &[Protect(0), Store(2, 0, Of(0, P | RW | PWT | PCD)), Protect(2), Pin(L2, 2), Unpin(2)],
    ),
    program(
        "l1-in-two-slots",
        &[
            Protect(0),
            Protect(2),
            Pin(L2, 2),
            Write(2, 0, Of(0, P | RW)),
            Write(2, 1, Of(0, P | RW)),
            Write(2, 0, NONE),
            Unprotect(0),
            Write(2, 1, NONE),
            Unprotect(0),
            Unpin(2),
        ],
    ),
    program(
        "hook-a-writable-l1",
        &[
            Protect(2),
            Pin(L2, 2),
            Write(2, 0, Of(0, P | RW)),
            Protect(0),
            Write(2, 0, Of(0, P | RW)),
            Unpin(2),
        ],
    ),
    program(
        "hook-a-bad-l1",
        &[
            Store(0, 7, Of(0, P | RW)),
            Protect(0),
            Protect(2),
            Pin(L2, 2),
            Write(2, 0, Of(0, P | RW)),
            Show(2, 0),
            Unpin(2),
        ],
    ),
    program(
        "l3-to-l2-to-l1",
        &[
            Protect(0),
            Store(1, 3, Of(0, P | RW)),
            Protect(1),
            Store(2, 5, Of(1, P | RW)),
            Protect(2),
            Pin(L3, 2),
            Unprotect(0),
            Unprotect(1),
            Unpin(2),
        ],
    ),
    program(
        "l3-to-an-l1",
        &[Protect(0), Pin(L1, 0), Store(2, 0, Of(0, P | RW)), Protect(2), Pin(L3, 2), Unpin(0)],
    ),
    program("l3-superpage", &[Store(2, 0, Of(0, P | RW | PSE)), Protect(2), Pin(L3, 2)]),
    program(
        "l4-to-l3",
        &[Protect(0), Store(2, 0, Of(0, P | RW)), Protect(2), Pin(L4, 2), Unprotect(0), Unpin(2)],
    ),
    program("l4-to-itself-writable", &[Store(2, 0, Of(2, P | RW)), Protect(2), Pin(L4, 2)]),
    program(
        "l4-entry-in-a-slot-of-xen",
        &[Protect(0), Protect(2), Pin(L4, 2), Write(2, 256, Of(0, P | RW)), Write(2, 271, NONE), Unpin(2)],
    ),
];

/// `mmu_update` itself: the table in use, addresses, commands, batches.
const UPDATES: &[Program] = &[
    program("root-slots-of-xen", &[Root(256, NONE), Root(263, NONE), Root(271, NONE)]),
    program(
        "root-slot-of-the-guest",
        &[Root(255, NONE), Protect(0), Root(255, Of(0, P | RW | US)), Root(255, NONE), Unprotect(0)],
    ),
    program("root-slot-bad-table", &[Root(255, Of(0, P | RW))]),
    program("update-a-data-page", &[Write(0, 0, Raw(0x1234)), Show(0, 0)]),
    program("update-with-an-unknown-command", &[Protect(0), Pin(L1, 0), Command(0, 4, NONE), Unpin(0)]),
    program("update-without-translation", &[Command(0, 3, NONE)]),
    program(
        "update-keeping-accessed-and-dirty",
        &[Protect(0), Pin(L1, 0), Command(0, 2, Of(1, P | RW)), Unpin(0)],
    ),
    program("update-beyond-memory", &[Elsewhere(0x000f_ffff_ffff_f000)]),
    program(
        "batch-stops-at-the-first-bad-element",
        &[
            Protect(0),
            Pin(L1, 0),
            Batch(0, &[(0, Of(1, P | RW)), (1, Of(0, P | RW)), (2, Of(1, P | RW))]),
            Show(0, 0),
            Show(0, 1),
            Show(0, 2),
            Unpin(0),
        ],
    ),
    program(
        "batch-of-good-elements",
        &[
            Protect(0),
            Pin(L1, 0),
            Batch(0, &[(0, Of(1, P)), (1, Of(2, P | RW)), (511, Of(0, P))]),
            Show(0, 511),
            Unpin(0),
        ],
    ),
    program(
        "read-only-to-writable-leaf",
        &[Store(0, 0, Of(1, P)), Protect(0), Pin(L1, 0), Write(0, 0, Of(1, P | RW)), Show(0, 0), Unpin(0)],
    ),
    program(
        "read-only-to-writable-leaf-of-a-table",
        &[Store(0, 0, Of(0, P)), Protect(0), Pin(L1, 0), Write(0, 0, Of(0, P | RW)), Show(0, 0), Unpin(0)],
    ),
    program("map-where-there-is-no-l1", &[Map(Linear(0xffff_d000_0000_0000), Of(1, P))]),
    program("map-in-xen-s-range", &[Map(Linear(0xffff_8100_0000_0000), Of(1, P))]),
    program(
        "unmap-and-fault",
        &[
            Map(Scratch(2), Of(1, P | RW)),
            Read(Scratch(2)),
            Map(Scratch(2), NONE),
            Read(Scratch(2)),
            Read(Alias(1)),
        ],
    ),
];

/// `mmuext_op`.
const EXTENDED: &[Program] = &[
    program("flush", &[ExtRaw(TLB_FLUSH_LOCAL, 0)]),
    program("invalidate-one", &[ExtRaw(INVLPG_LOCAL, 0xffff_c900_0000_0000)]),
    program("no-such-operation", &[ExtRaw(99, 0)]),
    program("superpages-cannot-be-marked", &[Ext(MARK_SUPER, 0)]),
    program(
        "root-that-is-no-l4",
        &[Ext(NEW_BASEPTR, 0), Protect(0), Pin(L1, 0), Ext(NEW_BASEPTR, 0), Unpin(0)],
    ),
    program("user-root-none", &[ExtRaw(NEW_USER_BASEPTR, 0)]),
    program("user-root-that-is-no-l4", &[Ext(NEW_USER_BASEPTR, 0)]),
    program("clear-a-page", &[Store(0, 0, Raw(1)), Ext(CLEAR_PAGE, 0), Show(0, 0)]),
    program("clear-a-table", &[Protect(0), Pin(L1, 0), Ext(CLEAR_PAGE, 0), Unpin(0)]),
    program("copy-from-nowhere", &[Ext(COPY_PAGE, 0)]),
    program("pin-beyond-memory", &[ExtRaw(PIN_L1_TABLE, 0x00ff_ffff_ffff)]),
    program("unpin-beyond-memory", &[ExtRaw(UNPIN_TABLE, 0x00ff_ffff_ffff)]),
    program("flush-caches", &[ExtRaw(FLUSH_CACHE, 0)]),
    program("ldt-of-none", &[ExtRaw(SET_LDT, 0)]),
    program("ldt-at-an-odd-address", &[ExtRaw(SET_LDT, 0x1001)]),
];
