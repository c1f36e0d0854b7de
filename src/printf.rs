//! The part of C's format strings that kernel code uses, for `_printk`.
//!
//! `%% %c %s %d %i %u %x %X %o %p`, with flags, width, precision and length. Linux's extensions of `%p` (`%pM`, `%pS`)
//! are printed as the plain pointer. An unknown conversion is printed verbatim and takes no argument.
//!
//! Neighbours: the image's `image::services` gives the arguments. Sources: ISO C 7.21.6.1.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// Widest field and longest precision; larger ones are cut to this.
const WIDTH_MAX: usize = 256;

/// Where the arguments come from.
pub trait Arguments {
    /// Takes the next argument, whatever its type.
    fn word(&mut self) -> u64;

    /// Takes the next argument, a pointer to text of at most `most` bytes or up to its NUL.
    fn text(&mut self, most: u64) -> Vec<u8>;
}

/// How one argument is to be printed.
#[derive(Debug, Default)]
struct Spec {
    left: bool,
    zeros: bool,
    plus: bool,
    space: bool,
    alternative: bool,
    width: usize,
    precision: Option<usize>,
    /// Bytes of an integer.
    size: u32,
}

/// Strips the log level that Linux puts before a format: SOH and a character.
#[must_use]
pub fn without_level(format: &[u8]) -> &[u8] {
    match format {
        [1, _, rest @ ..] => rest,
        _ => format,
    }
}

/// Prints `format` with its arguments.
///
/// # Errors
/// Those of `out`.
pub fn print(out: &mut impl Write, format: &[u8], arguments: &mut dyn Arguments) -> fmt::Result {
    let mut rest = format;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        write_bytes(out, &rest[..at])?;
        let (spec, after) = read_spec(&rest[at + 1..], arguments);
        let Some((conversion, tail)) = after.split_first() else { return write_bytes(out, &rest[at..]) };
        match convert(&spec, *conversion, arguments) {
            Some(text) => write_bytes(out, &pad(&spec, text))?,
            None => write_bytes(out, &rest[at..rest.len() - tail.len()])?,
        }
        rest = tail;
        if *conversion == b'p' {
            rest = &rest[rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count()..];
        }
    }
    write_bytes(out, rest)
}

fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    out.write_str(&String::from_utf8_lossy(bytes))
}

fn read_spec<'f>(format: &'f [u8], arguments: &mut dyn Arguments) -> (Spec, &'f [u8]) {
    let mut spec = Spec { size: 4, ..Spec::default() };
    let mut rest = format;
    while let Some((flag, tail)) = rest.split_first() {
        match flag {
            b'-' => spec.left = true,
            b'0' => spec.zeros = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'#' => spec.alternative = true,
            _ => break,
        }
        rest = tail;
    }
    (spec.width, rest) = read_number(rest, arguments);
    if let Some(tail) = rest.strip_prefix(b".") {
        let (precision, tail) = read_number(tail, arguments);
        (spec.precision, rest) = (Some(precision), tail);
    }
    while let Some((length, tail)) = rest.split_first() {
        spec.size = match length {
            b'h' if spec.size == 2 => 1,
            b'h' => 2,
            b'l' | b'z' | b't' | b'j' | b'L' => 8,
            _ => break,
        };
        rest = tail;
    }
    (spec, rest)
}

fn read_number<'f>(format: &'f [u8], arguments: &mut dyn Arguments) -> (usize, &'f [u8]) {
    if let Some(tail) = format.strip_prefix(b"*") {
        let wanted = usize::try_from(arguments.word() as u32 as i32).unwrap_or(0); // an int
        return (wanted.min(WIDTH_MAX), tail);
    }
    let digits = format.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let add = |sum: usize, digit: &u8| (sum * 10 + usize::from(digit - b'0')).min(WIDTH_MAX);
    (format[..digits].iter().fold(0, add), &format[digits..])
}

