//! What a boot is given besides start_info, by the image and by tests on the model alike.
//!
//! Neighbours: `boot` and `module::driver` read it; the image's entry and tests fill it in.

use crate::module::export::Export;
use crate::options::Options;
use ko_loader::Source;
use xen::start_info::Facts;

/// What the image provides.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Addresses of the image.
    pub facts: Facts,
    /// The command line.
    pub options: &'a Options,
    /// What modules may use.
    pub exports: &'a [Export],
    /// The module for a boot without a ramdisk.
    pub built_in: Source<'a>,
}
