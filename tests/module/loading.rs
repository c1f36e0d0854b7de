//! Modules from real compilers, loaded as stage 9 loads them, compared with GNU ld, run, and broken in every way.

use ko_loader::{
    Archive, ElfError, Image, Lifetime, ModuleError, NewcError, Object, PartKind, RelocError, SymbolError,
};
use xen::addr::VirtAddr;

use crate::toolchain::{BASE, assert_same_as_gnu_ld, exports, gcc, hello};

pub(crate) const INIT: &str = ".globl init_module\ninit_module: xorl %eax, %eax\n ret\n";

pub(crate) fn plan(bytes: &[u8]) -> Result<Image<'_>, ModuleError> {
    Image::plan(Object::parse(bytes)?)
}

/// Plans and relocates for `BASE`; what a mutant may fail at, but not panic.
fn load(bytes: &[u8]) -> Result<u64, ModuleError> {
    let image = plan(bytes)?;
    let ops = image.relocate(VirtAddr::new(BASE), exports)?;
    let end = image.pages() * 4096;
    assert!(ops.iter().all(|op| op.offset + op.width.bytes() as u64 <= end), "a write outside the image");
    assert!(image.init_offset().is_none_or(|init| init < end));
    image.functions().for_each(drop);
    Ok(end)
}

fn assembled(name: &str, source: &str) -> Vec<u8> {
    gcc(&format!("{name}.s"), &format!("{source}\n.text\n{INIT}"))
}

#[test]
fn the_sample_module_takes_exactly_four_pages_one_for_each_part() {
    let image = plan(hello()).unwrap();
    let parts = image.parts().map(|part| (part.kind, part.offset, part.pages())).collect::<Vec<_>>();
    let expected = [
        (PartKind::Text, 0, 1),
        (PartKind::Rodata, 0x1000, 1),
        (PartKind::Data, 0x2000, 1),
        (PartKind::InitText, 0x3000, 1),
    ];
    assert_eq!(parts, expected);
    assert_eq!((image.pages() + 1) * 4096, 20480);
    assert_eq!(image.init_pages(), 3..4);
    assert_eq!(PartKind::InitText.lifetime(), Lifetime::Init);
}

#[test]
fn the_sample_module_needs_one_export_and_names_its_functions() {
    let image = plan(hello()).unwrap();
    assert_eq!(image.undefined().collect::<Vec<_>>(), ["revector_print"]);
    let init = image.function_at(image.init_offset().unwrap() + 1).unwrap();
    assert_eq!((init.name, init.offset), ("init_module", image.init_offset().unwrap()));
    assert_eq!(image.function_at(image.cleanup_offset().unwrap()).unwrap().name, "cleanup_module");
    assert!(image.functions().any(|function| function.name.contains("invert")));
    assert_eq!(image.function_at(0x2000), None);
}

