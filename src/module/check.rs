//! Reads a module's page-table entries back: what was requested may differ from what the tables contain.
//!
//! Xen edits entries when it writes them, and the direct map maps the same frames a second time: a page of code that is
//! writable there could be changed while it runs. So each entry is checked, together with the alias of its frame.
//!
//! Neighbours: `load` checks after it has protected a module, and again after the init's pages have been given back.

use core::fmt;

use pv_memory::error::MmError;
use pv_memory::tables::{Tables, pages_of};
use pv_memory::vmalloc::{Area, Rights, Vmalloc};
use xen::Hypervisor;
use xen::addr::{PAGE_SIZE, Pfn, VirtAddr, VirtRange};
use xen::pte::{Access, Pte};

/// The code and constants of a module, with the aliases of their frames.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sealed {
    pages: u64,
    shown: u64,
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pages, shown } = self;
        write!(
            f,
            "{pages} pages of code and constants, {shown} of them in the direct map, none writable there"
        )
    }
}

/// Reads back every entry of the module: rights must be as planned, in the direct map too, and the guard page absent.
pub(super) fn check<X: Hypervisor>(
    area: &Area,
    rights: &[Rights],
    vmalloc: &Vmalloc,
    tables: &Tables,
    xen: &X,
) -> Result<Sealed, MmError> {
    let mut sealed = Sealed::default();
    for &Rights { first, pages, access } in rights {
        for (page, pfn) in (first..first + pages).zip(vmalloc.pages_backing(area, first, pages)?) {
            let here = VirtAddr::new_truncate(area.span().start().as_u64() + page * PAGE_SIZE);
            let (_, entry) = tables.leaf(xen, here)?.ok_or(MmError::NotMapped { at: here })?;
            let (writable, executable) = (entry.is_writable(), entry.is_executable());
            if !entry.is_present()
                || writable != (access == Access::Data)
                || executable != (access == Access::Code)
            {
                return Err(MmError::WrongRights { at: here, entry: entry.word(), expected: access });
            }
            if access != Access::Data {
                sealed.pages += 1;
                sealed.shown += u64::from(is_sealed(pfn, entry, tables, xen)?);
            }
        }
    }
    let guard = area.guard();
    for at in pages_of(VirtRange::new(guard, PAGE_SIZE)) {
        if let Some((slot, entry)) = tables.leaf(xen, at)?.filter(|(_, entry)| !entry.is_zero()) {
            return Err(MmError::Leftover { at, level: slot.level, entry: entry.word() });
        }
    }
    Ok(sealed)
}

/// Tells whether the direct map shows a page of code or constants; an error if it shows it writable, or shows a
/// different frame.
fn is_sealed<X: Hypervisor>(pfn: Pfn, entry: Pte, tables: &Tables, xen: &X) -> Result<bool, MmError> {
    match tables.alias(xen, pfn)? {
        None => Ok(false),
        Some((_, alias)) if !alias.is_writable() && alias.mfn() == entry.mfn() => Ok(true),
        Some((_, alias)) => {
            let at = tables.window().address(pfn);
            Err(MmError::WrongRights { at, entry: alias.word(), expected: Access::ReadOnly })
        }
    }
}
