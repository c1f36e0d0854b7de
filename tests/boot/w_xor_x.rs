//! No frame is executable in one mapping and writable in another: not while a module is loaded, not while one fails
//! to load, not between two hypercalls of any stage after the fourth.
//!
//! The model calls back after each hypercall and before each call into a module; every page table but Xen's own is
//! walked then. All sample modules of the tree are loaded, compiled as the build compiles them.

use crate::support;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::checks;
use crate::support::stages::moved;
use crate::support::walk::Walk;
use ko_loader::Source;
use ko_loader::{Image, Object};
use pv_memory::direct_map;
use pv_memory::p2m::Strategy;
use pv_memory::vmalloc::{Near, Rights, Vmalloc};
use revector::boot::{self, Setup};
use revector::error::BootError;
use revector::module::load::Export;
use xen::abi::MmuUpdate;
use xen::addr::{PfnRange, VirtAddr};
use xen::pte::{Access, Level};
use xen::{Errno, Trapped};
use xen_model::{Built, Domain, Event, Notes, Ramdisk, Refusal, Xen};

const DIRECT: u64 = 0xffff_8800_0000_0000;
const MODULES: u64 = 0xffff_ffff_a000_0000;

/// The modules of the tree; without a C compiler, those in Rust.
fn samples() -> &'static [(String, Vec<u8>)] {
    static SAMPLES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules");
        let sources = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        let mut sources: Vec<PathBuf> = sources.collect();
        sources.sort();
        sources.iter().filter_map(|source| compiled(&folder, source)).collect()
    })
}

fn compiled(folder: &Path, source: &Path) -> Option<(String, Vec<u8>)> {
    let name = source.file_stem()?.to_str()?;
    let object = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("w_xor_x-{name}.o"));
    let (mut compiler, flags) = match source.extension()?.to_str()? {
        "rs" => (Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into())), "rustc.args"),
        "c" => (Command::new("gcc"), "gcc.args"),
        _ => return None,
    };
    compiler.arg(format!("@{}", folder.join(flags).display())).arg(source).arg("-o").arg(&object);
    if flags == "gcc.args" {
        // A module that is all data takes its size from the compiler's command line.
        compiler.args(["-c", "-DBYTES=100000"]);
    }
    match compiler.status() {
        Ok(status) => assert!(status.success(), "{} must compile", source.display()),
        Err(error) => {
            eprintln!("{}: {error}", source.display());
            return None;
        }
    }
    Some((name.to_owned(), std::fs::read(object).unwrap()))
}

/// A ramdisk with every sample.
fn ramdisk() -> Ramdisk {
    let names: Vec<String> = samples().iter().map(|(name, _)| format!("lib/{name}.ko")).collect();
    let files = names.iter().zip(samples()).map(|(name, (_, object))| (name.as_str(), object.as_slice()));
    Ramdisk::holding(&support::archive(&files.collect::<Vec<_>>()))
}

fn domain(mib: u64) -> Domain {
    Domain { ramdisk: Some(ramdisk()), ..Domain::guest(mib) }
}

/// Boots with an export for whatever a sample uses and no other sample exports: nothing of them is run here.
fn boot(built: &mut Built, line: &str) -> Result<(), BootError> {
    let images: Vec<_> = samples().iter().map(|(_, object)| plan(object)).collect();
    let offered: BTreeSet<_> =
        images.iter().flat_map(|image| image.offers().map(|offer| offer.name)).collect();
    let wanted: BTreeSet<_> = images.iter().flat_map(Image::undefined).collect();
    let address = VirtAddr::new(built.facts.text.start.as_u64() + 0x230);
    let exports: Vec<_> = wanted.difference(&offered).map(|&name| Export { name, address }).collect();
    let Built { xen, start_info, facts, .. } = built;
    xen.run(|xen| {
        let options = support::options(line);
        let built_in = Source { name: "hello", object: support::hello() };
        let setup = Setup { facts: *facts, options: &options, exports: &exports, built_in };
        boot::boot(start_info, &setup, xen).map(drop)
    })
}

fn plan(object: &[u8]) -> Image<'_> {
    Image::plan(Object::parse(object).unwrap()).unwrap()
}

