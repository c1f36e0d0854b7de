//! What the toolstack asks for through xenstore, and what the guest tells it there.
//!
//! | path | who writes | meaning |
//! | --- | --- | --- |
//! | `control/shutdown` | toolstack | poweroff, reboot, halt, suspend; the guest writes an empty value when it obeys |
//! | `control/sysrq` | toolstack | one letter; likewise |
//! | `control/feature-*` | guest | what it obeys, where the toolstack lets it write |
//! | `memory/target` | toolstack | KiB that the domain shall have |
//! | `memory/static-max` | toolstack | KiB that it may ever have |
//! | `data/revector/*` | guest | what it is |
//!
//! Each watched path is marked when an event names it, and read when the guest gets to it: how many events there were
//! does not matter, and a store that is silent for a while is asked again.
//!
//! Sources: docs/misc/xenstore-paths.pandoc.

use alloc::format;
use alloc::string::String;

use super::change::{self, Change};
use super::guest::Guest;
use super::request::{Path, Request};
use super::{inspect, introduce};
use xen::abi::Shutdown;
use xen::store::{Client, StoreError};
use xen::time::Instant;
use xen::{Hypervisor, Resident};

/// The first and the longest time until a target that was not reached is tried again, in nanoseconds.
const RETRY: (u64, u64) = (1_000_000_000, 32_000_000_000);
/// How long a silent store is left alone.
const REST_NANOS: u64 = 10_000_000_000;
/// The most events that are looked at in a row.
const MOST_EVENTS: u32 = 64;
/// How often an acknowledgement is written that others interfere with.
const ATTEMPTS: u32 = 4;

/// The connection to the toolstack; without a store it never asks for anything.
#[derive(Debug, Default)]
pub(super) struct Toolstack {
    store: Option<Client>,
    /// Paths to read.
    marked: [bool; Path::ALL.len()],
    /// A silent store is not asked before.
    rests_until: Option<Instant>,
    introduced: Introduced,
    /// Pages that the toolstack counts as the domain's and that pv-shim keeps, once they are known.
    kept_by_shim: Option<u64>,
    /// What went wrong with the store, for the console.
    complaint: Option<String>,
    target: Option<Target>,
}

/// Whether the toolstack has been told what the guest is, and every path is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Introduced {
    #[default]
    No,
    Yes,
}

/// A target that has not been reached.
#[derive(Debug)]
struct Target {
    pages: u64,
    told: Change,
    again_at: Instant,
    waited: u64,
}

impl Toolstack {
    /// Opens the store, says what the guest is, and watches for requests.
    pub(super) fn connect<X: Hypervisor + Resident>(guest: &Guest<'_>, xen: &mut X) -> Self {
        let info = guest.boot.info;
        let Some((page, port)) = guest.boot.layout.store_ring().zip(info.store_port) else {
            log::info!(target: "xenstore", "no store: nobody can ask for anything but at this console");
            return Self::default();
        };
        guest.tables.window().open_store(xen, page, port);
        let mut toolstack = Self { store: Some(Client::new()), ..Self::default() };
        toolstack.introduce(guest, xen);
        toolstack
    }

    /// Introduces the guest, unless that was done.
    fn introduce<X: Hypervisor + Resident>(&mut self, guest: &Guest<'_>, xen: &mut X) {
        if let Some(store) = self.store.as_mut().filter(|_| self.introduced == Introduced::No) {
            let introduced = introduce::introduce(store, guest, &mut self.kept_by_shim, xen);
            if self.check(introduced, xen).is_some() {
                self.introduced = Introduced::Yes;
            }
        }
    }

    /// Returns the next request, if there is one.
    pub(super) fn next<X: Hypervisor + Resident>(
        &mut self,
        guest: &Guest<'_>,
        xen: &mut X,
    ) -> Option<Request> {
        let heard = self.listen(xen);
        self.check(heard, xen);
        if self.rests_until.is_none_or(|until| xen.now() >= until) {
            self.rests_until = None;
            self.introduce(guest, xen);
            let asked = if self.introduced == Introduced::Yes { self.read_marked(xen) } else { Ok(None) };
            if let Some(request) = self.check(asked, xen).flatten() {
                return Some(request);
            }
        }
        if let Some(complaint) = self.complaint.take() {
            return Some(Request::Complain(complaint));
        }
        let target = self.target.as_ref()?;
        (xen.now() >= target.again_at).then_some(Request::Target(target.pages))
    }

    /// Takes events out of the ring, also while the store rests: what is left there would keep the guest awake.
    fn listen<X: Resident>(&mut self, xen: &mut X) -> Result<(), StoreError> {
        let Some(store) = &mut self.store else { return Ok(()) };
        // A store that never stops sending does not keep the prompt waiting.
        for _ in 0..MOST_EVENTS {
            let Some(event) = store.event(xen)? else { break };
            if let Some(path) = Path::ALL.into_iter().find(|path| path.text() == event.token) {
                self.marked[path as usize] = true;
            }
        }
        Ok(())
    }

    fn read_marked<X: Resident>(&mut self, xen: &mut X) -> Result<Option<Request>, StoreError> {
        let Some(store) = &mut self.store else { return Ok(None) };
        for path in Path::ALL {
            if !self.marked[path as usize] {
                continue;
            }
            let value = match store.read(path.text(), xen) {
                Ok(value) => String::from_utf8_lossy(&value).into_owned(),
                // Nobody has written there yet.
                Err(StoreError::Refused { .. }) => String::new(),
                Err(error) => return Err(error),
            };
            self.marked[path as usize] = false;
            if let Some(request) = Request::read(path, &value, self.kept_by_shim.unwrap_or(0)) {
                return Ok(Some(request));
            }
        }
        Ok(None)
    }

