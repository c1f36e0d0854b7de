//! What the toolstack asks for through xenstore, and what the guest tells it there.
//!
//! | path | who writes | meaning |
//! | --- | --- | --- |
//! | `control/shutdown` | toolstack | poweroff, reboot, halt, suspend; the guest writes an empty value when it obeys |
//! | `control/sysrq` | toolstack | one letter; likewise |
//! | `control/feature-*` | guest | what it obeys |
//! | `memory/target` | toolstack | KiB that the domain shall have |
//! | `memory/static-max` | toolstack | KiB that it may ever have |
//! | `data/revector/*` | guest | what it is |
//!
//! Sources: docs/misc/xenstore-paths.pandoc.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::change;
use super::home::Home;
use super::inspect;
use pv_memory::p2m::Strategy;
use xen::abi::Shutdown;
use xen::store::{Client, StoreError};
use xen::time::Instant;
use xen::{Hypervisor, Resident};

const SHUTDOWN: &str = "control/shutdown";
const SYSRQ: &str = "control/sysrq";
const TARGET: &str = "memory/target";
/// Requests that are obeyed, as `control/feature-*`.
const FEATURES: [&str; 4] = ["poweroff", "reboot", "halt", "sysrq"];
/// The first and the longest time until a target that was not reached is tried again.
const RETRY_NANOS: (u64, u64) = (1_000_000_000, 32_000_000_000);

/// Something that the toolstack asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A shutdown of this kind.
    Shutdown(String),
    /// A sysrq letter.
    Sysrq(String),
    /// So many pages.
    Target(u64),
}

/// The connection to the toolstack; without a store it never asks for anything.
#[derive(Debug, Default)]
pub(super) struct Toolstack {
    store: Option<Client>,
    target: Option<u64>,
    retry: Option<(Instant, u64)>,
}

impl Toolstack {
    /// Opens the store, says what the guest is, and watches for requests.
    pub(super) fn connect<X: Hypervisor + Resident>(home: &mut Home<'_>, xen: &mut X) -> Self {
        let info = home.boot.info;
        let Some((page, port)) = info.store.zip(info.store_port) else {
            log::info!(target: "xenstore", "no store: nobody can ask for anything but at this console");
            return Self::default();
        };
        home.tables.window().open_store(xen, page, port);
        let mut toolstack = Self { store: Some(Client::new()), target: None, retry: None };
        if let Err(error) = toolstack.introduce(home, xen) {
            toolstack.lost(&error, xen);
        }
        toolstack
    }

