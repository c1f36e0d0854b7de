//! Objects as compilers write them, given where a kernel is expected: many sections are read, LTO objects are named.

#![expect(clippy::disallowed_methods, reason = "files of the tests themselves")]

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// More than an ELF header can count.
const MANY: u32 = 70_000;
/// What makes an ELF file a PV kernel: four notes of Xen.
const NOTES: &str = ".section .note.Xen, \"a\", @note\n\
    .long 4, 8, 3\n.asciz \"Xen\"\n.quad 0xffffffff80000000\n\
    .long 4, 8, 1\n.asciz \"Xen\"\n.quad 0xffffffff81000100\n\
    .long 4, 8, 8\n.asciz \"Xen\"\n.asciz \"generic\"\n\
    .long 4, 8, 5\n.asciz \"Xen\"\n.asciz \"xen-3.0\"\n";

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs a tool of the toolchain; `false`, with a line on standard error, if there is none.
fn made_by(tool: &str, arguments: &[&str]) -> bool {
    match Command::new(tool).args(arguments).status() {
        Ok(status) => {
            assert!(status.success(), "{tool} {arguments:?}");
            true
        }
        Err(_) => {
            eprintln!("skipped: {tool} is not installed");
            false
        }
    }
}

fn object(name: &str, source: &str, options: &[&str]) -> Option<String> {
    let (input, output) = (scratch(name), scratch(&format!("{name}.o")));
    fs::write(&input, source).expect("the source can be written");
    let (input, output) = (input.display().to_string(), output.display().to_string());
    made_by("gcc", &[options, &["-c", "-o", &output, &input]].concat()).then_some(output)
}

fn revector(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_revector"));
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("the command runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_kernel_of_seventy_thousand_sections_is_read() {
    let mut source =
        format!(".text\n.globl _start\n.type _start, @function\n_start: ret\n.size _start, 1\n{NOTES}");
    for n in 0..MANY {
        writeln!(source, ".section f{n}.code, \"ax\"\n.byte 0xc3").expect("a string can grow");
    }
    let Some(object) = object("many.s", &source, &[]) else { return };
    let linked = scratch("many.elf").display().to_string();
    let address = "-Ttext-segment=0x1000000";
    if !made_by("ld", &["--unique", "-static", address, "-z", "noseparate-code", "-o", &linked, &object]) {
        return;
    }
    let count = fs::read(&linked).expect("it was linked")[0x3c..0x3e].to_vec();
    assert_eq!(count, [0, 0], "the header has no count");
    let (code, text) = revector(&["check", &linked]);
    // Its P2M is where the builder puts one without `INIT_P2M`: from some size on that is in the way.
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("XEN_VERSION") && text.contains("xen-3.0"), "{text}");
    let log = scratch("many.log");
    fs::write(&log, " [<0000000001000000>] _start+0x0/0x1\nRIP: 0010:_start+0x0/0x1\n")
        .expect("it can be written");
    let (code, text) = revector(&["symbolize", "--kernel", &linked, &log.display().to_string()]);
    assert_eq!((code, text.matches("  _start").count() > 0), (0, true), "{text}");
}

#[test]
fn an_object_for_link_time_optimization_is_called_one() {
    let source = "int f(void) { return 0; }\n";
    let Some(slim) = object("slim.c", source, &["-flto"]) else { return };
    for arguments in [&["check", &slim][..], &["symbolize", "--kernel", &slim, "/dev/null"]] {
        let (code, text) = revector(arguments);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("link-time optimization (.gnu.lto_"), "{text}");
    }
    let Some(fat) = object("fat.c", source, &["-flto", "-ffat-lto-objects"]) else { return };
    assert!(revector(&["check", &fat]).1.contains("an object or a module is no kernel"));
}

#[test]
fn bitcode_is_called_bitcode() {
    let path = scratch("some.bc").display().to_string();
    fs::write(&path, b"BC\xc0\xde\x35\x14\0\0").expect("it can be written");
    assert!(revector(&["check", &path]).1.contains("found LLVM bitcode"));
    assert!(revector(&["symbolize", "--kernel", &path, "/dev/null"]).1.contains("found LLVM bitcode"));
}
