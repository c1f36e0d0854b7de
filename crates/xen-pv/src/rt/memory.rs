//! The choice of the loops that copy and fill pages.
//!
//! Which loop is fastest depends on the processor: byte string instructions are the fastest where CPUID says so (ERMS),
//! but 40 times slower than the others where instructions are emulated. So [`choose`] takes the loops that CPUID allows
//! and times each on a page that is in the cache, once, at entry. Neighbours: `loops` has them, `live` uses the chosen
//! ones; `limits` measures each on memory as large as the P2M.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::Loop;
use crate::addr::{PAGE_SIZE, VirtAddr};

use super::loops::{copy, fill};
use super::{clock, cpu};

/// Trials of each loop; the shortest counts.
const TRIALS: u32 = 8;
/// Runs of the loop in each trial, so that it takes long compared with reading the clock.
const ROUNDS: u64 = 4;

static COPY: AtomicU8 = AtomicU8::new(0);
static FILL: AtomicU8 = AtomicU8::new(0);

#[repr(C, align(4096))]
struct Trial([u64; 1024]);
static mut TRIAL: Trial = Trial([0; 1024]);

/// The chosen loops, and the times that they were chosen by: nanoseconds per page.
#[derive(Debug)]
pub struct Choice {
    copy: [Option<u64>; 4],
    fill: [Option<u64>; 4],
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [copy, fill] =
            [&COPY, &FILL].map(|choice| Loop::ALL[usize::from(choice.load(Ordering::Relaxed))]);
        write!(
            f,
            "copying by {copy} (ns a page:{}), filling by {fill} (ns a page:{})",
            Times(&self.copy),
            Times(&self.fill)
        )
    }
}

struct Times<'a>(&'a [Option<u64>; 4]);

impl fmt::Display for Times<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (by, nanos) in Loop::ALL.into_iter().zip(self.0) {
            match nanos {
                Some(nanos) => write!(f, " {by} {nanos}")?,
                None => write!(f, " {by} -")?,
            }
        }
        Ok(())
    }
}

/// Chooses the loops; called once, when the clock is running.
pub fn choose() -> Choice {
    let room = VirtAddr::from_ptr(&raw const TRIAL);
    let other = VirtAddr::new_truncate(room.as_u64() + PAGE_SIZE);
    // SAFETY: both pages belong to `TRIAL`, which nothing else uses.
    let copy = Loop::ALL.map(|by| offered(by).then(|| time(|| unsafe { copy(by, room, other, 1) })));
    // SAFETY: as above.
    let fill = Loop::ALL.map(|by| offered(by).then(|| time(|| unsafe { fill(by, room, 1, 0) })));
    COPY.store(fastest(&copy), Ordering::Relaxed);
    FILL.store(fastest(&fill), Ordering::Relaxed);
    Choice { copy, fill }
}

/// The loop that copies pages.
pub fn copier() -> Loop {
    Loop::ALL[usize::from(COPY.load(Ordering::Relaxed))]
}

/// The loop that fills pages.
pub fn filler() -> Loop {
    Loop::ALL[usize::from(FILL.load(Ordering::Relaxed))]
}

fn offered(by: Loop) -> bool {
    by != Loop::ByteString || cpu::has_fast_strings()
}

/// The shortest of some runs: longer ones were interrupted by others that share the processor.
fn time(mut run: impl FnMut()) -> u64 {
    let once = |_| {
        let start = clock::nanos();
        (0..ROUNDS).for_each(|_| run());
        (clock::nanos() - start) / ROUNDS
    };
    (0..TRIALS).map(once).min().unwrap_or(u64::MAX)
}

fn fastest(times: &[Option<u64>; 4]) -> u8 {
    let timed = (0..).zip(times).filter_map(|(index, nanos)| nanos.map(|nanos| (nanos, index)));
    timed.min().map_or(0, |(_, index)| index)
}
