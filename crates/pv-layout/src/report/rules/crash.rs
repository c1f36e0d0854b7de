//! What Xen says of a domain's crash: which domain, which trap, which address, and what it refused before.

use super::Case;
use crate::{
    report::{
        crash_facts::{Context, Crash, Trap},
        fact::Event,
        fault,
        finding::Finding,
        refused_by_xen, text,
    },
    scene::{DIRECT, HIGH},
};

pub(super) fn look(case: &Case<'_>) -> Vec<Finding> {
    let crash = case.guest.crash.as_ref().and_then(|side| side.crash.as_ref());
    let Some(crash) = crash else { return Vec::new() };
    let name = name(crash);
    if !crash.is_death() {
        return refusals(case, crash, &name).into_iter().collect();
    }
    // A kernel that reported its own death takes the machine with it: that needs no second finding.
    let said = case.guest.inside.as_ref().is_some_and(|side| side.events.iter().any(Event::is_end));
    if said && !crash.happened && crash.trap.is_none() && crash.reasons.is_empty() {
        return Vec::new();
    }
    vec![case.problem(title(crash, &name), detail(crash), cures(case, crash))]
}

fn name(crash: &Crash) -> String {
    match crash.domain {
        0 => "the initial domain".to_owned(),
        domain => format!("domain {domain}"),
    }
}

fn title(crash: &Crash, name: &str) -> String {
    match (crash.trap, &crash.ended, crash.watchdog) {
        (Some(trap), _, _) => format!("Xen says that {name} crashed: {}", trap_name(trap)),
        (None, Some(ended), _) if !crash.happened => {
            let what = if ended.contains("crashed") { "crashed" } else { "ended, and the machine with it" };
            format!("Xen says that {name} {what}")
        }
        (None, _, true) if !crash.happened => format!("Xen's watchdog ended {name}"),
        _ => format!("Xen says that {name} crashed"),
    }
}

fn trap_name(trap: Trap) -> String {
    format!("#{}, {}", trap.vector, fault::trap(trap.vector).0)
}

fn detail(crash: &Crash) -> String {
    let mut parts = Vec::new();
    parts.extend(reasons(crash));
    parts.extend(crash.trap.map(meaning));
    parts.extend(address(crash));
    // The areas are Linux's as a PV guest; another system in a machine of its own has others.
    match (crash.rip, crash.context) {
        (Some(at), Some(Context::Hvm)) => parts.push(format!("The instruction is at {at:#018x}.")),
        (Some(at), _) => parts.push(format!("The instruction is at {at:#018x}, {}.", fault::region(at))),
        (None, _) => {}
    }
    match crash.context {
        Some(Context::Hvm) => {
            parts.push("It ran as an HVM or PVH guest, so nothing about PV layouts concerns it.".to_owned())
        }
        Some(Context::Pv) | None => {}
    }
    if crash.trap.is_none()
        && crash.reasons.is_empty()
        && let Some(place) = &crash.called_from
    {
        parts.push(format!("Xen ended it in {place}{}.", ended_in(place)));
    }
    parts.extend(crash.ended.as_ref().map(|ended| format!("Xen printed: {}.", ended.trim_end_matches('.'))));
    if crash.watchdog {
        parts
            .push("The domain had asked to be ended if it does not call in time, and it did not.".to_owned());
    }
    parts.extend(crash.xen.as_ref().map(|version| format!("Xen {version}.")));
    parts.join(" ")
}

/// What it means that Xen ended a domain in a file of its source.
fn ended_in(place: &str) -> &'static str {
    const FILES: [(&str, &str); 8] = [
        ("vmcs.c", ": the processor refused to run it (a failed VM entry)"),
        ("vmx.c", ": the processor left it for a reason that Xen does not handle"),
        ("svm.c", ": the processor left it for a reason that Xen does not handle"),
        ("p2m-pod.c", ": it used more than memory= before its balloon driver started (populate on demand)"),
        ("create_bounce_frame", ": an exception could not be given to it, for it had no handler or no stack"),
        ("grant_table.c", ": a grant could not be undone"),
        ("mm.c", ": its page tables could not be used any more"),
        ("emul-priv-op.c", ": it used an instruction that Xen does not emulate"),
    ];
    FILES.iter().find(|(file, _)| place.contains(file)).map_or("", |(_, means)| means)
}

