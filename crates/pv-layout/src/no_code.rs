//! Objects that hold a compiler's own representation instead of code: what `-flto` leaves for the linker.
//!
//! They look like objects, or like nothing known, and a reader that does not know them complains about something else.
//! GCC's are ELF files whose sections are called `.gnu.lto_*`, with the common symbol `__gnu_lto_slim` unless the code
//! is there as well; LLVM's are bitcode. `image` and `symbolize` ask. Sources: GCC's lto-plugin; LLVM's bitcode file
//! format.

use object::{Object, ObjectSection, ObjectSymbol};
use std::fmt;

/// What an object holds instead of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCode {
    Gcc,
    Llvm,
}

impl NoCode {
    /// Looks whether the file in `bytes` is such an object.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if matches!(bytes, [b'B', b'C', 0xc0, 0xde, ..] | [0xde, 0xc0, 0x17, 0x0b, ..]) {
            return Some(Self::Llvm);
        }
        let file = object::File::parse(bytes).ok()?;
        let has_ir =
            file.sections().any(|section| section.name().is_ok_and(|name| name.starts_with(".gnu.lto_")));
        let is_slim =
            || file.symbols().any(|symbol| symbol.is_common() && symbol.name() == Ok("__gnu_lto_slim"));
        (has_ir && is_slim()).then_some(Self::Gcc)
    }
}

impl fmt::Display for NoCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gcc => "an object of GCC for link-time optimization (.gnu.lto_* sections, no code)",
            Self::Llvm => "LLVM bitcode, an object for link-time optimization",
        })
    }
}