    /// Returns when [`Toolstack::next`] has something, if no event comes before.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let again_at = self.target.as_ref().map(|target| target.again_at);
        [self.rests_until, again_at].into_iter().flatten().min()
    }

    /// Does what was asked for.
    pub(super) fn serve<X: Hypervisor + Resident>(
        &mut self,
        request: Request,
        guest: &mut Guest<'_>,
        xen: &mut X,
    ) {
        match request {
            Request::Shutdown(kind) => self.shut_down(&kind, guest, xen),
            Request::Sysrq(letter) => self.sysrq(&letter, guest, xen),
            Request::Target(pages) => self.resize(pages, guest, xen),
            Request::Most(pages) => change::make_room(pages, guest, xen),
            Request::Complain(complaint) => log::warn!(target: "xenstore", "{complaint}"),
        }
    }

    fn shut_down<X: Resident>(&mut self, kind: &str, guest: &mut Guest<'_>, xen: &mut X) {
        let shutdown = match kind {
            "poweroff" | "halt" => Shutdown::PowerOff,
            "reboot" => Shutdown::Reboot,
            _ => {
                let kind = kind.escape_debug();
                log::warn!(target: "control", "shutdown: {kind}: expected poweroff, reboot or halt; this guest cannot do that, and goes on");
                return;
            }
        };
        log::info!(target: "control", "shutdown: {kind}");
        self.acknowledge(Path::Shutdown, kind, xen);
        guest.ending = Some(shutdown);
    }

    fn sysrq<X: Hypervisor + Resident>(&mut self, letter: &str, guest: &mut Guest<'_>, xen: &mut X) {
        self.acknowledge(Path::Sysrq, letter, xen);
        match letter {
            "b" => guest.ending = Some(Shutdown::Reboot),
            "o" => guest.ending = Some(Shutdown::PowerOff),
            "m" => inspect::frames(guest, xen),
            "c" => panic!("sysrq c asked for it"),
            _ => {
                let letter = letter.escape_debug();
                log::info!(target: "control", "sysrq {letter}: expected b (reboot), o (power off), m (memory) or c (crash)")
            }
        }
    }

    /// Writes an empty value in place of a request, unless another request has taken its place.
    fn acknowledge<X: Resident>(&mut self, path: Path, request: &str, xen: &mut X) {
        let Some(store) = &mut self.store else { return };
        for _ in 0..ATTEMPTS {
            match replace(store, path.text(), request, xen) {
                Err(StoreError::Refused { error, .. }) if error == "EAGAIN" => {}
                Err(error) => return log::warn!(target: "control", "{error}"),
                Ok(()) => return,
            }
        }
        log::warn!(target: "control", "{}: others write there all the time: not acknowledged", path.text());
    }

    fn resize<X: Hypervisor + Resident>(&mut self, pages: u64, guest: &mut Guest<'_>, xen: &mut X) {
        let before = self.target.take().filter(|target| target.pages == pages);
        if xen.owned_pages() == Some(pages) {
            return;
        }
        let change = change::resize(pages, guest, xen);
        if before.as_ref().is_none_or(|before| before.told != change) {
            change.print();
        }
        if !change.is_whole() {
            let waited = before.map_or(RETRY.0, |before| (before.waited * 2).min(RETRY.1));
            let again_at = xen.now().plus(waited);
            self.target = Some(Target { pages, told: change, again_at, waited });
        }
    }

    /// Forgets a target that was not reached: somebody at the console has another.
    pub(super) fn forget_target(&mut self) {
        self.target = None;
    }

    /// Prints a value of the store, and the names below it.
    pub(super) fn show<X: Resident>(&mut self, path: &str, xen: &mut X) {
        let Some(store) = &mut self.store else {
            log::warn!(target: "xenstore", "no store");
            return;
        };
        let (value, names) = (store.read(path, xen), store.directory(path, xen));
        if let Ok(value) = &value {
            log::info!(target: "xenstore", "{path} = \"{}\"", value.escape_ascii());
        }
        for name in names.iter().flatten() {
            log::info!(target: "xenstore", "{path}/{}", name.escape_debug());
        }
        if let (Err(error), Err(_)) = (value, names) {
            log::warn!(target: "xenstore", "{error}");
        }
    }

    /// Lets a silent store rest, and gives one up whose messages make no sense: what it sends would wake a guest that does
    /// not listen.
    fn check<T, X: Resident>(&mut self, result: Result<T, StoreError>, xen: &mut X) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(
                error @ (StoreError::Silent { .. } | StoreError::Refused { .. } | StoreError::TooLong { .. }),
            ) => {
                self.complaint = Some(format!("{error}; asked again later"));
                self.rests_until = Some(xen.now().plus(REST_NANOS));
            }
            Err(error @ (StoreError::Wrong(_) | StoreError::Broken)) => {
                self.complaint = Some(format!("{error}; the toolstack cannot ask for anything any more"));
                self.store = None;
                xen.close_store();
            }
        }
        None
    }
}

/// Writes an empty value in place of another, in a transaction.
fn replace<X: Resident>(store: &mut Client, path: &str, value: &str, xen: &mut X) -> Result<(), StoreError> {
    let transaction = store.begin(xen)?;
    let is_there = store.read_in(transaction, path, xen).map(|now| now == value.as_bytes());
    match is_there
        .and_then(|is_there| if is_there { store.write_in(transaction, path, b"", xen) } else { Ok(()) })
    {
        Ok(()) => store.commit(transaction, xen),
        Err(error) => store.abort(transaction, xen).and(Err(error)),
    }
}
