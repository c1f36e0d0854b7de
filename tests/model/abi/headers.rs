//! Xen's public headers as an oracle: evaluates C expressions over them with the C compiler.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const XEN: &str = "4.17";
const INCLUDES: [&str; 13] = [
    "stddef.h",
    "stdio.h",
    "stdint.h",
    "xen/xen.h",
    "xen/elfnote.h",
    "xen/errno.h",
    "xen/event_channel.h",
    "xen/memory.h",
    "xen/physdev.h",
    "xen/sched.h",
    "xen/version.h",
    "xen/io/console.h",
    "xen/io/xs_wire.h",
];

/// Returns the value of each expression.
///
/// # Panics
/// If there are no headers: a comparison that did not take place must not look like one that came out well.
pub(crate) fn evaluate(name: &str, expressions: &[String]) -> Vec<u64> {
    let headers = folder();
    let scratch = |end: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-{name}{end}"));
    let (source, program) = (scratch(".c"), scratch(""));
    fs::write(&source, program_text(expressions)).expect("the scratch folder of tests is writable");
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-w", "-D__XEN_INTERFACE_VERSION__=__XEN_LATEST_INTERFACE_VERSION__", "-I"]);
    run(cc.arg(headers.join("usr/include")).arg("-o").args([&program, &source]));
    let output = run(&mut Command::new(&program));
    let values: Vec<u64> =
        output.lines().map(|line| line.parse().expect("the program prints numbers")).collect();
    assert_eq!(values.len(), expressions.len(), "{}", program.display());
    values
}

/// The folder that `scripts/fetch-xen` unpacked the headers to, downloaded first if it is not there.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(fetch)
}

fn fetch() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lab = env::var_os("REVECTOR_LAB").map_or_else(|| root.join("target/lab"), PathBuf::from);
    let headers = lab.join(format!("xen-{XEN}/headers"));
    if headers.is_dir() {
        return headers;
    }
    let status = Command::new(root.join("scripts/fetch-xen")).args([XEN, "--headers"]).status();
    assert!(
        status.is_ok_and(|status| status.success()) && headers.is_dir(),
        "Xen's public headers are not in {} and could not be downloaded, so nothing was compared with them: run \
         'scripts/fetch-xen {XEN} --headers' where there are apt-get and a network, and copy that folder here",
        headers.display()
    );
    headers
}

fn program_text(expressions: &[String]) -> String {
    let mut text = String::new();
    for include in INCLUDES {
        writeln!(text, "#include <{include}>").expect("a string takes all");
    }
    text.push_str("int main(void) {\n");
    for expression in expressions {
        writeln!(text, "  printf(\"%llu\\n\", (unsigned long long)({expression}));")
            .expect("a string takes all");
    }
    text + "  return 0;\n}\n"
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
