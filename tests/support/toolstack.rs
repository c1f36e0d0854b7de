//! The toolstack's walk of the published P2M, written from what `xl save` checks, not from how the boot builds it.
//!
//! Facts from tools/libs/guest/xg_sr_save_x86_pv.c, `map_p2m_tree`: machine frames all the way, every entry needed
//! must be a valid frame, a leaf's frame must lead back through M2P and the P2M.

use xen::PublishedWords;
use xen::addr::{Mfn, Pfn};
use xen_model::Xen;

const ONES: u64 = u64::MAX;

/// What the toolstack ends up with.
#[derive(Debug)]
pub(crate) struct Saved {
    /// Every entry of the P2M.
    pub(crate) p2m: Vec<u64>,
    /// Frames of the leaves, one for each 512 pages.
    pub(crate) leaves: Vec<Mfn>,
    /// Frames of the top and mid pages.
    pub(crate) directory: Vec<Mfn>,
}

/// Maps the P2M as `xl save` does.
pub(crate) fn map_p2m(xen: &Xen) -> Result<Saved, String> {
    let published = xen.published().ok_or("nothing published")?;
    let max_pfn = published.entries.checked_sub(1).ok_or("max_pfn is 0")?;
    let valid = |word: u64, what: &str, index: u64| {
        let known = word != 0 && word != ONES && xen.machine().pfn(Mfn::new(word)).is_some();
        if known { Ok(Mfn::new(word)) } else { Err(format!("{what}[{index}] is {word:#x}")) }
    };
    let top = valid(PublishedWords::from(published).frame_list_list, "frame_list_list", 0)?;
    let mut directory = vec![top];
    let mut leaves = Vec::new();
    for index in 0..=max_pfn / 262_144 {
        let mid = valid(xen.frame(top)[index as usize], "top", index)?;
        directory.push(mid);
        let needed = (max_pfn / 512 - index * 512).min(511);
        for (number, word) in (0..=needed).zip(xen.frame(mid).iter()) {
            leaves.push(valid(*word, "mid", index * 512 + number)?);
        }
    }
    let mut p2m: Vec<u64> = leaves.iter().flat_map(|leaf| *xen.frame(*leaf)).collect();
    let after_end = p2m.split_off(published.entries as usize);
    if after_end.iter().any(|word| *word != ONES) {
        return Err("entries after the last page are not all ones".to_owned());
    }
    for leaf in &leaves {
        let pfn = xen.machine().m2p(*leaf).map_or(u64::MAX, Pfn::raw);
        if pfn > max_pfn || p2m[pfn as usize] != leaf.raw() {
            return Err(format!("Bad mfn in p2m_frame_list: {leaf}"));
        }
    }
    Ok(Saved { p2m, leaves, directory })
}
