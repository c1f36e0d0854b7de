//! Modules on the model of Xen: dependencies, failures that the next module survives, and not a frame lost.

use crate::support;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::stages::{World, moved};
use crate::support::walk::Walk;
use crate::toolchain::gcc;
use ko_loader::Source;
use ko_loader::SymbolError;
use pv_memory::p2m::Strategy;
use pv_memory::vmalloc::Vmalloc;
use revector::error::BootError;
use revector::module::list::Modules;
use revector::module::load::{self, Export};
use revector::options::Inits;
use xen::Trapped;
use xen_model::{Domain, Ramdisk};

const MODULES: u64 = 0xffff_ffff_a000_0000;

/// A domain with an empty module area, and what it offers.
struct Trial {
    world: World,
    vmalloc: Vmalloc,
    exports: Vec<Export>,
}

impl Trial {
    fn new() -> Self {
        let mut world = moved(&Domain::guest(64), Strategy::Copy);
        let (space, _) = world.clean();
        let exports = support::exports(&world.built.facts).to_vec();
        Self { world, vmalloc: Vmalloc::new(space), exports }
    }

    /// Pages that are free or have become page tables, which stay.
    fn balance(&self) -> u64 {
        self.world.frames.free_pages() + self.world.tables.added() as u64
    }

    fn load(&mut self, modules: &mut Modules<'_>, name: &str, object: &[u8]) -> Result<(), BootError> {
        let source = Source { name, object };
        self.world.run(|memory, xen| load::load(source, Inits::Run, modules, &mut self.vmalloc, memory, xen))
    }

    fn purge(&mut self) {
        self.world.run(|memory, xen| self.vmalloc.purge(memory, xen)).unwrap();
    }

    /// Every page mapped in the module area: address, writable, executable.
    fn mapped(&self) -> Vec<(u64, bool, bool)> {
        let walk = Walk::of(&self.world.built.xen);
        walk.within(MODULES, u64::MAX).map(|leaf| (leaf.at, leaf.writable, leaf.executable)).collect()
    }
}

fn object(name: &str, source: &str) -> Vec<u8> {
    // Tests run side by side: each object has files of its own.
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    gcc(&format!("model-{number}-{name}.c"), source)
}

const GOOD: &str = "int init_module(void) { return 0; } void cleanup_module(void) {}";

fn base() -> Vec<u8> {
    object(
        "base",
        "int shared = 3; int base_add(int n) { return n + shared; } int init_module(void) { return 0; }",
    )
}

fn top() -> Vec<u8> {
    let source = "int base_add(int); extern int shared; int top_value(void) { return base_add(shared); }
        int init_module(void) { return 0; }";
    object("top", source)
}

#[test]
fn a_chain_in_the_wrong_order_loads_and_the_one_in_use_stays() {
    let (base, top) = (base(), top());
    let found = [Source { name: "top", object: &top }, Source { name: "base", object: &base }];
    let sorted = ko_loader::order(&found, &[]).unwrap();
    assert_eq!(sorted.iter().map(|source| source.name).collect::<Vec<_>>(), ["base", "top"]);
    let only = ko_loader::order(&found, &["base".to_owned()]).unwrap();
    assert_eq!(only.len(), 1);
    let with_need = ko_loader::order(&found, &["top".to_owned()]).unwrap();
    assert_eq!(with_need.len(), 2, "what a module needs comes with it");

    let mut trial = Trial::new();
    let exports = trial.exports.clone();
    let before = trial.balance();
    let mut modules = Modules::new(&exports);
    for source in sorted {
        trial.load(&mut modules, source.name, source.object).unwrap();
    }
    let listed = modules.to_string();
    assert!(
        listed.starts_with("base ") && listed.contains(" 1 top, Live 0xffffffffa0000000\ntop "),
        "{listed}"
    );
    let error = modules.unload("base", &mut trial.world.built.xen).unwrap_err();
    assert_eq!(error, BootError::InUse("base".into(), vec!["top".into()]));
    modules.unload("top", &mut trial.world.built.xen).unwrap();
    modules.unload("base", &mut trial.world.built.xen).unwrap();
    trial.purge();
    assert_eq!((trial.balance(), trial.mapped()), (before, vec![]));
}