#[test]
fn the_sample_module_is_relocated_as_gnu_ld_does() {
    assert_same_as_gnu_ld("hello", &plan(hello()).unwrap(), hello());
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn the_sample_module_runs_and_finds_itself_relocated() {
    let (status, printed) = crate::native::run(hello());
    assert_eq!(printed, ["hello: 6 of 6 relocation checks hold", "hello: goodbye"]);
    assert_eq!(status, 0);
}

#[test]
fn a_c_module_is_relocated_as_gnu_ld_does() {
    let source = r#"
        void revector_print(const char *text, unsigned long len);
        static int zeros[300], ones[3] = {1, 1, 1};
        int *where[] = {&ones[2], &zeros[7]};
        static int pick(int n) { switch (n) { case 0: return 7; case 1: return zeros[1]; case 2: return ones[0];
            case 3: return 99; case 4: return *where[1]; case 5: return -4; default: return n * n; } }
        int (*volatile choose)(int) = pick;
        __attribute__((section(".init.data"))) int early = 3;
        __attribute__((section(".init.text"))) int init_module(void) {
            revector_print("c", 1); return choose(early) + *where[0]; }
        void cleanup_module(void) { revector_print("done", 4); }
    "#;
    let object = gcc("sample.c", source);
    let image = plan(&object).unwrap();
    let kinds = image.parts().map(|part| part.kind).collect::<Vec<_>>();
    use PartKind::{Data, InitData, InitText, Rodata, Text};
    assert_eq!(kinds, [Text, Rodata, Data, InitText, InitData]);
    assert_eq!(image.init_pages().end - image.init_pages().start, 2);
    assert_same_as_gnu_ld("sample.c", &image, &object);
}

#[test]
fn every_type_of_relocation_comes_out_as_gnu_ld_has_it() {
    let source = "
        .set fixed, 0x12345678
        .weak perhaps
        .text\nlocal: nop
        movq revector_print@GOTPCREL(%rip), %rax
        call *revector_print@GOTPCREL(%rip)
        movq local@GOTPCREL(%rip), %rcx
        addq local@GOTPCREL(%rip), %r9
        movl $fixed, %eax\n movq $local+5, %rdx\n movabsq $perhaps, %rsi
        call revector_print@PLT\n jmp cold+1
        .section .text.cold,\"ax\"\n.balign 64\ncold: lea value-3(%rip), %rax\n nop
        .section .rodata\n.balign 32\ntable: .quad local, cold - ., perhaps, fixed\n .long cold - table, fixed
        .data\n.balign 128\nvalue: .quad table + 0x1000, blank - 8\n .reloc ., R_X86_64_NONE, local
        .bss\nblank: .skip 5000";
    let object = assembled("kinds", source);
    let image = plan(&object).unwrap();
    assert_eq!(image.got_range().end - image.got_range().start, 16, "two symbols are wanted by address");
    assert_eq!(image.parts().find(|part| part.kind == PartKind::Data).unwrap().pages(), 2);
    assert_same_as_gnu_ld("kinds", &image, &object);
}

#[test]
fn all_unknown_symbols_are_named_at_once() {
    let source = ".text\n call beta\n call alpha\n .weak perhaps\n call perhaps\n call revector_print";
    let object = assembled("unknown", source);
    let error = plan(&object).unwrap().relocate(VirtAddr::new(BASE), exports).unwrap_err();
    assert_eq!(error.to_string(), "unknown symbols: beta, alpha");
}

#[test]
fn a_symbol_out_of_reach_is_named_with_its_distance_and_a_bad_base_refused() {
    let image = plan(hello()).unwrap();
    let error = image.relocate(VirtAddr::new(BASE), |_| Some(BASE - 0x8000_0000)).unwrap_err();
    let ModuleError::Reloc(RelocError::Range { symbol, from, distance, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!(symbol, "revector_print");
    assert_eq!(*distance, -0x8000_0000 - i64::try_from(from - BASE).unwrap());
    assert!(error.to_string().contains("expected revector_print within 2 GiB of the place"), "{error}");
    let error = image.relocate(VirtAddr::new(0xffff_c900_0000_0000), exports).unwrap_err();
    assert!(matches!(error, ModuleError::Reloc(RelocError::Range { .. })), "{error}");
    let error = image.relocate(VirtAddr::new(BASE + 8), exports).unwrap_err();
    assert!(matches!(error, ModuleError::Reloc(RelocError::Base { .. })), "{error}");
}

#[test]
fn what_cannot_be_loaded_is_refused_by_name() {
    let refused = |name: &str, source: &str, expected: &str| {
        let object = assembled(name, source);
        let text = plan(&object).map(|_| ()).unwrap_err().to_string();
        assert!(text.contains(expected), "{name}: {text}");
    };
    refused("common", ".comm shared, 8, 8", "symbol shared: expected code or data, found a common symbol");
    refused("tls", ".section .tdata,\"awT\"\nx: .quad 1", "found ");
    refused("wx", ".section .both,\"awx\"\nnop", "expected writable or executable, found both");
    refused("array", ".section .init_array,\"aw\"\n.quad init_module", "found constructors");
    refused("align", ".section .wide,\"a\"\n.balign 8192\n.quad 1", "up to 4096, found 8192");
    refused("width", ".data\n.byte revector_print", "expected a type of the kernel code model, found 14");
    refused("huge", ".bss\n.skip 0x20000000", "expected an image of up to 268435456 bytes");
    refused("ifunc", ".text\n.type pick, @gnu_indirect_function\npick: ret", "found an indirect function");
    refused("late", ".section .init.x,\"ax\"\n.globl cleanup_module\ncleanup_module: ret", "outlives");
}

#[test]
fn a_module_without_init_module_is_refused() {
    let object = gcc("noinit.s", ".globl other\nother: ret\n");
    assert_eq!(plan(&object).map(|_| ()), Err(ModuleError::Symbol(SymbolError::NoInit)));
    let object = gcc("datainit.s", ".data\n.globl init_module\ninit_module: .quad 1\n");
    assert!(matches!(plan(&object), Err(ModuleError::Symbol(SymbolError::Entry { .. }))));
}

#[test]
fn wrong_files_are_named() {
    let with = |at: usize, byte: u8| {
        let mut bytes = hello().to_vec();
        bytes[at] = byte;
        Object::parse(&bytes).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(with(16, 3), "e_type at offset 0x10: expected 1 (a relocatable object), found 3");
    assert_eq!(with(18, 183), "e_machine at offset 0x12: expected 62 (x86-64), found 183");
    assert_eq!(with(4, 1), "e_ident[EI_CLASS] at offset 0x4: expected 2 (64-bit), found 1");
    let error = load(b"\xfd7zXZ\0....").unwrap_err();
    assert!(error.to_string().contains("found an xz stream"), "{error}");
    assert!(matches!(load(&[]), Err(ModuleError::Elf(ElfError::Magic { .. }))));
}

#[test]
fn every_truncation_of_the_object_is_an_error() {
    for len in 0..hello().len() {
        assert!(matches!(load(&hello()[..len]), Err(ModuleError::Elf(_))), "{len}");
    }
}

#[test]
fn every_truncation_of_an_archive_is_an_error() {
    let archive = newc(&[("hello.o", hello()), ("TRAILER!!!", b"")]);
    let read = |bytes: &[u8]| -> Result<Vec<u8>, NewcError> {
        let entries = Archive::open(bytes)?.entries().collect::<Result<Vec<_>, _>>()?;
        Ok(entries[0].data.to_vec())
    };
    assert_eq!(read(&archive).as_deref(), Ok(hello()));
    for len in 0..archive.len() {
        assert!(read(&archive[..len]).is_err(), "{len}");
    }
}

fn newc(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, data) in files {
        let fields = [0, 0o100_644, 0, 0, 1, 0, data.len(), 0, 0, 0, 0, name.len() + 1, 0];
        let header = fields.iter().map(|field| format!("{field:08x}")).collect::<String>();
        archive.extend(format!("070701{header}{name}\0").bytes());
        archive.extend(std::iter::repeat_n(0, archive.len().next_multiple_of(4) - archive.len()));
        archive.extend(*data);
        archive.extend(std::iter::repeat_n(0, archive.len().next_multiple_of(4) - archive.len()));
    }
    archive.truncate(archive.len() - 3); // the trailer's padding, which is not needed
    archive
}

#[test]
fn twenty_thousand_mutants_never_panic() {
    let mut bytes = hello().to_vec();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap() % below
    };
    let (mut loaded, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let at = random(bytes.len());
        let old = bytes[at];
        bytes[at] = u8::try_from(random(256)).unwrap();
        match load(&bytes) {
            Ok(_) => loaded += 1,
            Err(error) => refused += usize::from(!error.to_string().is_empty()),
        }
        bytes[at] = old;
    }
    println!("{loaded} mutants loaded, {refused} refused");
    assert!(loaded > 0 && refused > 0 && loaded + refused == 20_000);
}

#[test]
fn extreme_numbers_in_any_field_never_panic() {
    let mut bytes = hello().to_vec();
    for at in (0..bytes.len() - 8).step_by(4) {
        let old: [u8; 8] = bytes[at..at + 8].try_into().unwrap();
        for value in [0, 1 << 31, u64::from(u32::MAX), 1 << 63, u64::MAX - 7, u64::MAX] {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            drop(load(&bytes));
        }
        bytes[at..at + 8].copy_from_slice(&old);
    }
    load(&bytes).unwrap();
}

#[test]
fn any_byte_in_any_place_of_an_archive_never_panics() {
    let mut archive = newc(&[("lib/a.o", b"12345"), ("b.o", b""), ("TRAILER!!!", b"")]);
    for at in 0..archive.len() {
        let old = archive[at];
        for byte in 0..=u8::MAX {
            archive[at] = byte;
            let entries = Archive::open(&archive).map(|archive| archive.entries().take(10).count());
            assert!(entries.is_ok_and(|count| count <= 4) || at < 6, "{at}: {byte}");
        }
        archive[at] = old;
    }
}
