//! What the guest tells the toolstack when it opens the store: what it obeys, and what it is.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use super::guest::Guest;
use super::request::Path;
use xen::start_info::Mark;
use xen::store::{Client, StoreError};
use xen::{Hypervisor, Resident};

/// Requests that are obeyed, as `control/feature-*`, and one that is not.
const FEATURES: [(&str, &[u8]); 3] = [("poweroff", b"1"), ("reboot", b"1"), ("suspend", b"0")];

/// Watches for requests and introduces the guest; what a store was silent about may be done again. `kept` becomes the pages
/// that the toolstack counts as the domain's and that pv-shim keeps for itself: the target is that of its container.
pub(super) fn introduce<X: Hypervisor + Resident>(
    store: &mut Client,
    guest: &Guest<'_>,
    kept: &mut Option<u64>,
    xen: &mut X,
) -> Result<(), StoreError> {
    if kept.is_none() {
        *kept = Some(match guest.boot.info.mark {
            Mark::Shim => {
                let target = pages_of(&store.read(Path::Target.text(), xen)?).unwrap_or(0);
                target.saturating_sub(guest.boot.layout.nr_pages)
            }
            Mark::Xen | Mark::Grub | Mark::None => 0,
        });
    }
    for path in Path::ALL {
        match store.watch(path.text(), path.text(), xen) {
            // It was set before, though the store did not say so.
            Err(StoreError::Refused { error, .. }) if error == "EEXIST" => {}
            other => other?,
        }
    }
    for (name, value) in FEATURES {
        // A toolstack that does not let the guest write there does not look there either.
        optional(store.write(&format!("control/feature-{name}"), value, xen))?;
    }
    for (name, value) in facts(guest) {
        optional(store.write(&format!("data/revector/{name}"), value.as_bytes(), xen))?;
    }
    for lap in &guest.boot.laps {
        let path = format!("data/revector/stage/{}", lap.stage);
        optional(store.write(&path, format!("{}", lap.micros).as_bytes(), xen))?;
    }
    Ok(())
}

/// What the guest says it is.
fn facts(guest: &Guest<'_>) -> [(&'static str, String); 4] {
    let strategy = format!("{:?}", guest.p2m.strategy()).to_lowercase();
    [
        ("verdict", "SUCCESS".to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("strategy", strategy),
        ("entries", format!("{}", guest.p2m.nr_pages())),
    ]
}

fn pages_of(kib: &[u8]) -> Option<u64> {
    str::from_utf8(kib).ok()?.trim().parse::<u64>().ok().map(|kib| kib / 4)
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
