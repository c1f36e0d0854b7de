//! The choice of a loop to copy and fill pages by.
//!
//! Which loop is fastest is the processor's own affair: string instructions by bytes are the best there is where
//! CPUID says so (ERMS), and 40 times slower than the others where instructions are emulated. So [`choose`] takes
//! what CPUID offers and times each on a page that is in the cache, once, at entry. Neighbours: `loops` has them, `live`
//! asks which; `limits` measures each on memory as large as the P2M.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::Loop;
use crate::addr::{PAGE_SIZE, VirtAddr};

use super::loops::{copy, fill};
use super::{clock, cpu};

/// Times that each loop runs over the page on trial.
const TRIALS: u32 = 8;
/// Runs of each trial, to make it long beside a reading of the clock.
const ROUNDS: u64 = 4;

static COPY: AtomicU8 = AtomicU8::new(0);
static FILL: AtomicU8 = AtomicU8::new(0);

#[repr(C, align(4096))]
struct Trial([u64; 1024]);
static mut TRIAL: Trial = Trial([0; 1024]);

/// What was chosen, and what it was chosen from: nanoseconds a page.
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

/// Chooses the loops; called once, when the clock goes.
pub fn choose() -> Choice {
    let room = VirtAddr::from_ptr(&raw const TRIAL);
    let other = VirtAddr::new_truncate(room.as_u64() + PAGE_SIZE);
    // SAFETY: both pages are `TRIAL`'s, which nothing else uses, here and below.
    let copy = Loop::ALL.map(|by| offered(by).then(|| time(|| unsafe { copy(by, room, other, 1) })));
    // SAFETY: as above.
    let fill = Loop::ALL.map(|by| offered(by).then(|| time(|| unsafe { fill(by, room, 1, 0) })));
    COPY.store(fastest(&copy), Ordering::Relaxed);
    FILL.store(fastest(&fill), Ordering::Relaxed);
    Choice { copy, fill }
}

/// The loop that pages are copied by.
pub fn copier() -> Loop {
    Loop::ALL[usize::from(COPY.load(Ordering::Relaxed))]
}

/// The loop that pages are filled by.
pub fn filler() -> Loop {
    Loop::ALL[usize::from(FILL.load(Ordering::Relaxed))]
}

fn offered(by: Loop) -> bool {
    by != Loop::ByteString || cpu::has_fast_strings()
}

/// The shortest of some runs: the others were interrupted by whoever shares the processor.
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
