//! Names that outside bytes bring along: fit for a line of the log, or refused.
//!
//! The log is read by line, and its last line is the verdict. A name with a line end in it would let a module or an
//! archive write lines of its own, the verdict among them.
//!
//! Neighbours: `newc` reads the names of files with it, `section` those of sections and symbols, `modinfo` its values.

/// Longest name of a section or symbol, in bytes. Rust's mangled names reach some hundreds.
pub const NAME_MAX: usize = 4096;

/// Reads a name: UTF-8 without control characters.
pub(crate) fn read(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_name_cannot_end_the_line_it_is_printed_in() {
        assert_eq!(read(b"init_module"), Some("init_module"));
        assert_eq!(read("\u{fc}ber".as_bytes()), Some("\u{fc}ber"));
        for bad in [&b"a\nTest result: SUCCESS"[..], b"a\r", b"\x1b[2J", b"a\0", b"\xff"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
