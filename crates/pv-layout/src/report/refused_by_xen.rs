//! What Xen prints when it refuses a PV guest's change of page tables or another request, and what each line means.
//!
//! A debugging Xen puts `mm.c:2165:d7v0 ` before these, any other `d7v0 ` or nothing at all. Many guests live on after
//! one of them; the last before a crash is usually its reason. Sources: `gdprintk` and `gprintk` in Xen's
//! `arch/x86/mm.c`, `pv/ro-page-fault.c`, `pv/iret.c`, `pv/mm.h`, `asm/shadow.h` at 4.14 and today, and at 4.1 to 4.9
//! where the words were others.

use super::{
    crash::{domain, seen},
    crash_facts::What,
    fact::{Facts, nothing},
    keyword::{Hit, Word, Writer},
    text::clip,
};

const BY: Option<Writer> = Some(Writer::Crash);

/// A line by its words, and what it means.
struct Refusal {
    words: &'static str,
    means: &'static str,
}

const fn refusal(words: &'static str, means: &'static str) -> Refusal {
    Refusal { words, means }
}

const FLAGS: &str = "the guest set bits in a page-table entry that Xen does not let it set";
const TYPE: &str = "the page is in use as something else, for instance still mapped writable while it should become a \
    page table";
const PTWR: &str =
    "the guest wrote to one of its page tables, and Xen, which emulates such writes, refused the new entry";
const TABLE: &str =
    "Xen read a new page table and refused the entry with this number; the line before names the reason";
const EMULATED: &str = "the guest wrote to one of its page tables in a way that Xen does not emulate";
const MMIO: &str = "the guest mapped a device's memory that it was not given";
const ROOT: &str = "Xen refused the page-table root that the guest wanted to use";

const REFUSALS: [Refusal; 40] = [
    refusal(
        "vmentry failure (reason ",
        "the processor did not take the state that it was to run the guest in",
    ),
    refusal(
        " out of PoD memory!",
        "the guest used more memory than memory= gives it before its balloon driver had started",
    ),
    refusal("Over-allocation for domain ", "the guest asked for more pages than it may have"),
    refusal(
        "L1TF-vulnerable ",
        "a non-present entry held an address that the L1TF bug could read, and this Xen has no shadow paging",
    ),
    refusal("Bad L1 flags ", FLAGS),
    refusal("Bad L2 flags ", FLAGS),
    refusal("Bad L3 flags ", FLAGS),
    refusal("Bad L4 flags ", FLAGS),
    refusal("ptwr_emulate: ", PTWR),
    refusal("could not get_page_from_l1e()", PTWR),
    refusal("bad write size (addr=", EMULATED),
    refusal("bad cmpxchg size (addr=", EMULATED),
    refusal("bad access (cr2=", EMULATED),
    refusal("bad write (cr2=", EMULATED),
    refusal(
        "Attempt to create linear p.t. ",
        "the guest mapped a page table into itself, which this Xen does not allow",
    ),
    refusal(
        "Attempt to implicitly unmap ",
        "the guest overwrote an entry that maps another domain's granted page instead of giving the grant back",
    ),
    refusal(
        "Attempt to change cache attributes",
        "the guest asked for other cache attributes of a page of Xen's own",
    ),
    refusal("Attempt to change unmodifiable CR0", "the guest wrote CR0 bits that belong to Xen"),
    refusal("non-privileged attempt to map MMIO", MMIO),
    refusal(" attempted to map MMIO space ", MMIO),
    refusal("Could not get page type ", TYPE),
    refusal("Could not get page for normal update", "the table to be changed is no page of the guest"),
    refusal("Could not get page for mach->phys", "the page whose M2P entry was to be set is not the guest's"),
    refusal("Error getting mfn ", "the guest wanted to map a machine page that is not its own"),
    refusal("Error while validating mfn ", TABLE),
    refusal("Bad type (saw ", TYPE),
    refusal(" while pinning mfn ", "Xen refused to take a page as a page table, as the lines before say"),
    refusal("already pinned", "the guest pinned a page table twice"),
    refusal(" bad, or bad owner d", "the guest named a page that is not its own"),
    refusal("while installing new baseptr ", ROOT),
    refusal("installing new mfn ", ROOT),
    refusal("Failure in alloc_l", TABLE),
    refusal(" in alloc_l", TABLE),
    refusal(" in promote_l", TABLE),
    refusal(
        "L4 update in Xen-private area",
        "the guest wrote an entry of its top page table that belongs to Xen (slots 256 to 271)",
    ),
    refusal("L2 update in Xen-private area", "the guest wrote an entry that belongs to Xen"),
    refusal("PAE pgd must be below 4GB", "a 32-bit guest's page-table root lies above 4 GiB"),
    refusal(
        "Fault while reading IRET context",
        "the guest asked Xen to return to a context on a stack that is not mapped",
    ),
    refusal(
        "Guest switching to user mode with no",
        "the guest went to user mode before it had named page tables for it",
    ),
    refusal(
        "Global bit is set in kernel page ",
        "the guest marked a page of its kernel as global, which PV does not have",
    ),
];

/// All words, with one reader.
pub(super) static WORDS: [Word; REFUSALS.len()] = {
    let mut words: [Word; REFUSALS.len()] = [("", BY, reason); REFUSALS.len()];
    let mut at = 0;
    while at < REFUSALS.len() {
        words[at].0 = REFUSALS[at].words;
        at += 1;
    }
    words
};

/// A line about something that Xen refused a domain; one that names no domain is not used.
fn reason(hit: &Hit<'_>) -> Facts {
    let named = domain(hit.before).or_else(|| domain_after(hit.word, hit.rest));
    let text = clip(&format!("{}{}", hit.word, hit.rest));
    named.map_or_else(nothing, |domain| seen(Some(domain), What::Reason(text)))
}

/// What such a line means.
pub(super) fn meaning(line: &str) -> Option<&'static str> {
    REFUSALS.iter().find(|refusal| line.contains(refusal.words.trim())).map(|refusal| refusal.means)
}

/// The domain that some lines name after their words: `from L1 entry ... for l1e_owner d7, pg_owner d7`,
/// `Over-allocation for domain 7: ...`.
pub(super) fn domain_after(word: &str, rest: &str) -> Option<u32> {
    let rest = match word.ends_with("domain ") {
        true => rest,
        false => rest.split_once("l1e_owner")?.1,
    };
    let digits = rest.trim_start_matches([' ', '=', 'd']);
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{REFUSALS, WORDS, domain_after, meaning};

    #[test]
    fn every_line_means_something_and_has_a_reader() {
        for refusal in &REFUSALS {
            assert!(meaning(refusal.words).is_some() && !refusal.means.is_empty());
            assert!(WORDS.iter().any(|(word, ..)| *word == refusal.words));
        }
        assert_eq!(meaning("Freed 640kB init memory"), None);
    }

    #[test]
    fn the_owner_of_an_entry_is_found_in_old_and_new_words() {
        let entry = |rest| domain_after("Error getting mfn ", rest);
        assert_eq!(
            entry("1234 (pfn 5) from L1 entry 8000000000000067 for l1e_owner d7, pg_owner d7"),
            Some(7)
        );
        assert_eq!(entry("1234 for l1e_owner=12, pg_owner=12"), Some(12));
        assert_eq!(entry("1234"), None);
        assert_eq!(domain_after("Over-allocation for domain ", "4: 131329 > 131328"), Some(4));
    }
}
