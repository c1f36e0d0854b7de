//! `scripts/needs` in a `PATH` of the test's own: all that is missing is said at once, with the line that installs it.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What the script itself runs; every Debian has it.
const ALWAYS: [&str; 7] = ["dirname", "sed", "sort", "head", "cut", "tr", "env"];

/// A folder to be the `PATH`: what every Debian has, and programs that print a text.
fn machine(name: &str, programs: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("needs-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for program in ALWAYS {
        let path = env::var_os("PATH").unwrap();
        let found = env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
        symlink(found.unwrap(), folder.join(program)).unwrap();
    }
    for (program, prints) in programs {
        let file = folder.join(program);
        fs::write(&file, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn needs(machine: &Path, verbs: &[&str]) -> (Output, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/needs");
    let mut command = Command::new("/bin/sh");
    command.arg(script).args(verbs).env("PATH", machine).env("SSL_CERT_FILE", "/a/file");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

#[test]
fn all_that_a_bare_machine_lacks_is_named_at_once() {
    let (output, said) = needs(&machine("bare", &[]), &["build", "run", "test", "check", "bench"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let missing = "missing on this machine: make, a C compiler (cc), objcopy, a Rust toolchain, 1.";
    assert!(said.starts_with(missing), "{said}");
    for program in ["curl", "apt-get", "dpkg-deb", "flock", "gcc", "ld", "gzip", "valgrind"] {
        assert!(said.lines().next().unwrap().contains(&format!(", {program}")), "{program}: {said}");
    }
    let packages = "apt-get install --no-install-recommends apt binutils ca-certificates curl dpkg gcc gzip \
                    libc6-dev make util-linux valgrind";
    assert!(said.lines().any(|line| line.ends_with(packages)), "{said}");
}

#[test]
fn an_old_compiler_is_named_with_its_version_and_the_cure() {
    let rust = [("cargo", ""), ("rustc", "rustc 1.85.1 (4eb161250 2025-03-15)"), ("rustup", "")];
    let c = [("make", ""), ("cc", ""), ("objcopy", "")];
    let (output, said) = needs(&machine("old", &[&rust[..], &c].concat()), &["build"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("or newer (1.85.1 is here"), "{said}");
    assert!(said.ends_with("as yourself: rustup update stable\n"), "{said}");
}

#[test]
fn a_machine_with_everything_has_no_complaints() {
    let rust = [("cargo", ""), ("rustc", "rustc 1.100.0 (4eb161250 2027-03-15)")];
    let c = [("make", ""), ("cc", ""), ("objcopy", "")];
    let (output, said) = needs(&machine("whole", &[&rust[..], &c].concat()), &["build"]);
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}
