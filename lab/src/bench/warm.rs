//! Memory that the host has touched, to hand to QEMU.
//!
//! A guest's memory is backed when somebody first writes to it. On a machine that is itself virtual, that can cost a
//! hundred times what the writing does (measured: 150 to 1300 ms for 256 MiB, against 30 ms the second time), and it
//! says nothing about a guest. So memory is touched here, for as much as a guest is going to touch, and freed just
//! before it starts: the kernel then gives QEMU pages that the machine has. Every kind of guest gets the same.

use anyhow::{Result, bail};
use std::{fs, io, ptr};

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;

/// Anonymous memory, touched; freed when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    start: *mut libc::c_void,
    bytes: usize,
}

impl Room {
    /// Touches as much memory as a guest of so many MiB may touch while it boots, and a third of what is free at most.
    pub(crate) fn touch(guest_mib: u64) -> Result<Self> {
        // Linux touches 2.3 GiB of its 128: page structures, tables, its copy of the P2M; ours a quarter of a GiB.
        let wanted = 64 + guest_mib / 64;
        let mib = wanted.min(available_mib() / 3);
        let bytes = usize::try_from(mib)? * MIB;
        // SAFETY: maps new memory at an address of the kernel's choice; nothing else is there.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            bail!("cannot map {mib} MiB to touch: {}", io::Error::last_os_error());
        }
        let room = Self { start, bytes };
        // SAFETY: the range was just mapped. A kernel without large pages refuses; small ones do as well.
        let _ = unsafe { libc::madvise(start, bytes, libc::MADV_HUGEPAGE) };
        for offset in (0..bytes).step_by(PAGE) {
            let page = start.cast::<u8>().wrapping_add(offset);
            // SAFETY: inside the range, which nothing else uses.
            unsafe { page.write_volatile(1) };
        }
        Ok(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: the range is this value's own, and nothing points into it.
        let _ = unsafe { libc::munmap(self.start, self.bytes) };
    }
}

/// What the kernel could give out without swapping; a gibibyte if it does not say.
fn available_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        .map_or(1024, |kib| kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::{Room, available_mib};
    use std::fs;

    fn resident_kib() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }

    #[test]
    fn touched_memory_is_resident_until_it_is_dropped() {
        assert!(available_mib() > 0);
        let before = resident_kib();
        let room = Room::touch(64).unwrap();
        let held = resident_kib();
        drop(room);
        assert!(held >= before + 60 * 1024, "{before} KiB, then {held} KiB");
        assert!(resident_kib() < held - 30 * 1024);
    }
}
