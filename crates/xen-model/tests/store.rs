//! The client of xenstore against a daemon that does as xenstored does, and against one that does not.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use xen::abi::{StoreHeader, StoreMessage};
use xen::area::high;
use xen::start_info::BootInfo;
use xen::store::{Client, StoreError, Wrong};
use xen::{Resident, Wake};
use xen_model::{Domain, Misdeed, Xen};

/// A guest that has opened its store.
#[expect(unsafe_code, reason = "the builder has mapped the ring, and the mapping stays")]
fn opened() -> Xen {
    let built = Domain::guest(64).build().unwrap();
    let info = BootInfo::parse(&built.start_info, built.facts, &built.xen).unwrap();
    let at = high(info.store.unwrap());
    let mut xen = built.xen;
    // SAFETY: the page is in the builder's mapping, which nothing changes here.
    unsafe { xen.open_store(at, info.store_port.unwrap()) };
    xen
}

fn refusal(result: Result<impl Sized, StoreError>) -> String {
    match result {
        Err(StoreError::Refused { error, .. }) => error,
        Err(other) => panic!("expected a refusal, found: {other}"),
        Ok(_) => panic!("expected a refusal, found none"),
    }
}

fn events(client: &mut Client, xen: &mut Xen) -> Vec<(String, String)> {
    let next = || client.event(xen).unwrap().map(|event| (event.path, event.token));
    core::iter::from_fn(next).collect()
}

fn pair(path: &str, token: &str) -> (String, String) {
    (path.to_owned(), token.to_owned())
}

#[test]
fn a_value_is_written_read_listed_and_removed() {
    let (mut xen, mut client) = (opened(), Client::new());
    client.write("data/here/one", b"1", &mut xen).unwrap();
    client.write("data/here/two", b"", &mut xen).unwrap();
    assert_eq!(client.read("data/here/one", &mut xen), Ok(b"1".to_vec()));
    assert_eq!(client.read("/local/domain/7/data/here/one", &mut xen), Ok(b"1".to_vec()));
    assert_eq!(client.read("data/here", &mut xen), Ok(Vec::new()), "made on the way");
    assert_eq!(client.directory("data/here", &mut xen), Ok(vec!["one".to_owned(), "two".to_owned()]));
    assert_eq!(client.directory("data/here/two", &mut xen), Ok(Vec::new()));
    client.remove("data/here", &mut xen).unwrap();
    assert_eq!(refusal(client.read("data/here/one", &mut xen)), "ENOENT");
    client.remove("data/here", &mut xen).unwrap();
    assert_eq!(refusal(client.remove("data/here/one", &mut xen)), "ENOENT", "nor is there anything above it");
}

#[test]
fn a_refusal_has_its_reason_and_changes_nothing() {
    let (mut xen, mut client) = (opened(), Client::new());
    assert_eq!(refusal(client.write("name", b"mine", &mut xen)), "EACCES");
    assert_eq!(refusal(client.directory("nothing", &mut xen)), "ENOENT");
    assert_eq!(refusal(client.read("data//two", &mut xen)), "EINVAL");
    client.watch("data", "token", &mut xen).unwrap();
    assert_eq!(refusal(client.watch("data", "token", &mut xen)), "EEXIST");
    client.write("data/one", b"1", &mut xen).unwrap();
    assert_eq!(client.read("data/one", &mut xen), Ok(b"1".to_vec()));
}

#[test]
fn what_is_longer_than_the_ring_goes_through_it_both_ways() {
    let (mut xen, mut client) = (opened(), Client::new());
    let value: Vec<u8> = (0..2000_u32).map(|number| (number % 251) as u8).collect();
    client.write("data/large", &value, &mut xen).unwrap();
    assert_eq!(client.read("data/large", &mut xen), Ok(value));
    let longest = vec![b'x'; 4096];
    xen.store().set("data/longest", &longest);
    assert_eq!(client.read("data/longest", &mut xen), Ok(longest));
    assert_eq!(xen.sleeps(), 0, "the daemon is as quick as the guest");
}

