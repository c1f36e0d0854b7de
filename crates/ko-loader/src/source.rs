//! A module before it is read: its name, and the bytes that claim to be an object.
//!
//! Neighbours: `newc` finds them in an archive, `order` sorts them.

/// A module's name and object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// Name, without its extension.
    pub name: &'a str,
    /// The relocatable object.
    pub object: &'a [u8],
}
