//! How a kernel says that it died: BUG, Oops, panic, watchdog, early exception; and what a reader can do with it.
//!
//! Linux prints a death in many lines, of which a log may have any part. The first that names a place is the title, the
//! others are quoted; the pages that Linux could not map, with the limit on its command line, are the cause where they
//! are there. Sources: Linux's `arch/x86/kernel/dumpstack.c`, `traps.c`, `mm/fault.c`, `mm/extable.c`, `lib/bug.c`,
//! `kernel/panic.c`, `kernel/watchdog.c`, `arch/x86/xen/setup.c`.

use super::Case;
use crate::{
    report::{
        fact::{Event, Writer},
        fault,
        finding::Finding,
        record::Record,
        text,
    },
    scene::PAGE,
};

/// Lines that are repeated.
const MOST_QUOTED: usize = 3;

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let Some(side) = case.guest.inside.as_ref() else { return Vec::new() };
    let cut_off = not_mapped(side);
    let mut found = Vec::new();
    if let Some((title, detail)) = died(side) {
        let (why, cures) = match (&cut_off, cause(side)) {
            (Some((why, cures)), _) => (why.clone(), cures.clone()),
            (None, Some(cause)) => {
                (cause.why.to_owned(), cause.cures.iter().map(|cure| (*cure).to_owned()).collect())
            }
            (None, None) => (String::new(), source_line(side)),
        };
        found.push(case.problem(title, format!("{why} {detail}").trim().to_owned(), cures));
    } else if let Some((why, cures)) = cut_off {
        found.push(case.problem("Linux could not map a page where it wanted it".to_owned(), why, cures));
    }
    found.extend(stuck(case, side));
    found
}

fn deaths(side: &Record) -> impl Iterator<Item = &str> {
    side.events.iter().filter_map(|event| match event {
        Event::Died(text) => Some(text.as_str()),
        _ => None,
    })
}

fn function(side: &Record) -> Option<&str> {
    side.events.iter().find_map(|event| match event {
        Event::DiedIn(name) => Some(name.as_str()),
        _ => None,
    })
}

/// What happened, in a line, and what the log has of it.
fn died(side: &Record) -> Option<(String, String)> {
    let lines: Vec<_> = deaths(side).collect();
    let first = *lines.first()?;
    let who = if side.writer == Writer::Linux { "Linux" } else { "The guest" };
    let at = function(side)
        .map_or(String::new(), |name| format!(" in {}", name.split('+').next().unwrap_or(name)));
    let title = match (first.strip_prefix("kernel BUG at "), first.split_once(" - not syncing: ")) {
        (Some(place), _) => format!("{who} died by BUG() at {}", place.trim_end_matches('!')),
        (None, Some((_, reason))) => format!("{who} panicked: {}", text::clip(reason)),
        (None, None) if side.writer == Writer::Linux => format!("{who} died{at}: {}", text::clip(first)),
        (None, None) => format!("{who} died"),
    };
    let mut quoted: Vec<_> = lines.iter().take(MOST_QUOTED).map(|line| text::clip(line)).collect();
    quoted.extend(function(side).map(|name| format!("in {name}")));
    let more = lines.len().saturating_sub(MOST_QUOTED);
    let more = if more > 0 { format!("; and {more} more lines") } else { String::new() };
    let quoted = quoted.join("; ");
    let quoted = quoted.trim_end_matches([':', '!', '.']);
    Some((title, format!("It printed: {quoted}{more}.{}{}", early(&lines), page_fault(&lines))))
}

/// What a page fault's address and error code mean, where Linux printed them.
fn page_fault(lines: &[&str]) -> String {
    const BEFORE: [&str; 6] =
        ["address: ", "request at ", "dereference at ", " cr2 0x", "at virtual address ", "reading 0x"];
    let at = lines.iter().find_map(|line| {
        let rest = BEFORE.iter().find_map(|word| Some(line.split_once(word)?.1))?;
        let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
        // A 32-bit kernel's areas are others.
        let wide = digits.len() == 16 || line.contains(" cr2 0x");
        u64::from_str_radix(digits, 16).ok().filter(|_| wide)
    });
    let code = lines.iter().find_map(|line| {
        let (_, rest) = line.split_once("Oops: ")?;
        let digits = rest.trim_start_matches("Oops: ").split(' ').next()?;
        u32::from_str_radix(digits, 16).ok()
    });
    // Other traps end in an Oops too, with codes of their own.
    match (at.filter(|at| *at != 0), code) {
        (Some(at), Some(code)) => format!(" {at:#x} is {}: {}.", fault::region(at), fault::error_code(code)),
        (Some(at), None) => format!(" {at:#x} is {}.", fault::region(at)),
        (None, _) => String::new(),
    }
}

/// `PANIC: early exception 0x06 IP ...`: which trap it was.
fn early(lines: &[&str]) -> String {
    let vector = lines.iter().find_map(|line| {
        let (_, rest) = line.split_once("early exception ")?;
        u8::from_str_radix(rest.split(' ').next()?.trim_start_matches("0x"), 16).ok()
    });
    let explained = lines.iter().any(|line| line.starts_with("kernel BUG at "));
    vector.filter(|_| !explained).map_or(String::new(), |vector| {
        let (name, means) = fault::trap(vector);
        format!(" Trap {vector:#x} is #{vector}, {name}: {means}.")
    })
}

