//! `mmuext_op`: pinning, and what a PV guest may ask besides.
//!
//! Neighbours: `update` pins and unpins; `xen` hands operations here. tests/conformance.txt is what it is held to.

use super::types::Kind;
use super::xen::Xen;
use crate::addr::{Mfn, VirtAddr};
use crate::mm::pte::Level;
use crate::xen::Errno;
use crate::xen::abi::MmuExtOp;
use crate::xen::start_info::Role;

impl Xen {
    /// Mirrors `do_mmuext_op`, one operation.
    pub(super) fn extended(&mut self, op: MmuExtOp) -> Result<(), Errno> {
        let mfn = Mfn::new(op.arg1);
        match op.cmd {
            0 => self.pin(mfn, Level::L1),
            1 => self.pin(mfn, Level::L2),
            2 => self.pin(mfn, Level::L3),
            3 => self.pin(mfn, Level::L4),
            4 => self.unpin(mfn),
            // Loading a root is not modelled beyond its refusal: this project keeps the builder's.
            5 => Err(Errno::EINVAL),
            // TLB_FLUSH_LOCAL, _MULTI, _ALL.
            6 | 8 | 10 => {
                self.forget_all();
                Ok(())
            }
            // INVLPG_LOCAL, _MULTI, _ALL.
            7 | 9 | 11 => {
                self.forget(VirtAddr::new_truncate(op.arg1));
                Ok(())
            }
            // FLUSH_CACHE is for domains with hardware.
            12 if self.role == Role::Guest => Err(Errno::EACCES),
            12 => Ok(()),
            // SET_LDT of no entries, whatever the address.
            13 => Ok(()),
            // NEW_USER_BASEPTR: none, or a table of level 4.
            15 if op.arg1 == 0 => Ok(()),
            15 => Err(Errno::EINVAL),
            16 => self.clear_page(mfn),
            17 => self.copy_page(mfn, Mfn::new(op.arg2)),
            // MARK_SUPER, UNMARK_SUPER.
            19 | 20 => Err(Errno::EOPNOTSUPP),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// Mirrors `MMUEXT_CLEAR_PAGE`: the page must be writable, which a table is not.
    fn clear_page(&mut self, mfn: Mfn) -> Result<(), Errno> {
        self.with_writable(mfn, |xen| xen.memory.fill(mfn, 0))
    }

    /// Mirrors `MMUEXT_COPY_PAGE`.
    fn copy_page(&mut self, to: Mfn, from: Mfn) -> Result<(), Errno> {
        if !self.owns(from) {
            return Err(Errno::EINVAL);
        }
        self.with_writable(to, |xen| xen.memory.copy(from, to))
    }

    fn with_writable(&mut self, mfn: Mfn, act: impl FnOnce(&mut Self)) -> Result<(), Errno> {
        if !self.owns(mfn) {
            return Err(Errno::EINVAL);
        }
        self.get_type(mfn, Kind::Writable)?;
        act(self);
        self.put_type(mfn);
        Ok(())
    }
}
