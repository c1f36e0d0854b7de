//! start_info is an allegation until it is parsed; no stage takes the page as the builder wrote it.

use pv_memory::layout::{Layout, LayoutError};
use xen::Boot;
use xen::Hypervisor;

fn plan(boot: &Boot<'_, impl Hypervisor>) -> Result<Layout, LayoutError> {
    Layout::plan(boot.raw())
}

fn main() {}
