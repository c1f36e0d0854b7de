//! The dialect of a Linux PV guest's early log, from 3.0 to 6.12.
//!
//! Of a boot log only what bears on memory is read: the memory map, pages moved out of its holes, the list's new
//! place, and the messages of Linux's own checks. Sources: Linux's `arch/x86/xen/setup.c`, `mmu.c`, `mmu_pv.c` and
//! `p2m.c`, `mm/vmalloc.c`, `arch/x86/kernel/e820.c` and `setup.c`; logs of 2.6.39 to 6.6.

use super::{
    crash,
    dom0_builder::KINDS,
    fact::{Event, Fact, Facts, ModuleStart, Moved, nothing, one},
    keyword::{Hit, Word, Writer},
    layout_line::hex_numbers,
};
use crate::scene::{HIGH, MapRange, PAGE};

const BY: Option<Writer> = Some(Writer::Linux);

pub(super) const WORDS: &[Word] = &[
    ("Linux version ", BY, begin),
    ("Xen: [mem ", BY, map),
    (" memory conflicts with E820", BY, conflict),
    ("Can't find new memory area for ", BY, no_place),
    ("/mm/vmalloc.c:", BY, warning),
    (" mm/vmalloc.c:", BY, warning),
    ("vmalloc: allocation failure, allocated ", None, allocation),
    ("p2m virtual area at ", BY, moved),
    ("Released ", BY, released),
    ("Remapped ", BY, released),
    ("released ", BY, released),
    (" page(s) to 1-1 mapping", BY, identity),
    ("Memory: ", BY, memory),
    ("Kernel Offset: ", BY, offset),
    ("Command line: ", BY, command_line),
    ("Failed to update kernel mapping for ", BY, not_mapped),
    ("Failed to set p2m mapping for ", BY, not_mapped),
    ("Failed to set m2p mapping for ", BY, not_mapped),
    ("kernel BUG at ", BY, died),
    ("BUG: unable to handle", BY, died),
    ("BUG: kernel NULL pointer dereference", BY, died),
    ("BUG: stack guard page was hit", BY, died),
    ("Unable to handle kernel ", BY, died),
    ("Oops: ", BY, oops),
    ("general protection fault: ", BY, trapped),
    ("general protection fault, ", BY, trapped),
    ("invalid opcode: ", BY, trapped),
    ("double fault: ", BY, trapped),
    ("divide error: ", BY, trapped),
    ("stack segment: ", BY, trapped),
    ("int3: ", BY, trapped),
    ("PANIC: ", BY, panicked),
    ("Kernel panic - not syncing", BY, died),
    ("Kernel panic: ", BY, died),
    ("soft lockup - CPU#", BY, stuck),
    ("detected hard LOCKUP on cpu", BY, stuck),
    ("Hard LOCKUP on cpu ", BY, stuck),
    ("Rebooting in ", BY, rebooting),
    ("Rebooting machine", BY, rebooting),
    ("RIP: ", None, rip),
    ("] IP: ", BY, died_in),
    ("EIP is at ", BY, died_in),
    ("EIP: ", BY, rip),
];

fn begin(hit: &Hit<'_>) -> Facts {
    let version = hit.rest.split(' ').next().unwrap_or_default();
    let numbered = version.starts_with(|c: char| c.is_ascii_digit());
    Ok(if numbered { vec![Fact::Begin, Fact::Version(version.to_owned())] } else { Vec::new() })
}

/// `0x0000000000000000-0x000000000009ffff] usable`, last byte included. Only a PV guest's map is called `Xen`.
fn map(hit: &Hit<'_>) -> Facts {
    let range = hit.rest.split_once(']').and_then(|(range, kind)| {
        let kind = kind.trim();
        let [start, end] = *hex_numbers(range) else { return None };
        let known = KINDS.contains(&kind) && start <= end;
        known.then(|| MapRange { start, end: end.saturating_add(1), kind: kind.to_owned() })
    });
    one(range.map(Fact::Map), "expected 0x...-0x...] and a kind of memory")
}

/// `Xen hypervisor allocated kernel memory conflicts with E820 map`
fn conflict(hit: &Hit<'_>) -> Facts {
    let (_, part) = hit.before.rsplit_once("allocated ").unwrap_or(("", "kernel"));
    let part = part.trim();
    Ok(vec![Fact::Event(Event::Conflict(part.to_owned()))])
}

/// `initrd needed due to E820 map conflict`
fn no_place(hit: &Hit<'_>) -> Facts {
    let part = hit.rest.split(' ').next().unwrap_or_default().to_owned();
    Ok(vec![Fact::Event(Event::NoPlace(part))])
}

/// `WARNING: at .../mm/vmalloc.c:106 vmap_page_range_noflush+0x2d9/0x370()`, and since 3.11 `WARNING: CPU: 0 PID: 1
/// at mm/vmalloc.c:106 ...`.
fn warning(hit: &Hit<'_>) -> Facts {
    if !hit.before.contains("WARNING:") {
        return nothing();
    }
    let function = hit.rest.split_whitespace().nth(1).unwrap_or("mm/vmalloc.c");
    let function = function.split('+').next().unwrap_or(function);
    Ok(vec![Fact::Event(Event::AlreadyMapped(function.to_owned()))])
}

/// `16384 of 20480 bytes`; our guest prints the same line.
fn allocation(hit: &Hit<'_>) -> Facts {
    let numbers = hit.rest.split_once(" bytes").and_then(|(numbers, _)| {
        let (allocated, wanted) = numbers.split_once(" of ")?;
        Some(Event::AllocationFailure { allocated: allocated.parse().ok()?, wanted: wanted.parse().ok()? })
    });
    one(numbers.map(Fact::Event), "expected N of M bytes")
}

