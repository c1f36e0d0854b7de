//! All that the commands read: the one place that opens a file that a person names, with a limit for each kind.
//!
//! A name may be a device that never ends, a pipe, a folder. So whatever is read is read up to a limit, and what is
//! longer is refused instead of being taken for less than it is. `-` is standard input where a log is expected.

#![expect(clippy::disallowed_methods, reason = "this is the place that the rule sends everybody to")]

use crate::{note, sizes::Size};
use anyhow::{Context, Result, ensure};
use std::{
    fs::File,
    io::{self, IsTerminal, Read, Seek, SeekFrom, stdin},
    path::Path,
};

/// The longest log. Xen's serial logs of a day reach some dozens of MiB.
pub const LOG: Size = Size::of_mib(256);
/// The longest program, kernel or object. A kernel with its debug information reaches 900 MiB.
pub const PROGRAM: Size = Size::of_mib(1024);
/// The longest text that this project has written itself.
pub const TEXT: Size = Size::of_mib(64);
/// As much of a file as says whether it is a program or a bzImage.
const HEAD: u64 = 0x206;

/// A reader that fails where its limit is passed.
#[derive(Debug)]
pub struct Limited<R> {
    inner: R,
    left: u64,
    most: Size,
}

impl<R: Read> Limited<R> {
    /// Reads `inner` up to a limit.
    pub const fn new(inner: R, most: Size) -> Self {
        Self { inner, left: most.0, most }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if room == 0 && !buffer.is_empty() {
            // At the limit: only the end may follow.
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::other(format!("expected at most {}, found more: cut it", self.most))),
            };
        }
        let read = self.inner.read(&mut buffer[..room])?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Opens a file that a person has named; a folder is refused.
fn open(path: &Path) -> Result<File> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    let meta = file.metadata().with_context(|| format!("cannot read {name}"))?;
    ensure!(!meta.is_dir(), "cannot read {name}: expected a file, found a folder");
    Ok(file)
}

/// Opens a log by its name, which is returned as people call it; `-` is standard input.
///
/// # Errors
/// If there is no such file, or it is a folder.
pub fn log(path: &Path) -> Result<(String, Limited<Box<dyn Read>>)> {
    if path.as_os_str() == "-" {
        if stdin().is_terminal() {
            note!("reading a log from the terminal; end it with Ctrl-D");
        }
        return Ok(("standard input".to_owned(), Limited::new(Box::new(stdin().lock()), LOG)));
    }
    Ok((path.display().to_string(), Limited::new(Box::new(open(path)?), LOG)))
}

/// Reads a whole file.
///
/// # Errors
/// If there is no such file, or it is longer than `most`.
pub fn file(path: &Path, most: Size) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = Limited::new(open(path)?, most);
    file.read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}

/// Reads a whole text.
///
/// # Errors
/// If there is no such file, it is longer than [`TEXT`] or not UTF-8.
pub fn text(path: &Path) -> Result<String> {
    let name = path.display();
    String::from_utf8(file(path, TEXT)?).with_context(|| format!("cannot read {name}: expected UTF-8"))
}

/// Reads a program, a kernel or an object. Of what does not begin like one (`begins`) only the beginning is read: no
/// parser takes that for one, and a device that never ends is refused at once.
///
/// # Errors
/// If there is no such file, or it is longer than [`PROGRAM`].
pub fn program(path: &Path, begins: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let mut file = Limited::new(open(path)?, PROGRAM);
    let mut bytes = Vec::new();
    let head = file.by_ref().take(HEAD).read_to_end(&mut bytes);
    head.with_context(|| format!("cannot read {}", path.display()))?;
    if begins(&bytes) {
        file.read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(bytes)
}

/// The length of a file, and its last four bytes if its first ones are `magic`.
///
/// # Errors
/// If there is no such file, or it has no length.
pub fn length_and_tail(path: &Path, magic: [u8; 2]) -> Result<(u64, Option<[u8; 4]>)> {
    let mut file = open(path)?;
    let name = || format!("cannot read {}", path.display());
    let meta = file.metadata().with_context(name)?;
    ensure!(meta.is_file(), "{}: expected a file with a length, found a device or a pipe", name());
    let (mut head, mut tail) = ([0; 2], [0; 4]);
    if meta.len() < 6 {
        return Ok((meta.len(), None));
    }
    file.read_exact(&mut head).with_context(name)?;
    if head != magic {
        return Ok((meta.len(), None));
    }
    file.seek(SeekFrom::End(-4)).with_context(name)?;
    file.read_exact(&mut tail).with_context(name)?;
    Ok((meta.len(), Some(tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(bytes: &[u8], most: u64) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        Limited::new(bytes, Size(most)).read_to_end(&mut read)?;
        Ok(read)
    }

    #[test]
    fn what_is_as_long_as_the_limit_is_read_and_one_byte_more_is_refused() {
        assert_eq!(limited(b"1234", 4).unwrap(), b"1234");
        assert_eq!(limited(b"123", 4).unwrap(), b"123");
        let error = limited(b"12345", 4).unwrap_err().to_string();
        assert!(error.contains("expected at most 4 bytes"), "{error}");
    }

    #[test]
    fn a_device_that_never_ends_is_no_program_after_its_first_bytes() {
        let bytes = program(Path::new("/dev/zero"), |head| head.starts_with(b"\x7fELF")).unwrap();
        assert_eq!(bytes.len(), 0x206);
        assert!(file(Path::new("/dev/zero"), Size(1 << 20)).is_err());
        assert!(length_and_tail(Path::new("/dev/zero"), [0; 2]).is_err());
    }

    #[test]
    fn a_folder_is_called_one() {
        let error = file(Path::new("/"), TEXT).unwrap_err().to_string();
        assert!(error.contains("found a folder"), "{error}");
    }
}
