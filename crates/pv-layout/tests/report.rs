//! What `revector report` finds in a log, says of it and draws of it, one promise for each test.
//!
//! `report_outputs` checks whole outputs, `report_command` the command line, `report_properties` any bytes.

mod support;

use pv_layout::report::{Finding, Report, Severity, Verdict};
use support::{log, plain, report_of};

fn titles(report: &Report, severity: Severity) -> Vec<&str> {
    let findings = report.findings.iter().filter(|finding| finding.severity == severity);
    findings.map(|finding| finding.title.as_str()).collect()
}

fn find<'a>(report: &'a Report, words: &str) -> &'a Finding {
    let found = report.findings.iter().find(|finding| finding.title.contains(words));
    found.unwrap_or_else(|| panic!("no finding has '{words}':\n{}", plain(report)))
}

/// The box of Linux commit 357a3cfb, with its one misspelt word put right.
const SEEDS_DRAWING: &str = r"
  phys                             __ka
/------------\                   /-------------------\
| 0          | empty             | 0xffffffff80000000|
| ..         |                   | ..                |
| 16MB       | <= kernel starts  | 0xffffffff81000000|
| ..         |                   |                   |
| 30MB       | <= kernel ends => | 0xffffffff81e43000|
| ..         |  & ramdisk starts | ..                |
| 293MB      | <= ramdisk ends=> | 0xffffffff925c7000|
| ..         |  & P2M starts     | ..                |
| ..         |                   | ..                |
| 549MB      | <= P2M ends    => | 0xffffffffa25c7000|
| ..         | start_info        | 0xffffffffa25c7000|
| ..         | xenstore          | 0xffffffffa25c8000|
| ..         | console           | 0xffffffffa25c9000|
| 549MB      | <= page tables => | 0xffffffffa25ca000|
| ..         |                   |                   |
| 550MB      | <= PGT end     => | 0xffffffffa26e1000|
| ..         | boot stack        |                   |
\------------/                   \-------------------/
";

#[test]
fn the_357a3cfb_drawing_comes_out_of_its_log() {
    let text = plain(&report_of(&["seed"]));
    let drawn = text
        .lines()
        .map(|line| line.strip_prefix("  ").unwrap_or(line).trim_end_matches("  in the module area"));
    let drawn = drawn.collect::<Vec<_>>().join("\n");
    assert!(drawn.contains(SEEDS_DRAWING), "{text}");
}

#[test]
fn the_357a3cfb_collision_is_measured_and_explained() {
    let report = report_of(&["seed"]);
    let inside = find(&report, "37.8 MiB of the P2M");
    assert_eq!(inside.severity, Severity::Problem);
    let cure = inside.cures.join("; ");
    for way in ["INIT_P2M", "MOD_START_PFN", "at most 224 MiB", "at most 108 GiB"] {
        assert!(cure.contains(way), "{way}: {cure}");
    }
    let failure = find(&report, "A module could not be mapped");
    assert!(failure.detail.contains("vmap_page_range_noflush"), "{failure:?}");
    assert!(failure.detail.contains("allocated 16384 of 20480 bytes"), "{failure:?}");
}

#[test]
fn the_357a3cfb_guest_without_its_warning_has_one_problem_and_not_the_other() {
    let text = String::from_utf8(log("seed")).expect("the seed is text");
    let rows: String = text.split_inclusive('\n').take_while(|line| !line.contains("cut here")).collect();
    let report = Report::of_bytes(rows.as_bytes()).expect("memory can be read");
    assert_eq!(titles(&report, Severity::Problem).len(), 1, "{}", plain(&report));
    let rest: String = text.split_inclusive('\n').skip_while(|line| !line.contains("cut here")).collect();
    let report = Report::of_bytes(rest.as_bytes()).expect("memory can be read");
    assert_eq!(
        titles(&report, Severity::Problem),
        ["A module could not be mapped: its addresses are in use"]
    );
}

