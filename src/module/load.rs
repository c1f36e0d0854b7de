//! Stage 9 of 9: carries out what the pure half planned: place, relocate, protect, run, give init memory back.
//!
//! An area of the module space is taken readable and writable, filled, relocated, and only then made executable in
//! its text and read-only in its constants; no page is ever writable and executable. Every page-table entry of the
//! module is read back afterwards. Whatever goes wrong, even an exception in the module's init, the module is removed
//! completely and the next one can be loaded. Takes a [`Vmalloc`] over the module space, objects from `source` in the
//! order of `order`, and adds [`Loaded`] modules to a `list`.
//!
//! Lineage: Linux `load_module`, `module_alloc`, `move_module`, `apply_relocations`, `do_init_module`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::call::call;
use super::check::check;
pub use super::export::Export;
pub use super::list::{Loaded, Modules};
use crate::error::{BootError, InStage};
use crate::options::Inits;
use crate::stage::Stage;
use ko_loader::{Content, INIT, Image, ModInfo, ModuleError, Object, Part, Permission, RelocOp, Source};
use pv_memory::memory::Memory;
use pv_memory::vmalloc::{Area, Near, Rights, Vmalloc};
use xen::addr::{PAGE_SIZE, VirtAddr};
use xen::pte::Access;
use xen::{Hypervisor, ModuleFunction, ModuleNames};

/// Bytes of function names that one module may keep for call traces.
const NAMES_BYTES: usize = 64 << 10;

/// Loads a module, runs its init, adds it to the list.
///
/// # Errors
/// [`BootError`]; then nothing of the module is left except page tables.
#[inline(never)] // a line of its own in call traces
pub fn load<X: Hypervisor>(
    source: Source<'_>,
    inits: Inits,
    modules: &mut Modules<'_>,
    vmalloc: &mut Vmalloc,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), BootError> {
    let start = xen.counters();
    let named = |error: ModuleError| BootError::Module(source.name.to_owned(), error);
    let image = plan(source, modules).map_err(named)?;
    let name = ModInfo::of(image.object()).name.unwrap_or(source.name).to_owned();
    let mut area = vmalloc.allocate(Near::Kernel, image.pages(), memory, xen).stage(Stage::Vmalloc)?;
    let base = area.span().start();
    let placed = place(&name, &image, &mut area, modules, vmalloc, memory, xen);
    let done = placed.and_then(|()| start_up(&name, &image, inits, &mut area, vmalloc, memory, xen));
    if let Err(error) = done {
        xen.forget_names(base);
        drop(area);
        vmalloc.purge(memory, xen).stage(Stage::Module)?;
        return Err(error);
    }
    let taken = xen.counters().since(start);
    log::info!(target: Stage::Module.name(), "{name}: loaded in {} us", taken.nanos / 1000);
    let uses = modules.used_by(&image);
    let mut offers: Vec<(String, u64)> =
        image.offers().map(|offer| (offer.name.to_owned(), at(base, offer.offset).as_u64())).collect();
    offers.sort_unstable();
    let cleanup = image.cleanup_offset().filter(|_| inits == Inits::Run).map(|offset| at(base, offset));
    modules.add(Loaded { name, area, cleanup, offers, uses });
    Ok(())
}

fn plan<'a>(source: Source<'a>, modules: &Modules<'_>) -> Result<Image<'a>, ModuleError> {
    let image = Image::plan(Object::parse(source.object)?)?;
    let name = ModInfo::of(image.object()).name.unwrap_or(source.name);
    modules.refuse_duplicates(name, &image)?;
    Ok(image)
}

/// Fills the area, relocates what is in it, and gives each part its rights.
fn place<X: Hypervisor>(
    name: &str,
    image: &Image<'_>,
    area: &mut Area,
    modules: &Modules<'_>,
    vmalloc: &Vmalloc,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), BootError> {
    let resolve = |symbol: &str| modules.find(symbol).map(|(address, _)| address);
    let ops = image.relocate(area.span().start(), resolve);
    let ops = ops.map_err(|error| BootError::Module(name.to_owned(), error))?;
    fill(area, image, &ops, xen);
    let rights = rights(image);
    vmalloc.protect(area, &rights, memory.tables, xen).stage(Stage::Module)?;
    let sealed = check(area, &rights, vmalloc, memory.tables, xen).stage(Stage::Module)?;
    report(name, area, image, ops.len());
    log::info!(target: Stage::Module.name(), "{name}: {sealed}");
    Ok(())
}

