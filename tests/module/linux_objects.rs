//! Every module of a distribution kernel, as far as one is unpacked here: planned and relocated without a panic, and
//! for a sample every byte compared with what GNU ld makes of the same object at the same addresses.
//!
//! `make test-xen` unpacks the kernel package of the initial domain and runs these tests, which fail without it. Any
//! other run leaves them out, and says so: `ignored`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use ko_loader::{Image, ModuleError, Object, SymbolError};
use xen::addr::VirtAddr;

const BASE: u64 = 0xffff_ffff_a000_0000;
const KERNEL: u64 = 0xffff_ffff_8100_0000;
/// How many are compared with GNU ld, spread over all.
const SAMPLE: usize = 320;

/// A section that GNU ld drops, and a name under which it does not.
const BUILD_ID: (&str, &str) = (".note.gnu.build-id", ".note.gnu.build_id");

/// The modules, sorted by path.
fn modules() -> Vec<PathBuf> {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab");
    let mut found = Vec::new();
    for version in ["xen-4.17", "xen-4.20", "xen-4.14"] {
        collect(&lab.join(version).join("root/lib/modules"), &mut found);
        if !found.is_empty() {
            break;
        }
    }
    assert!(
        !found.is_empty(),
        "no uncompressed .ko of an unpacked initial domain below target/lab: make test-xen unpacks one"
    );
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "ko") {
            found.push(path);
        }
    }
}

/// An address in the kernel for a name: the same name always has the same one.
fn address(name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    KERNEL + hash % (16 << 20) / 16 * 16
}

#[test]
#[ignore = "needs the unpacked kernel package: make test-xen"]
fn every_module_of_the_kernel_package_is_relocated_or_its_unknown_symbols_are_named() {
    let modules = modules();
    let start = Instant::now();
    let (mut bytes, mut ops, mut named) = (0, 0, 0);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for path in &modules {
        let file = fs::read(path).unwrap();
        bytes += file.len();
        let image = match Object::parse(&file).map_err(ModuleError::from).and_then(Image::plan) {
            Ok(image) => image,
            Err(error) => {
                *refused.entry(error.to_string()).or_default() += 1;
                continue;
            }
        };
        match image.relocate(VirtAddr::new(BASE), |_| None) {
            Err(ModuleError::Symbol(SymbolError::Unknown(unknown))) => {
                named += usize::from(!unknown.names.is_empty())
            }
            Ok(_) => {}
            Err(error) => panic!("{}: {error}", path.display()),
        }
        ops += image.relocate(VirtAddr::new(BASE), |name| Some(address(name))).unwrap().len();
    }
    println!(
        "{} modules, {} MiB: {ops} relocations in {} with every symbol known, {named} name what they lack, {} refused: \
         {refused:#?}; {} ms",
        modules.len(),
        bytes >> 20,
        modules.len() - refused.values().sum::<usize>(),
        refused.values().sum::<usize>(),
        start.elapsed().as_millis()
    );
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
#[ignore = "needs the unpacked kernel package: make test-xen"]
fn a_sample_of_the_kernel_package_is_relocated_as_gnu_ld_does() {
    let modules = modules();
    let step = (modules.len() / SAMPLE).max(1);
    let start = Instant::now();
    let (mut same, mut bytes) = (0, 0);
    for path in modules.iter().step_by(step) {
        let object = fs::read(path).unwrap();
        let image = Image::plan(Object::parse(&object).unwrap()).unwrap();
        let ours = image.render(&image.relocate(VirtAddr::new(BASE), |name| Some(address(name))).unwrap());
        let mut theirs = link(&image, &object);
        theirs.resize(ours.len(), 0);
        let differ = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
        let differ = differ.map(|at| format!("{at:#x}"));
        assert_eq!(differ, None, "{}: first different offset in the image", path.display());
        (same, bytes) = (same + 1, bytes + ours.len());
    }
    println!(
        "{same} modules, {} KiB in memory, equal GNU ld's bytes; {} ms",
        bytes >> 10,
        start.elapsed().as_millis()
    );
    assert!(same >= 300, "{same}");
}

/// What GNU ld makes of the object.
fn link(image: &Image<'_>, object: &[u8]) -> Vec<u8> {
    let path = |end: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("linux.{end}"));
    let (input, script, linked, raw) = (path("o"), path("script"), path("elf"), path("raw"));
    fs::write(&input, for_linker(object)).unwrap();
    fs::write(&script, linker_script(image)).unwrap();
    let mut ld = Command::new("ld");
    ld.args(["-static", "-nostdlib", "--no-relax", "--no-warnings", "-z", "noexecstack", "--build-id=none"]);
    let output =
        ld.arg("-T").arg(&script).arg("-o").args([&linked, &input]).output().expect("GNU ld is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let copied = Command::new("objcopy").args(["-O", "binary"]).args([&linked, &raw]).status().unwrap();
    assert!(copied.success());
    fs::read(raw).unwrap()
}

/// The object without the flags that allow a linker to merge equal constants, which would move them, and with another
/// name for the note that it makes itself.
fn for_linker(object: &[u8]) -> Vec<u8> {
    const MERGE_STRINGS: u8 = 0x30;
    let name = BUILD_ID.0.as_bytes();
    let mut bytes = object.to_vec();
    let word = |at: usize| u64::from_le_bytes(object[at..at + 8].try_into().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes([object[60], object[61]]));
    for section in 0..count {
        bytes[word(40) + section * 64 + 8] &= !MERGE_STRINGS;
    }
    if let Some(at) = (0..object.len() - name.len()).rfind(|at| object[*at..].starts_with(name)) {
        bytes[at..at + name.len()].copy_from_slice(BUILD_ID.1.as_bytes());
    }
    bytes
}

fn linker_script(image: &Image<'_>) -> String {
    // Empty sections too: symbols are defined in them. A symbol of the script's keeps their addresses.
    let sections = image.object().sections().iter();
    let mut rows: Vec<_> =
        sections.filter_map(|section| Some((image.offset_of(section.index)?, section.name))).collect();
    rows.sort_unstable();
    let mut script = String::new();
    for name in image.undefined() {
        writeln!(script, "\"{name}\" = {:#x};", address(name)).unwrap();
    }
    script.push_str("SECTIONS {\n");
    for (n, (offset, name)) in rows.iter().enumerate() {
        let name = if *name == BUILD_ID.0 { BUILD_ID.1 } else { name };
        writeln!(script, "  .part{n} {:#x} : {{ part_{n} = .; KEEP(*({name})) }}", BASE + offset).unwrap();
    }
    script.push_str("  /DISCARD/ : { *(*) }\n}\n");
    script
}
