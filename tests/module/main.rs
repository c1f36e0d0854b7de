//! Modules: objects from real compilers, compared with GNU ld, loaded on the model and on the host, and damaged.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod lifecycle;
mod linux_objects;
mod loading;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod mutants;
#[allow(dead_code, reason = "the host command names its mutants by the field")]
mod mutate;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod native;
mod other_objects;
#[path = "../support/mod.rs"]
mod support;
mod toolchain;
