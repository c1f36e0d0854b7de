//! Builds what the image contains besides its own code, and passes the linker its script and options.
//!
//! The built-in module is a relocatable object, compiled by the same compiler that compiles the image. xen-pv has
//! what links any image; the unikernel adds its own promises (linker.ld).

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that is the image.
const KERNEL: &str = "revector-kernel";

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let module = out.join("hello.o");
    compile_module(&root, &root.join("modules/hello.rs"), &module);
    println!("cargo:rustc-env=REVECTOR_HELLO={}", module.display());
    link_image(&root);
    for input in ["modules/hello.rs", "modules/rustc.args", "linker.ld", "xen-note.S", "src/image/exports.S"]
    {
        println!("cargo:rerun-if-changed={input}");
    }
}

/// Compiles a module, with the flags that every module is compiled with.
fn compile_module(root: &Path, source: &Path, object: &Path) {
    let rustc = env::var("RUSTC").expect("cargo sets it");
    let flags = format!("@{}", root.join("modules/rustc.args").display());
    let status =
        Command::new(rustc).arg(flags).arg(source).arg("-o").arg(object).status().expect("rustc runs");
    assert!(status.success(), "rustc could not compile {}", source.display());
}

/// `IMAGE_PAGES` in the environment makes an image of exactly so many pages, as the 357a3cfb guest's kernel had.
fn link_image(root: &Path) {
    println!("cargo:rerun-if-env-changed=IMAGE_PAGES");
    xen::build::kernel_with(KERNEL, &root.join("linker.ld"));
    if let Ok(pages) = env::var("IMAGE_PAGES") {
        println!("cargo:rustc-link-arg-bin={KERNEL}=-Wl,--defsym=IMAGE_PAGES={pages}");
    }
}
