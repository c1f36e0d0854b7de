//! A guest that stays, on the model: what is typed and what the toolstack asks for, up to its end.

use crate::support::{boot, checks, toolstack};
use xen::addr::{Mfn, Pfn};
use xen_model::{Builder, Built, Domain, Happening, Misdeed};

const END: &str = "control/shutdown";

fn typed(line: &str) -> Happening {
    Happening::Typed(format!("{line}\r").into_bytes())
}

fn written(path: &'static str, value: &str) -> Happening {
    Happening::Written { path, value: value.as_bytes().to_vec() }
}

/// Boots a guest that stays until the toolstack shuts it down, after all that happens.
fn stay(options: &str, happenings: Vec<Happening>) -> Built {
    let mut built = Domain::guest(64).build().unwrap();
    built.xen.store().set("memory/static-max", b"98304");
    built.xen.store().set("memory/target", b"65536");
    built.xen.plan(happenings);
    built.xen.plan([written(END, "poweroff")]);
    boot(&mut built, &format!("after=monitor {options}")).unwrap();
    built
}

/// The toolstack's view of the P2M is the machine's.
fn assert_p2m(built: &Built, with_frame: usize) {
    let saved = toolstack::map_p2m(&built.xen).unwrap();
    let truth = (0..).map(Pfn::new).map(|pfn| built.xen.machine().mfn(pfn).map_or(u64::MAX, Mfn::raw));
    assert!(truth.take(saved.p2m.len()).eq(saved.p2m.iter().copied()));
    assert_eq!(saved.p2m.iter().filter(|word| **word != u64::MAX).count(), with_frame);
}

#[test]
fn a_request_to_shut_down_is_acknowledged_and_obeyed() {
    let mut built = stay("", vec![]);
    assert_eq!(built.xen.store().get(END), Some(&b""[..]));
    assert_eq!(built.xen.store().get("control/feature-poweroff"), Some(&b"1"[..]));
    assert_eq!(built.xen.store().get("data/revector/strategy"), Some(&b"copy"[..]));
}

#[test]
fn a_sysrq_is_acknowledged_whatever_its_letter() {
    let mut built = stay("", vec![written("control/sysrq", "m"), typed(""), written("control/sysrq", "?")]);
    assert_eq!(built.xen.store().get("control/sysrq"), Some(&b""[..]));
}

#[test]
fn a_request_that_cannot_be_met_leaves_the_guest_as_it_was() {
    let built = stay("", vec![written(END, "suspend"), typed("verify")]);
    assert_p2m(&built, 64 * 256);
}

#[test]
fn the_toolstacks_target_is_reached_down_and_up_and_beyond() {
    for strategy in ["copy", "alias", "linear"] {
        let happenings = vec![
            written("memory/target", "32768"),
            typed("insmod hello"),
            written("memory/target", "98304"),
            typed("rmmod hello"),
            written("memory/target", "81920"),
        ];
        let built = stay(&format!("p2m={strategy}"), happenings);
        assert_p2m(&built, 80 * 256);
    }
}

#[test]
fn a_target_that_xen_does_not_give_is_tried_again() {
    const SECOND: u64 = 1_000_000_000;
    let happenings = vec![
        Happening::MostPages(64 * 256),
        written("memory/target", "98304"),
        Happening::TimePasses(SECOND),
        Happening::MostPages(80 * 256),
        Happening::TimePasses(2 * SECOND),
        Happening::MostPages(96 * 256),
    ];
    assert_p2m(&stay("", happenings.clone()), 80 * 256);
    let later = [happenings, vec![Happening::TimePasses(4 * SECOND)]].concat();
    assert_p2m(&stay("", later), 96 * 256);
}

/// Whoever types has the last word until the toolstack asks for something.
#[test]
fn a_target_that_was_not_reached_does_not_undo_what_is_typed() {
    let happenings = vec![
        Happening::MostPages(64 * 256),
        written("memory/target", "98304"),
        typed("balloon 32"),
        Happening::TimePasses(100_000_000_000),
    ];
    assert_p2m(&stay("", happenings), 32 * 256);
    let happenings = vec![typed("balloon 32"), written("memory/target", "65536")];
    assert_p2m(&stay("", happenings), 64 * 256);
}

