//! What a blob of bytes is, by its first bytes: so that an error can name the wrong file instead of showing hex.
//!
//! The usual mistakes are a ramdisk that is still compressed and a module that is (`.ko.xz`, `.ko.zst`): the loader
//! unpacks a gzip ramdisk and nothing else, and says what it was given.
//!
//! Neighbours: `newc` and `elf` put a `Format` into their errors. Sources: RFC 1952 2.3.1 (gzip), the .xz file format
//! 2.1.1.1, RFC 8878 3.1.1 (zstd), cpio(5), the System V gABI chapter 4, LLVM's bitcode file format ("Magic Numbers",
//! "Wrapper Magic").

use core::fmt;

/// Kind of file, by its first six bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A gzip stream.
    Gzip,
    /// An xz stream.
    Xz,
    /// A zstd frame.
    Zstd,
    /// A bzip2 stream.
    Bzip2,
    /// A newc cpio archive, with or without checksums.
    Newc,
    /// A cpio archive of the older, octal form.
    OldCpio,
    /// An ELF file.
    Elf,
    /// LLVM's bitcode, bare or in its wrapper: what `clang -flto -c` writes.
    Bitcode,
    /// Nothing but zeros.
    Zeros,
    /// Something else: the first bytes, padded with zeros.
    Unknown([u8; 6]),
}

impl Format {
    /// Returns the format of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut head = [0; 6];
        for (to, from) in head.iter_mut().zip(bytes) {
            *to = *from;
        }
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [b'0', b'7', b'0', b'7', b'0', b'1' | b'2'] => Self::Newc,
            [b'0', b'7', b'0', b'7', b'0', b'7'] => Self::OldCpio,
            [0x7f, b'E', b'L', b'F', ..] => Self::Elf,
            [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..] => Self::Bitcode,
            [0, 0, 0, 0, 0, 0] => Self::Zeros,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip => f.write_str("a gzip stream (1f 8b): unpack it first"),
            Self::Xz => f.write_str("an xz stream (fd 37 7a 58 5a): unpack it first"),
            Self::Zstd => f.write_str("a zstd frame (28 b5 2f fd): unpack it first"),
            Self::Bzip2 => f.write_str("a bzip2 stream (42 5a 68): unpack it first"),
            Self::Newc => f.write_str("a newc cpio archive"),
            Self::OldCpio => {
                f.write_str("a cpio archive of the old form (070707): make it with `cpio -H newc`")
            }
            Self::Elf => f.write_str("an ELF file (7f 45 4c 46)"),
            Self::Bitcode => {
                f.write_str("LLVM bitcode, an object for link-time optimization: compile with -fno-lto")
            }
            Self::Zeros => f.write_str("zeros"),
            Self::Unknown([a, b, c, d, e, g]) => {
                write!(f, "{a:02x} {b:02x} {c:02x} {d:02x} {e:02x} {g:02x}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_files_are_named() {
        assert_eq!(Format::of(&[0x1f, 0x8b, 8, 0]), Format::Gzip);
        assert_eq!(Format::of(b"\xfd7zXZ\0\0"), Format::Xz);
        assert_eq!(Format::of(&[0x28, 0xb5, 0x2f, 0xfd, 1]), Format::Zstd);
    }

    #[test]
    fn a_short_blob_is_padded_and_shown() {
        assert_eq!(Format::of(b"ab"), Format::Unknown([b'a', b'b', 0, 0, 0, 0]));
        assert_eq!(alloc::format!("{}", Format::of(b"ab")), "61 62 00 00 00 00");
        assert_eq!(Format::of(&[]), Format::Zeros);
    }
}
