//! The list of messages with which a builder can end: each makes the finding that docs/refusals.md says, and is in a
//! builder's binary; and what looks like one in libxenguest is in the list.
//!
//! The binaries are those that `scripts/fetch-xen` unpacks; where there are none, only the list is checked. The list's
//! page is written anew with `REVECTOR_BLESS=1`.

#![expect(clippy::disallowed_methods, reason = "files of the tests themselves")]

mod support;

use flate2::read::GzDecoder;
use pv_layout::report::{Message, Report, Severity, Verdict, messages};
use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A line as its program prints it.
fn line(message: &Message) -> String {
    // A number follows where words end in a space.
    let words = message.words.join("0 ... ") + "0";
    match message.program {
        "Xen" | "libelf" => format!("(XEN) {words}\n"),
        "GRUB" => format!("{words}\n"),
        "libxl" => format!("libxl: error: libxl_x.c:1:libxl__x: Domain 3:{words}\n"),
        _ => format!("xc: error: panic: xg_dom_x.c:1: xc_dom_x: {words}: Internal error\n"),
    }
}

#[test]
fn every_message_makes_the_finding_that_the_list_says() {
    for message in messages() {
        let report = Report::of_bytes(line(&message).as_bytes()).expect("memory can be read");
        assert_eq!(report.verdict(), Verdict::Problem, "{message:?}");
        let finding = report.findings.iter().find(|finding| finding.severity == Severity::Problem);
        let finding = finding.expect("a problem is a finding");
        match (message.title, message.quoted) {
            (Some(title), _) => assert_eq!(finding.title, title, "{message:?}"),
            (None, Some(why)) => {
                assert!(
                    finding.detail.contains(why) && finding.detail.contains(message.words[0]),
                    "{finding:?}"
                );
            }
            (None, None) => panic!("{message:?} is neither explained nor quoted"),
        }
    }
}

/// The page, from the list.
fn page() -> String {
    let mut page = String::from(
        "# Builders' messages\n\n\
         Every message with which Xen's builder of the initial domain, libxenguest's builder, libxl's creation of a domain or\n\
         GRUB can end, from their sources at 4.14 and today, and what `revector report` makes of it. One refusal is several\n\
         lines; of those in a log the one that is highest in this list is explained. What is only repeated says why no more can\n\
         be said. A test holds the list against the binaries of 4.14, 4.17 and 4.20; *elsewhere* says where a message comes from\n\
         that these do not have.\n\n\
         | program | message | finding | elsewhere |\n| --- | --- | --- | --- |\n",
    );
    for message in messages() {
        let words: Vec<_> = message.words.iter().map(|words| format!("`{}`", words.trim())).collect();
        let finding = match (message.title, message.quoted) {
            (Some(title), _) => title.to_owned(),
            (None, why) => format!("only repeated: {}", why.unwrap_or_default()),
        };
        let elsewhere = message.elsewhere.unwrap_or_default();
        page += &format!("| {} | {} | {finding} | {elsewhere} |\n", message.program, words.join(" with "));
    }
    page
}

#[test]
fn the_page_is_the_list() {
    let path = root().join("docs/refusals.md");
    if std::env::var_os("REVECTOR_BLESS").is_some() {
        fs::write(&path, page()).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).expect("the page is there");
    assert_eq!(written, page(), "if the change is wanted, set REVECTOR_BLESS=1");
}

/// The unpacked programs by release and name; nothing where no release has been fetched.
fn binaries() -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for version in ["4.14", "4.17", "4.20"] {
        let root = root().join(format!("target/lab/xen-{version}/root"));
        let library = |name: &str| root.join(format!("usr/lib/x86_64-linux-gnu/{name}.so.{version}"));
        let names = ["libxenguest", "libxenctrl", "libxenlight"];
        let mut paths: Vec<_> = names.iter().map(|name| library(name)).collect();
        paths.push(root.join(format!("usr/lib/xen-{version}/bin/xl")));
        for path in paths {
            if let Ok(bytes) = fs::read(&path) {
                found.insert(path.display().to_string(), bytes);
            }
        }
        let xen = root.join(format!("boot/xen-{version}-amd64.gz"));
        if let Ok(packed) = fs::read(&xen) {
            let mut bytes = Vec::new();
            GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).expect("Xen can be unpacked");
            found.insert(xen.display().to_string(), bytes);
        }
    }
    found
}

fn holds(bytes: &[u8], words: &str) -> bool {
    memchr::memmem::find(bytes, words.as_bytes()).is_some()
}

/// A message may be one release's own, so that it takes all three: `make test-long` has them.
#[test]
#[ignore = "needs Xen 4.14, 4.17 and 4.20 unpacked: make test-long"]
fn every_message_is_in_a_builders_binary_or_says_where_it_is() {
    let binaries = binaries();
    for version in ["4.14", "4.17", "4.20"] {
        assert!(
            binaries.keys().any(|path| path.contains(version)),
            "no programs of Xen {version}: scripts/fetch-xen"
        );
    }
    // `Could not construct d%u` and the like end where a number begins.
    let found = |message: &Message| {
        let words = message.words[0].trim_end();
        binaries.values().any(|bytes| holds(bytes, words))
    };
    let wrong = messages().filter(|message| found(message) == message.elsewhere.is_some());
    let wrong: Vec<_> = wrong.map(|message| format!("{message:?}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What in libxenguest reads like a refusal but is not: saving and restoring, lines of detail, Arm, and what comes
/// right before `unable to ... decompress kernel`.
const NONE: [&str; 26] = [
    "data corrupted",
    "output buffer overflow",
    "Could not open kernel image",
    "Could not allocate memory for kernel image",
    "Error reading kernel image",
    "Could not read kernel image",
    "max_pfn %#lx too large",
    "Unknown type %",
    "program segments total to more than",
    "xc_dom_vaddr_to_ptr(dom",
    "unable to map guest memory space",
    "mapped region is too small for image",
    "image is too small for declared text",
    "Unknown checkpointed stream",
    "ELF: note: unknown",
    "output too large",
    "Decompressed image too large",
    "unable to load modules",
    "kernel image too small",
    "kernel is not a bzImage",
    "Unknown map size",
    "unable to find",
    "number of pages too large",
    "Unknown %s",
    "corrupt stream",
    "unexpectedly large",
];

#[test]
fn what_reads_like_a_refusal_in_libxenguest_is_in_the_list() {
    const TELLTALE: [&str; 14] = [
        "unable to ",
        "unavailable",
        "too large",
        "too low",
        "not supported",
        "corrupted",
        "nknown ",
        "no loader",
        "overflow",
        "not an ELF",
        "can't allocate",
        "not capable",
        "does not support",
        "ERROR: ",
    ];
    let mut missing = Vec::new();
    for (path, bytes) in binaries().iter().filter(|(path, _)| path.contains("libxenguest")) {
        let texts = bytes.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
        for text in texts.filter(|text| text.len() > 8 && TELLTALE.iter().any(|word| text.contains(word))) {
            let known = messages().any(|message| text.contains(message.words[0].trim_end()));
            if !known && !NONE.iter().any(|words| text.contains(words)) {
                missing.push(format!("{path}: {text:?}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
