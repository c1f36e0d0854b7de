//! The dialect in which Xen reports how a domain crashed.
//!
//! ```text
//! (XEN) mm.c:2165:d7v0 Bad L1 flags 800000                     what Xen refused before, if it is a debugging Xen
//! (XEN) d7v0 Unhandled page fault fault/trap [#14, ec=0002]    4.10 to 4.18; before `traps.c:405:d7`, since then
//! (XEN) d7v0 Unhandled: vec 14, #PF[0002]                      like this
//! (XEN) Pagetable walk from ffffc90000a41000:
//! (XEN)  L4[0x192] = 0000000118e07067 0000000000003f07
//! (XEN) Domain 7 (vcpu#0) crashed on cpu#3:
//! (XEN) ----[ Xen-4.15.1  x86_64  debug=y  Not tainted ]----
//! (XEN) RIP:    e033:[<ffffffff81001180>]
//! (XEN) RFLAGS: 0000000000000246   EM: 1   CONTEXT: pv guest (d7v0)
//! ```
//!
//! Half of the lines name no domain; they go with the line before that does, which `reader` remembers. Sources:
//! Xen's `common/domain.c`, `common/shutdown.c`, `arch/x86/traps.c`, `pv/traps.c`, `x86_64/traps.c`, `x86_64/mm.c`
//! and `asm/shadow.h`, from 4.1 to today. `rules::crash` says what it means.

use super::{
    crash_facts::{Context, Entry, Seen, Trap, What},
    fact::{Fact, Facts, Missing, nothing},
    keyword::{Hit, Word, Writer},
    text::clip,
};

const BY: Option<Writer> = Some(Writer::Crash);

pub(super) const WORDS: &[Word] = &[
    (" crashed on cpu#", BY, crashed),
    (" reported crashed by domain ", BY, crashed),
    (" fault/trap [#", BY, unhandled),
    ("Unhandled: vec", BY, unhandled),
    ("Pagetable walk from ", BY, walk),
    (" L4[0x", BY, |hit| entry(hit, 4)),
    (" L3[0x", BY, |hit| entry(hit, 3)),
    (" L2[0x", BY, |hit| entry(hit, 2)),
    (" L1[0x", BY, |hit| entry(hit, 1)),
    ("domain_crash called from ", BY, called),
    ("domain_crash_sync called from ", BY, called),
    ("----[ Xen-", BY, version),
    ("CONTEXT: ", BY, context),
    ("   cr2: ", BY, cr2),
    ("Hardware Dom", BY, ended),
    ("Hardware domain ", BY, ended),
    ("Watchdog timer fired for domain ", BY, watchdog),
];

pub(super) fn seen(domain: Option<u32>, what: What) -> Facts {
    Ok(vec![Fact::Crash(Seen { domain, what })])
}

