//! No flush of a boot is one too many, and none is missing: with any one left out, the model finds what it was for.
//!
//! The ABI promises no flush with a change of page tables, and old Xens do none. The model is strict by default: it
//! forgets translations when asked and never else, and stops a guest that goes on with a stale one in reach. So every
//! boot of these tests shows that no flush is missing; here each is taken out, which shows that the model would see.

use crate::support::boot;
use std::panic::{AssertUnwindSafe, catch_unwind};
use xen::Lookup;
use xen::addr::VirtAddr;
use xen_model::{Domain, Ramdisk};

const LINES: [&str; 5] = ["p2m=copy", "p2m=alias", "p2m=keep", "p2m=baseline", "cleanup=off"];

/// One whose ramdisk does not reach the module area, so that every line boots to its end.
fn domain() -> Domain {
    Domain { ramdisk: Some(Ramdisk::blank(3 << 20)), ..Domain::guest(64) }
}

/// The flushes that a boot asks for.
fn flushes(line: &str) -> u64 {
    let mut built = domain().build().unwrap();
    boot(&mut built, line).unwrap();
    built.xen.flushes_asked()
}

/// What the model says of a boot in which one flush does nothing.
fn without(line: &str, flush: u64) -> Option<String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut built = domain().build().unwrap();
        built.xen.leave_out_flush(flush);
        boot(&mut built, line).unwrap();
        // The next stage misses the last one.
        let _ = built.xen.probe(VirtAddr::new(0xffff_8800_0000_0000));
    }));
    outcome.err().map(|panic| *panic.downcast::<String>().unwrap())
}

/// Which mapping a stale translation is of.
fn area(message: &str) -> &'static str {
    let at = message.strip_prefix("stale translation: 0x").and_then(|rest| rest.split(' ').next()).unwrap();
    match u64::from_str_radix(at, 16).unwrap() {
        0xffff_ffff_a000_0000.. => "modules",
        0xffff_ffff_8000_0000.. => "high",
        0xffff_c900_0000_0000.. => "vmalloc",
        _ => "direct",
    }
}

#[test]
fn the_flushes_of_a_boot_are_these() {
    let messages: Vec<_> =
        (0..flushes("p2m=copy")).map(|flush| without("p2m=copy", flush).unwrap()).collect();
    let areas: Vec<_> = messages.iter().map(|message| area(message)).collect();
    // Stage 4; the new list's tables; stage 7, whose first stale translation is that of the image's old table; tables of
    // the first area, all areas away; a table for the module, its rights, its init part away, the rest away.
    let expected =
        ["direct", "direct", "direct", "direct", "vmalloc", "direct", "modules", "modules", "modules"];
    assert_eq!(areas, expected);
}

#[test]
fn each_flush_of_a_boot_left_out_is_named_and_leaves_a_stale_translation() {
    for line in LINES {
        let flushes = flushes(line);
        for flush in 0..flushes {
            let message =
                without(line, flush).unwrap_or_else(|| panic!("{line}: flush {flush} is not missed"));
            eprintln!("{line}: {message}");
            assert!(message.contains(&format!("; flush {flush}, after a batch of ")), "{message}");
        }
        assert_eq!(without(line, flushes), None, "{line}: there is no such flush");
    }
}
