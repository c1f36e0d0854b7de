//! The outcome of a boot: the guest's own verdict, or why there is none.
//!
//! The verdict is the last console line, in XTF's words; anything else there is "no verdict". A guest that Xen
//! lists as crashed has crashed whatever it printed. `run` turns the outcome into an exit code, `suite` compares it
//! with what a case expects.

use std::fmt;

/// How a boot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Skip,
    Error,
    Failure,
    /// The guest crashed, or ended without a verdict.
    Crash,
    Timeout,
    /// The toolstack refused to build the guest: nothing of it ran.
    NotBuilt,
}

impl Outcome {
    /// The verdict of a guest that ended without crashing: its last console line that is not blank.
    pub fn of_console<S: AsRef<str>>(console: &[S]) -> Self {
        let last = console.iter().map(AsRef::as_ref).rfind(|line| !line.trim().is_empty());
        last.and_then(Self::of_line).unwrap_or(Self::Crash)
    }

    /// Reads one console line as a verdict.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        match line.trim_end().strip_prefix("Test result: ")? {
            "SUCCESS" | "SUCCESS with warnings" => Some(Self::Success),
            "SKIP" => Some(Self::Skip),
            "ERROR" => Some(Self::Error),
            "FAILURE" => Some(Self::Failure),
            _ => None,
        }
    }

    /// The exit code of a boot; 1 and 2 are left to the command's own failures.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Skip => 3,
            Self::Error | Self::NotBuilt => 4,
            Self::Failure => 5,
            Self::Crash => 6,
            Self::Timeout => 7,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "SUCCESS",
            Self::Skip => "SKIP",
            Self::Error => "ERROR",
            Self::Failure => "FAILURE",
            Self::Crash => "CRASH (no verdict)",
            Self::Timeout => "TIMEOUT",
            Self::NotBuilt => "NOT BUILT (the toolstack refused the guest)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn the_last_line_is_the_verdict() {
        assert_eq!(
            Outcome::of_console(&["[    0.000001] boot: hello", "Test result: SUCCESS"]),
            Outcome::Success
        );
        assert_eq!(Outcome::of_console(&["Test result: FAILURE\r", "", " "]), Outcome::Failure);
        assert_eq!(Outcome::of_console(&["Test result: SUCCESS with warnings"]), Outcome::Success);
    }

    #[test]
    fn a_verdict_followed_by_anything_else_does_not_count() {
        assert_eq!(Outcome::of_console(&["Test result: SUCCESS", "panic: later"]), Outcome::Crash);
    }

    #[test]
    fn only_the_exact_words_are_a_verdict() {
        for line in ["Test result: success", "Test result: SUCCESS!", " Test result: SKIP", "SUCCESS", ""] {
            assert_eq!(Outcome::of_line(line), None, "{line:?}");
        }
    }

    #[test]
    fn exit_codes_leave_1_and_2_to_the_command_itself() {
        use Outcome::{Crash, Error, Failure, NotBuilt, Skip, Success, Timeout};
        let codes = [Success, Skip, Error, Failure, Crash, NotBuilt, Timeout].map(Outcome::exit_code);
        assert_eq!(codes, [0, 3, 4, 5, 6, 4, 7]);
    }
}
