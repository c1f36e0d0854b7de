//! What a kernel's `main` is given, and what it may return.
//!
//! A domain builder hands over a page of unverified values, start_info, and a list of machine frames. [`Boot`] holds
//! both, together with access to Xen; none of it is trusted before [`Boot::start_info`] has checked it. The same `main`
//! runs on real Xen and on a model of it, which differ in the type parameter.
//!
//! Neighbours: the image's runtime (`rt`) or a model creates it. Sources: xen/include/public/xen.h (start_info).

use core::fmt;

use crate::abi::StartInfo;
use crate::addr::{Mfn, Pfn};
use crate::start_info::{BootInfo, Facts, FieldError, Role};
use crate::verdict::{Ending, Verdict};
use crate::{Hypervisor, List};

/// A domain at its entry.
pub struct Boot<'x, X> {
    raw: &'x StartInfo,
    role: Role,
    facts: Facts,
    xen: &'x mut X,
}

impl<'x, X: Hypervisor> Boot<'x, X> {
    /// Combines what the builder handed over, what the image knows about itself, and access to Xen.
    pub const fn new(raw: &'x StartInfo, role: Role, facts: Facts, xen: &'x mut X) -> Self {
        Self { raw, role, facts, xen }
    }

    /// Checks start_info, each field against its limits and against the others.
    ///
    /// # Errors
    /// The first [`FieldError`], which names the field, what was expected, what was found and what to do.
    pub fn start_info(&self) -> Result<BootInfo, FieldError> {
        BootInfo::parse(self.raw, self.facts, self.xen)
    }

    /// Returns the kernel's command line, without its terminating NUL.
    #[must_use]
    pub fn command_line(&self) -> &'x [u8] {
        let line = &self.raw.cmd_line;
        &line[..line.iter().position(|&byte| byte == 0).unwrap_or(line.len())]
    }

    /// Returns the builder's list of machine frames, one for each page of the domain.
    ///
    /// # Errors
    /// As for [`Boot::start_info`], which finds the list.
    pub fn p2m(&self) -> Result<BuilderP2m<'_, X>, FieldError> {
        let info = self.start_info()?;
        let list = List::new(info.mfn_list.start, info.nr_pages);
        Ok(BuilderP2m { list, pages: info.nr_pages, xen: self.xen })
    }

    /// Returns the interface that the builder says it built for, `xen-3.0-x86_64`; `?` if that is not text.
    #[must_use]
    pub fn magic(&self) -> &'x str {
        let magic = &self.raw.magic;
        let end = magic.iter().position(|&byte| byte == 0).unwrap_or(magic.len());
        str::from_utf8(&magic[..end]).unwrap_or("?")
    }

    /// Returns what the domain is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Returns start_info as the builder wrote it.
    #[must_use]
    pub const fn raw(&self) -> &'x StartInfo {
        self.raw
    }

    /// Returns what the image knows about itself.
    #[must_use]
    pub const fn facts(&self) -> Facts {
        self.facts
    }

    /// Returns the access to Xen.
    pub const fn xen(&mut self) -> &mut X {
        self.xen
    }
}

impl<X> fmt::Debug for Boot<'_, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Boot").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// The builder's list of machine frames, read in place.
#[derive(Debug)]
pub struct BuilderP2m<'x, X> {
    list: List,
    pages: u64,
    xen: &'x X,
}

impl<X: Hypervisor> BuilderP2m<'_, X> {
    /// Returns the frame of a page; `None` for a page without one and after the last.
    #[must_use]
    pub fn get(&self, pfn: Pfn) -> Option<Mfn> {
        self.list.frame(self.xen, pfn)
    }

    /// Iterates over the pages that have a frame, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = (Pfn, Mfn)> {
        (0..self.pages).map(Pfn::new).filter_map(|pfn| Some((pfn, self.get(pfn)?)))
    }
}

/// What `main` may return.
pub trait Outcome {
    /// Returns how the kernel ended; prints why, if it was an error.
    fn ending(self) -> Ending;
}

impl Outcome for Ending {
    fn ending(self) -> Ending {
        self
    }
}

impl Outcome for Verdict {
    fn ending(self) -> Ending {
        self.into()
    }
}

impl<E: fmt::Display> Outcome for Result<(), E> {
    fn ending(self) -> Ending {
        let verdict = match self {
            Ok(()) => Verdict::Success,
            Err(error) => {
                crate::println!("{error}");
                Verdict::Failure
            }
        };
        verdict.into()
    }
}