/// Looks at everything, from the end of stage 4 on; a module that is about to run must be there to be looked at.
fn watch(xen: &Xen, event: Event) {
    if xen.direct_map_base().is_none() {
        return;
    }
    let walk = Walk::of(xen);
    checks::no_code_is_writable(&walk);
    if event == Event::Call {
        assert!(walk.within(MODULES, u64::MAX).any(|leaf| leaf.executable), "no module is loaded");
    }
}

/// All of RAM is shown with `baseline`; hardly any of what modules take in the others.
#[test]
fn no_frame_is_executable_and_writable_while_each_sample_module_is_loaded() {
    assert!(samples().len() >= 2, "{:?}", samples().iter().map(|(name, _)| name).collect::<Vec<_>>());
    for mib in [64, 256] {
        for line in ["p2m=copy", "p2m=alias", "p2m=baseline", "p2m=keep", "cleanup=off"] {
            let mut built = domain(mib).build().unwrap();
            built.xen.watch(watch);
            boot(&mut built, line).unwrap_or_else(|error| panic!("{mib} MiB {line}: {error}"));
            let inits = built.xen.called().len();
            assert!(inits >= samples().len(), "{inits} calls into {} modules", samples().len());
        }
    }
}

#[test]
fn a_module_that_fails_leaves_no_frame_executable_and_writable() {
    for number in 0..samples().len() {
        for trap in [false, true] {
            let mut built = domain(64).build().unwrap();
            built.xen.watch(watch);
            built.xen.answer(vec![0; number]);
            match trap {
                true => built.xen.trap(Trapped { vector: 14, rip: MODULES }),
                false => built.xen.answer([-5]),
            }
            boot(&mut built, "p2m=baseline").unwrap_err();
            rights_are_back(&built);
        }
    }
}

/// What is shown of free memory can be written: only the image's code and constants, and tables, are read-only.
fn rights_are_back(built: &Built) {
    let walk = Walk::of(&built.xen);
    let end = DIRECT + (512 << 30);
    let locked =
        walk.within(DIRECT, end).filter(|leaf| !leaf.writable && !walk.tables.contains_key(&leaf.mfn));
    let image = (built.facts.text.pages() + built.facts.rodata.pages()) as usize;
    assert_eq!(locked.count(), image, "pages of the direct map that are read-only");
}

#[test]
fn a_refusal_anywhere_leaves_no_frame_executable_and_writable() {
    no_refusal_leaves_both(&Domain::guest(64));
    no_refusal_leaves_both(&Domain { notes: Notes::BOTH, ..Domain::guest(64) });
}

fn no_refusal_leaves_both(domain: &Domain) {
    let small = || domain.build().unwrap();
    let mut built = small();
    support::boot(&mut built, "").unwrap();
    rights_are_back(&built);
    for hypercall in 0..built.xen.issued() {
        for element in [0, 1, 2, 3, 5, 8, usize::MAX] {
            let mut built = small();
            built.xen.refuse(Refusal { hypercall, element, errno: Errno::ENOMEM });
            built.xen.watch(watch);
            support::boot_watched(&mut built, "").unwrap_err();
        }
    }
}

