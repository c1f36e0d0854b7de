//! What the tests on the model share: boots, and checks from outside the domain that use nothing of the library's own.

#![allow(dead_code, reason = "each test program uses a part")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

pub(crate) mod ballooned;
pub(crate) mod checks;
pub(crate) mod generator;
pub(crate) mod list_reader;
pub(crate) mod stages;
pub(crate) mod toolstack;
pub(crate) mod walk;

use ko_loader::Source;
use revector::boot::{self, Setup};
use revector::error::BootError;
use revector::module::load::Export;
use revector::options::Options;
use xen::addr::VirtAddr;
use xen::start_info::Facts;
use xen_model::{Built, GuestHeap};

/// Guest code has the image's heap, the rest has the host's.
#[global_allocator]
static HEAP: GuestHeap = GuestHeap;

#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

static HELLO: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("REVECTOR_HELLO")));

/// The module that is built into the image.
pub(crate) fn hello() -> &'static [u8] {
    &HELLO.0
}

/// What modules may use: one function, in the image's text.
pub(crate) fn exports(facts: &Facts) -> [Export; 1] {
    let address = VirtAddr::new(facts.text.start.as_u64() + 0x230);
    [Export { name: "revector_print", address }]
}

/// Reads a command line.
pub(crate) fn options(line: &str) -> Options {
    Options::parse(line.as_bytes()).unwrap()
}

/// Boots a built domain with a command line, watched while its modules run.
pub(crate) fn boot(built: &mut Built, line: &str) -> Result<(), BootError> {
    built.xen.watch(checks::watch);
    boot_watched(built, line)
}

/// Boots a built domain with a command line, and with whatever watch it has.
pub(crate) fn boot_watched(built: &mut Built, line: &str) -> Result<(), BootError> {
    let Built { xen, start_info, facts, .. } = built;
    xen.run(|xen| {
        let options = options(line);
        let exports = exports(facts);
        let built_in = Source { name: "hello", object: hello() };
        let setup = Setup { facts: *facts, options: &options, exports: &exports, built_in };
        boot::boot(start_info, &setup, xen).map(drop)
    })
}

/// Writes a newc archive, as `cpio -o -H newc` does.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files.iter().copied().chain([("TRAILER!!!", [].as_slice())]) {
        let fields = [1, 0o100_644, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        bytes.extend(b"070701");
        fields.iter().for_each(|field| bytes.extend(format!("{field:08X}").bytes()));
        bytes.extend(name.bytes().chain([0]));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}
