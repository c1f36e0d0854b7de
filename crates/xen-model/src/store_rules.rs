//! What a domain may ask of the modelled store: which paths there are, which it may write.
//!
//! All permissions are simple: everything may be read; below the domain's own path what the toolstack makes for it to
//! write may be written. Sources: docs/misc/{xenstore.txt, xenstore-paths.pandoc}, tools/xenstore/xenstored_core.c
//! (behaviour).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::store_tree::Work;
use xen::abi::StoreMessage;

/// The domain's own path.
const HOME: &str = "/local/domain/7/";
/// What the guest may write below it; the toolstack makes these.
pub(crate) const WRITABLE: [&str; 4] = ["data", "control", "device/suspend", "memory"];
/// Longest path, absolute and relative.
const LONGEST_PATHS: (usize, usize) = (3072, 2048);

/// Does what a request asks for, if the guest may.
pub(crate) fn operate(kind: u32, path: &str, rest: &[u8], work: &mut Work) -> Result<Vec<u8>, &'static str> {
    let is = |other: StoreMessage| kind == other as u32;
    let may_write = || {
        let own = path.strip_prefix(HOME).ok_or("EACCES")?;
        let allows = |above: &str| own == above || own.starts_with(&format!("{above}/"));
        if WRITABLE.into_iter().any(allows) { Ok(()) } else { Err("EACCES") }
    };
    if is(StoreMessage::Read) {
        return work.read(path);
    }
    if is(StoreMessage::Directory) {
        return work.directory(path);
    }
    if is(StoreMessage::Write) {
        may_write()?;
        work.write_limited(path, rest)?;
    } else if is(StoreMessage::Remove) {
        may_write()?;
        work.remove(path)?;
    } else {
        return Err("ENOSYS");
    }
    Ok(b"OK\0".to_vec())
}

/// The absolute form of a path.
pub(crate) fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_string() } else { format!("{HOME}{path}") }
}

/// The absolute form of a path that can be one.
///
/// # Errors
/// `EINVAL` if it cannot.
pub(crate) fn checked(path: &str) -> Result<String, &'static str> {
    let (absolute_limit, relative_limit) = LONGEST_PATHS;
    let limit = if path.starts_with('/') { absolute_limit } else { relative_limit };
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/_@".contains(&byte));
    let is_odd = path.is_empty() || path.len() > limit || path.contains("//") || path.ends_with('/');
    if is_plain && !is_odd { Ok(absolute(path)) } else { Err("EINVAL") }
}

/// A path as an event has it: relative if the watch is.
pub(crate) fn shown<'p>(path: &'p str, watched: &str) -> &'p str {
    let is_relative = !watched.starts_with('/');
    path.strip_prefix(HOME).filter(|_| is_relative).unwrap_or(path)
}
