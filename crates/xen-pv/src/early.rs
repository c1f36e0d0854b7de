//! The first fields of start_info: those without which the image cannot print anything.
//!
//! The entry needs the role, the page tables, shared_info and the console ring before the boot begins, and must trust
//! the raw page no more than any other code does. So these fields are checked first, each on its own, and the entry
//! gets no others. `start_info` then checks the rest, and all fields against each other.
//!
//! Sources: xen/include/public/xen.h (start_info).

use crate::abi::{SIF_INITDOMAIN, StartInfo};
use crate::addr::{Mfn, PAGE_SIZE, Pfn, VirtAddr};
use crate::events::Port;
use crate::field::{Fault, FieldError, checked, false_field, high_page};
use crate::role::Role;
use crate::{Lookup, area};

/// Bits of a machine address in a page-table entry.
const MACHINE_BITS: u32 = 52;
/// Frame numbers that an entry can hold. `start_info` checks later, with a console, what this kernel can work with.
const MOST_PAGES: u64 = 1 << 40;

/// The fields of start_info that the image needs before it can print: each checked on its own, as far as that is
/// possible without a console, a clock and M2P.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early {
    /// Guest or initial domain.
    pub role: Role,
    /// Pages that the domain owns.
    pub nr_pages: u64,
    /// Page of the L4 table.
    pub root: Pfn,
    /// Machine frame of shared_info.
    pub shared_info: Mfn,
    /// The console ring of a guest.
    pub console: Option<ConsoleClaim>,
}

/// Where the builder says that the console ring is: a frame that has not been confirmed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleClaim {
    /// Its machine frame.
    pub mfn: Mfn,
    /// Its event channel.
    pub port: Port,
}

/// A console ring whose frame the page tables in use lead to; only [`ConsoleClaim::confirmed`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Console {
    page: Pfn,
    port: Port,
}

impl ConsoleClaim {
    /// Confirms the claimed frame: the page tables, read by `frame_at`, must map it at the page that M2P names for it.
    #[must_use]
    pub fn confirmed(
        self,
        xen: &impl Lookup,
        frame_at: impl FnOnce(VirtAddr) -> Option<Mfn>,
    ) -> Option<Console> {
        let named = xen.m2p(self.mfn)?;
        let page = named.confirmed(|pfn| frame_at(area::high(pfn)))?;
        Some(Console { page, port: self.port })
    }
}

impl Console {
    /// Returns the ring's page.
    #[must_use]
    pub const fn page(&self) -> Pfn {
        self.page
    }

    /// Returns its event channel.
    #[must_use]
    pub const fn port(&self) -> Port {
        self.port
    }
}

impl Early {
    /// Checks these fields.
    ///
    /// # Errors
    /// The first [`FieldError`], in the order of the structure.
    pub fn parse(raw: &StartInfo) -> Result<Self, FieldError> {
        check_magic(raw)?;
        let role = if raw.flags & SIF_INITDOMAIN != 0 { Role::InitialDomain } else { Role::Guest };
        let nr_pages =
            checked("nr_pages", "1 to 2^40 pages, which entries can name", raw.nr_pages, |pages| {
                (1..=MOST_PAGES).contains(&pages)
            })?;
        let shared_info = checked("shared_info", "a page-aligned machine address", raw.shared_info, |at| {
            at != 0 && at % PAGE_SIZE == 0 && at < 1 << MACHINE_BITS
        })?;
        let console = match role {
            Role::Guest => Some(console(raw)?),
            Role::InitialDomain => None,
        };
        let root = area::high_pfn(high_page("pt_base", raw.pt_base)?);
        Ok(Self { role, nr_pages, root, shared_info: Mfn::new(shared_info / PAGE_SIZE), console })
    }
}

fn console(raw: &StartInfo) -> Result<ConsoleClaim, FieldError> {
    let Some(port) = Port::new(raw.console_evtchn) else {
        let found = u64::from(raw.console_evtchn);
        let expected = "an event channel, 1 to 4095";
        return Err(false_field("console.evtchn", expected, found));
    };
    Ok(ConsoleClaim { mfn: Mfn::new(raw.console_mfn), port })
}

fn check_magic(raw: &StartInfo) -> Result<(), FieldError> {
    if raw.magic.starts_with(b"xen-3.") {
        return Ok(());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&raw.magic[..8]);
    Err(FieldError {
        field: "magic",
        expected: "a string that starts with xen-3.",
        found: u64::from_be_bytes(first),
        advice: "%rsi does not point to start_info: was the image started by something other than a Xen PV builder?",
        fault: Fault::Builder,
    })
}
