//! Every builder with every note: more than a thousand domains boot on the model, each checked from outside.
//!
//! The checks are `support::checks`: walks of the tables by machine frame and the toolstack's walk of the published
//! P2M. They share no code with builders or boot. `pipeline` has other generated domains, with frames of others in
//! them.

use crate::support::generator::Case;
use crate::support::{boot, checks};
use pv_memory::error::MmError;
use revector::error::BootError;
use revector::stage::Stage;
use xen::addr::Pfn;
use xen_model::{Builder, Built, Notes, P2mNote, RamdiskNote};

/// Domains of each builder with each note.
const SEEDS: u64 = 64;
/// First page whose high address lies in the module area.
const MODULES: Pfn = Pfn::new(0x2_0000);
const HIGH: u64 = 0xffff_ffff_8000_0000;

fn check(case: &Case) {
    let mut built = case.domain.build().unwrap();
    let (keeps, cleans) = (case.line.contains("keep"), !case.line.contains("cleanup=off"));
    let collides = built.rows.mapped_end > MODULES;
    match boot(&mut built, &case.line) {
        Ok(()) if cleans && !keeps => {
            checks::cleaned(&built);
            the_lists_slot_is_gone(&built);
        }
        Ok(()) => drop(checks::always(&built)),
        Err(BootError::Memory(Stage::Vmalloc, MmError::Occupied { .. }))
            if collides && (keeps || !cleans) => {}
        Err(error) => panic!("{}: {error}", error.stage()),
    }
}

/// Where the list had a mapping of its own, with all the tables of it.
fn the_lists_slot_is_gone(built: &Built) {
    let list = built.start_info.mfn_list;
    if list < HIGH {
        let slot = (list >> 39) as usize % 512;
        assert_eq!(built.xen.frame(built.xen.root())[slot], 0, "the list's slot of the L4 table");
    }
}

fn all_of(builder: Builder) {
    let lists = [P2mNote::None, P2mNote::InitP2m];
    let ramdisks = [RamdiskNote::None, RamdiskNote::ModStartPfn];
    for (p2m, ramdisk) in lists.into_iter().flat_map(|list| ramdisks.map(|ramdisk| (list, ramdisk))) {
        for seed in 0..SEEDS {
            let case = Case::of(seed, builder, Notes { p2m, ramdisk });
            eprintln!("seed {seed}: {case:?}");
            check(&case);
        }
    }
}

#[test]
fn generated_domains_of_the_toolstack_boot_with_each_note() {
    all_of(Builder::Toolstack);
}

#[test]
fn generated_initial_domains_boot_with_each_note() {
    all_of(Builder::Xen);
}

#[test]
fn generated_domains_of_the_shim_boot_with_each_note() {
    all_of(Builder::Shim);
}

#[test]
fn generated_domains_of_grub_boot_with_each_note() {
    all_of(Builder::Grub);
}
