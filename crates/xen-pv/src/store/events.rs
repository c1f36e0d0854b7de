//! Events of watches that came while something else was waited for.
//!
//! The store decides how many come and how long they are, and the guest's heap is small: both have limits here.

use alloc::collections::VecDeque;
use alloc::string::String;

use super::error::Wrong;
use super::wire::Message;
use crate::abi::StoreMessage;

/// Different events that are kept until somebody asks for them; older ones go first. Equal ones are one: an event says
/// that there is something to read, and not what.
const MOST_EVENTS: usize = 32;
/// The most bytes of paths and tokens that are kept, likewise: four of the longest messages.
const MOST_BYTES: usize = 4 * super::wire::LONGEST;

/// A change of a watched path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// The path that changed: the watched one, or one below.
    pub path: String,
    /// What the watch was set with.
    pub token: String,
}

impl WatchEvent {
    /// Reads an event. Paths are ASCII, and a token is what this guest set its watch with.
    fn parse(body: &[u8]) -> Result<Self, Wrong> {
        let wrong = Wrong::Form(StoreMessage::WatchEvent);
        let text = str::from_utf8(body).map_err(|_| wrong)?;
        let mut parts = text.split('\0');
        let (Some(path), Some(token), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong);
        };
        Ok(Self { path: path.into(), token: token.into() })
    }

    const fn bytes(&self) -> usize {
        self.path.len() + self.token.len()
    }
}

/// Events that nobody has asked for yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    events: VecDeque<WatchEvent>,
}

impl Kept {
    pub(super) const fn new() -> Self {
        Self { events: VecDeque::new() }
    }

    /// Keeps an event. Anything else is a reply that nobody waits for any more, and dropped.
    ///
    /// # Errors
    /// [`Wrong::Form`] if it has not the form of an event.
    pub(super) fn keep(&mut self, message: &Message) -> Result<(), Wrong> {
        if !message.is(StoreMessage::WatchEvent) {
            return Ok(());
        }
        let event = WatchEvent::parse(&message.body)?;
        if self.events.contains(&event) {
            return Ok(());
        }
        while self.events.len() >= MOST_EVENTS || self.bytes() + event.bytes() > MOST_BYTES {
            self.events.pop_front();
        }
        self.events.push_back(event);
        Ok(())
    }

    /// Takes the oldest.
    pub(super) fn next(&mut self) -> Option<WatchEvent> {
        self.events.pop_front()
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(WatchEvent::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::StoreHeader;
    use alloc::vec::Vec;

    fn event(path: &str, token: &str) -> Message {
        let body: Vec<u8> = [path, "\0", token, "\0"].concat().into_bytes();
        let header =
            StoreHeader { kind: StoreMessage::WatchEvent as u32, request: 0, transaction: 0, len: 0 };
        Message { header, body }
    }

    fn tokens(kept: &mut Kept) -> Vec<String> {
        core::iter::from_fn(|| kept.next()).map(|event| event.token).collect()
    }

    #[test]
    fn of_many_events_the_last_ones_stay() {
        let mut kept = Kept::new();
        for number in 0..40 {
            kept.keep(&event("path", &alloc::format!("{number}"))).unwrap();
        }
        let tokens = tokens(&mut kept);
        assert_eq!((tokens.len(), tokens[0].as_str(), tokens[31].as_str()), (32, "8", "39"));
    }

    #[test]
    fn of_long_events_fewer_stay() {
        let mut kept = Kept::new();
        let path = "x".repeat(4000);
        for number in 0..8 {
            kept.keep(&event(&path, &alloc::format!("{number}"))).unwrap();
        }
        assert_eq!(tokens(&mut kept), ["4", "5", "6", "7"]);
    }

    #[test]
    fn an_event_that_is_no_text_or_has_no_token_is_wrong() {
        let mut kept = Kept::new();
        for body in [&b"path"[..], b"path\0token", b"\xff\0token\0"] {
            let message = Message { body: body.to_vec(), ..event("", "") };
            assert_eq!(kept.keep(&message), Err(Wrong::Form(StoreMessage::WatchEvent)), "{body:?}");
        }
        assert_eq!(kept.next(), None);
    }
}
