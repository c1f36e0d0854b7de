//! Reads the lines of a log while it grows.
//!
//! QEMU and the initial domain write logs as plain files; `session` and `direct` follow them from here.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

/// A reader of a growing file; the file need not exist yet.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    offset: u64,
    unfinished: Vec<u8>,
}

impl Tail {
    /// Follows the file at `path` from its beginning.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, offset: 0, unfinished: Vec::new() }
    }

    /// The lines completed since the last call, without their line ends: pv-shim adds a carriage return before a line,
    /// too.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let fresh = self.bytes();
        self.unfinished.extend(fresh);
        let Some(end) = self.unfinished.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.unfinished.split_off(end + 1);
        let complete = std::mem::replace(&mut self.unfinished, rest);
        String::from_utf8_lossy(&complete).lines().map(|line| line.trim_matches('\r').to_owned()).collect()
    }

    /// The bytes written since the last call, as they are; for who wants no lines.
    pub(crate) fn bytes(&mut self) -> Vec<u8> {
        let mut fresh = Vec::new();
        if let Ok(mut file) = File::open(&self.path)
            && file.seek(SeekFrom::Start(self.offset)).is_ok()
        {
            self.offset += file.read_to_end(&mut fresh).unwrap_or(0) as u64;
        }
        fresh
    }

    /// What has been read of a line that is not complete.
    pub(crate) fn unfinished(&self) -> String {
        String::from_utf8_lossy(&self.unfinished).into_owned()
    }

    /// The lines that are left, the last one even if it has no end.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let mut lines = self.lines();
        if !self.unfinished.is_empty() {
            lines.push(self.unfinished());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;
    use std::io::Write;

    #[test]
    fn a_line_is_given_once_and_only_when_complete() {
        let path = std::env::temp_dir().join(format!("revector-tail-{}", std::process::id()));
        let mut tail = Tail::new(path.clone());
        assert!(tail.lines().is_empty());
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"one\r\ntw").unwrap();
        assert_eq!(tail.lines(), ["one"]);
        file.write_all(b"o\n\rafter the shim\r\nthree").unwrap();
        assert_eq!(tail.lines(), ["two", "after the shim"]);
        assert_eq!(tail.unfinished(), "three");
        assert_eq!(tail.finish(), ["three"]);
        std::fs::remove_file(&path).unwrap();
    }
}