/// Runs the init and gives back the memory that only the init needed.
fn start_up<X: Hypervisor>(
    name: &str,
    image: &Image<'_>,
    inits: Inits,
    area: &mut Area,
    vmalloc: &mut Vmalloc,
    memory: &mut Memory<'_>,
    xen: &mut X,
) -> Result<(), BootError> {
    let base = area.span().start();
    xen.learn_names(names(name, area, image));
    if let Some(init) = image.init_offset().filter(|_| inits == Inits::Run) {
        match call(at(base, init), xen) {
            Ok(0) => {}
            Ok(code) => return Err(BootError::Init(name.to_owned(), code)),
            Err(trapped) => return Err(BootError::Trapped(name.to_owned(), INIT, trapped)),
        }
    }
    let keep = image.init_pages().start;
    vmalloc.trim(area, keep, memory, xen).stage(Stage::Module)?;
    let resident: Vec<Rights> =
        rights(image).into_iter().filter(|part| part.first < area.span().pages()).collect();
    check(area, &resident, vmalloc, memory.tables, xen).stage(Stage::Module)?;
    xen.learn_names(names(name, area, image));
    let freed = image.pages() - area.span().pages();
    if freed > 0 {
        log::info!(target: Stage::Module.name(), "{name}: {freed} pages of init given back, {} stay", area.span().pages());
    }
    Ok(())
}

/// The functions inside the area, as many as there is room for their names.
fn names(module: &str, area: &Area, image: &Image<'_>) -> ModuleNames {
    let range = area.range();
    let mut room = NAMES_BYTES;
    let mut functions = Vec::new();
    for function in image.functions().filter(|function| function.offset < range.bytes) {
        let Some(left) = room.checked_sub(function.name.len() + size_of::<ModuleFunction>()) else {
            break;
        };
        room = left;
        // An image is smaller than 4 GiB; a size that is not is cut.
        let (offset, size) = (function.offset as u32, u32::try_from(function.size).unwrap_or(u32::MAX));
        functions.push(ModuleFunction { offset, size, name: function.name.to_owned() });
    }
    functions.sort_unstable();
    ModuleNames { module: module.to_owned(), range, functions }
}

fn rights(image: &Image<'_>) -> Vec<Rights> {
    let rights = |part: Part| Rights {
        first: part.offset / PAGE_SIZE,
        pages: part.pages(),
        access: access(part.kind.permission()),
    };
    image.parts().map(rights).collect()
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

/// Fills an area: zeros, contents, relocations.
fn fill<X: Hypervisor>(area: &mut Area, image: &Image<'_>, ops: &[RelocOp], xen: &mut X) {
    for page in 0..area.span().pages() {
        area.page_mut(xen, page).fill(0);
    }
    for Content { offset, bytes, .. } in image.contents() {
        write(area, offset, bytes, xen);
    }
    for op in ops {
        write(area, op.offset, &op.value.to_le_bytes()[..op.width.bytes()], xen);
    }
}

/// Writes bytes at an offset of an area, page by page.
pub(super) fn write<X: Hypervisor>(area: &mut Area, offset: u64, bytes: &[u8], xen: &mut X) {
    let mut rest = bytes;
    let mut offset = offset;
    while !rest.is_empty() {
        // Below 4096: fits any usize.
        let within = (offset % PAGE_SIZE) as usize;
        let (now, later) = rest.split_at(rest.len().min(PAGE_SIZE as usize - within));
        write_in_page(area.page_mut(xen, offset / PAGE_SIZE), within, now);
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

fn report(name: &str, area: &Area, image: &Image<'_>, relocations: usize) {
    let info = ModInfo::of(image.object());
    if let Some(vermagic) = info.vermagic {
        log::info!(target: Stage::Module.name(), "{name}: made for {vermagic}, depends on {}", match info.depends.join(", ") {
            none if none.is_empty() => "nothing".to_owned(),
            names => names,
        });
    }
    log::info!(target: Stage::Module.name(), "{name}: {} ({} pages and a guard page), {relocations} relocations applied", area.range(), image.pages());
    for part in image.parts() {
        let start = at(area.span().start(), part.offset);
        log::info!(target: Stage::Module.name(), "{name}: {start:#018x} {:?} {} bytes, {:?}", part.kind, part.bytes, access(part.kind.permission()));
    }
    for section in image.object().sections() {
        if let Some(offset) = image.offset_of(section.index).filter(|_| section.size > 0) {
            log::debug!(target: Stage::Module.name(), "{name}: {:#018x} {} {} bytes", at(area.span().start(), offset), section.name, section.size);
        }
    }
}
