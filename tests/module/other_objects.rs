//! Objects that compilers write and this loader does not read: each is refused by what it is.
//!
//! Neighbours: `toolchain` makes them. Sources: System V gABI, chapter 4 (`e_shnum` of 0); GCC's manual, `-flto` and
//! `-ffat-lto-objects`; LLVM's bitcode file format.

use std::fmt::Write;

use ko_loader::{ElfError, Format, Image, ModuleError, Object};

use crate::loading::{INIT, plan};
use crate::toolchain::gcc_with;

/// More than the ELF header can count.
const MANY: u64 = 70_000;
const MODULE: &str = "int init_module(void) { return 0; }\n";

fn refused(bytes: &[u8]) -> ElfError {
    match plan(bytes).map(|image| image.pages()) {
        Err(ModuleError::Elf(error)) => error,
        other => panic!("expected an object that is refused, found {other:?}"),
    }
}

#[test]
fn extended_section_numbering_is_refused_by_its_name_and_count() {
    let mut source = format!(".text\n{INIT}");
    for n in 0..MANY {
        writeln!(source, ".section .text.f{n}, \"ax\"\n.byte 0xc3").unwrap();
    }
    let object = gcc_with("many.s", &source, &[]);
    let error = refused(&object);
    assert!(matches!(error, ElfError::ExtendedNumbering { found } if found >= MANY), "{error}");
    assert!(error.to_string().contains("extended section numbering with 700"), "{error}");
}

#[test]
fn as_many_sections_as_the_header_can_count_are_read() {
    let mut source = format!(".text\n{INIT}");
    // Five sections and the one that is none come beside these: .text, .data, .bss and three tables of names and
    // symbols.
    for n in 0..0xfeff - 7 {
        writeln!(source, ".section .c{n}, \"\"\n.byte 0").unwrap();
    }
    let object = gcc_with("most.s", &source, &[]);
    assert_eq!(Object::parse(&object).unwrap().sections().len(), 0xfeff);
    assert!(Image::plan(Object::parse(&object).unwrap()).is_ok());
}

#[test]
fn an_object_for_link_time_optimization_is_called_one() {
    let slim = gcc_with("slim.c", MODULE, &["-flto"]);
    assert_eq!(refused(&slim), ElfError::LinkTimeOptimization);
    // The code is there as well.
    let fat = gcc_with("fat.c", MODULE, &["-flto", "-ffat-lto-objects"]);
    assert!(plan(&fat).unwrap().init_offset().is_some());
}

#[test]
fn bitcode_is_called_bitcode() {
    for magic in [b"BC\xc0\xde\x35\x14", b"\xde\xc0\x17\x0b\0\0"] {
        assert_eq!(refused(magic), ElfError::Magic { found: Format::Bitcode });
    }
    assert!(refused(b"BC\xc0\xde\x35\x14").to_string().contains("link-time optimization"));
}
