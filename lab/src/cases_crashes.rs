//! Guests that crash: what they, or Xen for them, must say.
//!
//! Neighbours: `cases` says what a case is; `table` lists these.

use crate::cases::{Case, case};
use pv_layout::verdict::Outcome;

/// Guests that die on purpose; the case after them shows that the machine still works.
pub(crate) fn crashes() -> Vec<Case> {
    let crash = |name, cmdline, says| Case {
        cmdline,
        outcome: Outcome::Crash,
        says,
        never_says: &["Test result:"],
        ..case(name)
    };
    vec![
        crash(
            "selftest-panic",
            "selftest=panic",
            &["*** panicked at*", "Call Trace:", "*selftest::run+0x*/0x*"],
        ),
        crash(
            "selftest-fault",
            "selftest=fault",
            &["*** reading*nothing is mapped*", "*L1[*", "*selftest::fault+0x*"],
        ),
        crash(
            "selftest-wild-write",
            "selftest=wild-write",
            &["*** writing*does not allow*", "*selftest::wild_write+0x*"],
        ),
        Case {
            cmdline: "selftest=stack",
            says: &["selftest: *nothing is mapped at *"],
            ..overflow("selftest-stack")
        },
        Case {
            ramdisk: "target/image/deep.cpio",
            says: &["module: deep: * Text *"],
            ..overflow("module-stack")
        },
        case("after-the-crashes"),
    ]
}

/// A stack that overflows: Xen finds no room for the exception and says so, the guest says nothing more. A frame of
/// little more than a page meets the guard page; one that steps over it meets the constants below, read-only.
fn overflow(name: &'static str) -> Case {
    Case {
        outcome: Outcome::Crash,
        never_says: &["exception", "panicked", "Test result:"],
        xen_says: &["Pagetable walk from ffffffff81*", "domain_crash_sync called from entry.S*"],
        ..case(name)
    }
}
