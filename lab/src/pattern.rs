//! Patterns for lines of text, in which `*` stands for anything in between.
//!
//! Cases have them for what must be said and for what must not; `expect` and `script` compare.

/// Whether the parts of `pattern` between its stars occur in `line`, one after the other.
pub(crate) fn matches(pattern: &str, line: &str) -> bool {
    let mut rest = line;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(start) => {
            rest = &rest[start + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_anything_in_between() {
        assert!(matches("allocated * of * bytes", "vmalloc: allocated 1 of 2 bytes"));
        assert!(!matches("of * allocated", "allocated 1 of 2 bytes"));
        assert!(matches("plain", "a plain line"));
    }
}