#[test]
fn a_request_of_4096_bytes_is_sent_and_a_longer_one_is_not() {
    let (mut xen, mut client) = (opened(), Client::new());
    let room = 4096 - "data/x".len() - 1;
    assert_eq!(refusal(client.write("data/x", &vec![0; room], &mut xen)), "ENOSPC", "xenstored keeps 2 KiB");
    let longer = client.write("data/x", &vec![0; room + 1], &mut xen);
    assert_eq!(longer, Err(StoreError::TooLong { bytes: 4097 }));
    client.write("data/x", b"short", &mut xen).unwrap();
}

#[test]
fn a_watch_says_so_at_once_and_then_whenever_something_below_changes() {
    let (mut xen, mut client) = (opened(), Client::new());
    client.watch("data/w", "mine", &mut xen).unwrap();
    client.watch("/local/domain/7/data/w/deep", "whole", &mut xen).unwrap();
    let whole = "/local/domain/7/data/w/deep";
    assert_eq!(events(&mut client, &mut xen), [pair("data/w", "mine"), pair(whole, "whole")]);
    xen.store().set("data/w/deep", b"1");
    assert_eq!(events(&mut client, &mut xen), [pair("data/w/deep", "mine"), pair(whole, "whole")]);
    xen.store().set("data/wide", b"1");
    assert_eq!(events(&mut client, &mut xen), []);
    client.remove("data/w", &mut xen).unwrap();
    assert_eq!(events(&mut client, &mut xen), [pair("data/w", "mine"), pair(whole, "whole")]);
}

#[test]
fn events_that_come_before_a_reply_wait_their_turn() {
    let (mut xen, mut client) = (opened(), Client::new());
    client.watch("data/w", "mine", &mut xen).unwrap();
    client.write("data/w", b"1", &mut xen).unwrap();
    xen.store().set("data/w/two", b"2");
    assert_eq!(client.read("data/w", &mut xen), Ok(b"1".to_vec()));
    // The event of the watch and that of the write are equal, so they are one.
    assert_eq!(events(&mut client, &mut xen), [pair("data/w", "mine"), pair("data/w/two", "mine")]);
}

#[test]
fn a_daemon_that_is_full_of_events_takes_a_request_once_they_are_taken() {
    let (mut xen, mut client) = (opened(), Client::new());
    client.watch("data/w", "mine", &mut xen).unwrap();
    for number in 0..100 {
        xen.store().set(&format!("data/w/{number}"), b"");
    }
    // More than the ring's size waits on either side: only taking something lets this end.
    client.write("data/large", &[1; 2000], &mut xen).unwrap();
    assert_eq!(xen.store().get("data/large").map(<[u8]>::len), Some(2000));
    let kept = events(&mut client, &mut xen);
    assert_eq!((kept.len(), &kept[31]), (32, &pair("data/w/99", "mine")), "the last of 101");
}

#[test]
fn a_transaction_takes_effect_as_a_whole_or_not_at_all() {
    let (mut xen, mut client) = (opened(), Client::new());
    client.watch("data", "mine", &mut xen).unwrap();
    events(&mut client, &mut xen);
    let first = client.begin(&mut xen).unwrap();
    client.write_in(first, "data/a", b"1", &mut xen).unwrap();
    client.write_in(first, "data/b", b"2", &mut xen).unwrap();
    assert_eq!(client.read_in(first, "data/a", &mut xen), Ok(b"1".to_vec()));
    assert_eq!(refusal(client.read("data/a", &mut xen)), "ENOENT");
    assert_eq!(events(&mut client, &mut xen), []);
    client.commit(first, &mut xen).unwrap();
    assert_eq!(client.read("data/b", &mut xen), Ok(b"2".to_vec()));
    assert_eq!(events(&mut client, &mut xen), [pair("data/a", "mine"), pair("data/b", "mine")]);
    let second = client.begin(&mut xen).unwrap();
    client.write_in(second, "data/a", b"3", &mut xen).unwrap();
    client.abort(second, &mut xen).unwrap();
    assert_eq!(client.read("data/a", &mut xen), Ok(b"1".to_vec()));
    assert_eq!(refusal(client.commit(second, &mut xen)), "ENOENT", "it is over");
}

