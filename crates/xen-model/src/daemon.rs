//! A xenstore daemon for one domain: requests, answers, watches, transactions; and what a broken one does.
//!
//! It answers as `xenstored` does. The ring has room for 1024 bytes each way, so what is longer goes through it in
//! parts, and the daemon takes nothing out while it has answers that do not fit in.
//!
//! Neighbours: `store_tree` has the values, `store_rules` what may be asked, `resident` the guest's end of the ring.
//! Sources: docs/misc/xenstore.txt, tools/xenstore/{xenstored_core.c, xenstored_watch.c} (behaviour).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::store_rules::{WRITABLE, absolute, checked, operate, shown};
use crate::store_tree::{Reach, Tree, Work};
use xen::abi::{StoreHeader, StoreMessage};
use xen::ring::BadRing;
use xen::store::LONGEST;

/// Bytes of the ring, each way.
const RING: usize = 1024;

/// What a broken daemon does with its next answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// None: it answers as it should.
    None,
    /// It does not answer.
    Silence,
    /// It does what it was asked for, and does not answer.
    Unanswered,
    /// It answers these bytes.
    Bytes(Vec<u8>),
    /// It answers half, is restarted, and knows of no requests, watches and transactions any more.
    Restart,
    /// Its indices are that far apart.
    Indices(u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Watch {
    /// As the guest gave it: its events have paths of the same form.
    path: String,
    token: String,
}

/// The daemon, and the ring to it.
#[derive(Clone, Debug)]
pub struct Daemon {
    tree: Tree,
    watches: Vec<Watch>,
    /// In the ring.
    requests: VecDeque<u8>,
    /// The last bytes of the guest's did not all find room: it waits for some.
    is_short: bool,
    /// A request that is not whole yet.
    request: Vec<u8>,
    /// In the ring, and behind these what does not fit into it yet.
    answers: VecDeque<u8>,
    transactions: BTreeMap<u32, Work>,
    misdeeds: VecDeque<Misdeed>,
    indices: Option<u32>,
}

impl Default for Daemon {
    fn default() -> Self {
        let mut daemon = Self {
            tree: Tree::default(),
            watches: Vec::new(),
            requests: VecDeque::new(),
            is_short: false,
            request: Vec::new(),
            answers: VecDeque::new(),
            transactions: BTreeMap::new(),
            misdeeds: VecDeque::new(),
            indices: None,
        };
        WRITABLE.iter().for_each(|path| daemon.set(path, b""));
        daemon
    }
}

impl Daemon {
    /// Returns a value; relative paths are the domain's own.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.tree.value(&absolute(path))
    }

    /// Sets a value from outside the domain, as a toolstack does.
    pub fn set(&mut self, path: &str, value: &[u8]) {
        let mut work = Work::begin(&self.tree);
        work.write(&absolute(path), value);
        // Nobody else has changed anything since the line before.
        let _ = self.commit(work);
    }

    /// Plans what a broken daemon does, one misdeed for each answer.
    pub fn misbehave(&mut self, misdeed: Misdeed) {
        match misdeed {
            Misdeed::Indices(distance) => self.indices = Some(distance),
            other => self.misdeeds.push_back(other),
        }
    }

    /// Leaves bytes for the guest in the ring, as one who used it before may.
    pub fn leave(&mut self, bytes: &[u8]) {
        self.answers.extend(bytes);
    }

    /// Forgets requests, answers and watches, as a restore does.
    pub fn reset_ring(&mut self) {
        self.forget();
        self.answers.clear();
        self.indices = None;
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<usize, BadRing> {
        self.check()?;
        let put = bytes.len().min(RING - self.requests.len());
        self.requests.extend(&bytes[..put]);
        self.is_short = put < bytes.len();
        self.work();
        Ok(put)
    }

    pub(crate) fn take(&mut self, into: &mut [u8]) -> Result<usize, BadRing> {
        self.check()?;
        let count = into.len().min(self.answers.len()).min(RING);
        into.iter_mut().zip(self.answers.drain(..count)).for_each(|(place, byte)| *place = byte);
        self.work();
        Ok(count)
    }

    /// Tells whether the guest has something to do in the ring.
    pub(crate) fn wakes(&self) -> bool {
        let has_room = self.is_short && self.requests.len() < RING;
        !self.answers.is_empty() || has_room || self.indices.is_some()
    }

    const fn check(&self) -> Result<(), BadRing> {
        match self.indices {
            Some(filled) => Err(BadRing { filled, size: RING as u32 }),
            None => Ok(()),
        }
    }

    fn forget(&mut self) {
        self.requests.clear();
        self.is_short = false;
        self.request.clear();
        self.watches.clear();
        self.transactions.clear();
    }

    /// Takes requests out of the ring and answers them, while all answers fit into it.
    fn work(&mut self) {
        while self.answers.len() <= RING && !self.requests.is_empty() {
            let header = self.request.first_chunk().map(StoreHeader::from_bytes);
            let end = 16 + header.map_or(0, |header| header.len as usize);
            assert!(
                end <= 16 + LONGEST,
                "a request of {end} bytes: xenstored ignores its sender from here on"
            );
            let count = (end - self.request.len()).min(self.requests.len());
            self.request.extend(self.requests.drain(..count));
            let Some(header) = self.request.first_chunk().map(StoreHeader::from_bytes) else { continue };
            if self.request.len() == 16 + header.len as usize {
                let body = self.request.split_off(16);
                self.request.clear();
                self.react(header, &body);
            }
        }
    }

    fn react(&mut self, header: StoreHeader, body: &[u8]) {
        match self.misdeeds.pop_front() {
            None => self.answer(header, body),
            Some(Misdeed::None) => self.answer(header, body),
            Some(Misdeed::Unanswered) => {
                let said = self.answers.len();
                self.answer(header, body);
                self.answers.truncate(said);
            }
            Some(Misdeed::Silence | Misdeed::Indices(_)) => {}
            Some(Misdeed::Bytes(bytes)) => self.answers.extend(bytes),
            Some(Misdeed::Restart) => {
                self.answer(header, body);
                let half = self.answers.len() / 2;
                self.answers.truncate(half);
                self.forget();
            }
        }
    }

    fn answer(&mut self, header: StoreHeader, body: &[u8]) {
        match self.perform(header, body) {
            Ok(reply) => {
                self.send(header, &reply);
                // The first event of a watch follows its reply.
                if header.kind == StoreMessage::Watch as u32
                    && let Some(watch) = self.watches.last().cloned()
                {
                    self.send_event(&watch.path, &watch.token);
                }
            }
            Err(error) => {
                let kind = StoreMessage::Error as u32;
                self.send(StoreHeader { kind, ..header }, format!("{error}\0").as_bytes());
            }
        }
    }

    fn send(&mut self, header: StoreHeader, body: &[u8]) {
        let header = StoreHeader { len: body.len() as u32, ..header };
        self.answers.extend(header.to_bytes());
        self.answers.extend(body);
    }

    fn perform(&mut self, header: StoreHeader, body: &[u8]) -> Result<Vec<u8>, &'static str> {
        let is = |kind: StoreMessage| header.kind == kind as u32;
        let end = body.iter().position(|byte| *byte == 0).ok_or("EINVAL")?;
        let (first, rest) = (str::from_utf8(&body[..end]).map_err(|_| "EINVAL")?, &body[end + 1..]);
        if is(StoreMessage::TransactionStart) {
            let id = 1 + self.transactions.keys().last().copied().unwrap_or(0);
            self.transactions.insert(id, Work::begin(&self.tree));
            return Ok(format!("{id}\0").into_bytes());
        }
        if is(StoreMessage::TransactionEnd) {
            return self.end(header.transaction, first);
        }
        let path = checked(first)?;
        if is(StoreMessage::Watch) {
            return self.watch(first, rest);
        }
        let mut alone = Work::begin(&self.tree);
        let work = match header.transaction {
            0 => &mut alone,
            id => self.transactions.get_mut(&id).ok_or("ENOENT")?,
        };
        let reply = operate(header.kind, &path, rest, work)?;
        if header.transaction == 0 {
            self.commit(alone)?;
        }
        Ok(reply)
    }

    fn end(&mut self, transaction: u32, how: &str) -> Result<Vec<u8>, &'static str> {
        if how != "T" && how != "F" {
            return Err("EINVAL");
        }
        let work = self.transactions.remove(&transaction).ok_or("ENOENT")?;
        if how == "T" {
            self.commit(work)?;
        }
        Ok(b"OK\0".to_vec())
    }

    fn watch(&mut self, path: &str, rest: &[u8]) -> Result<Vec<u8>, &'static str> {
        let token = str::from_utf8(rest.strip_suffix(b"\0").ok_or("EINVAL")?).map_err(|_| "EINVAL")?;
        let watch = Watch { path: path.to_string(), token: token.to_string() };
        if self.watches.contains(&watch) {
            return Err("EEXIST");
        }
        self.watches.push(watch);
        Ok(b"OK\0".to_vec())
    }

    fn commit(&mut self, work: Work) -> Result<(), &'static str> {
        for (path, reach) in work.commit(&mut self.tree)? {
            self.notify(&path, reach);
        }
        Ok(())
    }

    /// Sends the events of a change; they come before the reply to the request that made it.
    fn notify(&mut self, path: &str, reach: Reach) {
        for Watch { path: watched, token } in self.watches.clone() {
            let at = absolute(&watched);
            let is_below = reach == Reach::Above && path.starts_with(&format!("{at}/"));
            if path == at || is_below {
                self.send_event(shown(path, &watched), &token);
            }
        }
    }

    fn send_event(&mut self, path: &str, token: &str) {
        let kind = StoreMessage::WatchEvent as u32;
        let header = StoreHeader { kind, request: 0, transaction: 0, len: 0 };
        self.send(header, format!("{path}\0{token}\0").as_bytes());
    }
}