#[test]
fn toolstack_and_guest_in_two_files_are_one_guest_in_either_order() {
    for names in [["xl-4.14-seed", "guest-keep"], ["guest-keep", "xl-4.14-seed"]] {
        let report = report_of(&names);
        assert_eq!(report.scenes.len(), 1, "{names:?}:\n{}", plain(&report));
        assert!(report.scenes[0].title.contains("xl 4.14 and revector 0.1.0"), "{}", report.scenes[0].title);
        assert!(!titles(&report, Severity::Problem).contains(&"Builder and guest tell different layouts"));
    }
}

#[test]
fn a_row_that_the_guest_finds_elsewhere_is_a_problem() {
    let guest = String::from_utf8(log("guest-keep")).expect("the log is text");
    let moved = guest.replace("0xffffffffa25c9000  (pfn 0x225c9)", "0xffffffffa25c8000  (pfn 0x225c8)");
    assert_ne!(guest, moved);
    let toolstack = log("xl-4.14-seed");
    let inputs = [("xl", toolstack.as_slice()), ("guest", moved.as_bytes())];
    let inputs = inputs.into_iter().map(|(name, bytes)| Ok((name.to_owned(), bytes)));
    let report = Report::of(inputs, None).expect("memory can be read");
    let finding = find(&report, "tell different layouts");
    assert!(finding.detail.contains("console is at 0xffffffffa25c9000"), "{finding:?}");
}

#[test]
fn guests_of_different_kernels_stay_apart() {
    let report = report_of(&["xl-4.14-seed", "guest-two-boots"]);
    assert_eq!(report.scenes.len(), 3, "{}", plain(&report));
}

#[test]
fn boots_one_after_another_are_guests_of_their_own() {
    for name in ["linux-6.1-dom0", "linux-3.2-domu", "guest-fault", "xl-4.4-small", "xen-4.20-dom0"] {
        let twice = log(name).repeat(2);
        let report = Report::of_bytes(&twice).expect("memory can be read");
        assert_eq!(report.scenes.len(), 2, "{name}:\n{}", plain(&report));
        assert_eq!(report.scenes[0], report.scenes[1], "{name}");
    }
}

#[test]
fn more_boots_than_a_report_holds_are_counted() {
    let many = log("guest-fault").repeat(200);
    let report = Report::of_bytes(&many).expect("memory can be read");
    assert_eq!(report.scenes.len(), 128);
    assert!(report.reading.beyond > 0);
    // The control: verdicts alone take no places.
    let verdicts = b"(d1) Test result: SUCCESS\n(d1) [    0.1] revector: 1, Environment: x\n".repeat(1000);
    let report = Report::of_bytes(&[verdicts, log("xl-4.4-small")].concat()).expect("memory can be read");
    assert_eq!((report.scenes.len(), report.reading.beyond), (1, 0), "{:?}", report.reading);
}

#[test]
fn a_list_with_a_place_of_its_own_is_not_where_the_toolstack_prints_it() {
    let report = report_of(&["xl-4.20-init-p2m-256g"]);
    let list = report.scenes[0].rows.iter().find(|row| row.name == "phys2mach").expect("the list has a row");
    assert_eq!(list.address, Some(0x80_0000_0000));
    assert_eq!(titles(&report, Severity::Problem), [""; 0]);
    // The control: without the note, the same addresses are in the way.
    let text = String::from_utf8(log("xl-4.20-init-p2m-256g")).expect("the log is text");
    let text = text.lines().filter(|line| !line.contains("INIT_P2M") && !line.contains("virt_pgtab_end"));
    let report =
        Report::of_bytes(text.collect::<Vec<_>>().join("\n").as_bytes()).expect("memory can be read");
    find(&report, "of the P2M lie in the module area");
}