    fn introduce<X: Hypervisor + Resident>(
        &mut self,
        home: &mut Home<'_>,
        xen: &mut X,
    ) -> Result<(), StoreError> {
        let Some(store) = &mut self.store else { return Ok(()) };
        if let Some(most) = number(store.read("memory/static-max", xen)) {
            reach(most / 4, home, xen);
        }
        for name in FEATURES {
            // An old toolstack does not let the guest write there, and does not look either.
            optional(store.write(&format!("control/feature-{name}"), b"1", xen))?;
        }
        let facts = [
            ("verdict", "SUCCESS".to_owned()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("strategy", format!("{:?}", home.p2m.strategy()).to_lowercase()),
            ("entries", format!("{}", home.p2m.nr_pages())),
        ];
        for (name, value) in facts {
            optional(store.write(&format!("data/revector/{name}"), value.as_bytes(), xen))?;
        }
        for lap in &home.boot.laps {
            let path = format!("data/revector/stage/{}", lap.stage);
            optional(store.write(&path, format!("{}", lap.micros).as_bytes(), xen))?;
        }
        for path in [SHUTDOWN, SYSRQ, TARGET] {
            store.watch(path, path, xen)?;
        }
        Ok(())
    }

    /// Returns the next request, if there is one.
    pub(super) fn next<X: Resident>(&mut self, xen: &mut X) -> Option<Request> {
        match self.try_next(xen) {
            Ok(Some(request)) => Some(request),
            Ok(None) => self.due(xen),
            Err(error) => {
                self.lost(&error, xen);
                None
            }
        }
    }

    fn try_next<X: Resident>(&mut self, xen: &mut X) -> Result<Option<Request>, StoreError> {
        let Some(store) = &mut self.store else { return Ok(None) };
        while let Some(event) = store.event(xen)? {
            let value = match store.read(&event.token, xen) {
                Ok(value) => String::from_utf8_lossy(&value).into_owned(),
                // Nobody has written there yet.
                Err(StoreError::Refused { .. }) => continue,
                Err(error) => return Err(error),
            };
            match event.token.as_str() {
                SHUTDOWN if !value.is_empty() => return Ok(Some(Request::Shutdown(value))),
                SYSRQ if !value.is_empty() => return Ok(Some(Request::Sysrq(value))),
                TARGET => {
                    let pages = value.trim().parse::<u64>().ok().map(|kib| kib / 4);
                    if pages != self.target
                        && let Some(pages) = pages
                    {
                        return Ok(Some(Request::Target(pages)));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The target again, if it was not reached and the time has come.
    fn due<X: Resident>(&self, xen: &X) -> Option<Request> {
        let (at, _) = self.retry?;
        self.target.filter(|_| xen.now() >= at).map(Request::Target)
    }

    /// Returns when [`Toolstack::next`] has something, if no event comes before.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.retry.map(|(at, _)| at)
    }

    /// Does what was asked for.
    pub(super) fn serve<X: Hypervisor + Resident>(
        &mut self,
        request: Request,
        home: &mut Home<'_>,
        xen: &mut X,
    ) {
        match request {
            Request::Shutdown(kind) => self.shut_down(&kind, home, xen),
            Request::Sysrq(letter) => self.sysrq(&letter, home, xen),
            Request::Target(pages) => self.resize(pages, home, xen),
        }
    }

    fn shut_down<X: Hypervisor + Resident>(&mut self, kind: &str, home: &mut Home<'_>, xen: &mut X) {
        let shutdown = match kind {
            "poweroff" | "halt" => Shutdown::PowerOff,
            "reboot" => Shutdown::Reboot,
            _ => {
                log::warn!(target: "control", "shutdown: {kind}: expected poweroff, reboot or halt; this guest cannot do that, and goes on");
                return;
            }
        };
        log::info!(target: "control", "shutdown: {kind}");
        self.acknowledge(SHUTDOWN, xen);
        home.ending = Some(shutdown);
    }

    fn sysrq<X: Hypervisor + Resident>(&mut self, letter: &str, home: &mut Home<'_>, xen: &mut X) {
        self.acknowledge(SYSRQ, xen);
        match letter {
            "b" => home.ending = Some(Shutdown::Reboot),
            "o" => home.ending = Some(Shutdown::PowerOff),
            "m" => inspect::frames(home, xen),
            "c" => panic!("sysrq c asked for it"),
            _ => {
                log::info!(target: "control", "sysrq {letter}: expected b (reboot), o (power off), m (memory) or c (crash)")
            }
        }
    }

    fn acknowledge<X: Resident>(&mut self, path: &str, xen: &mut X) {
        let Some(store) = &mut self.store else { return };
        if let Err(error) = store.write(path, b"", xen) {
            log::warn!(target: "control", "{error}");
        }
    }

    fn resize<X: Hypervisor + Resident>(&mut self, pages: u64, home: &mut Home<'_>, xen: &mut X) {
        let waited = self.retry.take().map(|(_, waited)| waited).filter(|_| self.target == Some(pages));
        self.target = Some(pages);
        if xen.owned_pages() == Some(pages) {
            return;
        }
        change::resize(pages, home, xen);
        if xen.owned_pages().is_some_and(|owned| owned != pages) {
            let (first, longest) = RETRY_NANOS;
            let wait = waited.map_or(first, |waited| (waited * 2).min(longest));
            self.retry = Some((xen.now().plus(wait), wait));
        }
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
            log::info!(target: "xenstore", "{path}/{name}");
        }
        if let (Err(error), Err(_)) = (value, names) {
            log::warn!(target: "xenstore", "{error}");
        }
    }

    /// Gives the store up; with it in use, what it sends would wake a guest that does not listen.
    fn lost<X: Resident>(&mut self, error: &StoreError, xen: &mut X) {
        log::error!(target: "xenstore", "{error}; the toolstack cannot ask for anything any more");
        self.store = None;
        xen.close_store();
    }
}

/// Makes room in the P2M for the most pages that the toolstack may ever give.
fn reach<X: Hypervisor>(pages: u64, home: &mut Home<'_>, xen: &mut X) {
    // A P2M that stays where the builder put it has no room.
    if home.p2m.strategy() == Strategy::Keep {
        return;
    }
    let before = home.p2m.nr_pages();
    let (mut house, balloon) = home.house();
    match balloon.reach(pages, &mut house, xen) {
        Ok(()) if pages > before => {
            log::info!(target: "balloon", "the P2M has room for {pages:#x} pages ({} MiB)", pages / 256);
        }
        Ok(()) => {}
        Err(error) => log::warn!(target: "balloon", "no more than {before:#x} pages: {error}"),
    }
}

fn number(value: Result<Vec<u8>, StoreError>) -> Option<u64> {
    str::from_utf8(&value.ok()?).ok()?.trim().parse().ok()
}

/// A refusal is no reason to give the store up.
fn optional(result: Result<(), StoreError>) -> Result<(), StoreError> {
    match result {
        Err(error @ StoreError::Refused { .. }) => {
            log::debug!(target: "xenstore", "{error}");
            Ok(())
        }
        other => other,
    }
}
