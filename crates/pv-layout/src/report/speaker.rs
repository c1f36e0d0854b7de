//! Which domain a line is from, where several write to one console.
//!
//! Xen puts `(d1) ` before what domain 1 writes to its console, after `(XEN) ` and a time or not. A shim's own
//! `(XEN)` lines come as `(d1) (XEN) `. A line without a domain is Xen's, the initial domain's or the toolstack's.

/// Where to look for the mark: after a time and a host's name at most.
const REACH: usize = 96;

/// One writer's lines among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    /// No domain is named.
    Host,
    Domain(u32),
}

/// Reads the mark of a line.
pub(super) fn stream(line: &str) -> Stream {
    let head = (0..=REACH).rev().find_map(|end| line.get(..end)).unwrap_or_default();
    let mut marks = head.match_indices("(d");
    let domain = marks.find_map(|(at, mark)| {
        let (number, _) = line[at + mark.len()..].split_once(')')?;
        number.parse::<u32>().ok()
    });
    domain.map_or(Stream::Host, Stream::Domain)
}

#[cfg(test)]
mod tests {
    use super::{Stream, stream};

    #[test]
    fn the_domain_is_found_after_any_prefix() {
        for line in [
            "(d12) [    0.001] layout: x",
            "(XEN) [2026-11-22 10:00:00] (d12) text",
            "Nov 22 10:00:00 host (d12) (XEN) text",
        ] {
            assert_eq!(stream(line), Stream::Domain(12), "{line}");
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_is_none() {
        for line in ["(XEN) d1v0 text", "(done) text", "(d) x", "(d99999999999) x", "", "\u{20ac}\u{20ac}(d"]
        {
            assert_eq!(stream(line), Stream::Host, "{line}");
        }
    }
}
