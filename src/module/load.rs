//! Stage 9 of 9: carries out what the pure half planned: place, relocate, protect, run, unload.
//!
//! An area of the module space is taken readable and writable, filled, relocated, and only then made executable in
//! its text and read-only in its constants; no page is ever writable and executable. Every page-table entry of the
//! module is read back afterwards. Takes a [`Vmalloc`] over the module space and objects from `source`.
//!
//! Lineage: Linux `module_alloc`, `move_module`, `apply_relocations`, `do_init_module`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::source::Source;
use super::{Content, Image, ModuleError, Object, Permission, RelocOp};
use crate::addr::{PAGE_SIZE, VirtAddr};
use crate::error::{BootError, InStage};
use crate::mm::error::MmError;
use crate::mm::p2m::State;
use crate::mm::pte::Access;
use crate::mm::tables::{Tables, pages_of};
use crate::mm::vmalloc::{Area, Memory, Near, Vmalloc};
use crate::mm::window::Span;
use crate::xen::Hypervisor;

/// A function or object of the kernel that modules may use.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// Its name.
    pub name: &'static str,
    /// Its address.
    pub address: VirtAddr,
}

/// A module that is in the module area, relocated and initialised.
#[derive(Debug)]
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub area: Area,
    cleanup: Option<VirtAddr>,
}

/// Rights of one part of a module: first page, pages, access.
type Rights = (u64, u64, Access);

/// Loads a module and runs its init.
///
/// # Errors
/// [`BootError`]; the module's area is dropped then, to be purged.
#[inline(never)] // a line of its own in call traces
pub fn load<X: Hypervisor, S: State>(
    source: Source<'_>,
    exports: &[Export],
    vmalloc: &mut Vmalloc,
    memory: &mut Memory<'_, S>,
    xen: &mut X,
) -> Result<Loaded, BootError> {
    let named = |error: ModuleError| BootError::Module(source.name.to_owned(), error);
    let image = Object::parse(source.object)
        .map_err(|error| named(error.into()))
        .and_then(|object| Image::plan(object).map_err(named))?;
    let mut area = vmalloc.allocate(Near::Kernel, image.pages(), memory, xen).stage("vmalloc")?;
    let base = area.span.start();
    let resolve =
        |name: &str| exports.iter().find(|export| export.name == name).map(|export| export.address.as_u64());
    let ops = image.relocate(base, resolve).map_err(named)?;
    fill(&mut area.span, &image, &ops, xen);
    let rights: Vec<Rights> = image
        .parts()
        .map(|part| (part.offset / PAGE_SIZE, part.pages(), access(part.kind.permission())))
        .collect();
    vmalloc.protect(&area, &rights, memory.tables, xen).stage("module")?;
    check(&area, &rights, memory.tables, xen).stage("module")?;
    report(source.name, &area, &image, ops.len());
    run(&at(base, image.init_offset()), source.name, xen)?;
    let cleanup = image.cleanup_offset().map(|offset| at(base, offset));
    Ok(Loaded { name: source.name.to_owned(), area, cleanup })
}

impl Loaded {
    /// Runs the module's exit, if it has one, and lets go of its area.
    pub fn unload<X: Hypervisor>(self, xen: &mut X) {
        if let Some(entry) = self.cleanup {
            call(entry, xen);
        }
        log::info!(target: "module", "{}: unloaded from {}", self.name, self.area.range());
    }
}

const fn at(base: VirtAddr, offset: u64) -> VirtAddr {
    VirtAddr::new_truncate(base.as_u64().wrapping_add(offset))
}

const fn access(permission: Permission) -> Access {
    match permission {
        Permission::Execute => Access::Code,
        Permission::Read => Access::ReadOnly,
        Permission::Write => Access::Data,
    }
}

fn run<X: Hypervisor>(entry: &VirtAddr, name: &str, xen: &mut X) -> Result<(), BootError> {
    match call(*entry, xen) {
        0 => Ok(()),
        code => Err(BootError::Init(name.to_owned(), code)),
    }
}

#[expect(unsafe_code, reason = "runs the module: the one thing that no type can vouch for")]
fn call<X: Hypervisor>(entry: VirtAddr, xen: &mut X) -> i32 {
    // SAFETY: the entry point lies in the module's text (`Entries::find`), which `load` has relocated for this
    // address and made executable; that it is `int (*)(void)` is the contract of `init_module` and `cleanup_module`.
    unsafe { xen.call(entry) }
}

/// Fills an area with zeros, contents and relocations.
fn fill<X: Hypervisor>(span: &mut Span, image: &Image<'_>, ops: &[RelocOp], xen: &mut X) {
    for page in 0..span.pages() {
        span.page_mut(xen, page).fill(0);
    }
    for Content { offset, bytes, .. } in image.contents() {
        write(span, offset, bytes, xen);
    }
    for op in ops {
        write(span, op.offset, &op.value.to_le_bytes()[..op.width.bytes()], xen);
    }
}

/// Writes bytes at an offset of an area, page by page.
fn write<X: Hypervisor>(span: &mut Span, offset: u64, bytes: &[u8], xen: &mut X) {
    let mut rest = bytes;
    let mut offset = offset;
    while !rest.is_empty() {
        // Below 4096: fits any usize.
        let within = (offset % PAGE_SIZE) as usize;
        let (now, later) = rest.split_at(rest.len().min(PAGE_SIZE as usize - within));
        write_in_page(span.page_mut(xen, offset / PAGE_SIZE), within, now);
        offset += now.len() as u64;
        rest = later;
    }
}

fn write_in_page(words: &mut [u64; 512], within: usize, bytes: &[u8]) {
    for (at, byte) in (within..).zip(bytes) {
        let mut word = words[at / 8].to_le_bytes();
        word[at % 8] = *byte;
        words[at / 8] = u64::from_le_bytes(word);
    }
}

/// Reads every entry of the module back: rights as planned, guard page absent.
fn check<X: Hypervisor>(area: &Area, rights: &[Rights], tables: &Tables, xen: &X) -> Result<(), MmError> {
    for &(first, pages, access) in rights {
        for page in first..first + pages {
            let here = at(area.span.start(), page * PAGE_SIZE);
            let (_, entry) = tables.leaf(xen, here)?.ok_or(MmError::NotMapped { at: here })?;
            let (writable, executable) = (entry.is_writable(), entry.is_executable());
            if !entry.is_present()
                || writable != (access == Access::Data)
                || executable != (access == Access::Code)
            {
                return Err(MmError::WrongRights { at: here, entry: entry.word(), expected: access });
            }
        }
    }
    let guard = area.guard();
    for at in pages_of(crate::addr::VirtRange::new(guard, PAGE_SIZE)) {
        if let Some((slot, entry)) = tables.leaf(xen, at)?.filter(|(_, entry)| !entry.is_zero()) {
            return Err(MmError::Leftover { at, level: slot.level, entry: entry.word() });
        }
    }
    Ok(())
}

fn report(name: &str, area: &Area, image: &Image<'_>, relocations: usize) {
    log::info!(target: "module", "{name}: {} ({} pages and a guard page), {relocations} relocations applied", area.range(), image.pages());
    for part in image.parts() {
        let start = at(area.span.start(), part.offset);
        log::info!(target: "module", "{name}: {start:#018x} {:?} {} bytes, {:?}", part.kind, part.bytes, access(part.kind.permission()));
    }
}
