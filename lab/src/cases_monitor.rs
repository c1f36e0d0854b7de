//! Guests that stay after their boot: what is typed at their prompt, and what the toolstack asks them for.
//!
//! Neighbours: `script` has the steps, `table` lists these cases; the guest's side is `src/monitor`.

use crate::{
    cases::{Case, HELLO, Start, case},
    guest::Reboot,
    script::Step::{self, Expect, ReadP2m, Repeat, Run, Send, Shows, Type},
};
use pv_layout::verdict::Outcome;
use std::borrow::Cow;

/// The prompt, which has no line end.
const PROMPT: Step = Expect("revector> ");
/// After each change: P2M and M2P agree, the toolstack reads what the guest has, and modules can be loaded.
const CHECK: [Step; 12] = [
    Type("verify"),
    Expect("verify: * entries equal M2P*"),
    PROMPT,
    Type("digest"),
    Expect("p2m: digest *"),
    ReadP2m,
    PROMPT,
    Type("insmod hello"),
    Expect(HELLO),
    PROMPT,
    Type("rmmod hello"),
    Expect("module: hello: unloaded*"),
];

/// Down to half and up again.
const DOWN_AND_UP: &[Step] = &[
    PROMPT,
    Run("xl mem-set $NAME 128"),
    Expect("balloon: 0x8000 pages given back: Xen counts 0x8000 (128 MiB)"),
    Repeat(1, &CHECK),
    PROMPT,
    Run("xl mem-set $NAME 256"),
    Expect("balloon: 0x8000 pages got: Xen counts 0x10000 (256 MiB)"),
    Repeat(1, &CHECK),
];

/// Beyond the size that the guest was built with, and back.
const BEYOND_AND_BACK: &[Step] = &[
    PROMPT,
    Run("xl mem-set $NAME 512"),
    Expect("balloon: 0x18000 pages got: Xen counts 0x20000 (512 MiB)"),
    Repeat(1, &CHECK),
    PROMPT,
    Run("xl mem-set $NAME 128"),
    Expect("balloon: 0x18000 pages given back: Xen counts 0x8000 (128 MiB)"),
    Repeat(1, &CHECK),
];

/// The last prompt may have been seen before.
const END: &[Step] = &[Run("xl shutdown -w $NAME"), Expect("control: shutdown: poweroff")];

/// Every command once.
const COMMANDS: &[Step] = &[
    PROMPT,
    Type("help"),
    Expect("help: p2m PFN [COUNT] * entries of the P2M*"),
    PROMPT,
    Type("layout"),
    Expect("layout: kernel *"),
    PROMPT,
    Type("p2m 0x10 2"),
    Expect("p2m: pfn 0x10 -> *"),
    Expect("p2m: pfn 0x11 -> *"),
    PROMPT,
    Type("p2m 0x1000000"),
    Expect("p2m: pfn 0x1000000: expected a page below 0x4000"),
    PROMPT,
    Type("m2p 0"),
    Expect("m2p: *"),
    PROMPT,
    Type("walk 0xffff880000010000"),
    Expect("walk: L1[16] of *"),
    PROMPT,
    Type("maps"),
    Expect("dump: now: 0xffff8800*"),
    PROMPT,
    Type("frames"),
    Expect("frames: * pages without a machine frame, of 0x4000; Xen counts 0x4000 with one"),
    PROMPT,
    Type("insmod hello"),
    Expect(HELLO),
    PROMPT,
    Type("areas"),
    Expect("vmalloc: 1 areas"),
    PROMPT,
    Type("modules"),
    Expect("module: list: hello *"),
    PROMPT,
    Type("rmmod hello"),
    Expect("module: hello: unloaded*"),
    PROMPT,
    Type("rmmod hello"),
    Expect("module: *there is no such module*"),
    PROMPT,
    Type("set hole"),
    Expect("p2m: * missing; set close restores it"),
    PROMPT,
    Type("verify"),
    Expect("verify: 16383 of 16383 entries equal M2P, 1 missing*"),
    PROMPT,
    Type("set close"),
    Expect("p2m: * has the entry again that it had before"),
    PROMPT,
    Type("set split 0x10"),
    Expect("p2m: the leaf of pfn 0x10 has a page of its own already"),
    PROMPT,
    Type("balloon 32"),
    Expect("balloon: 0x2000 pages given back*"),
    PROMPT,
    Type("balloon 64"),
    Expect("balloon: 0x2000 pages got*"),
    PROMPT,
    Type("verify"),
    Expect("verify: 16384 of 16384 entries equal M2P*"),
    PROMPT,
    Type("stats"),
    Expect("stats: * hypercalls*"),
    PROMPT,
    Type("xenstore data/revector"),
    Expect("xenstore: data/revector/verdict"),
    PROMPT,
    Type("frobnicate"),
    Expect("monitor: frobnicate: expected a command; help lists them"),
    Shows("xenstore-read /local/domain/$ID/data/revector/verdict", "SUCCESS"),
];