/// Since 3.19: the list lives in an area of its own, and the builder's is given back.
fn moved(_: &Hit<'_>) -> Facts {
    Ok(vec![Fact::Moved(Moved::Copied)])
}

/// `released 99 pages of unused memory` (3.0), `Released 99 pages of unused memory`, `Released 0 page(s)` (3.17),
/// `Remapped 440771 page(s)`
fn released(hit: &Hit<'_>) -> Facts {
    let count = hit.rest.split_once(" page").and_then(|(count, _)| count.parse::<u64>().ok());
    let Some(count) = count.filter(|count| *count > 0) else { return nothing() };
    Ok(relocated(&hit.word.trim().to_lowercase(), count))
}

/// `Set 283999 page(s) to 1-1 mapping`
fn identity(hit: &Hit<'_>) -> Facts {
    let count = hit.before.rsplit_once("Set ").and_then(|(_, count)| count.parse::<u64>().ok());
    let Some(count) = count.filter(|count| *count > 0) else { return nothing() };
    Ok(relocated("mapped one to one", count))
}

fn relocated(what: &str, count: u64) -> Vec<Fact> {
    let mib = super::text::mib(count.saturating_mul(PAGE));
    vec![Fact::Event(Event::Relocated(format!("{what} {count} pages ({mib})")))]
}

/// `60184272K/62591736K available (...)`; before 3.15 `k`, and other things that are called memory.
fn memory(hit: &Hit<'_>) -> Facts {
    let total = hit.rest.split_once(" available").and_then(|(sizes, _)| {
        let (_, total) = sizes.split_once('/')?;
        total.trim_end_matches(['K', 'k']).parse::<u64>().ok()
    });
    Ok(total.map_or(Vec::new(), |kib| vec![Fact::PagesAbout(kib / 4)]))
}

/// `0x... from 0x... (relocation range: 0xffffffff80000000-0xffffffffbfffffff)`: modules begin after that range. An
/// image of at most 512 MiB has no such line, or `disabled`.
fn offset(hit: &Hit<'_>) -> Facts {
    let range = hit.rest.split_once("relocation range: ").and_then(|(_, range)| range.split_once(')'));
    let end = range.and_then(|(range, _)| hex_numbers(range).get(1).copied());
    let start = end.and_then(|end| end.checked_add(1)).filter(|start| *start > HIGH);
    Ok(start.map_or(Vec::new(), |start| vec![Fact::Module(ModuleStart(start))]))
}

fn died(hit: &Hit<'_>) -> Facts {
    Ok(vec![Fact::Event(Event::Died(format!("{}{}", hit.word, hit.tail.trim())))])
}

/// `0000 [#1] SMP NOPTI`, since 6.9 `Oops: 0002 [#1]` and `general protection fault: 0000 [#1]` before that.
fn oops(hit: &Hit<'_>) -> Facts {
    if hit.tail.contains("[#") { died(hit) } else { nothing() }
}

/// `0000 [#1] SMP`, `general protection fault, probably for non-canonical address ...`: a program's own traps have no
/// count.
fn trapped(hit: &Hit<'_>) -> Facts {
    if hit.tail.contains("[#") || hit.word.ends_with(", ") { died(hit) } else { nothing() }
}

/// `early exception 0x06 IP 10:ffffffff83400000 error 0 cr2 0x0`, `double fault, error_code: 0x0`
fn panicked(hit: &Hit<'_>) -> Facts {
    let known = ["early exception", "double fault"].iter().any(|word| hit.rest.contains(word));
    if known { died(hit) } else { nothing() }
}

/// After a panic, in some seconds.
fn rebooting(hit: &Hit<'_>) -> Facts {
    if hit.word.contains("machine") || hit.rest.contains("seconds") { died(hit) } else { nothing() }
}

fn stuck(hit: &Hit<'_>) -> Facts {
    Ok(vec![Fact::Event(Event::Stuck(format!("{}{}", hit.word, hit.tail.trim())))])
}

/// `e030:blkfront_probe+0x1d4/0x6b0`, `e030:[<ffffffff8100af1e>]  [<ffffffff8100af1e>] name+0xe/0x13`; Xen prints more
/// spaces and names a domain.
fn rip(hit: &Hit<'_>) -> Facts {
    if hit.before.contains("(XEN)") || hit.rest.starts_with("   ") {
        return Ok(crash::rip(hit.rest).into_iter().collect());
    }
    died_in(hit)
}

fn died_in(hit: &Hit<'_>) -> Facts {
    let is_name = |word: &str| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let mut words = hit.tail.split([' ', ']', ':']);
    let name = words.find(|word| word.contains("+0x") && word.contains("/0x") && is_name(word));
    Ok(name.map(|name| Fact::Event(Event::DiedIn(name.to_owned()))).into_iter().collect())
}

/// `mfn=47120000 pfn=442368`, in decimal
fn not_mapped(hit: &Hit<'_>) -> Facts {
    let number = |key: &str| {
        let (_, rest) = hit.rest.split_once(key)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let event = number("mfn=").zip(number("pfn=")).map(|(mfn, pfn)| Event::NotMapped { mfn, pfn });
    one(event.map(Fact::Event), "expected mfn=N pfn=N")
}

/// `root=/dev/xvda1 ro mem=1728M console=hvc0`: what `mem=` cuts off, Linux cannot use for its pages.
fn command_line(hit: &Hit<'_>) -> Facts {
    let limit = hit.tail.split_whitespace().find_map(|word| bytes(word.strip_prefix("mem=")?));
    Ok(limit.map(Fact::MemoryLimit).into_iter().collect())
}

/// `1728M`, `2G`, `0x6c000000`
fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok()?,
    };
    number.checked_mul(1 << shift)
}
