# ELF notes: what the domain builders of libxenguest, Xen (dom0) and pv-shim read from the image.
#
# Each note has its name from xen/include/public/elfnote.h and the reason for its value. Two are left out on purpose:
# INIT_P2M (15) would have the builder map the P2M elsewhere, and MOD_START_PFN (16) would leave the ramdisk
# unmapped; without them the builder lays memory out as it did for the kernels that this project is about.
#
# `make notes` adds them after the link (lab/src/notes.rs), so that there are four images of one kernel. Their values
# are this kernel's choice: MOD_START_PFN 1; INIT_P2M 0x8000000000, L4 slot 1, where nothing of a PV guest's own is,
# and where Linux has wanted its P2M since it has the note.

.macro elfnote name, type, kind, value:vararg
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 2f - 1f               # size of the name
    .long 4f - 3f               # size of the value
    .long \type
1:  .asciz "Xen"
2:  .balign 4
3:  \kind \value
4:  .balign 4
    .popsection
.endm

    elfnote GUEST_OS,       6,  .asciz, "revector"
    elfnote GUEST_VERSION,  7,  .asciz, "0.1"
    elfnote LOADER,         8,  .asciz, "generic"               # mandatory with XEN_VERSION
    elfnote XEN_VERSION,    5,  .asciz, "xen-3.0"               # the PV ABI, unchanged since
    elfnote VIRT_BASE,      3,  .quad,  0xffffffff80000000      # pfn 0 is mapped here
    elfnote PADDR_OFFSET,   4,  .quad,  0                       # p_paddr counts from VIRT_BASE
    elfnote ENTRY,          1,  .quad,  _start
    elfnote HYPERCALL_PAGE, 2,  .quad,  hypercall_page          # Xen fills it before the first instruction
    elfnote FEATURES,       10, .asciz, ""                      # nothing is required of Xen
    elfnote PAE_MODE,       9,  .asciz, "yes"                   # unused for 64-bit images, customary
    elfnote SUSPEND_CANCEL, 14, .long,  0                       # this guest does not suspend