#[test]
fn init_memory_goes_back_and_the_rest_keeps_its_rights() {
    let mut trial = Trial::new();
    let exports = trial.exports.clone();
    let mut modules = Modules::new(&exports);
    let before = trial.balance();
    trial.load(&mut modules, "hello", support::hello()).unwrap();
    let page = |n: u64| MODULES + n * 4096;
    assert_eq!(trial.mapped(), [(page(0), false, true), (page(1), false, false), (page(2), true, false)]);
    assert_eq!(before - trial.balance(), 3, "the page of init text is free again");
    let second = trial.load(&mut modules, "hello", support::hello()).unwrap_err();
    assert!(second.to_string().contains("expected a module that is not loaded yet"), "{second}");
}

#[test]
fn after_each_failure_nothing_is_left_and_the_next_module_loads() {
    let mut trial = Trial::new();
    let exports = trial.exports.clone();
    let mut modules = Modules::new(&exports);
    let good = object("good", GOOD);
    trial.load(&mut modules, "base", &base()).unwrap();
    trial.load(&mut modules, "warm", &good).unwrap();
    let at_start = (trial.balance(), trial.mapped());
    let mut failing = |name: &str, source: &str, expected: &str| {
        let object = object(name, source);
        let error = trial.load(&mut modules, name, &object).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert_eq!((trial.balance(), trial.mapped()), at_start, "{name}");
        trial.load(&mut modules, "next", &good).unwrap();
        modules.unload("next", &mut trial.world.built.xen).unwrap();
        trial.purge();
    };
    failing(
        "missing",
        &format!("int nowhere(void), gone(void); int f(void) {{ return nowhere() + gone(); }} {GOOD}"),
        "missing: unknown symbols: nowhere, gone",
    );
    failing(
        "twice",
        &format!("int base_add(int n) {{ return n; }} {GOOD}"),
        "twice: symbol base_add: expected a new name, found one that base exports",
    );
    failing(
        "kernel-s",
        &format!("int revector_print(int n) {{ return n; }} {GOOD}"),
        "found one that the kernel exports",
    );
    failing(
        "far",
        &format!("int f(void) {{ int r; __asm__(\"movl $init_module, %0\" : \"=r\"(r)); return r; }} {GOOD}"),
        "expected init_module within the lowest 4 GiB",
    );
}

#[test]
fn an_init_that_fails_or_traps_leaves_nothing_behind() {
    let mut trial = Trial::new();
    let exports = trial.exports.clone();
    let mut modules = Modules::new(&exports);
    let good = object("good", GOOD);
    trial.load(&mut modules, "warm", &good).unwrap();
    let at_start = (trial.balance(), trial.mapped());
    trial.world.built.xen.answer([-12]);
    let error = trial.load(&mut modules, "bad", &good).unwrap_err();
    assert_eq!(error, BootError::Init("bad".into(), -12));
    assert_eq!((trial.balance(), trial.mapped()), at_start);
    let trapped = Trapped { vector: 14, rip: MODULES };
    trial.world.built.xen.trap(trapped);
    let error = trial.load(&mut modules, "bad", &good).unwrap_err();
    assert_eq!(error, BootError::Trapped("bad".into(), "init_module", trapped));
    assert_eq!((trial.balance(), trial.mapped()), at_start);
    trial.load(&mut modules, "next", &good).unwrap();
    // Its exit traps: it is gone nevertheless.
    trial.world.built.xen.trap(trapped);
    assert!(matches!(modules.unload("next", &mut trial.world.built.xen), Err(BootError::Trapped(..))));
    trial.purge();
    assert_eq!((trial.balance(), trial.mapped()), at_start);
}