#[test]
fn a_conflict_names_what_lies_under_the_kernel() {
    let report = report_of(&["xen-4.17-dom0-conflict"]);
    let finding = find(&report, "conflicts with the E820 map");
    assert!(finding.detail.contains("ACPI NVS at 0x4000000 -> 0x400b000"), "{finding:?}");
    // The control: with RAM there, the message alone is left.
    let text = String::from_utf8(log("xen-4.17-dom0-conflict")).expect("the log is text");
    let report =
        Report::of_bytes(text.replace("(ACPI NVS)", "(usable)").as_bytes()).expect("memory can be read");
    assert!(!find(&report, "conflicts").detail.contains("ACPI NVS"));
}

#[test]
fn every_way_in_which_linux_stops_is_reported() {
    let log = String::from_utf8(log("xen-4.17-dom0-conflict")).expect("the log is text");
    let with = |message: &str| {
        let old = "xen hypervisor allocated kernel memory conflicts with E820 map";
        assert!(log.contains(old));
        Report::of_bytes(log.replace(old, message).as_bytes()).expect("memory can be read")
    };
    let report = with("Xen hypervisor allocated page table memory conflicts with E820 map");
    let finding = find(&report, "its page table memory conflicts");
    assert!(finding.detail.contains("The page tables at 0x4801000 -> 0x482a000"), "{finding:?}");
    let report = with("Xen hypervisor allocated xen_start_info memory conflicts with E820 map");
    assert!(find(&report, "its xen_start_info memory").detail.contains("The start info at 0x4800000"));
    let report = with("Can't find new memory area for initrd needed due to E820 map conflict");
    assert!(find(&report, "no place for its initrd").detail.contains("36.7 MiB"));
    let report = with("Can't find new memory area for p2m needed due to E820 map conflict");
    assert!(find(&report, "no place for its p2m").detail.contains("8 MiB"));
    // Without any message Linux has got no further either: a machine that stops so early prints nothing more.
    let report = with("all is well");
    find(&report, "Linux since 4.3 stops here: its kernel lies on ACPI NVS");
    // The control: a Linux that prints its memory map got further than where it would have stopped.
    let report = with("[    0.000000] Xen: [mem 0x0000000000000000-0x000000000009ffff] usable");
    assert!(!titles(&report, Severity::Problem).iter().any(|title| title.contains("Linux")));
}

#[test]
fn rows_that_make_no_sense_are_problems() {
    let good = String::from_utf8(log("xl-4.20-odd-ramdisk")).expect("the log is text");
    let with = |old: &str, new: &str| {
        assert!(good.contains(old), "{old}");
        Report::of_bytes(good.replace(old, new).as_bytes()).expect("memory can be read")
    };
    let rows = report_of(&["xl-4.20-odd-ramdisk"]).scenes[0].rows.clone();
    let row = |name: &str| {
        rows.iter().find(|row| row.name == name).expect("the row is there").pfn.expect("it has a pfn")
    };
    let page = |pfn: u64| format!("(pfn {pfn:#x})");
    find(&with(&page(row("console")), &page(row("xenstore"))), "xenstore and console overlap");
    find(&with(&page(row("boot stack")), "(pfn 0x7fffff)"), "boot stack lies outside the guest's memory");
    find(&with(", pages 0x4000 pages,", ", pages 0x100000 pages,"), "The P2M is too short");
    find(&with("10 table(s)", "11 table(s)"), "page tables are not as many");
    find(
        &with("virt_pgtab_end : 0xffffffff81400000", "virt_pgtab_end : 0xffffffff81090000"),
        "mapping ends before",
    );
}

#[test]
fn a_kernel_that_says_where_its_modules_are_is_believed() {
    assert_eq!(report_of(&["linux-6.6-kaslr"]).scenes[0].area.start, 0xffff_ffff_c000_0000);
    assert_eq!(report_of(&["linux-6.1-domu"]).scenes[0].area.start, 0xffff_ffff_a000_0000);
}