/// Every element of the change to code and back is refused in turn; the frames must come back writable. With
/// `baseline` all of RAM is shown.
#[test]
fn a_change_of_rights_is_done_wholly_or_not_at_all_in_every_mapping() {
    let mut world = moved(&Domain::guest(64), Strategy::Baseline);
    let mut vmalloc = Vmalloc::new(world.clean().0);
    world.run(|memory, xen| {
        xen.watch(watch);
        let parts = [
            Rights { first: 0, pages: 3, access: Access::Code },
            Rights { first: 3, pages: 2, access: Access::ReadOnly },
            Rights { first: 5, pages: 2, access: Access::Data },
        ];
        for element in 0..12 {
            let area = vmalloc.allocate(Near::Kernel, 7, memory, xen).unwrap();
            let own: Vec<_> = vmalloc.pages_backing(&area, 0, 7).unwrap().collect();
            let hypercall = xen.issued();
            xen.refuse(Refusal { hypercall, element, errno: Errno::EINVAL });
            vmalloc.protect(&area, &parts, memory.tables, xen).unwrap_err();
            vmalloc.protect(&area, &parts, memory.tables, xen).unwrap();
            let alias = |pfn| memory.tables.alias(xen, pfn).unwrap().unwrap().1.is_writable();
            let shown: Vec<_> = own.iter().map(|pfn| alias(*pfn)).collect();
            assert_eq!(shown, [false, false, false, false, false, true, true]);
            // Back to data, then code again, then away with it.
            vmalloc
                .protect(&area, &[Rights { first: 0, pages: 7, access: Access::Data }], memory.tables, xen)
                .unwrap();
            let alias = |pfn| memory.tables.alias(xen, pfn).unwrap().unwrap().1.is_writable();
            assert!(own.iter().all(|pfn| alias(*pfn)));
            vmalloc.protect(&area, &parts, memory.tables, xen).unwrap();
            drop(area);
            let hypercall = xen.issued();
            xen.refuse(Refusal { hypercall, element, errno: Errno::EINVAL });
            vmalloc.purge(memory, xen).unwrap_err();
            vmalloc.purge(memory, xen).unwrap();
            let alias = |pfn| memory.tables.alias(xen, pfn).unwrap().unwrap().1.is_writable();
            assert!(own.iter().all(|pfn| alias(*pfn)));
        }
    });
    rights_are_back(&world.built);
}

/// Memory that is mapped into the direct map later, by whole tables, may hold code already.
#[test]
fn a_direct_map_that_grows_over_code_shows_it_read_only() {
    let mut world = moved(&Domain::guest(1024), Strategy::Alias);
    let mut vmalloc = Vmalloc::new(world.clean().0);
    world.run(|memory, xen| {
        xen.watch(watch);
        let area = vmalloc.allocate(Near::Kernel, 2, memory, xen).unwrap();
        vmalloc
            .protect(
                &area,
                &[
                    Rights { first: 0, pages: 1, access: Access::Code },
                    Rights { first: 1, pages: 1, access: Access::Data },
                ],
                memory.tables,
                xen,
            )
            .unwrap();
        let own: Vec<_> = vmalloc.pages_backing(&area, 0, 2).unwrap().collect();
        assert_eq!(memory.tables.alias(xen, own[0]), Ok(None), "shown from the start: this tests nothing");
        let pages = PfnRange::new(own[0], 2);
        direct_map::extend(memory, &[pages], xen).unwrap();
        let writable = |tables: &pv_memory::tables::Tables, xen: &Xen, page: usize| {
            tables.alias(xen, own[page]).unwrap().unwrap().1.is_writable()
        };
        assert_eq!([0, 1].map(|page| writable(memory.tables, xen, page)), [false, true]);
        drop(area);
        vmalloc.purge(memory, xen).unwrap();
        assert_eq!([0, 1].map(|page| writable(memory.tables, xen, page)), [true, true]);
    });
}

#[test]
fn a_module_whose_code_can_be_written_elsewhere_is_not_run() {
    // A watch that makes the direct map writable again without the loader, as an error in the loader would.
    fn sabotage(xen: &mut Xen) {
        let walk = Walk::of(xen);
        let code: BTreeSet<_> =
            walk.within(MODULES, u64::MAX).filter(|leaf| leaf.executable).map(|leaf| leaf.mfn).collect();
        let aliases = walk.within(DIRECT, DIRECT + (512 << 30)).filter(|leaf| code.contains(&leaf.mfn));
        for at in aliases.map(|leaf| VirtAddr::new(leaf.at)).collect::<Vec<_>>() {
            let table = xen.table_at(at, Level::L1).unwrap();
            let index = Level::L1.index(at);
            let val = xen.frame(table)[index] | 2;
            xen.update(&[MmuUpdate { ptr: table.raw() * 4096 + index as u64 * 8, val }]).unwrap();
        }
    }
    let mut built = domain(64).build().unwrap();
    built.xen.tamper(sabotage);
    // Modules take pages that nothing shows where they can: with `baseline` all of RAM is shown.
    let error = boot(&mut built, "p2m=baseline").unwrap_err();
    assert!(matches!(error, BootError::Modules { .. }), "{error}");
    assert!(built.xen.called().is_empty(), "code that could be written was run");
}
