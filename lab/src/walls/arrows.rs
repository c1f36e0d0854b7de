//! Arrows between the packages of the workspace go down: each has a list of what it may depend on.
//!
//! ```text
//! revector -> pv-memory, ko-loader -> xen-pv        revector-tools, pvlab -> pv-layout
//!             xen-model            -> xen-pv
//! ```
//!
//! The commands share no code with the kernel, on purpose: what they say of it is arrived at independently. Tests may
//! compare the two, so that a dev-dependency is no arrow.

use super::workspace::{Dependency, Package};

/// What each package may depend on; the ones below come first.
const BELOW: [(&str, &[&str]); 8] = [
    ("xen-pv", &[]),
    ("ko-loader", &["xen-pv"]),
    ("pv-memory", &["xen-pv"]),
    ("xen-model", &["xen-pv"]),
    ("revector", &["xen-pv", "ko-loader", "pv-memory", "xen-model"]),
    ("pv-layout", &[]),
    ("revector-tools", &["pv-layout"]),
    ("pvlab", &["pv-layout"]),
];

/// Every arrow that does not go down.
pub(crate) fn complaints(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<String> {
    let below = BELOW.iter().find(|(name, _)| *name == package.name).map(|(_, below)| *below);
    // A package that is not in the list, an example for one, may use any crate of the kernel's.
    let allowed = |name: &str| match below {
        Some(below) => below.contains(&name),
        None => ["xen-pv", "pv-memory", "ko-loader", "xen-model"].contains(&name),
    };
    let arrows = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
    let arrows = arrows.filter(|dependency| dependency.kind.as_deref() != Some("dev"));
    let up = arrows.filter(|dependency| !allowed(&dependency.name));
    let complaint = |dependency: &Dependency| {
        format!(
            "{}: {} may depend on {:?}, found an arrow to {}",
            package.manifest_path.display(),
            package.name,
            below.unwrap_or(&["xen-pv", "pv-memory", "ko-loader", "xen-model"]),
            dependency.name
        )
    };
    up.map(complaint).collect()
}
