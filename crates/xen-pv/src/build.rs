//! For a kernel's own build script: how its image is linked.
//!
//! An image is freestanding: no start files, no libraries, one linker script for the high kernel mapping. Cargo lets
//! a package request that only for its own programs, so each kernel's `build.rs` calls [`kernel`].

use std::path::Path;
use std::println;

/// Links the program `name` of this package as an image, with the linker script of this crate.
pub fn kernel(name: &str) {
    kernel_with(name, &Path::new(env!("CARGO_MANIFEST_DIR")).join("kernel.ld"));
}

/// Links the program `name` as an image, with a script of its own, which may `INCLUDE kernel.ld`.
pub fn kernel_with(name: &str, script: &Path) {
    let folder = env!("CARGO_MANIFEST_DIR");
    for input in [script, &Path::new(folder).join("kernel.ld")] {
        println!("cargo:rerun-if-changed={}", input.display());
    }
    for argument in ["-nostartfiles", "-nostdlib", "-static", "-no-pie"] {
        println!("cargo:rustc-link-arg-bin={name}={argument}");
    }
    let flags = "--build-id=none,-z,max-page-size=4096,-z,noexecstack";
    println!("cargo:rustc-link-arg-bin={name}=-Wl,-L,{folder},-T,{},{flags}", script.display());
}
