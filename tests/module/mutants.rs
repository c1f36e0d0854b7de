//! Damaged objects: every field of the header, of each section, symbol and relocation, changed to many values. Each
//! mutant is refused with a message, or planned so that nothing is written outside its image; on the model, no frame is
//! lost by it.

use crate::mutate;
use crate::support;
use crate::toolchain;
use std::fmt::Write;

use crate::support::stages::moved;
use crate::support::walk::Walk;
use ko_loader::Source;
use ko_loader::{Image, ModInfo, ModuleError, Object, order};
use pv_memory::p2m::Strategy;
use pv_memory::vmalloc::Vmalloc;
use revector::error::BootError;
use revector::module::list::Modules;
use revector::module::load;
use revector::options::Inits;
use xen::addr::VirtAddr;
use xen_model::Domain;

const BASE: u64 = 0xffff_ffff_a000_0000;

/// Plans and relocates; asserts that every byte goes inside the image.
fn load(object: &[u8]) -> Result<(), ModuleError> {
    let object = Object::parse(object)?;
    drop(ModInfo::of(&object));
    let image = Image::plan(object)?;
    let end = image.pages() * 4096;
    let ops = image.relocate(VirtAddr::new(BASE), |_| Some(0xffff_ffff_8100_1230))?;
    assert!(
        ops.iter().all(|op| op.offset + op.width.bytes() as u64 <= end),
        "a relocation outside the image"
    );
    assert!(
        image.contents().all(|part| part.offset + part.bytes.len() as u64 <= end),
        "bytes outside the image"
    );
    assert!(
        image.init_offset().is_none_or(|init| init < end) && image.cleanup_offset().is_none_or(|at| at < end)
    );
    assert!(image.offers().all(|offer| offer.offset < end));
    image.functions().for_each(drop);
    Ok(())
}

fn sample() -> Vec<u8> {
    let source = r#"
        int _printk(const char *, ...); void *revector_alloc(unsigned long);
        static int zeros[300], ones[3] = {1, 1, 1}; int *where[] = {&ones[2], &zeros[7]};
        static const char info[] __attribute__((section(".modinfo"), used)) = "name=sample\0depends=a,b\0vermagic=1";
        static int pick(int n) { switch (n) { case 0: return 7; case 1: return zeros[1]; case 2: return ones[0];
            case 3: return 99; case 4: return *where[1]; case 5: return -4; default: return n * n; } }
        int (*volatile choose)(int) = pick;
        __attribute__((section(".init.data"))) int early = 3;
        __attribute__((section(".init.text"))) int init_module(void) {
            return _printk("c %p", revector_alloc(8)) + choose(early); }
        void cleanup_module(void) { _printk("done"); }"#;
    toolchain::gcc("mutants.c", source)
}

/// All mutants of an object: how many load, how many are refused.
fn all(object: &[u8]) -> [usize; 2] {
    load(object).unwrap();
    let mut count = [0; 2];
    for field in mutate::fields(object) {
        for value in 0..mutate::VALUES {
            match load(&mutate::mutant(object, &field, value)) {
                Ok(()) => count[0] += 1,
                Err(error) => {
                    let mut text = String::new();
                    write!(text, "{error}").unwrap();
                    assert!(!text.is_empty());
                    count[1] += 1;
                }
            }
        }
    }
    count
}

#[test]
fn a_hundred_thousand_mutants_are_refused_or_stay_inside_their_image() {
    let mut total = 0;
    for (name, object) in [("hello.rs", support::hello().to_vec()), ("sample.c", sample())] {
        let [loaded, refused] = all(&object);
        println!("{name}: {} mutants, {loaded} planned and relocated, {refused} refused", loaded + refused);
        assert!(loaded > 0 && refused > 0);
        total += loaded + refused;
    }
    assert!(total >= 100_000, "{total}");
}

#[test]
fn mutants_on_the_model_leave_no_page_and_no_frame_behind() {
    let mut world = moved(&Domain::guest(64), Strategy::Copy);
    let (space, _) = world.clean();
    let exports = support::exports(&world.built.facts).to_vec();
    let mut vmalloc = Vmalloc::new(space);
    let object = support::hello();
    let fields = mutate::fields(object);
    let mut before = None;
    let (mut loaded, mut refused) = (0, 0);
    for (number, field) in fields.iter().enumerate() {
        for value in (number % 7..mutate::VALUES).step_by(7) {
            let mutant = mutate::mutant(object, field, value);
            let mut modules = Modules::new(&exports);
            let source = Source { name: "mutant", object: &mutant };
            assert_eq!(order(&[source], &[]).unwrap().len(), 1);
            let result = world
                .run(|memory, xen| load::load(source, Inits::Skip, &mut modules, &mut vmalloc, memory, xen));
            match result {
                Ok(()) => loaded += 1,
                Err(BootError::Module(..) | BootError::Memory(..)) => refused += 1,
                Err(error) => panic!("{field:?}, value {value}: {error}"),
            }
            world.run(|memory, xen| {
                while modules.unload_last(xen).is_some() {}
                vmalloc.purge(memory, xen).unwrap();
            });
            let balance = world.frames.free_pages() + world.tables.added() as u64;
            assert_eq!(*before.get_or_insert(balance), balance, "{field:?}, value {value}");
        }
    }
    println!("{loaded} mutants loaded and unloaded, {refused} refused, {} pages free", before.unwrap());
    assert!(loaded > 0 && refused > 0, "each kind must have been tried");
    assert_eq!(Walk::of(&world.built.xen).within(BASE, u64::MAX).count(), 0);
}
