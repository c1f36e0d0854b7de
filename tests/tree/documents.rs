//! What the documents say of the sources, compared with them: paths, hypercalls, names of tests.
//!
//! `make docs-check` compares transcripts and figures; this needs no boot.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Files below a folder with an extension, but for what was built.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

/// What stands in backquotes.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_path_that_a_document_names_is_there() {
    const FOLDERS: [&str; 10] =
        ["src", "crates", "tools", "lab", "tests", "docs", "modules", "scripts", "examples", "fuzz"];
    let is_path = |word: &str| FOLDERS.iter().any(|folder| word.starts_with(&format!("{folder}/")));
    let mut missing = Vec::new();
    for document in files(root(), "md") {
        let text = fs::read_to_string(&document).unwrap();
        let words = code(&text).filter(|word| is_path(word) && !word.contains([' ', '*', '{', '<']));
        missing.extend(
            words
                .filter(|word| !root().join(word).exists())
                .map(|word| format!("{}: {word}", document.display())),
        );
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(to, _)| to);
        for target in targets.filter(|target| !target.contains(':') && !target.starts_with('#')) {
            let path = target.split('#').next().unwrap();
            if !document.parent().unwrap().join(path).exists() {
                missing.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_source_file_that_a_document_names_is_there() {
    let sources = ["rs", "S", "ld"].map(|extension| files(root(), extension)).concat();
    let mut missing = Vec::new();
    for document in files(root(), "md") {
        let text = fs::read_to_string(&document).unwrap();
        let is_source = |word: &&str| {
            let path = Path::new(word);
            path.extension().is_some_and(|found| found == "rs" || found == "S" || found == "ld")
                && path.file_stem().is_some()
                && !word.contains([' ', '*', '@'])
        };
        let unknown =
            code(&text).filter(is_source).filter(|word| !sources.iter().any(|file| file.ends_with(word)));
        missing.extend(unknown.map(|word| format!("{}: {word}", document.display())));
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_files_with_unsafe_code_are_those_that_the_page_lists() {
    let page = read("docs/assumptions.md");
    let library = ["src", "crates"].map(|folder| files(&root().join(folder), "rs")).concat();
    let is_unsafe = |text: &str| {
        let mut code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
        code.any(|line| line.contains("unsafe {") || line.contains("unsafe fn"))
    };
    // What the page names as a whole: the runtime, the unikernel's image, the model.
    let whole = ["crates/xen-pv/src/rt", "src/image", "crates/xen-model"];
    let mut unlisted = Vec::new();
    for file in library.iter().filter(|file| is_unsafe(&fs::read_to_string(file).unwrap())) {
        let name = file.strip_prefix(root()).unwrap();
        if !whole.iter().any(|folder| name.starts_with(folder)) && !page.contains(name.to_str().unwrap()) {
            unlisted.push(name.to_path_buf());
        }
    }
    assert_eq!(unlisted, Vec::<PathBuf>::new());
}

#[test]
fn the_guests_of_the_pack_are_made_of_files_that_are_packed() {
    let script = read("scripts/dist");
    let mut named = 0;
    for configuration in files(&root().join("scripts/dist.d"), "cfg") {
        let text = fs::read_to_string(&configuration).unwrap();
        let settings = text.lines().filter_map(|line| line.split_once('='));
        let values = settings.filter(|(key, _)| ["kernel", "ramdisk"].contains(&key.trim()));
        for file in values.map(|(_, value)| value.trim().trim_matches('"')) {
            named += 1;
            let packed = script.contains(&format!("/{file}\""));
            assert!(packed, "{}: {file}", configuration.display());
        }
    }
    assert_eq!(named, 6);
}

/// `SetTrapTable` as the page writes it.
fn snake(name: &str) -> String {
    let name = name.replace("ExtOp", "extOp");
    let mut out = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// Number and name of each hypercall in an enumeration `NAME = NUMBER,`.
fn declared(source: &str) -> BTreeSet<(String, String)> {
    let body = source.split_once("pub enum Call {").unwrap().1.split_once("\n}").unwrap().0;
    let variants = body.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "));
    variants.map(|(name, number)| (number.to_owned(), snake(name))).collect()
}

/// Number and name of each row of the page's table.
fn described(page: &str) -> BTreeSet<(String, String)> {
    let table = page.split_once("## Hypercalls").unwrap().1.split_once("\n## ").unwrap().0;
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let (number, name) = (cells.next()?, cells.next()?.split('`').nth(1)?);
        number.parse::<u32>().is_ok().then(|| (number.to_owned(), name.to_owned()))
    });
    rows.collect()
}

#[test]
fn the_hypercalls_that_the_runtime_makes_are_those_that_the_page_lists() {
    let page = read("docs/xen-abi.md");
    assert_eq!(described(&page), declared(&read("crates/xen-pv/src/abi.rs")));
    let source = read("crates/xen-pv/src/rt/hypercall.rs");
    let words = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_operation = |word: &&str| {
        ["CONSOLEIO_", "EVTCHNOP_", "PHYSDEVOP_", "SCHEDOP_", "XENMEM_", "XENVER_", "SEGBASE_"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    };
    let unnamed = words.filter(is_operation).filter(|word| {
        let written = [word.to_string(), word.replace("SET_IOPL", "set_iopl"), word.to_ascii_lowercase()];
        !written.iter().any(|form| page.to_ascii_lowercase().contains(&form.to_ascii_lowercase()))
    });
    assert_eq!(unnamed.collect::<BTreeSet<_>>(), BTreeSet::new());
}

#[test]
fn each_test_that_the_page_on_linuxs_bugs_names_exists() {
    let sources: String =
        files(&root().join("tests"), "rs").iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let page = read("docs/linux-bugs.md");
    let is_test = |word: &&str| {
        let mut letters = word.chars();
        letters.next().is_some_and(|c| c.is_ascii_lowercase())
            && letters.next().is_some_and(|c| c.is_ascii_digit())
            && word.contains('_')
            && !word.contains('.')
    };
    let named: Vec<_> = code(&page).filter(is_test).filter(|word| word.len() > 12).collect();
    assert!(named.len() > 20, "{named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert_eq!(missing, Vec::<&&str>::new());
}
