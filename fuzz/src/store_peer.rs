//! The other end of a xenstore ring, which does what the input says.
//!
//! | byte, modulo 10 | when the client looks for a message and nothing is under way |
//! | --- | --- |
//! | 0 | nothing comes; a client that sleeps then sleeps until its deadline |
//! | 1 | bytes: a length, then they themselves |
//! | 2 | the reply to the last request: a length, then the body |
//! | 3 | an error as the reply to it, likewise |
//! | 4 | an event, likewise |
//! | 5 | indices that cannot be |
//! | 6 | a header with any kind and any length, and the number of the last request |
//! | 7 | a reply to the request before |
//! | 8 | the reply that the client hopes for |
//! | 9 | a long reply: bytes of one value |
//!
//! The input's first byte says what becomes of the stream at its end, the second how many bytes come at a time, the
//! third how many find room.

use xen::abi::{StoreHeader, StoreMessage};
use xen::addr::{Mfn, Pfn, VirtAddr};
use xen::events::Port;
use xen::ring::BadRing;
use xen::time::Instant;
use xen::{Errno, Reservation, Resident, Wake};

/// Most calls of the seam that one operation may make, whatever comes.
const MOST_CALLS: u32 = 400_000;
/// What a look into the ring takes if the store never stops sending.
const LOOK_NANOS: u64 = 10_000_000;
/// What a sleep takes that something ends.
const NAP_NANOS: u64 = 1_000_000;
const RING: usize = 1024;

/// What follows the end of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Silence,
    /// Its bytes again and again.
    Flood,
}

/// A store, and the ring to it.
#[derive(Clone, Debug)]
pub struct Peer<'d> {
    data: &'d [u8],
    at: usize,
    end: End,
    piece: usize,
    room: usize,
    is_honest: bool,
    /// Bytes for the client.
    coming: Vec<u8>,
    /// Bytes of a request that is not whole.
    sent: Vec<u8>,
    last: StoreHeader,
    now: u64,
    /// Calls of the seam so far.
    pub count: u32,
}

impl<'d> Peer<'d> {
    /// Reads what kind of store it is.
    pub fn new(data: &'d [u8]) -> Self {
        let setting = |at: usize| data.get(at).copied().unwrap_or(0);
        let end = if setting(0).is_multiple_of(2) { End::Silence } else { End::Flood };
        let (piece, room) = (1 + usize::from(setting(1)), usize::from(setting(2)));
        let last = StoreHeader { kind: 0, request: 0, transaction: 0, len: 0 };
        let (coming, sent) = (Vec::new(), Vec::new());
        Self { data, at: 3, end, piece, room, is_honest: false, coming, sent, last, now: 0, count: 0 }
    }

    /// Returns the next byte of the input.
    pub fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// Forgets what was under way, and answers each request from now on.
    pub fn become_honest(&mut self) {
        self.coming.clear();
        self.sent.clear();
        self.is_honest = true;
    }

    fn call(&mut self) {
        self.count += 1;
        assert!(self.count < MOST_CALLS, "an operation does not end");
    }

    fn wrapped(&mut self) -> Option<u8> {
        if self.at >= self.data.len() && self.end == End::Flood && self.data.len() > 3 {
            self.at = 3;
        }
        self.byte()
    }

    /// A length, and as many bytes, fewer at the end of the input.
    fn body(&mut self) -> Vec<u8> {
        let len = usize::from(self.wrapped().unwrap_or(0));
        (0..len).map_while(|_| self.wrapped()).collect()
    }

    fn message(&mut self, kind: u32, request: u32, body: &[u8]) {
        let len = u32::try_from(body.len()).expect("a body is short");
        let header = StoreHeader { kind, request, transaction: 0, len };
        self.coming.extend(header.to_bytes());
        self.coming.extend(body);
    }

