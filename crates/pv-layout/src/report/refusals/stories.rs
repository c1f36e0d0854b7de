//! The causes that several messages share: what happened, why, what helps. Those of the initial domain and of GRUB are
//! in `machine`.

/// A cause.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Story {
    /// What happened, in one line.
    pub title: &'static str,
    /// Why.
    pub why: &'static str,
    /// What helps; of several any one.
    pub cures: &'static [&'static str],
}

impl Story {
    /// Whether the host lacks the memory that the guest is to have.
    pub(in super::super) fn is_of_host_memory(&self) -> bool {
        *self == HOST_MEMORY
    }
}

pub(super) const fn story(title: &'static str, why: &'static str, cures: &'static [&'static str]) -> Story {
    Story { title, why, cures }
}

pub(super) static HOST_MEMORY: Story = story(
    "The host has not enough free memory for the guest",
    "The toolstack asked Xen for the guest's pages, and Xen had not that many left. Kernel and ramdisk have no part in \
     it.",
    &[
        "free memory on the host: xl info (free_memory), xl mem-set 0 for the initial domain, or end another guest",
        "memory= of fewer MiB for this guest",
    ],
);
pub(super) static HOST_POLICY: Story = story(
    "Xen did not allow the guest's memory to be allocated",
    "The answer was a permission, not a lack of memory: a policy (XSM, FLASK) or a limit on the domain forbids it.",
    &[
        "look for `avc: denied` in xl dmesg, and give the domain a label that may have memory",
        "run the toolstack as root in the initial domain",
    ],
);
pub(super) static PV32: Story = story(
    "A 32-bit PV kernel on a Xen that does not run 32-bit PV guests",
    "Xen does not make the domain a 32-bit one: it is built without CONFIG_PV32, booted with pv=no-32, or on a \
     processor with shadow stacks (CET), which turn it off. Memory has no part in it.",
    &[
        "a 64-bit kernel in the guest",
        "Xen with CONFIG_PV32 and pv=32 on its command line",
        "the guest as HVM or PVH",
    ],
);
pub(super) static GUEST_TOO_SMALL: Story = story(
    "The guest has not enough memory for what must be in it at start",
    "Kernel, ramdisk, P2M and page tables have to fit into the guest's own memory, from 16 MiB on for Linux.",
    &["more memory for the guest (memory=)", "a smaller ramdisk"],
);
pub(super) static TOOLSTACK_MEMORY: Story = story(
    "The toolstack ran out of memory of its own",
    "The program that builds the guest could not allocate or map memory in the domain that it runs in, usually the \
     initial domain.",
    &["more memory for the initial domain (dom0_mem=, xl mem-set 0)"],
);
pub(super) static FILE: Story = story(
    "The kernel or the ramdisk could not be opened",
    "The file is not where the configuration says, or may not be read by the toolstack.",
    &["check the paths in kernel= and ramdisk=, as the user that the toolstack runs as"],
);
pub(super) static FILE_SIZE: Story = story(
    "The kernel or the ramdisk is empty or far too large",
    "The builder takes files up to a limit of its own (1 GiB unpacked), and none without content.",
    &["check that kernel= and ramdisk= name the right files, and that they are whole"],
);
pub(super) static NO_LOADER: Story = story(
    "The kernel is in no form that the toolstack can load",
    "It is not a bzImage with an ELF file in it, not an ELF file and not gzip of one; or its payload is packed in a \
     way that this toolstack cannot unpack.",
    &[
        "unpack it: Linux's scripts/extract-vmlinux vmlinuz > vmlinux",
        "see what it is: `revector check KERNEL`, `file KERNEL`",
    ],
);
pub(super) static COMPRESSION: Story = story(
    "The kernel's compression is unknown to this toolstack",
    "Toolstack, Xen and PV-GRUB unpack gzip, bzip2, xz, lzma, lzo and lz4, and zstd since 4.15; GRUB only gzip, xz and \
     lzo.",
    &[
        "unpack it: Linux's scripts/extract-vmlinux vmlinuz > vmlinux",
        "a kernel built with CONFIG_KERNEL_GZIP or CONFIG_KERNEL_XZ",
        "Xen 4.15 or later for zstd",
    ],
);
pub(super) static NO_SUPPORT: Story = story(
    "This toolstack was built without support for the kernel's compression",
    "libxenguest knows the method, but the library for it was missing when it was built.",
    &[
        "unpack it: Linux's scripts/extract-vmlinux vmlinuz > vmlinux",
        "a toolstack built with that library (zlib, libbz2, liblzma, liblzo2, libzstd)",
    ],
);
pub(super) static DAMAGED: Story = story(
    "The kernel could not be unpacked: it is damaged or not whole",
    "Its payload ends early, lies outside the file or is not what its header says.",
    &[
        "install or copy the kernel again, and compare its size",
        "unpack it by hand to see: Linux's scripts/extract-vmlinux",
    ],
);
pub(super) static OLD_PROTOCOL: Story = story(
    "The kernel is too old to be unpacked by the builder",
    "A bzImage says where its payload is since boot protocol 2.08 (Linux 2.6.26).",
    &["unpack it: Linux's scripts/extract-vmlinux vmlinuz > vmlinux, and boot that file", "a newer kernel"],
);
pub(super) static NOT_ELF: Story = story(
    "The kernel is not an ELF binary, or not one that the builder can read",
    "After unpacking, what is there does not begin as an ELF file for x86 does: not an ELF file at all, another \
     architecture's, or a wrong file.",
    &[
        "see what it is: `revector check KERNEL`, `file KERNEL`",
        "check the path, and the order of kernel and ramdisk in the boot loader",
    ],
);
pub(super) static BROKEN_ELF: Story = story(
    "The kernel's ELF file is broken",
    "A table or a segment in it points outside the file, or is longer than what it describes.",
    &["install or copy the kernel again", "a kernel whose link or strip step did not cut it"],
);
pub(super) static NO_NOTES: Story = story(
    "The kernel has no Xen notes: it is not built for PV",
    "A PV kernel says in ELF notes where it wants to be; in this one there are none.",
    &["a kernel with CONFIG_XEN_PV (Linux)", "the guest as HVM or PVH, where the kernel is built for that"],
);
pub(super) static WRONG_NOTES: Story = story(
    "The kernel's Xen notes ask for something that the builder does not do",
    "LOADER must be generic or GUEST_OS linux, XEN_VERSION xen-3.0, PADDR_OFFSET only beside VIRT_BASE.",
    &["see them: `revector check KERNEL`", "correct the kernel's ELF notes"],
);
pub(super) static OUT_OF_BOUNDS: Story = story(
    "The kernel's addresses contradict each other",
    "Its start, its entry point or its INIT_P2M lies outside of what VIRT_BASE and the segments' physical addresses \
     allow.",
    &["see them: `revector check KERNEL`", "correct the linker script or the ELF notes"],
);
pub(super) static NO_PVH: Story = story(
    "The kernel has no PVH entry: it cannot start in an HVM container",
    "The guest is to be PVH, and this kernel has no note PHYS32_ENTRY. It may well be a good PV kernel.",
    &[
        "type = \"pv\" in the configuration (libvirt: <os><type>xen</type>)",
        "a kernel with CONFIG_PVH or CONFIG_XEN_PVH",
    ],
);
pub(super) static WRONG_TYPE: Story = story(
    "This kernel and this Xen have no kind of guest in common",
    "The kernel's type (64-bit PV, 32-bit PV with PAE, PVH) is not among those that this Xen runs or this toolstack \
     builds.",
    &[
        "a 64-bit kernel",
        "see what the kernel is: `revector check KERNEL`; what Xen runs: xl info (xen_caps)",
    ],
);
pub(super) static DOM0_ONLY: Story = story(
    "The kernel says that it runs as the initial domain only",
    "Its notes require the feature dom0, so the toolstack does not build a guest of it.",
    &["another kernel for the guest"],
);
pub(super) static NOT_FOR_DOM0: Story = story(
    "The kernel says that it cannot be the initial domain",
    "Its note SUPPORTED_FEATURES lacks the feature dom0, so Xen refuses it.",
    &["a kernel with CONFIG_XEN_DOM0 (Linux)"],
);
pub(super) static FEATURES: Story = story(
    "The kernel does not support a feature that was asked for",
    "The toolstack was configured to demand features of the kernel that its notes do not have.",
    &["leave features= out of the configuration"],
);
pub(super) static MULTIBOOT: Story = story(
    "The kernel's multiboot header makes no sense to the builder",
    "Its flags or addresses do not describe the file.",
    &["correct the header, or give the builder an ELF kernel without one"],
);
pub(super) static OVERLAP: Story = story(
    "The P2M's place overlaps the kernel's own mapping",
    "The note INIT_P2M names addresses that the initial mapping or another list has.",
    &["another address in INIT_P2M: Linux uses 0x8000000000"],
);
pub(super) static PINNED: Story = story(
    "Xen refused the page tables that the builder had made",
    "The builder wrote the guest's tables and Xen's check found an entry that it does not allow.",
    &["look at xl dmesg for the line in which Xen says which entry; report it with this log"],
);
pub(super) static VNUMA: Story = story(
    "The guest's virtual NUMA nodes do not add up to its memory",
    "The sizes in vnuma= are not those of memory=, or PV vNUMA is not supported here.",
    &["correct or leave out vnuma= in the configuration"],
);
pub(super) static L3_LOW: Story = story(
    "A 32-bit guest's page table could not be placed below 4 GiB",
    "The kernel's notes do not say that its top page table may lie above 4 GiB, and no page below was free.",
    &["a 64-bit kernel", "a 32-bit kernel with pae_pgdir_above_4gb among its features"],
);
pub(super) static BOOTLOADER: Story = story(
    "The boot loader that reads the guest's disk failed",
    "pygrub or another bootloader= ran in the initial domain and found no kernel on the guest's disk, or the disk \
     could not be opened.",
    &[
        "look at /var/log/xen/bootloader.N.log for what it saw",
        "kernel= and ramdisk= in the configuration instead",
    ],
);
pub(super) static DEVICES: Story = story(
    "A device of the guest could not be set up",
    "The guest's memory is not the problem: a disk, a network card or the device model did not come up.",
    &["look at /var/log/xen and at xl -vvv create for the script or path that failed"],
);
pub(super) static PASSTHROUGH: Story = story(
    "This host cannot pass devices through as the configuration asks",
    "There is no IOMMU, it is turned off, or it does not go together with another setting.",
    &["turn the IOMMU on (BIOS, iommu=1 on Xen's command line)", "leave pci= out of the configuration"],
);
pub(super) static SETTINGS: Story = story(
    "The guest's configuration asks for something that this host or toolstack does not have",
    "libxl checks the configuration before it builds, and refused it with the line quoted here.",
    &["correct that setting; `man xl.cfg` says what it takes"],
);
pub(super) static E820: Story = story(
    "The toolstack could not make the guest's memory map",
    "With e820_host=1 it builds the guest's map from the host's, and Xen did not give or take it.",
    &["leave e820_host=1 out of the configuration"],
);
pub(super) static CREATE: Story = story(
    "Xen refused to create the domain",
    "The hypercall that makes an empty domain failed, before any memory was given to it. The error at the line's end \
     is Xen's.",
    &[
        "look at xl dmesg for Xen's reason",
        "check type=, and that Xen has this kind of guest: xl info (xen_caps, virt_caps)",
    ],
);
pub(super) static KERNEL_UNREAD: Story = story(
    "The toolstack could not use the guest's kernel",
    "It failed while it read or parsed the image; the error at the line's end is seldom the cause. libxenguest's own \
     line is missing in this log.",
    &[
        "run xl -vvv create and give this command all of its output",
        "see what the kernel is: `revector check KERNEL`",
    ],
);
pub(super) static MEMORY_UNSET: Story = story(
    "The toolstack could not set up the guest's memory",
    "It failed while it planned or allocated the guest's pages. libxenguest's own line, which says why, is missing in \
     this log.",
    &["run xl -vvv create and give this command all of its output"],
);
pub(super) static NOT_BUILT: Story = story(
    "The toolstack could not build the guest",
    "This line only says that it failed; the one that says why comes before it, and is missing in this log.",
    &["run xl -vvv create and give this command all of its output"],
);
