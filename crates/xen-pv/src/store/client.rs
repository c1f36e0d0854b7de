//! Requests and their replies, and events of watches.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::error::{StoreError, Wrong};
use super::events::{Kept, WatchEvent};
use super::wire::{LONGEST, Message, Partial};
use crate::abi::{StoreHeader, StoreMessage};
use crate::resident::{Resident, Wake};
use crate::time::Instant;

/// Longest wait for a reply. A store answers in microseconds; one that was restarted may take a second.
const PATIENCE_NANOS: u64 = 5_000_000_000;
/// Longest name of an error.
const LONGEST_NAME: usize = 32;
/// The most messages that are taken without a look at the time. A ring of 1024 bytes has no more; a store that goes on
/// sending would otherwise never let go.
const MOST_AT_ONCE: u32 = 64;

/// Several requests that take effect together, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction(u32);

impl Transaction {
    /// A request that stands alone.
    const NONE: Self = Self(0);
}

/// A connection to the store.
#[derive(Clone, Debug, Default)]
pub struct Client {
    last_request: u32,
    partial: Partial,
    events: Kept,
    broken: bool,
}

impl Client {
    /// Starts with nothing under way.
    #[must_use]
    pub const fn new() -> Self {
        Self { last_request: 0, partial: Partial::new(), events: Kept::new(), broken: false }
    }

    /// Starts again on a ring that was reset, as after a restore: half a message and old events are forgotten. Watches
    /// must be set again.
    pub fn restart(&mut self) {
        *self = Self { last_request: self.last_request, ..Self::new() };
    }

    /// Reads a value.
    ///
    /// # Errors
    /// [`StoreError`]; `Refused` with `ENOENT` if there is none.
    pub fn read(&mut self, path: &str, xen: &mut impl Resident) -> Result<Vec<u8>, StoreError> {
        self.ask(StoreMessage::Read, Transaction::NONE, path, &[0], xen)
    }

    /// Reads the names below a path, in the store's order.
    ///
    /// # Errors
    /// As for [`Client::read`].
    pub fn directory(&mut self, path: &str, xen: &mut impl Resident) -> Result<Vec<String>, StoreError> {
        let names = self.ask(StoreMessage::Directory, Transaction::NONE, path, &[0], xen)?;
        let Ok(names) = String::from_utf8(names) else {
            return Err(self.lose(Wrong::Form(StoreMessage::Directory)));
        };
        Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// Writes a value.
    ///
    /// # Errors
    /// [`StoreError`]; `Refused` with `EACCES` if it is not this domain's to write.
    pub fn write(&mut self, path: &str, value: &[u8], xen: &mut impl Resident) -> Result<(), StoreError> {
        self.write_in(Transaction::NONE, path, value, xen)
    }

    /// Writes a value as a part of a transaction.
    ///
    /// # Errors
    /// As for [`Client::write`].
    pub fn write_in(
        &mut self,
        transaction: Transaction,
        path: &str,
        value: &[u8],
        xen: &mut impl Resident,
    ) -> Result<(), StoreError> {
        let rest: Vec<u8> = [0].iter().chain(value).copied().collect();
        self.ask(StoreMessage::Write, transaction, path, &rest, xen).map(drop)
    }

    /// Reads a value as a part of a transaction.
    ///
    /// # Errors
    /// As for [`Client::read`].
    pub fn read_in(
        &mut self,
        transaction: Transaction,
        path: &str,
        xen: &mut impl Resident,
    ) -> Result<Vec<u8>, StoreError> {
        self.ask(StoreMessage::Read, transaction, path, &[0], xen)
    }

    /// Removes a path and all below it.
    ///
    /// # Errors
    /// As for [`Client::write`].
    pub fn remove(&mut self, path: &str, xen: &mut impl Resident) -> Result<(), StoreError> {
        self.ask(StoreMessage::Remove, Transaction::NONE, path, &[0], xen).map(drop)
    }

    /// Asks for an event whenever something at or below a path changes; one comes at once.
    ///
    /// # Errors
    /// As for [`Client::read`].
    pub fn watch(&mut self, path: &str, token: &str, xen: &mut impl Resident) -> Result<(), StoreError> {
        let rest: Vec<u8> = [0].into_iter().chain(token.bytes()).chain([0]).collect();
        self.ask(StoreMessage::Watch, Transaction::NONE, path, &rest, xen).map(drop)
    }

    /// Starts a transaction.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn begin(&mut self, xen: &mut impl Resident) -> Result<Transaction, StoreError> {
        let id = self.ask(StoreMessage::TransactionStart, Transaction::NONE, "", &[0], xen)?;
        let text = str::from_utf8(&id).ok().and_then(|text| text.trim_end_matches('\0').parse().ok());
        match text {
            Some(id) if id != 0 => Ok(Transaction(id)),
            _ => Err(self.lose(Wrong::Form(StoreMessage::TransactionStart))),
        }
    }

    /// Ends a transaction, keeping what it did.
    ///
    /// # Errors
    /// [`StoreError`]; `Refused` with `EAGAIN` if others were at the same paths meanwhile: start again.
    pub fn commit(&mut self, transaction: Transaction, xen: &mut impl Resident) -> Result<(), StoreError> {
        self.ask(StoreMessage::TransactionEnd, transaction, "T", &[0], xen).map(drop)
    }

