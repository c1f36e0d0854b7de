//! Xen's error numbers, and what a refused hypercall says.
//!
//! The text of a refusal always has verb, object and error: "mmu_update: L2 mfn 0x1a2b3 entry 146 := 0x0: -EINVAL".
//! Neighbours: `pv_memory::commit` and `rt` produce these. Source: xen/include/public/errno.h.

use core::fmt;

/// Error number of a hypercall, positive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i64);

impl Errno {
    /// Operation not permitted.
    pub const EPERM: Self = Self(1);
    /// Not enough memory.
    pub const ENOMEM: Self = Self(12);
    /// Permission denied.
    pub const EACCES: Self = Self(13);
    /// Bad address.
    pub const EFAULT: Self = Self(14);
    /// Busy.
    pub const EBUSY: Self = Self(16);
    /// Invalid argument.
    pub const EINVAL: Self = Self(22);
    /// No such hypercall.
    pub const ENOSYS: Self = Self(38);
    /// Operation not supported.
    pub const EOPNOTSUPP: Self = Self(95);

    /// Reads a hypercall's raw return value: negative is an error.
    ///
    /// # Errors
    /// The negated value, if negative.
    pub const fn check(raw: i64) -> Result<u64, Self> {
        if raw < 0 { Err(Self(-raw)) } else { Ok(raw.unsigned_abs()) }
    }

    const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "EPERM",
            2 => "ENOENT",
            3 => "ESRCH",
            7 => "E2BIG",
            11 => "EAGAIN",
            12 => "ENOMEM",
            13 => "EACCES",
            14 => "EFAULT",
            16 => "EBUSY",
            22 => "EINVAL",
            34 => "ERANGE",
            38 => "ENOSYS",
            95 => "EOPNOTSUPP",
            _ => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "-{name}"),
            None => write!(f, "-{}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn a_negative_return_value_is_named() {
        assert_eq!(format!("{}", Errno::check(-22).unwrap_err()), "-EINVAL");
        assert_eq!(format!("{}", Errno::check(-999).unwrap_err()), "-999");
        assert_eq!(Errno::check(3), Ok(3));
    }
}
