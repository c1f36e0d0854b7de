//! Page tables are changed by the stages only: nobody else can put a change into a batch.

use pv_memory::commit::{Batch, Slot};
use xen::pte::Pte;

fn clear(batch: &mut Batch, slot: Slot, before: Pte) {
    batch.change(slot, before, Pte::ABSENT);
}

fn main() {}
