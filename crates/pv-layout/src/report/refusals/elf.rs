//! What libelf says, which parses kernels for the toolstack and for Xen: xen/common/libelf.

use super::{
    known::{Known, Says::Story, Source::Elf, known},
    stories::{BROKEN_ELF, NO_NOTES, NOT_ELF, OUT_OF_BOUNDS, WRONG_NOTES},
};

pub(super) const KNOWN: &[Known] = &[
    known(Elf, &["ELF: not an ELF binary"], Story(&NOT_ELF)),
    known(Elf, &["ELF: phdr overflow (off "], Story(&BROKEN_ELF)),
    known(Elf, &["ELF: shdr overflow (off "], Story(&BROKEN_ELF)),
    known(Elf, &["broken ELF: "], Story(&BROKEN_ELF)),
    known(Elf, &["ELF broken: "], Story(&BROKEN_ELF)),
    known(Elf, &["ERROR: Not a Xen-ELF image"], Story(&NO_NOTES)),
    known(Elf, &["ERROR: Will only load images built for the generic loader"], Story(&WRONG_NOTES)),
    known(Elf, &["ERROR: Xen will only load images built for Xen v3.0"], Story(&WRONG_NOTES)),
    known(Elf, &["ERROR: ELF_PADDR_OFFSET set, VIRT_BASE unset"], Story(&WRONG_NOTES)),
    known(Elf, &["ERROR: ELF start or entries are out of bounds"], Story(&OUT_OF_BOUNDS)),
    known(Elf, &["ERROR: P->M table base is out of bounds"], Story(&OUT_OF_BOUNDS)),
];