/// `Domain 7 (vcpu#0) crashed on cpu#3:`, `Domain 7 reported crashed by domain 0 on cpu#3:`
fn crashed(hit: &Hit<'_>) -> Facts {
    let number = hit.before.rsplit_once("Domain ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    number.map_or_else(nothing, |domain| seen(Some(domain), What::Happened))
}

/// `d7v0 Unhandled page fault fault/trap [#14, ec=0002]`, `[#6] on VCPU 0 [ec=0000]`, `Unhandled: vec 14, #PF[0002]`
fn unhandled(hit: &Hit<'_>) -> Facts {
    let before = hit.before.split_once("Unhandled").map_or(hit.before, |(before, _)| before);
    let digits = hit.rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    // A line that is cut says that the domain dies, and not of what.
    let Ok(vector) = digits.parse() else { return seen(domain(before), What::Dying) };
    let error = hit.rest.split_once("ec=").or_else(|| hit.rest.split_once('['));
    let error = error.and_then(|(_, rest)| rest.split_once(']'));
    let error = error.and_then(|(digits, _)| u32::from_str_radix(digits, 16).ok());
    seen(domain(before), What::Unhandled(Trap { vector, error }))
}

/// The domain whose virtual processor ends a text: `d7v0`, `d7`, `mm.c:2165:d7v0`, `Dom7`.
pub(super) fn domain(before: &str) -> Option<u32> {
    let word = before.split_whitespace().next_back()?.rsplit(':').next()?;
    let word = word.strip_prefix("Dom").or_else(|| word.strip_prefix('d'))?;
    let (domain, vcpu) = word.split_once('v').unwrap_or((word, "0"));
    vcpu.parse::<u32>().ok()?;
    domain.parse().ok()
}

/// A number of 16 digits, so that a cut one is none.
fn address(text: &str) -> Option<u64> {
    let digits = text.split(|c: char| !c.is_ascii_hexdigit()).next().filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

fn walk(hit: &Hit<'_>) -> Facts {
    let at = address(hit.rest).ok_or(Missing("expected an address of 16 digits"))?;
    seen(None, What::Walk(at))
}

/// `192] = 0000000118e07067 0000000000003f07`
fn entry(hit: &Hit<'_>, level: u8) -> Facts {
    let entry = hit.rest.split_once("] = ").and_then(|(index, value)| {
        let index = u64::from_str_radix(index, 16).ok()?;
        Some(Entry { level, index, value: address(value)? })
    });
    entry.map_or(Err(Missing("expected N] = an entry of 16 digits")), |entry| seen(None, What::Entry(entry)))
}

fn called(hit: &Hit<'_>) -> Facts {
    seen(None, What::CalledFrom(clip(hit.rest)))
}

fn version(hit: &Hit<'_>) -> Facts {
    let version = hit.rest.split_whitespace().next().unwrap_or_default();
    let numbered = version.starts_with(|c: char| c.is_ascii_digit());
    if numbered { seen(None, What::Xen(clip(version))) } else { nothing() }
}

/// `pv guest (d7v0)`; the hypervisor's own context is no domain's.
fn context(hit: &Hit<'_>) -> Facts {
    let context = match hit.rest {
        text if text.starts_with("pv guest") => Context::Pv,
        text if text.starts_with("hvm guest") => Context::Hvm,
        _ => return nothing(),
    };
    let named = hit.rest.split_once('(').and_then(|(_, rest)| domain(rest.split(')').next()?));
    seen(named, What::Context(context))
}

fn cr2(hit: &Hit<'_>) -> Facts {
    let at = address(hit.rest).filter(|_| hit.before.contains("cr3: "));
    at.map_or_else(nothing, |at| seen(None, What::Cr2(at)))
}

/// `0 halted: halting machine`, `0 crashed: rebooting machine in 5 seconds.`
fn ended(hit: &Hit<'_>) -> Facts {
    let digits = hit.rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let Ok(domain) = digits.parse() else { return nothing() };
    let rest = hit.rest.get(digits.len()..).unwrap_or_default();
    let is_end =
        [" halted", " crashed", " shutdown", " did unsupported"].iter().any(|word| rest.starts_with(word));
    let text = format!("{}{}", hit.word, hit.rest);
    if is_end { seen(Some(domain), What::Ended(clip(&text))) } else { nothing() }
}

fn watchdog(hit: &Hit<'_>) -> Facts {
    let digits = hit.rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().map_or_else(|_| nothing(), |domain| seen(Some(domain), What::Watchdog))
}

/// Xen's RIP: `   e033:[<ffffffff81001180>]`, after `RIP:`. That of its own code is no domain's.
pub(super) fn rip(rest: &str) -> Option<Fact> {
    let (selector, at) = rest.trim_start().split_once(":[<")?;
    let at = address(at).filter(|_| selector.len() == 4 && selector != "e008")?;
    Some(Fact::Crash(Seen { domain: None, what: What::Rip(at) }))
}

#[cfg(test)]
#[path = "crash_tests.rs"]
mod tests;