    /// Ends a transaction, undoing what it did.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn abort(&mut self, transaction: Transaction, xen: &mut impl Resident) -> Result<(), StoreError> {
        self.ask(StoreMessage::TransactionEnd, transaction, "F", &[0], xen).map(drop)
    }

    /// Returns the next event, if one has come; does not wait.
    ///
    /// # Errors
    /// [`StoreError::Wrong`] if what came makes no sense; [`StoreError::Broken`] after that.
    pub fn event(&mut self, xen: &mut impl Resident) -> Result<Option<WatchEvent>, StoreError> {
        if self.broken {
            return Err(StoreError::Broken);
        }
        self.collect(xen)?;
        Ok(self.events.next())
    }

    fn ask(
        &mut self,
        verb: StoreMessage,
        transaction: Transaction,
        path: &str,
        rest: &[u8],
        xen: &mut impl Resident,
    ) -> Result<Vec<u8>, StoreError> {
        if self.broken {
            return Err(StoreError::Broken);
        }
        let bytes = path.len() + rest.len();
        let len = u32::try_from(bytes).ok().filter(|_| bytes <= LONGEST);
        let len = len.ok_or(StoreError::TooLong { bytes })?;
        self.last_request = self.last_request.wrapping_add(1);
        let request = self.last_request;
        let header = StoreHeader { kind: verb as u32, request, transaction: transaction.0, len };
        let deadline = xen.now().plus(PATIENCE_NANOS);
        let silent = || StoreError::Silent { verb, path: path.to_owned() };
        for part in [&header.to_bytes()[..], path.as_bytes(), rest] {
            if !self.send(part, deadline, xen)? {
                // Half a request is in the ring: whatever follows would be taken for its other half.
                self.broken = true;
                return Err(silent());
            }
        }
        match self.reply(request, deadline, xen)? {
            Some(message) => self.answer(verb, path, message),
            None => Err(silent()),
        }
    }

    /// Puts all of `bytes` into the ring; `false` if there was no room for them in time. A store that is busy sending
    /// events takes nothing until they are taken.
    fn send(&mut self, bytes: &[u8], deadline: Instant, xen: &mut impl Resident) -> Result<bool, StoreError> {
        let mut rest = bytes;
        loop {
            let sent = xen.store_put(rest).map_err(|bad| self.lose(Wrong::Ring(bad)))?;
            rest = &rest[sent..];
            if rest.is_empty() {
                return Ok(true);
            }
            if xen.now() >= deadline {
                return Ok(false);
            }
            self.collect(xen)?;
            xen.wait(Wake::Store, Some(deadline));
        }
    }

    /// Waits for the reply to a request; events that come before it are kept.
    fn reply(
        &mut self,
        request: u32,
        deadline: Instant,
        xen: &mut impl Resident,
    ) -> Result<Option<Message>, StoreError> {
        let mut late = 0;
        while late < MOST_AT_ONCE {
            let is_late = xen.now() >= deadline;
            late += u32::from(is_late);
            match self.receive(xen)? {
                Some(message)
                    if message.header.request == request && !message.is(StoreMessage::WatchEvent) =>
                {
                    return Ok(Some(message));
                }
                Some(message) => self.keep(&message)?,
                None if is_late => break,
                None => xen.wait(Wake::Store, Some(deadline)),
            }
        }
        Ok(None)
    }

    /// Takes what is in the ring while no reply is waited for.
    fn collect(&mut self, xen: &mut impl Resident) -> Result<(), StoreError> {
        for _ in 0..MOST_AT_ONCE {
            let Some(message) = self.receive(xen)? else { break };
            self.keep(&message)?;
        }
        Ok(())
    }

    /// Takes a message out of the ring, if one is whole.
    fn receive(&mut self, xen: &mut impl Resident) -> Result<Option<Message>, StoreError> {
        let mut bytes = [0; 256];
        loop {
            let wanted = self.partial.wanted().map_err(|wrong| self.lose(wrong))?;
            if wanted == 0 {
                return self.partial.take().map_err(|wrong| self.lose(wrong));
            }
            let room = &mut bytes[..wanted.min(256)];
            let taken = xen.store_take(room).map_err(|bad| self.lose(Wrong::Ring(bad)))?;
            if taken == 0 {
                return Ok(None);
            }
            self.partial.add(&bytes[..taken]);
        }
    }

    fn answer(&mut self, verb: StoreMessage, path: &str, message: Message) -> Result<Vec<u8>, StoreError> {
        if message.is(StoreMessage::Error) {
            let Some(error) = error_word(&message.body) else {
                return Err(self.lose(Wrong::Form(StoreMessage::Error)));
            };
            return Err(StoreError::Refused { verb, path: path.to_owned(), error });
        }
        if !message.is(verb) {
            return Err(self.lose(Wrong::Kind { asked: verb, found: message.header.kind }));
        }
        Ok(message.body)
    }

    fn keep(&mut self, message: &Message) -> Result<(), StoreError> {
        self.events.keep(message).map_err(|wrong| self.lose(wrong))
    }

    /// Gives the connection up.
    fn lose(&mut self, wrong: Wrong) -> StoreError {
        self.broken = true;
        wrong.into()
    }
}

/// The name of an error, as `ENOENT`: it gets into the log.
fn error_word(body: &[u8]) -> Option<String> {
    let word = str::from_utf8(body).ok()?.trim_end_matches('\0');
    let is_name =
        (1..=LONGEST_NAME).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| word.to_owned())
}