/// What is quick enough for every change.
pub(crate) fn quick() -> Vec<Case> {
    let stays = |name, script| Case { cmdline: "after=monitor", script, ..case(name) };
    vec![
        stays("monitor-commands", COMMANDS_AND_END),
        stays("monitor-shutdown", &[PROMPT, Repeat(1, END)]),
        Case {
            reboot: Reboot::Restarts,
            ..stays(
                "monitor-reboot",
                &[
                    PROMPT,
                    Run("xl reboot $NAME"),
                    Expect("control: shutdown: reboot"),
                    Expect("Test result: SUCCESS"),
                    PROMPT,
                    Run("xl sysrq $NAME m"),
                    Expect("frames: *"),
                    Type("reboot"),
                    Expect("Test result: SUCCESS"),
                    PROMPT,
                    Run("xl shutdown -w $NAME"),
                ],
            )
        },
        Case {
            outcome: Outcome::Crash,
            never_says: &["Test result:"],
            ..stays("monitor-crash", &[PROMPT, Type("crash"), Expect("*** panicked at*")])
        },
        Case {
            memory_mib: 256,
            cmdline: "after=monitor p2m=linear",
            script: &[Repeat(1, DOWN_AND_UP), Repeat(1, END)],
            ..case("monitor-balloon")
        },
    ]
}

const COMMANDS_AND_END: &[Step] = &[Repeat(1, COMMANDS), PROMPT, Type("poweroff")];

/// In pv-shim: the target is that of the container, of which its hypervisor keeps a part.
pub(crate) fn in_shim() -> Vec<Case> {
    const SCRIPT: &[Step] = &[
        PROMPT,
        Type("verify"),
        Expect("verify: * entries equal M2P*"),
        PROMPT,
        Type("xenstore data/revector"),
        Expect("xenstore: data/revector/verdict"),
        Run("xl shutdown -w $NAME"),
        Expect("control: shutdown: poweroff"),
    ];
    let case = Case {
        start: Start::Shim,
        cmdline: "after=monitor",
        memory_mib: 256,
        script: SCRIPT,
        never_says: &["panic", "Test result: FAILURE", "balloon: "],
        ..case("monitor-shim")
    };
    vec![case]
}

/// Initial domains: there is no store, and the console has no event channel.
pub(crate) fn initial_domains() -> Vec<Case> {
    const SCRIPT: &[Step] = &[
        PROMPT,
        Type("help"),
        Expect("help: poweroff *"),
        PROMPT,
        Type("xenstore data"),
        Expect("xenstore: no store"),
        PROMPT,
        Type("balloon 128"),
        Expect("balloon: 0x8000 pages given back: Xen counts 0x8000 (128 MiB)"),
        PROMPT,
        Type("verify"),
        Expect("verify: 32768 of 32768 entries equal M2P*"),
        PROMPT,
        Type("balloon 256"),
        Expect("balloon: 0x8000 pages got*"),
        PROMPT,
        Type("insmod hello"),
        Expect(HELLO),
        PROMPT,
        Type("poweroff"),
    ];
    let stays = |name, start, cmdline| Case { start, cmdline, memory_mib: 256, script: SCRIPT, ..case(name) };
    vec![
        stays("monitor-dom0", Start::Dom0, "after=monitor"),
        stays("monitor-dom0-com2", Start::Dom0Com2, "after=monitor console=com2"),
    ]
}

/// A minute of nothing: at most 0.1 s of processor time.
const IDLE: &[Step] = &[
    PROMPT,
    Run("used() { xl list $NAME | awk 'NR == 2 { print $6 }'; }; a=$(used); sleep 60; b=$(used); \
         echo $a $b; awk \"BEGIN { exit !($b - $a <= 0.1) }\""),
    Shows("xl list $NAME", " -b---- "),
    Repeat(1, END),
];

/// Each strategy, ten times down and up, and beyond the size at the boot; a minute of nothing; a minute of noise.
pub(crate) fn long() -> Vec<Case> {
    let sized = |strategy: &'static str, cmdline| Case {
        name: Cow::Owned(format!("monitor-balloon-{strategy}")),
        memory_mib: 256,
        timeout_secs: 120,
        cmdline,
        script: &[Repeat(10, DOWN_AND_UP), Repeat(1, END)],
        ..case("")
    };
    let beyond = |strategy: &'static str, cmdline| Case {
        name: Cow::Owned(format!("monitor-beyond-{strategy}")),
        memory_mib: 128,
        maxmem_mib: Some(512),
        timeout_secs: 120,
        cmdline,
        script: &[Repeat(2, BEYOND_AND_BACK), Repeat(1, END)],
        ..case("")
    };
    let lines = [
        ("copy", "after=monitor p2m=copy"),
        ("alias", "after=monitor p2m=alias"),
        ("linear", "after=monitor p2m=linear"),
    ];
    let mut cases: Vec<_> =
        lines.iter().flat_map(|(name, line)| [sized(name, line), beyond(name, line)]).collect();
    cases.push(Case { cmdline: "after=monitor", timeout_secs: 120, script: IDLE, ..case("monitor-idle") });
    cases.push(Case {
        cmdline: "after=monitor",
        timeout_secs: 120,
        script: &[
            PROMPT,
            Run("tty=$(xenstore-read /local/domain/$ID/console/tty); end=$(($(date +%s) + 60)); \
                 while [ $(date +%s) -lt $end ]; do head -c 200 /dev/urandom; sleep 0.2; done > $tty"),
            Send(b"\x03\r"),
            PROMPT,
            Type("verify"),
            Expect("verify: * entries equal M2P*"),
            Repeat(1, END),
        ],
        ..case("monitor-noise")
    });
    cases
}
