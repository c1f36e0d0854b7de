//! `revector check KERNEL --e820 LOG`: a kernel against a machine's memory map, up to the exit code.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const NAME: [u8; 4] = *b"Xen\0";
/// `VIRT_BASE`, `ENTRY`, `INIT_P2M`, `MOD_START_PFN`.
const NUMBERS: [(u32, u64); 4] =
    [(3, 0xffff_ffff_8000_0000), (1, 0xffff_ffff_8100_0000), (15, 0x80_0000_0000), (16, 1)];
/// `XEN_VERSION`, `LOADER`.
const TEXTS: [(u32, [u8; 8]); 2] = [(5, *b"xen-3.0\0"), (8, *b"generic\0")];
const START: u64 = 0x100_0000;

/// A PV kernel that takes `bytes` of memory from 16 MiB on.
fn kernel(name: &str, bytes: u64) -> PathBuf {
    let numbers = NUMBERS.map(|(kind, value)| (kind, value.to_le_bytes()));
    let note = |(kind, value): (u32, [u8; 8])| {
        [&[4_u32, 8, kind].map(u32::to_le_bytes).concat(), &NAME[..], &value].concat()
    };
    let notes: Vec<u8> = numbers.into_iter().chain(TEXTS).flat_map(note).collect();
    let length = u64::try_from(notes.len()).expect("it is short");
    let segment = |kind: u32, size: u64, memory: u64| {
        let words = [176, START, START, size, memory, 4].map(u64::to_le_bytes).concat();
        [[kind, 4].map(u32::to_le_bytes).concat(), words].concat()
    };
    let halves = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let file = [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
        halves(&[2, 62, 1, 0]),
        [START, 64, 0].map(u64::to_le_bytes).concat(),
        halves(&[0, 0, 64, 56, 2, 64, 0, 0]),
        segment(1, 0, bytes),
        segment(4, length, length),
        notes,
    ];
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, file.concat()).expect("the kernel can be written");
    path
}

/// The log of a machine with ACPI NVS at 64 MiB.
fn log() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/pv-layout/tests/logs/public/e820-conflict-kernel.log")
}

fn check(kernel: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revector"));
    let output = command.arg("check").arg(kernel).args(arguments).stdin(Stdio::null()).output();
    let output = output.expect("the command runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_conflict_with_the_machine_ends_with_5_and_none_with_0() {
    let log = log().display().to_string();
    let (code, text) = check(&kernel("small-kernel", 4 << 20), &["--e820", &log]);
    assert_eq!((code, text.contains("No conflict")), (0, true), "{text}");
    assert!(text.contains("GRUB as a PV guest") && text.contains("boots it"), "{text}");
    let (code, text) = check(&kernel("large-kernel", 60 << 20), &["--e820", &log]);
    assert_eq!((code, text.contains("Conflict: Linux")), (5, true), "{text}");
}

#[test]
fn a_log_without_a_map_and_a_picture_of_the_answer_are_refused() {
    let kernel = kernel("a-kernel", 4 << 20);
    let (code, text) = check(&kernel, &["--e820", "/dev/null"]);
    assert_eq!((code, text.contains("expected a memory map in /dev/null")), (1, true), "{text}");
    let log = log().display().to_string();
    let (code, text) = check(&kernel, &["--e820", &log, "--format", "svg"]);
    assert_eq!((code, text.contains("leave out --format svg")), (1, true), "{text}");
}
