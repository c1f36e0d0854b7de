//! Domains as a builder makes them: what start_info says about each, all of it true.

use arbitrary::{Result, Unstructured};
use xen::abi::{SIF_INITDOMAIN, SIF_MOD_START_PFN, StartInfo};
use xen::addr::{PAGE_SIZE, VirtAddr, VirtRange, pages_for};
use xen::start_info::Facts;

use super::stub::Stub;

const HIGH: u64 = 0xffff_ffff_8000_0000;
/// Where images are linked: 16 MiB into the high mapping.
const IMAGE_PFN: u64 = 0x1000;
/// Machine frame of page 0.
const FIRST_MFN: u64 = 0x12_3000;
/// Most pages of a domain: 700 GiB, whose list still fits the high mapping beside the largest image and ramdisk.
const MOST_PAGES: u64 = 700 << 18;

/// A domain: its start_info, its image, and the machine it is on.
#[derive(Clone, Copy, Debug)]
pub struct Domain {
    /// start_info.
    pub info: StartInfo,
    /// What the image has by itself.
    pub facts: Facts,
    /// The machine.
    pub machine: Stub,
}

impl Domain {
    /// Builds a domain of any size, with or without a ramdisk, which may be mapped or not; a guest or the initial
    /// domain. At most 512 MiB of mapped ramdisk: more does not fit the high mapping beside the largest P2M.
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let flags = u.int_in_range(0..=3_u8)?;
        let (initial, unmapped) = (flags & 1 != 0, flags & 2 != 0);
        let image_pages = u.int_in_range(1..=0xfff)?;
        let ramdisk_bytes = u.int_in_range(0..=512_u64 << 20)?;
        let extra_pages = u.int_in_range(0..=MOST_PAGES)?;
        let ramdisk_pages = pages_for(ramdisk_bytes);
        let list_at = IMAGE_PFN + image_pages + if unmapped { 0 } else { ramdisk_pages };
        // Four pages and at most 1100 tables after the list, and the list must hold itself.
        let least = list_at + ramdisk_pages + 4 + 1100;
        let nr_pages = (least + least / 511 + 2 + extra_pages).min(MOST_PAGES);
        let own_page = list_at + pages_for(nr_pages * 8);
        let tables_at = own_page + if initial { 1 } else { 3 };
        let nr_pt_frames = 5 + (tables_at + 1100) / 512;
        let mut info = zeroed();
        info.magic[..15].copy_from_slice(b"xen-3.0-x86_64\0");
        info.nr_pages = nr_pages;
        info.shared_info = u.int_in_range(1..=1_u64 << 40)? * PAGE_SIZE;
        info.flags = if initial { SIF_INITDOMAIN } else { 0 } | if unmapped { SIF_MOD_START_PFN } else { 0 };
        info.store_mfn = if initial { 0 } else { FIRST_MFN + own_page + 1 };
        info.console_mfn = if initial { 0 } else { FIRST_MFN + own_page + 2 };
        info.console_evtchn = if initial { 0 } else { 2 };
        info.pt_base = address(tables_at);
        info.nr_pt_frames = nr_pt_frames;
        info.mfn_list = address(list_at);
        info.mod_len = ramdisk_bytes;
        info.mod_start = match (ramdisk_bytes, unmapped) {
            (0, _) => 0,
            (_, true) => nr_pages - ramdisk_pages,
            (_, false) => address(IMAGE_PFN + image_pages),
        };
        let image = VirtRange::new(VirtAddr::new(address(IMAGE_PFN)), image_pages * PAGE_SIZE);
        let facts = Facts {
            boot_stack_end: VirtAddr::zero(),
            start_info: VirtAddr::new(address(own_page)),
            image,
            text: image,
            rodata: VirtRange::new(image.start, 0),
            shared_info: image.start,
            stack_guard: image.start,
        };
        let machine = Stub { first: FIRST_MFN, pages: nr_pages, list: info.mfn_list };
        Ok(Self { info, facts, machine })
    }
}

const _: () = assert!(IMAGE_PFN + 0xfff + (512 << 20 >> 12) + MOST_PAGES / 512 + 4 + 1100 <= 2 << 18);

const fn address(pfn: u64) -> u64 {
    HIGH + pfn * PAGE_SIZE
}

const fn zeroed() -> StartInfo {
    StartInfo {
        magic: [0; 32],
        nr_pages: 0,
        shared_info: 0,
        flags: 0,
        store_mfn: 0,
        store_evtchn: 0,
        console_mfn: 0,
        console_evtchn: 0,
        pt_base: 0,
        nr_pt_frames: 0,
        mfn_list: 0,
        mod_start: 0,
        mod_len: 0,
        cmd_line: [0; 1024],
        first_p2m_pfn: 0,
        nr_p2m_frames: 0,
    }
}
