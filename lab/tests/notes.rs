//! Notes added to a linked image: other readers find them, what they do not concern stays as it was.
//!
//! The images are linked here by binutils, and read back by its `readelf` and by the reader that `revector check` has.

use pv_layout::{
    address::ListAt,
    image::{
        PvImage,
        notes::{ENTRY, INIT_P2M, MOD_START_PFN},
    },
};
use pvlab::notes::{Note, add};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const AT: ListAt = ListAt(0x80_0000_0000);
/// An image as `kernel.ld` has it: notes with room after them, and something after the room.
const SCRIPT: &str = "PHDRS { text PT_LOAD FLAGS(5); note PT_NOTE FLAGS(4); }\n\
    SECTIONS {\n  . = 0xffffffff81000000;\n\
    .text : AT(ADDR(.text) - 0xffffffff80000000) { *(.text) } :text\n\
    .note.Xen : AT(ADDR(.note.Xen) - 0xffffffff80000000) { *(.note.Xen) } :text :note\n\
    ROOM\n\
    .rest : AT(ADDR(.rest) - 0xffffffff80000000) { QUAD(0x1122334455667788) } :text\n}\n";
const ROOM: &str = ".room_for_notes : AT(ADDR(.room_for_notes) - 0xffffffff80000000) { QUAD(0) QUAD(0) QUAD(0) QUAD(0) \
    QUAD(0) QUAD(0) } :text";
const SOURCE: &str = ".text\n.globl _start\n_start: ret\n.balign 4\n\
    .section .note.Xen, \"a\", @note\n\
    .long 4, 8, 3\n.asciz \"Xen\"\n.quad 0xffffffff80000000\n\
    .long 4, 8, 1\n.asciz \"Xen\"\n.quad _start\n\
    .long 4, 8, 8\n.asciz \"Xen\"\n.asciz \"generic\"\n\
    .long 4, 8, 5\n.asciz \"Xen\"\n.asciz \"xen-3.0\"\n";

/// Links an image with this room after its notes; `None`, with a line on standard error, without binutils.
fn image(name: &str, room: &str) -> Option<PathBuf> {
    let place = |end: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("notes-{name}.{end}"));
    let [source, script, object, linked] = ["s", "ld", "o", "elf"].map(place);
    fs::write(&source, SOURCE).expect("the source can be written");
    fs::write(&script, SCRIPT.replace("ROOM", room)).expect("the script can be written");
    let assembled = Command::new("as").arg("-o").args([&object, &source]).status();
    let Ok(status) = assembled else {
        eprintln!("skipped: binutils are not installed");
        return None;
    };
    assert!(status.success());
    let status = Command::new("ld").arg("-T").args([&script, &object]).arg("-o").arg(&linked).status();
    assert!(status.expect("ld is there where as is").success());
    Some(linked)
}

fn readelf(option: &str, file: &Path) -> String {
    let output = Command::new("readelf").arg("--wide").arg(option).arg(file).output();
    let output = output.expect("readelf is there where as is");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn added_notes_are_found_by_others_and_nothing_else_changes() {
    let Some(file) = image("both", ROOM) else { return };
    let before = fs::read(&file).expect("it was linked");
    let mut bytes = before.clone();
    add(&mut bytes, &[Note::InitP2m(AT), Note::ModStartPfn]).expect("there is room");
    let read = PvImage::parse(&bytes).expect("it is an image");
    assert_eq!((read.number(INIT_P2M), read.number(MOD_START_PFN)), (Some(AT.0), Some(1)));
    assert_eq!(
        (read.number(ENTRY), read.end),
        (Some(0xffff_ffff_8100_0000), PvImage::parse(&before).unwrap().end)
    );
    fs::write(&file, &bytes).expect("it can be written");
    let notes = readelf("--notes", &file);
    assert_eq!(notes.matches("Xen ").count() - notes.matches("note.Xen ").count(), 6, "{notes}");
    assert!(notes.contains("00 00 00 00 80 00 00 00"), "{notes}");
    let sections = readelf("--sections", &file);
    assert!(sections.contains(".room_for_notes") && sections.contains(".rest"), "{sections}");
    let rest = 0x1122_3344_5566_7788_u64.to_le_bytes();
    assert!(bytes.windows(8).any(|window| window == rest));
    assert_eq!(bytes.len(), before.len());
}

#[test]
fn notes_can_be_added_one_by_one_but_none_twice() {
    let Some(file) = image("twice", ROOM) else { return };
    let mut bytes = fs::read(file).expect("it was linked");
    add(&mut bytes, &[Note::ModStartPfn]).expect("there is room");
    add(&mut bytes, &[Note::InitP2m(AT)]).expect("there is room");
    let once = bytes.clone();
    let error = add(&mut bytes, &[Note::InitP2m(AT)]).unwrap_err().to_string();
    assert!(error.contains("INIT_P2M") && error.contains("0x8000000000"), "{error}");
    assert_eq!(bytes, once, "a refused image is left alone");
    assert_eq!(PvImage::parse(&bytes).expect("it is an image").number(INIT_P2M), Some(AT.0));
}

#[test]
fn an_image_without_room_is_refused_with_words() {
    let little = ".room_for_notes : AT(ADDR(.room_for_notes) - 0xffffffff80000000) { QUAD(0) QUAD(0) } :text";
    let cases = [("none", "", ".room_for_notes"), ("little", little, "16")];
    for (name, room, found) in cases {
        let Some(file) = image(name, room) else { return };
        let before = fs::read(file).expect("it was linked");
        let mut bytes = before.clone();
        let error = add(&mut bytes, &[Note::InitP2m(AT)]).unwrap_err().to_string();
        assert!(error.contains("expected") && error.contains(found), "{name}: {error}");
        assert_eq!(bytes, before, "{name}: a refused image is left alone");
    }
}

#[test]
fn an_address_that_no_builder_would_take_is_refused() {
    let Some(file) = image("address", ROOM) else { return };
    let mut bytes = fs::read(file).expect("it was linked");
    let error = add(&mut bytes, &[Note::InitP2m(ListAt(0xffff_ffff_a000_0000))]).unwrap_err().to_string();
    assert!(error.contains("VIRT_BASE"), "{error}");
}