#[test]
fn a_transaction_conflicts_with_what_others_did_at_its_paths_and_with_nothing_else() {
    let (mut xen, mut client) = (opened(), Client::new());
    client.write("data/a", b"1", &mut xen).unwrap();
    client.write("data/b", b"1", &mut xen).unwrap();
    let reader = client.begin(&mut xen).unwrap();
    client.read_in(reader, "data/a", &mut xen).unwrap();
    xen.store().set("data/a", b"1");
    assert_eq!(refusal(client.commit(reader, &mut xen)), "EAGAIN", "even with the same value");
    let writer = client.begin(&mut xen).unwrap();
    client.write_in(writer, "data/a", b"2", &mut xen).unwrap();
    xen.store().set("data/b", b"outside");
    client.commit(writer, &mut xen).unwrap();
    assert_eq!(client.read("data/a", &mut xen), Ok(b"2".to_vec()));
    assert_eq!(client.read("data/b", &mut xen), Ok(b"outside".to_vec()), "what others did stays");
    let maker = client.begin(&mut xen).unwrap();
    client.write_in(maker, "data/c", b"", &mut xen).unwrap();
    xen.store().set("data/d", b"");
    assert_eq!(refusal(client.commit(maker, &mut xen)), "EAGAIN", "both changed the list of children");
}

#[test]
fn an_empty_ring_has_no_event_and_takes_no_time() {
    let (mut xen, mut client) = (opened(), Client::new());
    assert_eq!(client.event(&mut xen), Ok(None));
    assert_eq!((xen.sleeps(), xen.now().nanos()), (0, 0));
}

#[test]
fn a_reply_to_a_former_owner_of_the_ring_is_dropped() {
    let (mut xen, mut client) = (opened(), Client::new());
    // GRUB's requests have the number 0.
    let header = StoreHeader { kind: StoreMessage::Read as u32, request: 0, transaction: 0, len: 5 };
    xen.store().leave(&[&header.to_bytes()[..], b"stale"].concat());
    xen.store().set("name", b"fresh");
    assert_eq!(client.read("name", &mut xen), Ok(b"fresh".to_vec()));
    assert_eq!(client.event(&mut xen), Ok(None));
}

#[test]
fn silence_ends_after_five_seconds_and_a_late_reply_is_dropped() {
    let (mut xen, mut client) = (opened(), Client::new());
    xen.store().set("name", b"guest");
    xen.store().misbehave(Misdeed::Silence);
    assert!(matches!(client.read("name", &mut xen), Err(StoreError::Silent { .. })));
    assert_eq!(xen.now().nanos(), 5_000_000_000);
    let late = StoreHeader { kind: StoreMessage::Read as u32, request: 1, transaction: 0, len: 4 };
    xen.store().leave(&[&late.to_bytes()[..], b"late"].concat());
    assert_eq!(client.read("name", &mut xen), Ok(b"guest".to_vec()));
}

#[test]
fn after_a_store_that_was_restarted_in_a_message_the_client_starts_again() {
    let (mut xen, mut client) = (opened(), Client::new());
    client.watch("data/w", "mine", &mut xen).unwrap();
    xen.store().set("name", b"guest");
    xen.store().misbehave(Misdeed::Restart);
    assert!(matches!(client.read("name", &mut xen), Err(StoreError::Silent { .. })));
    xen.store().reset_ring();
    client.restart();
    assert_eq!(client.read("name", &mut xen), Ok(b"guest".to_vec()));
    assert_eq!(client.event(&mut xen), Ok(None), "old events are forgotten");
    client.watch("data/w", "mine", &mut xen).unwrap();
    assert_eq!(events(&mut client, &mut xen), [pair("data/w", "mine")], "the store knew of no watch");
}

#[test]
fn indices_that_cannot_be_end_the_use_of_the_ring_until_it_is_reset() {
    let (mut xen, mut client) = (opened(), Client::new());
    xen.store().set("name", b"guest");
    xen.store().misbehave(Misdeed::Indices(5000));
    assert!(matches!(client.read("name", &mut xen), Err(StoreError::Wrong(Wrong::Ring(_)))));
    assert_eq!(client.read("name", &mut xen), Err(StoreError::Broken));
    xen.store().reset_ring();
    assert_eq!(client.event(&mut xen), Err(StoreError::Broken));
    client.restart();
    assert_eq!(client.read("name", &mut xen), Ok(b"guest".to_vec()));
}

#[test]
fn a_sleep_ends_at_once_if_the_store_has_something() {
    let (mut xen, mut client) = (opened(), Client::new());
    client.watch("data/w", "mine", &mut xen).unwrap();
    xen.wait(Wake::Store, None);
    assert_eq!(xen.sleeps(), 0);
}
