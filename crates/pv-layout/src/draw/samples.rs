//! Scenes for tests: every kind of guest that a picture must show well.

use crate::{
    predict::{
        domain::{Builder, Domain, Kernel, RamdiskPlace},
        scene,
    },
    scene::{After, Kind, MapRange, ModuleArea, PAGE, Row, Run, Scene, TableCounts},
};

fn predicted(builder: Builder, mib: u64, kernel: Kernel, ramdisk: Option<u64>) -> Scene {
    let domain = Domain { builder, pages: mib * 256, kernel, ramdisk };
    scene(&domain, &domain.plan().unwrap(), ModuleArea::CLASSIC)
}

/// The guest of Linux commit 357a3cfb, which the project started from.
pub(super) fn guest_357a3cfb(after: After) -> Scene {
    let scene = predicted(Builder::Toolstack, 131_072, Kernel::of_pages(0xe43), Some(0x1_0784 * PAGE));
    Scene { title: "128 GiB guest, by xl 4.17".to_owned(), after, ..scene }
}

/// A name, and the scene.
pub(super) fn all() -> Vec<(&'static str, Scene)> {
    let linux = Kernel { list_at: Some(0x80_0000_0000), ..Kernel::of_pages(0x3a00) };
    let unmapped = Kernel { ramdisk: RamdiskPlace::Unmapped, ..Kernel::of_pages(0x1000) };
    let small = || predicted(Builder::Toolstack, 64, Kernel::of_pages(0x9b), None);
    vec![
        ("guest-copied", guest_357a3cfb(After::Copied(vec![Run { first: 0x2_2800, end: 0x3_2800 }]))),
        ("guest-copied-somewhere", guest_357a3cfb(After::Copied(Vec::new()))),
        ("guest-aliased", guest_357a3cfb(After::Aliased)),
        ("guest-listed", guest_357a3cfb(After::Listed)),
        ("guest-kept", guest_357a3cfb(After::Kept)),
        ("guest-unknown", guest_357a3cfb(After::Unknown)),
        ("tiny", Scene { after: After::Copied(Vec::new()), ..small() }),
        ("tiny-unknown", small()),
        ("dom0", predicted(Builder::Xen, 4096, Kernel::of_pages(0x9b), Some(30 << 20))),
        (
            "dom0-linux",
            predicted(
                Builder::Xen,
                4096,
                Kernel { ramdisk: RamdiskPlace::Unmapped, ..linux },
                Some(30 << 20),
            ),
        ),
        ("list-elsewhere", predicted(Builder::Toolstack, 262_144, linux, Some(200 << 20))),
        ("ramdisk-unmapped", predicted(Builder::Toolstack, 8192, unmapped, Some(800 << 20))),
        (
            "huge",
            Scene {
                after: After::Aliased,
                ..predicted(Builder::Toolstack, 524_288, Kernel::of_pages(0x1000), None)
            },
        ),
        ("terabytes", predicted(Builder::Toolstack, 15 << 20, linux, Some(600 << 20))),
        ("memory-map", with_map(predicted(Builder::Xen, 1024, Kernel::of_pages(0x2000), Some(64 << 20)))),
        ("unknown-sizes", unknown()),
        (
            "kaslr",
            Scene {
                area: ModuleArea { start: 0xffff_ffff_c000_0000, ..ModuleArea::CLASSIC },
                ..guest_357a3cfb(After::Unknown)
            },
        ),
        ("scattered", guest_357a3cfb(After::Copied((0..9).map(spread).collect()))),
        ("nothing", Scene { rows: Vec::new(), pages: None, alloc_end: None, mapped_end: None, ..small() }),
    ]
}

/// One of several runs of pages with room between them.
const fn spread(index: u64) -> Run {
    let first = 0x3_0000 + index * 0x4000;
    Run { first, end: first + 0x2000 }
}

fn with_map(scene: Scene) -> Scene {
    let range = |start, end, kind: &str| MapRange { start, end, kind: kind.to_owned() };
    let memory_map = vec![
        range(0, 0x9_f000, "usable"),
        range(0x110_0000, 0x118_0000, "reserved"),
        range(0x300_0000, 0x3e0_0000, "ACPI data"),
        range(0x500_0000, 1 << 32, "usable"),
    ];
    Scene { memory_map, ..scene }
}

/// A log with holes: addresses without pages, pages without addresses, a row of which nothing is known.
fn unknown() -> Scene {
    let row =
        |kind, name: &str, pfn, pages, address| Row { kind, name: name.to_owned(), pfn, pages, address };
    Scene {
        title: "A guest <of> which \"little\" is known & a title that is much longer than any picture could be wide, \
                even the widest of them"
            .to_owned(),
        pages: None,
        rows: vec![
            row(Kind::Kernel, "kernel", None, 0, Some(0xffff_ffff_8100_0000)),
            row(Kind::P2m, "phys2mach", None, 0x4_0000, Some(0xffff_ffff_9000_0000)),
            row(Kind::Ramdisk, "module0", Some(0x100), 5, None),
            row(Kind::Other, "devicetree\u{1b}<&>", None, 7, None),
            row(Kind::StartInfo, "start info", None, 1, Some(0x80_0000_0000)),
        ],
        alloc_end: None,
        mapped_end: None,
        tables: Some(TableCounts([1, 2, 3, 4])),
        area: ModuleArea::CLASSIC,
        memory_map: Vec::new(),
        after: After::Unknown,
    }
}
