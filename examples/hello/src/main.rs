//! A PV kernel: prints what the domain builder handed it, and powers off.

#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), no_main)]

use xen::start_info::FieldError;
use xen::{Boot, Hypervisor, Notes, entry, println};

entry!(main, Notes::new("hello").mod_start_pfn());

/// Runs once, on real Xen or on the model; an error is printed and fails the boot.
pub fn main(boot: Boot<'_, impl Hypervisor>) -> Result<(), FieldError> {
    let info = boot.start_info()?;
    println!("{}: {} pages, {:?}", boot.magic(), info.nr_pages, boot.role());
    if let Some(ramdisk) = info.ramdisk {
        println!("ramdisk of {} bytes: {:?}", ramdisk.bytes, ramdisk.place);
    }
    for (pfn, mfn) in boot.p2m()?.iter().take(4) {
        println!("{pfn} -> {mfn}");
    }
    Ok(())
}