    /// Does the next thing of the input, if there is one.
    fn act(&mut self) -> Result<(), BadRing> {
        let Some(action) = self.wrapped() else { return Ok(()) };
        let StoreHeader { kind, request, .. } = self.last;
        match action % 10 {
            1 => self.coming = self.body(),
            2 => {
                let body = self.body();
                self.message(kind, request, &body);
            }
            3 => {
                let body = self.body();
                self.message(StoreMessage::Error as u32, request, &body);
            }
            4 => {
                let body = self.body();
                self.message(StoreMessage::WatchEvent as u32, 0, &body);
            }
            5 => return Err(BadRing { filled: u32::MAX - u32::from(action), size: RING as u32 }),
            6 => {
                let mut word = || {
                    let bytes = [(); 4].map(|()| self.wrapped().unwrap_or(0));
                    u32::from_le_bytes(bytes)
                };
                let (kind, len) = (word(), word());
                self.coming = StoreHeader { kind, request, transaction: 0, len }.to_bytes().to_vec();
            }
            7 => self.message(kind, request.wrapping_sub(1), b"late\0"),
            8 => self.answer(),
            9 => {
                let (value, length) = (self.wrapped().unwrap_or(0), self.wrapped().unwrap_or(0));
                self.message(kind, request, &vec![value; usize::from(length) * 17]);
            }
            _ => {}
        }
        Ok(())
    }

    /// The reply that a store gives that works.
    fn answer(&mut self) {
        let StoreHeader { kind, request, .. } = self.last;
        let body: &[u8] = match kind {
            kind if kind == StoreMessage::Read as u32 => b"name",
            kind if kind == StoreMessage::TransactionStart as u32 => b"5\0",
            kind if kind == StoreMessage::Directory as u32 => b"one\0two\0",
            _ => b"OK\0",
        };
        self.message(kind, request, body);
    }

    /// Takes a request out of the ring if it is whole.
    fn hear(&mut self) {
        while let Some(header) = self.sent.first_chunk().map(StoreHeader::from_bytes) {
            let end = 16 + header.len as usize;
            if self.sent.len() < end {
                return;
            }
            self.sent.drain(..end);
            self.last = header;
            if self.is_honest {
                self.answer();
            }
        }
    }
}

impl Resident for Peer<'_> {
    fn typed(&mut self, _: &mut [u8]) -> usize {
        unreachable!("a client of the store reads no keys")
    }

    #[expect(unsafe_code, reason = "declared by the seam; nothing is mapped here")]
    unsafe fn open_store(&mut self, _: VirtAddr, _: Port) {}

    fn close_store(&mut self) {}

    fn store_put(&mut self, bytes: &[u8]) -> Result<usize, BadRing> {
        self.call();
        // Room for nothing at all is a choice of its own.
        let room = match self.room {
            _ if self.is_honest => RING,
            0..32 => RING,
            32..64 => 0,
            room => room,
        };
        let count = bytes.len().min(room);
        self.sent.extend(&bytes[..count]);
        self.hear();
        Ok(count)
    }

    fn store_take(&mut self, into: &mut [u8]) -> Result<usize, BadRing> {
        self.call();
        if self.end == End::Flood {
            self.now += LOOK_NANOS;
        }
        if self.coming.is_empty() && !self.is_honest {
            self.act()?;
        }
        let count = into.len().min(self.piece).min(self.coming.len());
        into.iter_mut().zip(self.coming.drain(..count)).for_each(|(place, byte)| *place = byte);
        Ok(count)
    }

    fn wait(&mut self, on: Wake, until: Option<Instant>) {
        self.call();
        assert_eq!(on, Wake::Store, "there is a question under way");
        if !self.coming.is_empty() {
            return;
        }
        // Whether something ends the sleep, the input says; if its end has come, nothing does.
        match self.wrapped() {
            Some(byte) if byte % 4 != 0 => self.now += NAP_NANOS,
            _ => self.now = self.now.max(until.expect("nothing is waited for forever").nanos()),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.now)
    }
}

impl Reservation for Peer<'_> {
    fn decrease_reservation(&mut self, _: &[Mfn]) -> Result<usize, Errno> {
        unreachable!("a client of the store gives no memory back")
    }

    fn populate_physmap(&mut self, _: &[Pfn], _: &mut Vec<Mfn>) -> Result<(), Errno> {
        unreachable!("a client of the store asks for no memory")
    }
}
