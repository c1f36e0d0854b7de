//! What a module offers to later ones.
//!
//! An object made for Linux lists its exports: each `EXPORT_SYMBOL(name)` leaves a symbol `__ksymtab_name`. Any other
//! object offers every global function and variable that survives its initialization, but for its entry points. So
//! a C file needs no macro, and a Linux module offers what it offers under Linux.
//!
//! Neighbours: `list` resolves names by these, `order` sorts by them. Sources: Linux include/linux/export.h (facts).

use alloc::collections::BTreeSet;

use crate::elf::{Home, Object, Symbol};
use crate::image::Image;
use crate::modinfo::THIS_MODULE;
use crate::part::Lifetime;
use crate::symbol::{CLEANUP, INIT};

const LISTED: &str = "__ksymtab_";

/// Symbol that a module offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// Its name.
    pub name: &'a str,
    /// Offset in the image.
    pub offset: u64,
}

impl<'a> Object<'a> {
    /// Returns whether the object was made for Linux: its exports are listed then, and it may have no init.
    #[must_use]
    pub fn is_linux(&self) -> bool {
        self.sections().iter().any(|section| section.name == THIS_MODULE)
    }
}

impl<'a> Image<'a> {
    /// Iterates over what the module offers to later ones, in the order of the symbol table.
    pub fn offers(&self) -> impl Iterator<Item = Offer<'a>> + '_ {
        let listed = self.object.is_linux().then(|| self.listed());
        self.object.symbols().filter_map(move |symbol| {
            let name = self.object.name_of(&symbol);
            let meant = match &listed {
                Some(listed) => listed.contains(name),
                None => name != INIT && name != CLEANUP,
            };
            let offset = self.resident_offset(&symbol)?;
            (meant && !symbol.is_local() && !name.is_empty()).then_some(Offer { name, offset })
        })
    }

    fn listed(&self) -> BTreeSet<&'a str> {
        let names = self.object.symbols().filter(|symbol| symbol.home != Home::Undefined);
        // Not collected: that would sort first, by code that an image has no other use for.
        let mut listed = BTreeSet::new();
        listed.extend(names.filter_map(|symbol| self.object.name_of(&symbol).strip_prefix(LISTED)));
        listed
    }

    /// Offset of a symbol that is still there after initialization.
    fn resident_offset(&self, symbol: &Symbol) -> Option<u64> {
        let offset = self.symbol_offset(symbol)?;
        let part = self.parts().find(|part| offset.wrapping_sub(part.offset) < part.bytes)?;
        (part.kind.lifetime() == Lifetime::Resident).then_some(offset)
    }
}