/// `early exception 0x0e IP e030:ffffffff82c1a5e0`, `rip 10:ffffffff80ba7531`
fn instruction(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" IP ").or_else(|| line.split_once(" rip "))?;
    let at = rest.split(' ').next()?.rsplit(':').next()?;
    (at.len() == 16 && at.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(at)
}

/// The command that names the source line.
fn source_line(side: &Record) -> Vec<String> {
    if side.writer == Writer::Revector {
        return vec!["name the source lines: revector symbolize LOG".to_owned()];
    }
    let Some(name) = function(side) else {
        let at = deaths(side).find_map(instruction);
        return at
            .map(|at| format!("name the source line: addr2line -fie vmlinux {at}"))
            .into_iter()
            .collect();
    };
    let place = name.split('/').next().unwrap_or(name);
    vec![format!(
        "name the source line: Linux's scripts/faddr2line vmlinux {name}, or gdb vmlinux -ex 'list *({place})'"
    )]
}

/// Pages that could not be mapped, and what cuts them off.
fn not_mapped(side: &Record) -> Option<(String, Vec<String>)> {
    let (mfn, pfn) = side.events.iter().find_map(|event| match event {
        Event::NotMapped { mfn, pfn } => Some((*mfn, *pfn)),
        _ => None,
    })?;
    let what = format!("It could not map machine page {mfn:#x} as its page {pfn:#x} ({pfn}).");
    let limit = side.memory_limit.map(|bytes| bytes / PAGE);
    Some(match limit {
        Some(limit) if pfn >= limit => (
            format!(
                "{what} mem={} on its command line ends its memory at page {limit:#x}, and a page that has to be moved \
                 out of a hole of the machine's map comes after that.",
                text::pages(limit).replace(" MiB", "M").replace(" GiB", "G").replace(" KiB", "K")
            ),
            vec![
                "no mem= on the kernel's command line; dom0_mem= on Xen's (or memory= of the guest) sets its size"
                    .to_owned(),
            ],
        ),
        _ => (
            format!("{what} That page is outside of what its direct map has."),
            vec!["no mem= or memmap= on the kernel's command line; dom0_mem= on Xen's sets its size".to_owned()],
        ),
    })
}

/// A panic whose words name the cause.
struct Cause {
    words: &'static str,
    why: &'static str,
    cures: &'static [&'static str],
}

const CAUSES: [Cause; 8] = [
    Cause {
        words: "Unable to mount root fs",
        why: "The kernel found no root file system: root= names a disk that it has no driver for or that is not there.",
        cures: &[
            "check root= and the guest's disk= (xvda, not sda)",
            "a ramdisk with xen-blkfront, or the driver built in",
        ],
    },
    Cause {
        words: "No working init found",
        why: "The root file system is there and has no program to start.",
        cures: &["check root= and init= on the kernel's command line"],
    },
    Cause {
        words: "Attempted to kill init",
        why: "The first program ended or died; the kernel cannot go on without it.",
        cures: &["look at what that program printed before this line"],
    },
    Cause {
        words: "Out of memory",
        why: "The guest's memory was used up, and no process was left to be ended.",
        cures: &["more memory for the guest, if the machine has it", "a smaller ramdisk"],
    },
    Cause {
        words: "Failed to get contiguous memory for DMA",
        why: "A driver wanted pages in one piece, which a PV guest's pages are not.",
        cures: &["more memory below 4 GiB: a smaller dom0_mem= or swiotlb= on the kernel's command line"],
    },
    Cause {
        words: "Xen hypercall page not set up",
        why: "The kernel was not started as a PV guest of Xen.",
        cures: &["boot it through Xen, with a kernel built with CONFIG_XEN_PV"],
    },
    Cause {
        words: "hung_task",
        why: "A task waited too long, and the kernel is set to panic then.",
        cures: &["look at the trace of that task for what it waits for"],
    },
    Cause {
        words: "Fatal exception",
        why: "An Oops in a context that cannot be ended alone; the lines before say where.",
        cures: &[],
    },
];

fn cause(side: &Record) -> Option<&'static Cause> {
    CAUSES
        .iter()
        .find(|cause| deaths(side).any(|line| line.contains(cause.words)))
        .filter(|cause| !cause.cures.is_empty())
}

fn stuck(case: &Case<'_>, side: &Record) -> Option<Finding> {
    let line = side.events.iter().find_map(|event| match event {
        Event::Stuck(text) => Some(text.as_str()),
        _ => None,
    })?;
    let detail = format!(
        "Its watchdog printed: {}. A virtual processor made no progress for that long: it waits for a lock or for \
         interrupts that do not come, or Xen did not let it run.",
        text::clip(line)
    );
    let cures = vec![
        "look at the trace after this line for what it waits for".to_owned(),
        "xl vcpu-list and xl top: is the host's processor time given to others?".to_owned(),
    ];
    Some(case.problem("The guest was stuck".to_owned(), detail, cures))
}