/// `xl mem-max` raises it while the guest runs.
#[test]
fn the_most_memory_may_rise_later() {
    let happenings = vec![
        written("memory/static-max", "131072"),
        written("memory/target", "131072"),
        written("memory/static-max", "99999999999999999999"),
    ];
    assert_p2m(&stay("", happenings), 128 * 256);
}

/// An event that stays in the ring would wake a guest that does not look at it, again and again: this would never end.
#[test]
fn what_comes_while_a_silent_store_rests_does_not_keep_the_guest_awake() {
    let mut built = Domain::guest(64).build().unwrap();
    (0..8).for_each(|_| built.xen.store().misbehave(Misdeed::None));
    built.xen.store().misbehave(Misdeed::Silence);
    built.xen.plan([written("memory/target", "32768"), Happening::TimePasses(11_000_000_000)]);
    built.xen.plan([written(END, "poweroff")]);
    boot(&mut built, "after=monitor").unwrap();
    assert_p2m(&built, 32 * 256);
}

/// The target is the container's, and its hypervisor keeps a part of that.
#[test]
fn what_pv_shim_keeps_is_no_part_of_the_target() {
    for (target, pages) in [("67584", 64 * 256), ("34816", 32 * 256)] {
        let mut built = Domain { builder: Builder::Shim, ..Domain::guest(64) }.build().unwrap();
        built.xen.store().set("memory/target", b"67584");
        built.xen.store().set("memory/static-max", b"67584");
        built.xen.plan([written("memory/target", target), written(END, "poweroff")]);
        boot(&mut built, "after=monitor").unwrap();
        assert_p2m(&built, pages);
    }
}

/// At whatever request of the introduction it was silent, and whether it had done what it was asked for.
#[test]
fn a_store_that_was_silent_for_a_while_is_heard_again() {
    for (position, misdeed) in (0..24).flat_map(|n| [(n, Misdeed::Silence), (n, Misdeed::Unanswered)]) {
        let mut built = Domain::guest(64).build().unwrap();
        (0..position).for_each(|_| built.xen.store().misbehave(Misdeed::None));
        built.xen.store().misbehave(misdeed.clone());
        built.xen.plan([
            Happening::TimePasses(11_000_000_000),
            written("memory/target", "32768"),
            // By now every position was asked for: if it was the target's, it is asked for again.
            Happening::TimePasses(11_000_000_000),
            written(END, "poweroff"),
            Happening::TimePasses(11_000_000_000),
        ]);
        boot(&mut built, "after=monitor").unwrap_or_else(|error| panic!("{position}, {misdeed:?}: {error}"));
        assert_p2m(&built, 32 * 256);
    }
}

#[test]
fn every_command_and_noise_leave_the_guest_whole() {
    let lines = [
        "help",
        "layout",
        "p2m 0 40",
        "p2m 0xffffff",
        "m2p 0",
        "m2p 0x100000",
        "walk 0xffff880000000000",
        "maps",
        "frames",
        "areas",
        "insmod hello",
        "insmod hello",
        "insmod absent",
        "modules",
        "rmmod hello",
        "rmmod hello",
        "set hole",
        "set split 0",
        "set split 99999999",
        "verify",
        "set close",
        "set close",
        "balloon 32",
        "balloon 64",
        "verify",
        "digest",
        "stats",
        "xenstore data/revector",
        "xenstore nothing",
        "frobnicate",
        "",
    ];
    let mut happenings: Vec<_> = lines.into_iter().map(typed).collect();
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    happenings.extend(noise.chunks(64).map(|bytes| Happening::Typed(bytes.to_vec())));
    happenings.extend([Happening::Typed(b"\x03\r".to_vec()), typed("verify")]);
    let built = stay("", happenings);
    assert_p2m(&built, 64 * 256);
    checks::no_code_is_writable(&crate::support::walk::Walk::of(&built.xen));
}

#[test]
fn a_broken_store_leaves_the_prompt() {
    let bad = [
        Misdeed::Bytes(vec![0xff; 16]),
        Misdeed::Bytes(vec![0; 400]),
        Misdeed::Silence,
        Misdeed::Restart,
        Misdeed::Indices(5000),
    ];
    for misdeed in bad {
        let mut built = Domain::guest(64).build().unwrap();
        built.xen.store().misbehave(misdeed.clone());
        built.xen.plan([typed("verify"), typed("poweroff")]);
        boot(&mut built, "after=monitor").unwrap_or_else(|error| panic!("{misdeed:?}: {error}"));
    }
}