#[test]
fn a_boot_loads_what_it_can_and_says_what_it_could_not() {
    let (base, top) = (base(), top());
    let bad = object("lost", &format!("int nowhere(void); int g(void) {{ return nowhere(); }} {GOOD}"));
    let files = [("a/top.ko", &top[..]), ("lost.o", &bad), ("base.ko", &base), ("hello.o", support::hello())];
    let domain = Domain { ramdisk: Some(Ramdisk::holding(&support::archive(&files))), ..Domain::guest(64) };
    let mut built = domain.build().unwrap();
    let error = support::boot(&mut built, "").unwrap_err();
    assert!(matches!(error, BootError::Modules { failed: 1, of: 4, .. }), "{error}");
    assert_eq!(built.xen.called().len(), 4, "three inits and one exit");
    let mut built = domain.build().unwrap();
    support::boot(&mut built, "modules=top").unwrap();
    assert_eq!(built.xen.called().len(), 2, "modules= brings what it needs along");
}

/// A gzip stream of stored blocks, by the letter of RFC 1951 and 1952.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let last = bytes.chunks(65_535).count() - 1;
    for (number, chunk) in bytes.chunks(65_535).enumerate() {
        let len = u16::try_from(chunk.len()).unwrap();
        out.push(u8::from(number == last));
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(chunk);
    }
    let step = |sum: u32, _: u8| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step));
    out.extend((!sum).to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out
}

#[test]
fn a_compressed_ramdisk_is_unpacked_and_a_damaged_one_named() {
    let noise: Vec<u8> = (0..200_000_u32).map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()[3]).collect();
    let packed = gzip(&support::archive(&[("noise", &noise), ("hello.o", support::hello())]));
    let boot = |content: &[u8]| {
        let domain = Domain { ramdisk: Some(Ramdisk::holding(content)), ..Domain::guest(64) };
        let mut built = domain.build().unwrap();
        let result = support::boot(&mut built, "");
        (result, built)
    };
    let (result, built) = boot(&packed);
    result.unwrap();
    assert_eq!(built.xen.called().len(), 2);
    support::checks::cleaned(&built);
    let mut damaged = packed.clone();
    damaged[100_000] ^= 1;
    let error = boot(&damaged).0.unwrap_err().to_string();
    assert!(error.contains("ramdisk: gzip: CRC32: expected"), "{error}");
    let error = boot(&support::archive(&[("hello.ko.xz", b"\xfd7zXZ\0...")])).0.unwrap_err().to_string();
    assert!(error.contains("hello: object: ") && error.contains("found an xz stream"), "{error}");
}

#[test]
fn ten_thousand_rounds_lose_no_frame() {
    let mut trial = Trial::new();
    let exports = trial.exports.clone();
    let mut modules = Modules::new(&exports);
    let good = object("good", GOOD);
    let missing =
        object("missing", &format!("int nowhere(void); int f(void) {{ return nowhere(); }} {GOOD}"));
    let round = |trial: &mut Trial, modules: &mut Modules<'_>, number: u32| {
        trial.load(modules, "hello", support::hello()).unwrap();
        trial.load(modules, "good", &good).unwrap();
        if number.is_multiple_of(16) {
            let error = trial.load(modules, "missing", &missing).unwrap_err();
            assert!(matches!(
                error,
                BootError::Module(_, ko_loader::ModuleError::Symbol(SymbolError::Unknown(_)))
            ));
        }
        // In both orders: an area between two others leaves a gap for the next round.
        let first = if number.is_multiple_of(2) { "hello" } else { "good" };
        modules.unload(first, &mut trial.world.built.xen).unwrap();
        trial.purge();
        while modules.unload_last(&mut trial.world.built.xen).is_some() {}
        trial.purge();
    };
    round(&mut trial, &mut modules, 0);
    let before = trial.world.frames.free_pages();
    for number in 0..10_000 {
        round(&mut trial, &mut modules, number);
    }
    println!("10000 rounds: {before} pages free before, {} after", trial.world.frames.free_pages());
    assert_eq!(trial.world.frames.free_pages(), before);
    assert_eq!(trial.mapped(), []);
}
