//! A xenstore daemon for one domain: a tree of values, watches, transactions; and what a broken one does.
//!
//! It answers as `xenstored` does, but all permissions are simple: below the domain's own path everything may be read,
//! `data`, `control`, `device/suspend` and `memory` may be written. The ring has room for 1024 bytes each way, so long
//! answers come in parts, and the daemon takes no request while its last answer has not been taken.
//!
//! Sources: docs/misc/xenstore.txt, tools/xenstore/xenstored_core.c (behaviour).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use xen::abi::{StoreHeader, StoreMessage};
use xen::ring::BadRing;

/// Bytes of the ring, each way.
const RING: usize = 1024;
/// The domain's own path.
const HOME: &str = "/local/domain/7/";
/// What the guest may write below it.
const WRITABLE: [&str; 4] = ["data/", "control/", "device/suspend/", "memory/"];

type Tree = BTreeMap<String, Vec<u8>>;

/// What a broken daemon does with its next answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// It does not answer.
    Silence,
    /// It answers these bytes.
    Bytes(Vec<u8>),
    /// It answers half, is restarted, and its ring begins anew.
    Restart,
    /// Its indices are that far apart.
    Indices(u32),
}

/// The daemon, and the ring to it.
#[derive(Clone, Debug, Default)]
pub struct Daemon {
    tree: Tree,
    watches: Vec<(String, String)>,
    requests: Vec<u8>,
    answers: VecDeque<u8>,
    transactions: BTreeMap<u32, Tree>,
    misdeeds: VecDeque<Misdeed>,
    indices: Option<u32>,
}

impl Daemon {
    /// Returns a value; relative paths are the domain's own.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.tree.get(&absolute(path)).map(Vec::as_slice)
    }

    /// Sets a value from outside the domain, as a toolstack does.
    pub fn set(&mut self, path: &str, value: &[u8]) {
        let path = absolute(path);
        self.tree.insert(path.clone(), value.to_vec());
        self.notify(&path);
    }

    /// Plans what a broken daemon does, one misdeed for each answer.
    pub fn misbehave(&mut self, misdeed: Misdeed) {
        match misdeed {
            Misdeed::Indices(distance) => self.indices = Some(distance),
            other => self.misdeeds.push_back(other),
        }
    }

    /// Forgets requests, answers and watches, as a restore does.
    pub fn reset_ring(&mut self) {
        (self.requests, self.answers, self.indices) = (Vec::new(), VecDeque::new(), None);
        self.watches.clear();
        self.transactions.clear();
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<usize, BadRing> {
        self.check()?;
        let put = bytes.len().min(RING - self.requests.len().min(RING));
        self.requests.extend_from_slice(&bytes[..put]);
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

    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty() || self.indices.is_some()
    }

    const fn check(&self) -> Result<(), BadRing> {
        match self.indices {
            Some(filled) => Err(BadRing { filled, size: RING as u32 }),
            None => Ok(()),
        }
    }

    /// Answers whole requests, while there is room for answers.
    fn work(&mut self) {
        while self.answers.len() < RING {
            let Some(header) = self.requests.first_chunk().map(StoreHeader::from_bytes) else { return };
            let end = 16 + header.len as usize;
            // A request may be longer than the ring: the daemon takes it out in parts.
            if self.requests.len() < end {
                return;
            }
            let body: Vec<u8> = self.requests.drain(..end).skip(16).collect();
            match self.misdeeds.pop_front() {
                None => self.answer(header, &body),
                Some(Misdeed::Silence | Misdeed::Indices(_)) => {}
                Some(Misdeed::Bytes(bytes)) => self.answers.extend(bytes),
                Some(Misdeed::Restart) => {
                    self.answer(header, &body);
                    let half = self.answers.len() / 2;
                    self.answers.truncate(half);
                    self.requests.clear();
                }
            }
        }
    }

    fn answer(&mut self, header: StoreHeader, body: &[u8]) {
        match self.perform(header, body) {
            Ok(reply) => {
                self.send(header, &reply);
                // The first event of a watch follows its reply.
                if header.kind == StoreMessage::Watch as u32 {
                    self.notify_last_watch();
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
        let mut parts = body.splitn(2, |byte| *byte == 0);
        let path = absolute(&String::from_utf8_lossy(parts.next().unwrap_or_default()));
        let rest = parts.next().ok_or("EINVAL")?.to_vec();
        if is(StoreMessage::TransactionStart) {
            let id = 1 + self.transactions.keys().last().copied().unwrap_or(0);
            self.transactions.insert(id, self.tree.clone());
            return Ok(format!("{id}\0").into_bytes());
        }
        if is(StoreMessage::TransactionEnd) {
            let tree = self.transactions.remove(&header.transaction).ok_or("ENOENT")?;
            if body.starts_with(b"T") {
                self.tree = tree;
            }
            return Ok(b"OK\0".to_vec());
        }
        if is(StoreMessage::Watch) {
            let token = String::from_utf8_lossy(&rest).trim_end_matches('\0').to_string();
            self.watches.push((path, token));
            return Ok(b"OK\0".to_vec());
        }
        let transaction = header.transaction;
        let tree = match transaction {
            0 => &mut self.tree,
            id => self.transactions.get_mut(&id).ok_or("ENOENT")?,
        };
        if is(StoreMessage::Read) {
            return tree.get(&path).cloned().ok_or("ENOENT");
        }
        if is(StoreMessage::Directory) {
            return directory(tree, &path);
        }
        let own = path.strip_prefix(HOME).ok_or("EACCES")?;
        if !WRITABLE.iter().any(|prefix| own.starts_with(prefix)) {
            return Err("EACCES");
        }
        if is(StoreMessage::Write) {
            tree.insert(path.clone(), rest);
        } else if is(StoreMessage::Remove) {
            tree.retain(|at, _| *at != path && !at.starts_with(&format!("{path}/")));
        } else {
            return Err("ENOSYS");
        }
        if transaction == 0 {
            self.notify(&path);
        }
        Ok(b"OK\0".to_vec())
    }

    fn notify_last_watch(&mut self) {
        if let Some((path, token)) = self.watches.last().cloned() {
            self.send_event(&path, &token);
        }
    }

    fn notify(&mut self, path: &str) {
        let hit = |watched: &str| path == watched || path.starts_with(&format!("{watched}/"));
        let events: Vec<_> = self.watches.iter().filter(|(watched, _)| hit(watched)).cloned().collect();
        events.iter().for_each(|(_, token)| self.send_event(path, token));
    }

    fn send_event(&mut self, path: &str, token: &str) {
        let shown = path.strip_prefix(HOME).unwrap_or(path);
        let kind = StoreMessage::WatchEvent as u32;
        let header = StoreHeader { kind, request: 0, transaction: 0, len: 0 };
        self.send(header, format!("{shown}\0{token}\0").as_bytes());
    }
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_string() } else { format!("{HOME}{path}") }
}

fn directory(tree: &Tree, path: &str) -> Result<Vec<u8>, &'static str> {
    let below = format!("{path}/");
    let mut names: Vec<&str> =
        tree.keys().filter_map(|at| at.strip_prefix(&below)?.split('/').next()).collect();
    names.dedup();
    if names.is_empty() && !tree.contains_key(path) {
        return Err("ENOENT");
    }
    Ok(names.iter().flat_map(|name| name.bytes().chain([0])).collect())
}
