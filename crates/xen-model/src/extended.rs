//! `mmuext_op`: pinning, and what a PV guest may ask besides.
//!
//! Neighbours: `update` pins and unpins; `xen` hands operations here. It is compared with tests/model/conformance.txt.

use crate::builder::Hardware;
use crate::kind::Kind;
use crate::state::Xen;
use xen::abi::MmuExtOp;
use xen::addr::{Mfn, VirtAddr};
use xen::pte::Level;
use xen::{Errno, mmuext};

impl Xen {
    /// Mirrors `do_mmuext_op`, one operation.
    pub(crate) fn extended(&mut self, op: MmuExtOp) -> Result<(), Errno> {
        let mfn = Mfn::new(op.arg1);
        match op.cmd {
            mmuext::PIN_L1_TABLE => self.pin(mfn, Level::L1),
            mmuext::PIN_L2_TABLE => self.pin(mfn, Level::L2),
            mmuext::PIN_L3_TABLE => self.pin(mfn, Level::L3),
            mmuext::PIN_L4_TABLE => self.pin(mfn, Level::L4),
            mmuext::UNPIN_TABLE => self.unpin(mfn),
            // Loading a root is not modelled beyond its refusal: this project keeps the builder's.
            mmuext::NEW_BASEPTR => Err(Errno::EINVAL),
            mmuext::TLB_FLUSH_LOCAL | mmuext::TLB_FLUSH_MULTI | mmuext::TLB_FLUSH_ALL => {
                self.flush();
                Ok(())
            }
            mmuext::INVLPG_LOCAL | mmuext::INVLPG_MULTI | mmuext::INVLPG_ALL => {
                self.forget(VirtAddr::new_truncate(op.arg1));
                Ok(())
            }
            mmuext::FLUSH_CACHE if self.hardware == Hardware::None => Err(Errno::EACCES),
            // A table of no entries, whatever the address.
            mmuext::FLUSH_CACHE | mmuext::SET_LDT => Ok(()),
            // None, or a table of level 4.
            mmuext::NEW_USER_BASEPTR if op.arg1 == 0 => Ok(()),
            mmuext::NEW_USER_BASEPTR => Err(Errno::EINVAL),
            mmuext::CLEAR_PAGE => self.clear_page(mfn),
            mmuext::COPY_PAGE => self.copy_page(mfn, Mfn::new(op.arg2)),
            mmuext::MARK_SUPER | mmuext::UNMARK_SUPER => Err(Errno::EOPNOTSUPP),
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