fn convert(spec: &Spec, conversion: u8, arguments: &mut dyn Arguments) -> Option<Vec<u8>> {
    Some(match conversion {
        b'%' => b"%".to_vec(),
        b'c' => [arguments.word() as u8].to_vec(), // an unsigned char, by the standard
        b's' => arguments.text(spec.precision.map_or(u64::MAX, |most| most as u64)),
        b'd' | b'i' => signed(spec, arguments.word()).into_bytes(),
        b'u' => digits(spec, format!("{}", cut(spec, arguments.word()))).into_bytes(),
        b'o' => digits(spec, format!("{:o}", cut(spec, arguments.word()))).into_bytes(),
        b'x' => hex(spec, format!("{:x}", cut(spec, arguments.word()))).into_bytes(),
        b'X' => hex(spec, format!("{:X}", cut(spec, arguments.word()))).into_bytes(),
        b'p' => format!("{:016x}", arguments.word()).into_bytes(),
        _ => return None,
    })
}

const fn cut(spec: &Spec, word: u64) -> u64 {
    word & (u64::MAX >> (64 - 8 * spec.size))
}

fn signed(spec: &Spec, word: u64) -> String {
    let unused = 64 - 8 * spec.size;
    let value = (word << unused).cast_signed() >> unused;
    let sign = match value {
        ..0 => "-",
        _ if spec.plus => "+",
        _ if spec.space => " ",
        _ => "",
    };
    format!("{sign}{}", digits(spec, format!("{}", value.unsigned_abs())))
}

fn hex(spec: &Spec, text: String) -> String {
    let prefix = if spec.alternative && text != "0" { "0x" } else { "" };
    format!("{prefix}{}", digits(spec, text))
}

fn digits(spec: &Spec, text: String) -> String {
    let least = spec.precision.unwrap_or(0);
    format!("{text:0>least$}")
}

/// Pads to the width: with zeros after the sign or prefix, or with spaces on either side.
fn pad(spec: &Spec, mut text: Vec<u8>) -> Vec<u8> {
    let missing = spec.width.saturating_sub(text.len());
    let (at, fill) = if spec.left {
        (text.len(), b' ')
    } else if spec.zeros && spec.precision.is_none() {
        let sign = text.iter().take_while(|byte| matches!(byte, b'-' | b'+' | b' ')).count();
        (if text.starts_with(b"0x") { 2 } else { sign }, b'0')
    } else {
        (0, b' ')
    };
    text.splice(at..at, core::iter::repeat_n(fill, missing));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;

    struct Fixed(VecDeque<u64>, &'static [u8]);

    impl Arguments for Fixed {
        fn word(&mut self) -> u64 {
            self.0.pop_front().unwrap_or(0)
        }

        fn text(&mut self, most: u64) -> Vec<u8> {
            self.1.iter().copied().take(usize::try_from(most).unwrap_or(usize::MAX)).collect()
        }
    }

    fn said(format: &str, words: &[u64]) -> String {
        let mut out = String::new();
        print(&mut out, format.as_bytes(), &mut Fixed(words.iter().copied().collect(), b"text")).unwrap();
        out
    }

    /// What the C library prints for the same arguments.
    #[test]
    fn conversions_come_out_as_in_c() {
        assert_eq!(said("%d %u %x", &[u64::from(u32::MAX), u64::from(u32::MAX), 0xabc]), "-1 4294967295 abc");
        assert_eq!(said("%lld|%hhu|%hd", &[u64::MAX, 0x1ff, 0xffff]), "-1|255|-1");
        assert_eq!(
            said("%5d|%-5d|%05d|%+d", &[42, 42, (-42_i64).cast_unsigned(), 42]),
            "   42|42   |-0042|+42"
        );
        assert_eq!(said("%#x %#010x %08lx %X", &[255, 255, 0xbeef, 0xbeef]), "0xff 0x000000ff 0000beef BEEF");
        assert_eq!(said("%s|%6s|%-6s|%.2s|%c%%", &[u64::from(b'!')]), "text|  text|text  |te|!%");
        assert_eq!(said("%*d|%.3d|%o", &[4, 7, 7, 8]), "   7|007|10");
        assert_eq!(said("%pM.", &[0x1000]), "0000000000001000.");
    }

    #[test]
    fn what_is_not_known_is_printed_as_it_stands() {
        assert_eq!(said("100%! sure %", &[]), "100%! sure %");
        assert_eq!(said("%y %d", &[5]), "%y 5");
        assert_eq!(without_level(b"\x016hi"), b"hi");
    }
}
