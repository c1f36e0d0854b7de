//! Finds the code addresses in a line of a log.
//!
//! Three dialects: `[<ffffffff810719fa>] name+0x7a/0xb0`, printed by this project's image, by Linux up to 4.9 and by
//! Xen; `name+0x7a/0xb0` alone, printed by newer Linux; and `RIP: e033:` before either, where the processor stopped.

/// What a line says about a place in code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) code: Code,
    pub(super) role: Role,
    /// The function that the log itself has for an address, and how far into it that is.
    pub(super) named: Option<Named>,
}

/// A function of a log, and a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) offset: u64,
}

/// How the place is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    Address(u64),
    /// So many bytes into a function of so many bytes.
    Function {
        name: String,
        offset: u64,
        size: u64,
    },
}

/// What the processor did there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It stopped at this instruction.
    Stopped,
    /// It would return to this instruction; the call is the one before.
    Returns,
}

/// Whether a line may have a place or a build-id, which most lines do not.
pub(super) fn may_have_place(line: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(line, word).is_some();
    memchr::memchr2(b'[', b'+', line).is_some() || has(b"uild") || has(b"UILD")
}

/// The places in a line, in its order.
pub(super) fn places(line: &str) -> Vec<Place> {
    let role = if line.contains("RIP") { Role::Stopped } else { Role::Returns };
    let bracketed: Vec<_> = line
        .split("[<")
        .skip(1)
        .filter_map(|rest| Some(Place { code: Code::Address(address(rest)?), role, named: named(rest) }))
        .collect();
    if !bracketed.is_empty() {
        return bracketed;
    }
    let named = line.split_whitespace().filter_map(function);
    named.map(|code| Place { code, role, named: None }).collect()
}

/// The name after an address.
fn named(rest: &str) -> Option<Named> {
    match rest.split_whitespace().find_map(function)? {
        Code::Function { name, offset, .. } => Some(Named { name, offset }),
        Code::Address(_) => None,
    }
}

/// The build-id in a line: 16 or more digits after that word.
pub(super) fn build_id(line: &str) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let at =
        ["build-id", "build id", "buildid"].iter().find_map(|word| Some(lower.find(word)? + word.len()))?;
    let words = lower[at..].split(|c: char| !c.is_ascii_hexdigit());
    words.map(str::to_owned).find(|word| word.len() >= 16)
}

/// Reads `ffffffff810719fa>]`.
fn address(text: &str) -> Option<u64> {
    let (digits, _) = text.split_once(">]")?;
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    u64::from_str_radix(digits, 16).ok()
}

/// Reads `name+0x7a/0xb0`, also after `RIP: 0010:`.
fn function(word: &str) -> Option<Code> {
    let is_selector = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let word = word.split_once(':').filter(|(start, _)| is_selector(start)).map_or(word, |(_, rest)| rest);
    let (name, rest) = word.rsplit_once("+0x")?;
    let (offset, size) = rest.split_once("/0x")?;
    let read = |text: &str| u64::from_str_radix(text, 16).ok();
    (!name.is_empty()).then_some(Code::Function {
        name: name.to_owned(),
        offset: read(offset)?,
        size: read(size)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(line: &str) -> Vec<(u64, Role)> {
        let address = |place: Place| match place.code {
            Code::Address(address) => Some((address, place.role)),
            Code::Function { .. } => None,
        };
        places(line).into_iter().filter_map(address).collect()
    }

    #[test]
    fn bracketed_addresses_of_all_three_programs_are_found() {
        let at = |address| vec![(address, Role::Returns)];
        assert_eq!(
            addresses(" [<ffffffff8101c0e1>] revector::mm::map+0x331/0x994"),
            at(0xffff_ffff_8101_c0e1)
        );
        assert_eq!(
            addresses(" [<ffffffff81030279>] ? __raw_callee_save+0x11/0x1e"),
            at(0xffff_ffff_8103_0279)
        );
        assert_eq!(
            addresses("(XEN)    [<ffff82d04020a1b2>] R do_mmu_update+0x12/0x34"),
            at(0xffff_82d0_4020_a1b2)
        );
        let stopped = addresses("RIP: e030:[<ffffffff8100af1e>] hw::selftest::fault+0xe/0x13");
        assert_eq!(stopped, [(0xffff_ffff_8100_af1e, Role::Stopped)]);
    }

    #[test]
    fn functions_without_addresses_are_found_by_name() {
        let expected = |name: &str| Code::Function { name: name.to_owned(), offset: 0x7a, size: 0xb0 };
        assert_eq!(places(" warn_slowpath_common+0x7a/0xb0")[0].code, expected("warn_slowpath_common"));
        let stopped = &places("RIP: 0010:warn_slowpath_common+0x7a/0xb0")[0];
        assert_eq!((&stopped.code, stopped.role), (&expected("warn_slowpath_common"), Role::Stopped));
        assert_eq!(places("RIP: e033:a::b+0x7a/0xb0")[0].code, expected("a::b"));
        assert_eq!(places(" a::b+0x7a/0xb0")[0].code, expected("a::b"));
    }

    #[test]
    fn other_lines_tell_no_place() {
        for line in [
            "",
            "layout: kernel : 0xffffffff81000000 -> 0xffffffff81e43000",
            "a+b/c",
            "[<",
            "[<>]",
            "[<xyz>]",
        ] {
            assert_eq!(places(line), [], "{line}");
        }
    }
}
