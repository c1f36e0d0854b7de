//! Tests of `crash` with lines of Xen 4.1 to today.

use super::*;
use crate::report::crash_facts::Crash;

fn hit<'a>(word: &'static str, line: &'a str) -> Hit<'a> {
    let (before, rest) = line.split_once(word).expect("the word is there");
    Hit { word, before, rest, tail: rest, line }
}

fn facts(facts: Facts) -> Seen {
    match facts.expect("the line can be read").pop().expect("it says something") {
        Fact::Crash(seen) => seen,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trap_is_read_in_the_words_of_every_release() {
    let at = |word, line: &str| {
        let seen = facts(unhandled(&hit(word, line)));
        let What::Unhandled(trap) = seen.what else { panic!("{seen:?}") };
        (seen.domain, trap.vector, trap.error)
    };
    let word = " fault/trap [#";
    assert_eq!(at(word, "(XEN) d7v0 Unhandled page fault fault/trap [#14, ec=0002]"), (Some(7), 14, Some(2)));
    let old = "(XEN) traps.c:459:d0v0 Unhandled invalid opcode fault/trap [#6] on VCPU 0 [ec=0000]";
    assert_eq!(at(word, old), (Some(0), 6, Some(0)));
    let older =
        "(XEN) traps.c:405:d12 Unhandled page fault fault/trap [#14] in domain 12 on VCPU 0 [ec=0010]";
    assert_eq!(at(word, older), (Some(12), 14, Some(16)));
    assert_eq!(at("Unhandled: vec", "(XEN) d3v1 Unhandled: vec 13, #GP[0000]"), (Some(3), 13, Some(0)));
}

#[test]
fn the_hypervisors_own_registers_are_no_domains() {
    assert_eq!(rip("    e008:[<ffff82d040201234>] foo+0x1/0x2"), None);
    assert!(rip("    e033:[<ffffffff81001180>]").is_some());
    assert_eq!(rip("    e033:[<ffffffff8100118>]"), None);
    assert_eq!(context(&hit("CONTEXT: ", "CONTEXT: hypervisor (d1v0)")), nothing());
}

#[test]
fn a_second_walk_does_not_replace_the_first() {
    let mut crash = Crash::default();
    let take = |crash: &mut Crash, what| crash.take(Seen { domain: Some(4), what });
    take(&mut crash, What::Walk(0x1000));
    take(&mut crash, What::Entry(Entry { level: 4, index: 0, value: 0 }));
    take(&mut crash, What::Happened);
    take(&mut crash, What::Walk(0x2000));
    take(&mut crash, What::Entry(Entry { level: 3, index: 0, value: 0 }));
    assert_eq!((crash.walked, crash.entries.len()), (Some(0x1000), 1));
    assert!(crash.is_ended_by(&Seen { domain: Some(4), what: What::Happened }));
}
