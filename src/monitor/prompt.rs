//! The prompt: a line that is edited in place, with a history.
//!
//! The crate embedded-cli does the editing; it takes bytes and writes what a terminal needs. Neighbours: `keys` has the
//! bytes, `run` takes the finished lines.

use alloc::vec::Vec;
use core::convert::Infallible;

use embedded_cli::arguments::Arg;
use embedded_cli::cli::{Cli, CliBuilder};
use embedded_cli::command::RawCommand;
use embedded_io::{ErrorType, Write};
use xen::output;

/// What the guest prints when it waits for a command.
const PROMPT: &str = "revector> ";
/// What terminals send for the key that the editor knows by the other byte.
const DELETE: u8 = 0x7f;
const BACKSPACE: u8 = 0x08;
/// Longest line.
const LINE: usize = 160;
/// Bytes of earlier lines that are kept.
const HISTORY: usize = 512;

/// The domain's console, for the line editor.
struct Terminal;

impl ErrorType for Terminal {
    type Error = Infallible;
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for chunk in bytes.utf8_chunks() {
            output::print(format_args!("{}", chunk.valid()));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A line being edited.
pub(super) struct Prompt {
    editor: Cli<Terminal, Infallible, [u8; LINE], [u8; HISTORY]>,
}

impl Prompt {
    /// Shows the prompt.
    pub(super) fn new() -> Self {
        let built = CliBuilder::default()
            .writer(Terminal)
            .command_buffer([0; LINE])
            .history_buffer([0; HISTORY])
            .prompt(PROMPT)
            .build();
        let Ok(editor) = built;
        Self { editor }
    }

    /// Ends the prompt's line: the domain's last lines follow.
    pub(super) fn leave(self) {
        output::print(format_args!("\n"));
    }

    /// Takes a typed byte; calls `run` with the words of a line when it is finished.
    pub(super) fn accept(&mut self, byte: u8, mut run: impl FnMut(&[&str])) {
        let mut processor = RawCommand::processor(|_, line: RawCommand<'_>| {
            let arguments = line.args();
            let words = arguments.args().filter_map(|word| match word {
                Ok(Arg::Value(word) | Arg::LongOption(word)) => Some(word),
                Ok(Arg::ShortOption(_) | Arg::DoubleDash) | Err(_) => None,
            });
            let words: Vec<&str> = core::iter::once(line.name()).chain(words).collect();
            run(&words);
            Ok(())
        });
        // The editor takes any other byte for a part of UTF-8, and does not check all of it; commands are ASCII.
        let byte = match byte {
            DELETE => BACKSPACE,
            0..=0x7e => byte,
            _ => return,
        };
        let Ok(()) = self.editor.process_byte::<RawCommand<'_>, _>(byte, &mut processor);
    }

    /// Takes the prompt away while something else prints, and shows it and the unfinished line again.
    pub(super) fn aside(&mut self, print: impl FnOnce()) {
        let Ok(()) = self.editor.write(|_| {
            print();
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};
    use std::vec;

    fn typed(bytes: &[u8]) -> Vec<Vec<String>> {
        let (mut prompt, mut lines) = (Prompt::new(), vec![]);
        for byte in bytes {
            prompt.accept(*byte, |words| lines.push(words.iter().map(ToString::to_string).collect()));
        }
        lines
    }

    #[test]
    fn what_terminals_send_for_backspace_takes_a_character_away() {
        assert_eq!(typed(b"p3\x7f2m 0x10 2\r"), [["p2m", "0x10", "2"]]);
        assert_eq!(typed(b"mapz\x08s\r"), [["maps"]]);
    }

    /// The first two bytes are a NUL in a form that UTF-8 forbids, the others a surrogate and a number beyond the last.
    #[test]
    fn bytes_that_are_no_ascii_are_not_typed() {
        assert_eq!(typed(b"fra\xc0\x80\xed\xa0\x80\xf5\x80\x80\x80mes\r"), [["frames"]]);
    }
}
