//! The kernels of `examples`, and what boots in pv-shim.
//!
//! pv-shim is a Xen inside a PVH domain, with one PV guest in it. Its builder is Xen's builder of the initial domain,
//! used for a guest: it places what start_info describes in an order of its own. All that boots in it shares a machine
//! whose processor has nested paging.

use crate::cases::{Case, HELLO, Image, Rows, Start, case};

/// Both examples as guests of the toolstack.
pub(crate) fn guests() -> Vec<Case> {
    vec![hello("example-hello", Start::Guest, 64), p2m("example-p2m", Start::Guest, 64)]
}

/// Both examples as the initial domain.
pub(crate) fn initial_domains() -> Vec<Case> {
    vec![hello("example-hello-dom0", Start::Dom0, 256), p2m("example-p2m-dom0", Start::Dom0, 256)]
}

/// The examples and the unikernel in pv-shim.
pub(crate) fn in_shim() -> Vec<Case> {
    vec![
        hello("example-hello-shim", Start::Shim, 128),
        p2m("example-p2m-shim", Start::Shim, 128),
        Case { start: Start::Shim, memory_mib: 128, says: &[HELLO], ..case("shim") },
    ]
}

fn hello(name: &'static str, start: Start, memory_mib: u64) -> Case {
    let says: &[&str] = match start {
        Start::Guest | Start::Plain | Start::Grub(_) => {
            &["xen-3.0-x86_64: 16384 pages, Guest", "pfn 0x3 -> mfn 0x*"]
        }
        Start::Shim => &["xen-3.0-x86_64: * pages, Guest", "pfn 0x3 -> mfn 0x*"],
        Start::Dom0 | Start::Dom0Com2 => {
            &["xen-3.0-x86_64: 65536 pages, InitialDomain", "pfn 0x3 -> mfn 0x*"]
        }
    };
    Case { image: Image::Hello, start, memory_mib, says, rows: Rows::Ignore, ..case(name) }
}

fn p2m(name: &'static str, start: Start, memory_mib: u64) -> Case {
    let says: &[&str] = match start {
        Start::Dom0 | Start::Dom0Com2 => &[
            "pfn 0x0: Frame(mfn 0x*",
            "pfn 0x10000: Missing",
            "1024 of 1024 entries equal M2P (sample of 65536);*",
        ],
        Start::Guest | Start::Plain | Start::Grub(_) => &[
            "pfn 0x0: Frame(mfn 0x*",
            "pfn 0x4000: Missing",
            "512 of 512 entries equal M2P (sample of 16384);*",
        ],
        Start::Shim => &["pfn 0x0: Frame(mfn 0x*", "512 of 512 entries equal M2P (sample of *);*"],
    };
    Case { image: Image::P2m, start, memory_mib, says, rows: Rows::Ignore, ..case(name) }
}
