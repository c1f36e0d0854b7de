//! What is typed, byte by byte; and the key that stops a long answer.

use alloc::collections::VecDeque;

use xen::Resident;

/// Ctrl-C, which stops an answer.
const STOP: u8 = 3;

/// Bytes that wait at most.
const MOST: usize = 1024;

/// Typed bytes that nobody has looked at yet.
#[derive(Debug, Default)]
pub(super) struct Keys {
    waiting: VecDeque<u8>,
}

impl Keys {
    /// Takes the next byte.
    pub(super) fn next<X: Resident>(&mut self, xen: &mut X) -> Option<u8> {
        if self.waiting.is_empty() {
            self.fetch(xen);
        }
        self.waiting.pop_front()
    }

    /// Tells whether Ctrl-C was typed, and forgets what was typed before it; other keys stay for later.
    pub(super) fn stop<X: Resident>(&mut self, xen: &mut X) -> bool {
        self.fetch(xen);
        let Some(at) = self.waiting.iter().position(|byte| *byte == STOP) else { return false };
        self.waiting.drain(..=at);
        true
    }

    /// Takes what was typed. A person types little: of what a program sends beyond the limit, only Ctrl-C is kept.
    fn fetch<X: Resident>(&mut self, xen: &mut X) {
        let mut bytes = [0; 64];
        let count = xen.typed(&mut bytes);
        let has_room = self.waiting.len() < MOST;
        self.waiting.extend(bytes[..count].iter().filter(|byte| has_room || **byte == STOP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xen::Wake;
    use xen_model::{Domain, Happening};

    #[test]
    fn the_key_that_stops_is_seen_after_more_than_can_wait() {
        let mut xen = Domain::guest(64).build().expect("a builder can make the domain").xen;
        xen.plan([Happening::Typed([std::vec![b'x'; 2 * MOST], std::vec![STOP, b'y']].concat())]);
        xen.wait(Wake::Anything, None);
        let mut keys = Keys::default();
        let looks = (0..2 * MOST).take_while(|_| !keys.stop(&mut xen)).count();
        assert_eq!(looks, 2 * MOST / 64, "seen as soon as it is read");
        assert!(keys.waiting.len() <= 1, "what was typed before it is forgotten");
    }

    #[test]
    fn other_keys_stay_for_later() {
        let mut xen = Domain::guest(64).build().expect("a builder can make the domain").xen;
        xen.plan([Happening::Typed(b"ab".to_vec())]);
        xen.wait(Wake::Anything, None);
        let mut keys = Keys::default();
        assert!(!keys.stop(&mut xen));
        assert_eq!(
            (keys.next(&mut xen), keys.next(&mut xen), keys.next(&mut xen)),
            (Some(b'a'), Some(b'b'), None)
        );
    }
}
