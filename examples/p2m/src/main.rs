//! A PV kernel: walks the builder's page tables, makes the direct map, builds a P2M tree and looks pages up in it.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), no_main)]

extern crate alloc;

use alloc::boxed::Box;
use core::error::Error;

use pv_memory::direct_map;
use pv_memory::frames::Frames;
use pv_memory::layout::Layout;
use pv_memory::p2m::verify::Verify;
use pv_memory::p2m::{P2m, Strategy};
use pv_memory::walk::BootTables;
use xen::addr::Pfn;
use xen::{Boot, Hypervisor, Notes, entry, println};

entry!(main, Notes::new("p2m"));

/// Runs once, on real Xen or on the model; an error of any stage is printed and fails the boot.
pub fn main(mut boot: Boot<'_, impl Hypervisor>) -> Result<(), Box<dyn Error>> {
    let (info, facts, xen) = (boot.start_info()?, boot.facts(), boot.xen());
    let layout = Layout::plan(&info)?;
    for row in layout.rows() {
        println!("{row}");
    }
    let tables = BootTables::walk(&layout, &facts, xen, |_| ())?;
    println!("page tables: {}", tables.counts);

    let mut frames = Frames::new(layout.free());
    let mut tables = direct_map::build(tables, &layout, &facts, &mut frames, xen)?;
    let strategy = Strategy::for_pages(layout.nr_pages);
    let p2m = P2m::build(&layout, strategy, &mut tables, &mut frames, xen)?;
    let (first, end) = (Pfn::ZERO, Pfn::new(p2m.nr_pages()));
    for pfn in [first, first.plus(end.above(first) / 2), end] {
        println!("{pfn}: {:?}", p2m.get(tables.window(), xen, pfn));
    }
    let seen = p2m.verify(&tables, xen, Verify::Sample);
    println!("{seen}");
    if seen.is_good() { Ok(()) } else { Err("Xen's M2P says otherwise".into()) }
}
