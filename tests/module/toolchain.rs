//! Compilers and the GNU linker, as oracles: objects to load, and the bytes that a linker makes of them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ko_loader::Image;
use xen::addr::VirtAddr;

/// Where the module area starts.
pub(crate) const BASE: u64 = 0xffff_ffff_a000_0000;
/// Address of a function in the kernel's image.
pub(crate) const PRINT: u64 = 0xffff_ffff_8100_1230;

/// The kernel's exports, as these tests have them.
pub(crate) fn exports(name: &str) -> Option<u64> {
    (name == "revector_print").then_some(PRINT)
}

/// Returns the path of a file of these tests.
pub(crate) fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Returns the sample module, compiled as the build compiles it.
pub(crate) fn hello() -> &'static [u8] {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    HELLO.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules/hello.rs");
        let object = scratch("hello.o");
        let mut rustc = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()));
        rustc.args(["--edition", "2024", "--crate-type", "lib", "--crate-name", "hello", "--emit", "obj"]);
        rustc.args(["--target", "x86_64-unknown-linux-gnu", "-C", "panic=abort", "-C", "opt-level=2"]);
        rustc.args(["-C", "relocation-model=static", "-C", "code-model=kernel", "-C", "no-redzone=yes"]);
        rustc.args(["-C", "codegen-units=1", "-o"]).args([&object, &source]);
        assert!(run(&mut rustc), "rustc must compile modules/hello.rs");
        fs::read(object).unwrap()
    })
}

/// Assembles or compiles a source with gcc.
pub(crate) fn gcc(name: &str, source: &str) -> Vec<u8> {
    gcc_with(name, source, &[])
}

/// As [`gcc`], with more options.
pub(crate) fn gcc_with(name: &str, source: &str, options: &[&str]) -> Vec<u8> {
    let (input, object) = (scratch(name), scratch(&format!("{name}.o")));
    fs::write(&input, source).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args([
        "-c",
        "-O2",
        "-ffreestanding",
        "-fno-pic",
        "-mcmodel=kernel",
        "-mno-red-zone",
        "-fno-merge-constants",
    ]);
    gcc.args(["-fno-asynchronous-unwind-tables", "-fcf-protection=none"]).args(options);
    gcc.arg("-o").args([&object, &input]);
    assert!(run(&mut gcc), "gcc must compile {name}");
    fs::read(object).unwrap()
}

/// Relocates `image` for `BASE` and compares every byte with what GNU ld makes of the same object when its sections
/// are put to the same addresses.
pub(crate) fn assert_same_as_gnu_ld(name: &str, image: &Image<'_>, object: &[u8]) {
    let ops = image.relocate(VirtAddr::new(BASE), exports).unwrap();
    let ours = image.render(&ops);
    let mut theirs = link(name, image, object);
    theirs.resize(ours.len(), 0);
    let differ = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
    assert_eq!(differ, None, "{name}: first different offset in the image");
}

fn link(name: &str, image: &Image<'_>, object: &[u8]) -> Vec<u8> {
    let path = |end: &str| scratch(&format!("{name}.ld.{end}"));
    let (input, script, linked, raw) = (path("o"), path("script"), path("elf"), path("raw"));
    fs::write(&input, object).unwrap();
    fs::write(&script, linker_script(image)).unwrap();
    let mut ld = Command::new("ld");
    ld.args(["-static", "-nostdlib", "--no-relax", "--traditional-format", "-z", "noexecstack"]);
    ld.arg("-T").arg(script).arg("-o").args([&linked, &input]);
    assert!(run(&mut ld), "ld must link {name}");
    assert!(run(Command::new("objcopy").args(["-O", "binary"]).args([&linked, &raw])));
    fs::read(raw).unwrap()
}

fn linker_script(image: &Image<'_>) -> String {
    let mut rows = image
        .object()
        .sections()
        .iter()
        .filter_map(|section| Some((image.offset_of(section.index)?, section)))
        .filter(|(_, section)| section.size > 0)
        .map(|(offset, section)| (offset, section.name))
        .collect::<Vec<_>>();
    if !image.got_range().is_empty() {
        rows.push((image.got_range().start, ".got"));
    }
    rows.sort_unstable();
    let mut script = format!("ENTRY(init_module)\nrevector_print = {PRINT:#x};\nSECTIONS {{\n");
    for (n, (offset, name)) in rows.iter().enumerate() {
        writeln!(script, "  .part{n} {:#x} : {{ KEEP(*({name})) }}", BASE + offset).unwrap();
    }
    let end = BASE + image.pages() * 4096;
    writeln!(script, "  .gotplt {end:#x} : {{ *(.got.plt) }}\n  /DISCARD/ : {{ *(*) }}\n}}").unwrap();
    script
}

/// Runs a tool that these tests cannot do without: one that is missing fails them, for a test that did nothing proves
/// nothing.
fn run(command: &mut Command) -> bool {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| panic!("{tool}: {error}; is it installed?"));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}
