//! Which of two kinds of domain this is: they differ in rings, in flags and in who built them.

/// What the domain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Created by a toolstack: console and xenstore rings.
    Guest,
    /// Started by Xen itself: no rings, Xen's console.
    InitialDomain,
}
