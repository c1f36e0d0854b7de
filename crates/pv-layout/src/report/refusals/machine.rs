//! Causes that keep Xen from building the initial domain, and GRUB from booting a kernel, with what helps.

use super::stories::{Story, story};

pub(super) static DOM0_TOO_SMALL: Story = story(
    "The memory given to the initial domain is too small for its kernel",
    "Kernel, ramdisk, P2M and page tables have to fit into what dom0_mem= leaves it.",
    &["a larger dom0_mem= on Xen's command line, such as dom0_mem=1G,max:1G", "a smaller ramdisk"],
);
pub(super) static MACHINE_MEMORY: Story = story(
    "The machine has not enough free memory where Xen needs it for the initial domain",
    "Xen could not find as many pages, or not in one piece, as the initial domain, its ramdisk or its P2M takes.",
    &[
        "a dom0_mem= that this machine has",
        "a smaller ramdisk",
        "a smaller crashkernel= or other reservation on Xen's command line",
    ],
);
pub(super) static DOM0_PV32: Story = story(
    "The initial domain's kernel is 32-bit, and this Xen is built without CONFIG_PV32",
    "Xen found a good 32-bit PV kernel that it has no support for.",
    &["a 64-bit kernel for the initial domain", "Xen built with CONFIG_PV32"],
);
pub(super) static COMPAT: Story = story(
    "Xen could not switch the initial domain to 32-bit",
    "The kernel is 32-bit, and this Xen or this processor's settings (pv=no-32, CET) do not allow such a PV domain.",
    &["a 64-bit kernel for the initial domain", "pv=32 on Xen's command line"],
);
pub(super) static MISMATCH: Story = story(
    "Xen and the initial domain's kernel do not match",
    "The kernel is of a kind that this Xen cannot run as PV: 32-bit without PAE, another architecture, or without \
     entry for PV.",
    &[
        "a 64-bit kernel with CONFIG_XEN_PV and CONFIG_XEN_DOM0",
        "dom0=pvh on Xen's command line, if the kernel is built for PVH",
    ],
);
pub(super) static XEN_AREA: Story = story(
    "The initial domain's kernel wants addresses that belong to Xen",
    "Kernel, ramdisk and P2M together reach into the hypervisor's part of the address space, or the kernel expects it \
     elsewhere.",
    &["a 64-bit kernel", "see its addresses: `revector check KERNEL`"],
);
pub(super) static DOM0_LOAD: Story = story(
    "Xen could not load the initial domain's kernel",
    "It could not be copied to where its segments want to be, or its hypercall page lies outside of it.",
    &[
        "see its notes and segments: `revector check KERNEL`",
        "a larger dom0_mem= if the line before speaks of memory",
    ],
);
pub(super) static NO_KERNEL: Story = story(
    "The boot loader gave Xen no kernel for the initial domain",
    "Xen's first module has to be the kernel, and there was none.",
    &[
        "add the line module2 /vmlinuz ... (GRUB: multiboot2 for Xen, module2 for kernel and ramdisk)",
        "run update-grub, with the kernel's package installed",
    ],
);
pub(super) static LOADER_MEMORY: Story = story(
    "What the boot loader handed to Xen cannot be used",
    "No memory map, modules that are not on page boundaries, or no room to move them to.",
    &["another boot loader or protocol (multiboot2 instead of multiboot)", "fewer or smaller modules"],
);
pub(super) static NO_INTERFACE: Story = story(
    "This Xen can build no initial domain of the kind that was asked for",
    "It is built without PV, or without what PVH needs (HAP or shadow paging).",
    &["dom0=pv or dom0=pvh on Xen's command line, whichever this Xen has", "a Xen built with CONFIG_PV"],
);
pub(super) static DOM0_PVH: Story = story(
    "Xen could not build the initial domain as PVH",
    "A step of the PVH builder failed: no entry for PVH in the kernel, no range of memory that holds it, or no room \
     for tables.",
    &[
        "a kernel with CONFIG_PVH",
        "a dom0_mem= on Xen's command line",
        "without dom0=pvh, if the kernel is built for PV",
    ],
);
pub(super) static NOT_CONSTRUCTED: Story = story(
    "Xen could not construct the initial domain",
    "The reason is the line before the banner, and this log does not have one. A kernel whose compression Xen cannot \
     unpack gives none: zstd needs Xen 4.15.",
    &[
        "the whole serial log with loglvl=all on Xen's command line",
        "the unpacked kernel: Linux's scripts/extract-vmlinux",
        "see what Xen would make of it: `revector check KERNEL`",
    ],
);
pub(super) static GRUB_IMAGE: Story = story(
    "GRUB cannot boot this kernel: no Xen image, or packed in a way it does not know",
    "As a PV guest's loader it unpacks gzip, xz and lzo, but not zstd, lz4, lzma and bzip2; and it wants Xen notes.",
    &[
        "unpack the kernel for it: Linux's scripts/extract-vmlinux vmlinuz > vmlinux",
        "a kernel built with CONFIG_XEN_PV and CONFIG_KERNEL_GZIP",
        "pygrub, or kernel= in the configuration: the toolstack unpacks more",
    ],
);
pub(super) static GRUB_ARCH: Story = story(
    "GRUB and the kernel are of different widths",
    "A 64-bit PV GRUB boots 64-bit kernels only, a 32-bit one 32-bit kernels with PAE.",
    &["the other GRUB (grub-x86_64-xen.bin, grub-i386-xen_pvh or grub-i386-xen.bin)", "the other kernel"],
);
pub(super) static GRUB_FIRST: Story = story(
    "GRUB has no kernel loaded",
    "The command before this one failed, so there is no kernel that the ramdisk or the boot could belong to.",
    &["look at the error before it, and at the path of the kernel in GRUB's configuration"],
);