#[test]
fn a_caller_who_knows_where_modules_are_is_believed_more() {
    let bytes = log("linux-6.6-kaslr");
    let at = 0xffff_ffff_b000_0000;
    let report =
        Report::of([Ok(("log".to_owned(), bytes.as_slice()))], Some(at)).expect("memory can be read");
    assert_eq!(report.scenes[0].area.start, at);
}

#[test]
fn a_linux_that_moves_its_list_is_no_problem_until_it_warns() {
    let rows: Vec<_> = String::from_utf8(log("seed"))
        .expect("the log is text")
        .lines()
        .map(str::to_owned)
        .take_while(|line| !line.contains("cut here"))
        .collect();
    let with = |version: &str, more: &str| {
        let text = format!("{}\n[    0.0] Linux version {version} (gcc) #1\n{more}", rows.join("\n"));
        Report::of_bytes(text.as_bytes()).expect("memory can be read").verdict()
    };
    assert_eq!(with("3.7.0", ""), Verdict::Fine);
    assert_eq!(with("4.19.0-27-amd64", ""), Verdict::Fine);
    assert_eq!(with("3.6.11", ""), Verdict::Problem);
    assert_eq!(with("2.6.39", ""), Verdict::Problem);
    let failure = "vmalloc: allocation failure, allocated 16384 of 20480 bytes\n";
    assert_eq!(with("3.7.0", failure), Verdict::Problem);
}

#[test]
fn a_linux_without_xen_is_no_guest() {
    let bare = "\
[    0.000000] Linux version 6.1.0 (gcc) #1
[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
[    0.000000]  BIOS-e820: 0000000000100000 - 00000000bad80000 (usable)
[    0.100000] Memory: 187484K/523900K available (14343K kernel code)
";
    assert_eq!(Report::of_bytes(bare.as_bytes()).expect("memory can be read").verdict(), Verdict::Unreadable);
    let guest = bare.replace("BIOS-e820", "Xen");
    assert_eq!(Report::of_bytes(guest.as_bytes()).expect("memory can be read").verdict(), Verdict::Fine);
}

#[test]
fn two_domains_on_one_console_are_two_guests() {
    let report = report_of(&["xen-two-guests"]);
    assert_eq!(report.scenes.len(), 2, "{}", plain(&report));
    assert_eq!(
        report.scenes.iter().map(|scene| scene.pages).collect::<Vec<_>>(),
        [Some(0x4000), Some(0x4_0000)]
    );
    let crashed = find(&report, "crashed");
    assert_eq!(crashed.guest, 1);
}

#[test]
fn prefixes_and_their_absence_change_nothing() {
    for name in ["xen-4.17-dom0-revector", "guest-keep", "linux-6.1-domu"] {
        let text = String::from_utf8(log(name)).expect("the log is text");
        let rewritten = |line: fn(&str) -> String| text.lines().map(line).collect::<Vec<_>>().join("\n");
        let bare = |line: &str| line.split_once("] ").map_or(line, |(_, rest)| rest).to_owned();
        let expected = report_of(&[name]);
        for text in [
            rewritten(|line| format!("Nov 22 10:00:00 host {line}")),
            rewritten(|line| format!("\u{1b}[32m{line}\u{1b}[0m\r\r")),
            rewritten(|line| format!("(d7) {line}")),
            rewritten(bare),
        ] {
            let report = Report::of_bytes(text.as_bytes()).expect("memory can be read");
            let rows =
                |report: &Report| report.scenes.iter().map(|scene| scene.rows.clone()).collect::<Vec<_>>();
            assert_eq!(rows(&report), rows(&expected), "{name}: {text}");
            let problems = titles(&expected, Severity::Problem);
            assert_eq!(titles(&report, Severity::Problem), problems, "{name}: {text}");
        }
    }
}

#[test]
fn xens_complaint_about_its_list_belongs_to_the_rows_after_it() {
    let report = report_of(&["xen-4.6-dom0-clipped"]);
    assert_eq!(report.scenes.len(), 1, "{}", plain(&report));
    find(&report, "Xen gave the initial domain no more than 30.9 GiB");
}
