//! Which cases of `suite` share a machine, and which run at the same time.
//!
//! QEMU emulates the one processor of a machine in one thread, so that a single machine leaves half of a host with two
//! processors idle. The cases are therefore split into two lanes, each of which boots its own, one after the other.
//! All that share a machine are in one lane. So are all that need much of the host's memory: no two of them run at the
//! same time, though a machine that cases share stays until the end. `suite` gives each lane a thread, `machines` boots
//! what a lane asks for.

use crate::{
    cases::{Case, Start},
    guest::{End, Guest},
};

/// Guests above this size are kept off the machine of the small ones, and from running beside one another. With the
/// ordinary table this also makes the two lanes about equally long.
const SMALL_UP_TO_MIB: u64 = 2048;

/// A case that is to be run.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// Its place in the table.
    pub(crate) place: usize,
    pub(crate) case: &'a Case,
    pub(crate) guest: Guest,
}

/// Cases that run in one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shared {
    /// Small guests.
    Small,
    /// Large guests that give their memory back.
    Large,
    /// What boots in pv-shim.
    Shim,
}

impl Shared {
    /// The machine that a case shares, unless it has one of its own.
    pub(crate) fn of(job: &Job<'_>) -> Option<Self> {
        match job.case.start {
            Start::Guest | Start::Plain | Start::Grub(_) => match job.guest.end() {
                End::Destroy if job.guest.memory_mib <= SMALL_UP_TO_MIB => Some(Self::Small),
                End::Destroy => Some(Self::Large),
                End::Keep => None,
            },
            Start::Shim => Some(Self::Shim),
            Start::Dom0 | Start::Dom0Com2 => None,
        }
    }
}

/// The jobs of each lane, in the order of the table; no lane is empty.
pub(crate) fn split(jobs: Vec<Job<'_>>) -> Vec<Vec<Job<'_>>> {
    let (small, rest): (Vec<_>, Vec<_>) =
        jobs.into_iter().partition(|job| Shared::of(job) == Some(Shared::Small));
    [small, rest].into_iter().filter(|lane| !lane.is_empty()).collect()
}

/// What came of all lanes, each with its place, in the order of the table.
pub(crate) fn join<T>(lanes: Vec<Vec<(usize, T)>>) -> Vec<T> {
    let mut all = lanes.into_iter().flatten().collect::<Vec<_>>();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{guest::Create, table};
    use pv_layout::ramdisk::Ramdisk;
    use std::{path::PathBuf, time::Duration};

    fn jobs(cases: &[Case]) -> Vec<Job<'_>> {
        let guest = |case: &Case| Guest {
            image: PathBuf::new(),
            memory_mib: case.memory_mib,
            maxmem_mib: None,
            ramdisk: Ramdisk::None,
            archive: None,
            cmdline: String::new(),
            create: Create::Logged,
            container: crate::guest::Container::Pv,
            timeout: Duration::ZERO,
            reading: case.reading,
            reboot: crate::guest::Reboot::Ends,
            script: &[],
        };
        let numbered = cases.iter().enumerate();
        numbered.map(|(place, case)| Job { place, case, guest: guest(case) }).collect()
    }

    #[test]
    fn the_table_has_two_lanes_and_no_case_is_lost() {
        for table in [table::all(), table::long(), table::builders(), table::readers()] {
            let lanes = split(jobs(&table));
            assert_eq!(lanes.len(), 2);
            let names = lanes.iter().map(|lane| lane.iter().map(|job| (job.place, &job.case.name)).collect());
            let expected: Vec<_> = table.iter().map(|case| &case.name).collect();
            assert_eq!(join(names.collect()), expected);
        }
    }

    #[test]
    fn what_shares_a_machine_is_in_one_lane() {
        let table = table::all();
        let lanes = split(jobs(&table));
        for shared in [Shared::Small, Shared::Large, Shared::Shim] {
            let uses = |lane: &&Vec<Job<'_>>| lane.iter().any(|job| Shared::of(job) == Some(shared));
            assert_eq!(lanes.iter().filter(uses).count(), 1, "{shared:?}");
        }
    }

    #[test]
    fn large_guests_and_initial_domains_are_never_beside_one_another() {
        for table in [table::all(), table::long(), table::builders(), table::readers()] {
            let small = |job: &Job<'_>| {
                job.guest.memory_mib <= SMALL_UP_TO_MIB
                    && !matches!(job.case.start, Start::Dom0 | Start::Dom0Com2 | Start::Shim)
            };
            let lanes = split(jobs(&table));
            assert!(lanes.iter().filter(|lane| lane.iter().all(small)).count() >= lanes.len() - 1);
        }
    }

    #[test]
    fn a_filter_that_leaves_one_kind_leaves_one_lane() {
        let table = table::all();
        let seeds: Vec<_> = jobs(&table).into_iter().filter(|job| job.case.name.contains("seed")).collect();
        assert_eq!(split(seeds).len(), 1);
    }
}
