//! Event channels by polling: the pending bits that Xen sets in shared_info, and how to clear one.
//!
//! A word of pending bits belongs to 64 event channels, and Xen sets bits in it by locked instructions, at any time and
//! from any processor. A plain read, change and write could undo a bit that Xen sets in between for another channel,
//! whose waiter then sleeps forever. And the data must be looked at after the bit was cleared; otherwise a message that
//! arrives in between is neither seen nor announced. [`Port::take`] takes care of both.
//!
//! Source: xen/include/public/xen.h (shared_info), event_channel.h.

use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Event channels of the two-level interface, which a PV guest starts with.
pub const PORTS: u32 = 4096;

/// An event channel for which shared_info has a pending bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(u32);

impl Port {
    /// Checks the number that a builder handed over; 0 is no event channel.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number > 0 && number < PORTS { Some(Self(number)) } else { None }
    }

    /// Returns the number, for hypercalls.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Returns the index of the word of `evtchn_pending` with the bit: less than 64.
    #[must_use]
    pub const fn word(self) -> usize {
        (self.0 / 64) as usize
    }

    /// Clears the bit in its word, and nothing else; later reads are not reordered before it.
    pub fn take(self, word: &AtomicU64) {
        word.fetch_and(!(1 << (self.0 % 64)), Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn a_port_is_one_that_shared_info_has_a_mark_for() {
        assert_eq!(Port::new(0), None);
        assert_eq!(Port::new(PORTS), None);
        assert_eq!(Port::new(65).map(Port::word), Some(1));
        assert_eq!(Port::new(PORTS - 1).map(Port::word), Some(63));
    }

    #[test]
    fn taking_one_mark_leaves_the_others_that_xen_sets_meanwhile() {
        const OTHER: u64 = 1 << 7;
        let word = AtomicU64::new(0);
        let port = Port::new(3).unwrap();
        let end = Instant::now() + Duration::from_secs(1);
        thread::scope(|scope| {
            // Xen sets another channel's bit, and its waiter clears it; a lost one would be waited for forever.
            let xen = scope.spawn(|| {
                let mut lost = 0;
                while lost == 0 && Instant::now() < end {
                    for _ in 0..1000 {
                        word.fetch_or(OTHER, Ordering::SeqCst);
                        lost += u64::from(word.fetch_and(!OTHER, Ordering::SeqCst) & OTHER == 0);
                    }
                }
                lost
            });
            while !xen.is_finished() {
                port.take(&word);
            }
            assert_eq!(xen.join().unwrap(), 0, "marks were lost");
        });
    }
}