/// The last thing that Xen refused is usually the reason.
fn reasons(crash: &Crash) -> Option<String> {
    let (last, before) = crash.reasons.split_last()?;
    let means = refused_by_xen::meaning(last).map_or(String::new(), |means| format!(": {means}"));
    let means = fault::flags(last).map_or(means, |flags| format!(": {flags}"));
    let more = if before.is_empty() {
        String::new()
    } else {
        format!(" {} more such lines came before.", before.len())
    };
    Some(format!("Before that, Xen printed: {last}{means}.{more}"))
}

fn meaning(trap: Trap) -> String {
    let (_, means) = fault::trap(trap.vector);
    match trap.error.filter(|_| trap.vector == 14) {
        Some(code) => format!("#14 with error code {code:#06x}: {}.", fault::error_code(code)),
        None => format!("#{} is {means}.", trap.vector),
    }
}

/// The faulting address with its area, and where the walk of the page tables ended.
fn address(crash: &Crash) -> Option<String> {
    let at = crash.address()?;
    let walk = fault::walk(&crash.entries, crash.trap);
    let walk = walk.map_or(String::new(), |walk| format!("; of its page tables {walk}"));
    Some(format!("The address is {at:#018x}, {}{walk}.", fault::region(at)))
}

fn cures(case: &Case<'_>, crash: &Crash) -> Vec<String> {
    let mut cures = Vec::new();
    if crash.reasons.iter().any(|line| line.contains("L1TF")) {
        cures.push("a kernel with the L1TF fixes (Linux 4.18, or stable since August 2018)".to_owned());
        cures.push("pv-l1tf=domu on the command line of a Xen built with CONFIG_SHADOW_PAGING".to_owned());
        return cures;
    }
    let nx = |line: &String| fault::flags(line).is_some_and(|flags| flags.contains("NX"));
    if crash.reasons.iter().any(nx) {
        cures.push("turn on NX (XD, Execute Disable) in the BIOS".to_owned());
        cures.push("a kernel that asks CPUID for NX before it sets the bit".to_owned());
        return cures;
    }
    if crash.address().is_some_and(|at| fault::region(at).contains("KASAN")) {
        cures.push("a kernel built without CONFIG_KASAN, or a Linux whose KASAN knows PV".to_owned());
        return cures;
    }
    if !crash.happened && crash.trap.is_none() {
        let lines =
            "its own last lines: console=hvc0 earlyprintk=xen on Linux's command line, loglvl=all on Xen's";
        return vec![lines.to_owned()];
    }
    match crash.rip {
        Some(at) if crash.context == Some(Context::Hvm) => {
            if at >= HIGH {
                cures.push(format!(
                    "if its kernel is Linux, name the source line: addr2line -fie vmlinux {at:#018x}"
                ));
            }
        }
        Some(at) if at >= DIRECT => {
            cures.push(format!("name the source line: addr2line -fie vmlinux {at:#018x}"));
        }
        Some(_) => {}
        None => cures.push(
            "the whole of Xen's report (xl dmesg, from `Domain N crashed` on) names the instruction"
                .to_owned(),
        ),
    }
    if case.guest.inside.is_none() && crash.context != Some(Context::Hvm) {
        cures.push(
            "the guest's own last lines: its console, with earlyprintk=xen on Linux's command line"
                .to_owned(),
        );
    }
    cures
}

/// Xen refused something, and the domain lived on as far as the log goes.
fn refusals(case: &Case<'_>, crash: &Crash, name: &str) -> Option<Finding> {
    let last = crash.reasons.last()?;
    let means = refused_by_xen::meaning(last).unwrap_or("a request that Xen did not grant");
    let flags = fault::flags(last).map_or(String::new(), |flags| format!(" ({flags})"));
    let detail = format!("It printed: {}. That means that {means}{flags}.", text::clip(last));
    Some(case.note(format!("Xen refused something that {name} asked for"), detail, Vec::new()))
}
