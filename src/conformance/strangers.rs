//! Programs about frames that are not the domain's own, and about translations that outlive their entry.
//!
//! Neighbour: `programs` has those about the domain's own tables.

use super::op::At::{Linear, Scratch};
use super::op::Entry::{Foreign, Of, Raw};
use super::op::Frame::{self, Number, Own};
use super::op::Op::{
    Elsewhere, ExtOn, ExtRaw, Map, Pin, Protect, Read, Root, Store, Unpin, Whose, Word, Write, WriteIn,
};
use super::op::bits::{P, RW};
use super::op::{NONE, Program, program};
use xen::mmuext::{CLEAR_PAGE, PIN_L1_TABLE, TLB_FLUSH_LOCAL};
use xen::pte::Level::{L1, L2};

/// An address of the L4 slot that programs may use.
const AT: super::op::At = Linear(0x7f80_0000_0000);
/// A frame number that M2P has room for, beyond the memory of any machine that this has run on: 32 TiB.
const BEYOND: u64 = 1 << 33;

/// Which updates flush: Xen flushes after an update above level 1, and not after one at level 1. Pages 0, 1 and 2 are
/// tables of level 1, 2 and 3; page 3 is what they map. The first program shows that this processor caches
/// translations, so that the others can fail.
pub(super) const FLUSHES: &[Program] = &[
    program(
        "an-l1-update-leaves-the-translation",
        &[
            Store(3, 0, Raw(0x33)),
            Store(0, 0, Of(3, P)),
            Store(1, 0, Of(0, P | RW)),
            Store(2, 0, Of(1, P | RW)),
            Protect(0),
            Protect(1),
            Protect(2),
            Root(255, Of(2, P | RW)),
            Word(AT),
            Write(0, 0, NONE),
            Word(AT),
            ExtRaw(TLB_FLUSH_LOCAL, 0),
            Word(AT),
            Root(255, NONE),
        ],
    ),
    program(
        "an-l2-update-flushes",
        &[
            Store(3, 0, Raw(0x33)),
            Store(0, 0, Of(3, P)),
            Store(1, 0, Of(0, P | RW)),
            Store(2, 0, Of(1, P | RW)),
            Protect(0),
            Protect(1),
            Protect(2),
            Root(255, Of(2, P | RW)),
            Word(AT),
            Write(1, 0, NONE),
            Word(AT),
            Root(255, NONE),
        ],
    ),
    program(
        "an-l2-update-to-another-table-flushes",
        &[
            Store(3, 0, Raw(0x33)),
            Store(5, 0, Raw(0x55)),
            Store(0, 0, Of(3, P)),
            Store(4, 0, Of(5, P)),
            Store(1, 0, Of(0, P | RW)),
            Store(2, 0, Of(1, P | RW)),
            Protect(0),
            Protect(1),
            Protect(2),
            Protect(4),
            Root(255, Of(2, P | RW)),
            Word(AT),
            Write(1, 0, Of(4, P | RW)),
            Word(AT),
            Root(255, NONE),
        ],
    ),
    program(
        "an-l3-update-flushes",
        &[
            Store(3, 0, Raw(0x33)),
            Store(0, 0, Of(3, P)),
            Store(1, 0, Of(0, P | RW)),
            Store(2, 0, Of(1, P | RW)),
            Protect(0),
            Protect(1),
            Protect(2),
            Root(255, Of(2, P | RW)),
            Word(AT),
            Write(2, 0, NONE),
            Word(AT),
            Root(255, NONE),
        ],
    ),
    program(
        "an-l4-update-flushes",
        &[
            Store(3, 0, Raw(0x33)),
            Store(0, 0, Of(3, P)),
            Store(1, 0, Of(0, P | RW)),
            Store(2, 0, Of(1, P | RW)),
            Protect(0),
            Protect(1),
            Protect(2),
            Root(255, Of(2, P | RW)),
            Word(AT),
            Root(255, NONE),
            Word(AT),
        ],
    ),
];

/// Frames of another domain whose M2P entry has the number of one of this domain's pages, and frames that no domain
/// has.
pub(super) const OTHERS: &[Program] = &[
    program("m2p-of-our-frames", &[Whose(Own(0)), Whose(Own(5))]),
    program("m2p-of-a-foreign-frame", &[Whose(Frame::Foreign)]),
    program("m2p-beyond-memory", &[Whose(Number(BEYOND))]),
    program("map-a-foreign-frame", &[Map(Scratch(0), Foreign(P)), Read(Scratch(0))]),
    program("map-a-foreign-frame-writable", &[Map(Scratch(0), Foreign(P | RW)), Read(Scratch(0))]),
    program("leaf-to-a-foreign-frame", &[Store(0, 0, Foreign(P)), Protect(0), Pin(L1, 0), Unpin(0)]),
    program("l2-to-a-foreign-frame", &[Store(0, 0, Foreign(P | RW)), Protect(0), Pin(L2, 0), Unpin(0)]),
    program("pin-a-foreign-frame", &[ExtOn(PIN_L1_TABLE, Frame::Foreign)]),
    program("clear-a-foreign-frame", &[ExtOn(CLEAR_PAGE, Frame::Foreign)]),
    program("update-in-a-foreign-frame", &[WriteIn(Frame::Foreign)]),
    program("map-beyond-memory", &[Map(Scratch(0), Raw((BEYOND << 12) | P))]),
    program("pin-a-frame-beyond-memory", &[ExtOn(PIN_L1_TABLE, Number(BEYOND))]),
    program("update-in-a-frame-beyond-memory", &[Elsewhere(BEYOND << 12)]),
];
