//! The guest's command line: `key=value` words.
//!
//! An unknown key is skipped with a warning, so that an old image boots with a newer script; a value that a known key
//! does not accept is an error, because a test that silently runs something else is worse than none.
//! Neighbours: start_info carries the text, `boot` follows the [`Options`].

use core::fmt;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use log::LevelFilter;
use pv_memory::p2m::Strategy;
use pv_memory::p2m::verify::Verify;

/// Whether stage 7 runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// It clears the high mapping.
    On,
    /// It leaves the mapping; a control that must fail where the P2M reaches the module area.
    Off,
}

/// Whether the machine's limits are measured when the boot is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// They are measured: this takes as much memory as the P2M, and more time than the boot.
    On,
    /// They are not measured.
    Off,
}

/// Whether the boot ends by printing a digest of the P2M, for comparison with what the toolstack reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// It does: this reads every entry once more.
    On,
    /// It does not.
    Off,
}

/// What the guest does when its boot is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It ends.
    PowerOff,
    /// It stays, with a prompt on its console, and does what the toolstack asks for.
    Monitor,
}

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// The console ring, or Xen's own console as initial domain.
    Hvc0,
    /// The second serial port (initial domain only).
    Com2,
}

/// A failure to cause after the boot, to show what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selftest {
    /// A panic.
    Panic,
    /// A read of an address where nothing is mapped.
    Fault,
    /// A write to the kernel's own code.
    WildWrite,
    /// A stack that overflows.
    Stack,
    /// No failure: the conformance programs, with each result printed.
    Conformance,
    /// No failure: the frame list has one leaf twice, and another not at all.
    TwiceNamedLeaf,
    /// No failure: the frame list has a hole for a leaf.
    LostLeaf,
    /// No failure: the list is published where the direct map shows it.
    MisplacedList,
    /// No failure: the P2M grows, and an entry moves to its end.
    Grown,
}

/// Whether the functions of modules are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inits {
    /// Each module's init, and its exit.
    Run,
    /// None: modules are placed, relocated, protected and unloaded, but not run. For untrusted objects.
    Skip,
}

/// The command line, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `p2m=`; without it, the size of the domain decides.
    pub strategy: Option<Strategy>,
    /// `cleanup=`
    pub cleanup: Cleanup,
    /// `verify=`
    pub verify: Verify,
    /// `modules=`: names to load; empty for all in the ramdisk.
    pub modules: Vec<String>,
    /// `limits=`
    pub limits: Limits,
    /// `digest=`
    pub digest: Digest,
    /// `loglevel=`
    pub loglevel: LevelFilter,
    /// `after=`
    pub after: After,
    /// `console=`
    pub console: Console,
    /// `selftest=`
    pub selftest: Option<Selftest>,
    /// `init=`
    pub inits: Inits,
    /// `NAME.param=value`: parameters of modules, with the key as given.
    pub params: Vec<(String, String)>,
    /// Unknown keys.
    pub unknown: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            strategy: None,
            cleanup: Cleanup::On,
            verify: Verify::Full,
            modules: Vec::new(),
            limits: Limits::Off,
            digest: Digest::Off,
            loglevel: LevelFilter::Info,
            after: After::PowerOff,
            console: Console::Hvc0,
            selftest: None,
            inits: Inits::Run,
            params: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

/// A value that its key does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    key: String,
    found: String,
    accepted: String,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command line: {}={}: expected one of {}", self.key, self.found, self.accepted)
    }
}

impl Options {
    /// Reads a command line, NUL-terminated or as long as its field.
    ///
    /// # Errors
    /// The first [`BadValue`].
    pub fn parse(raw: &[u8]) -> Result<Self, BadValue> {
        let end = raw.iter().position(|&byte| byte == 0).unwrap_or(raw.len());
        let text = String::from_utf8_lossy(&raw[..end]);
        let mut options = Self::default();
        for word in text.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            options.set(key, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), BadValue> {
        match key {
            "p2m" => self.strategy = Some(choose(key, value, &STRATEGIES)?),
            "cleanup" => self.cleanup = choose(key, value, &[("on", Cleanup::On), ("off", Cleanup::Off)])?,
            "verify" => {
                let known = [("full", Verify::Full), ("sample", Verify::Sample), ("off", Verify::Off)];
                self.verify = choose(key, value, &known)?;
            }
            "modules" => {
                self.modules = value.split(',').filter(|name| !name.is_empty()).map(str::to_string).collect()
            }
            "limits" => self.limits = choose(key, value, &[("on", Limits::On), ("off", Limits::Off)])?,
            "digest" => self.digest = choose(key, value, &[("on", Digest::On), ("off", Digest::Off)])?,
            "after" => {
                let known = [("poweroff", After::PowerOff), ("monitor", After::Monitor)];
                self.after = choose(key, value, &known)?;
            }
            "loglevel" => self.loglevel = choose(key, value, &LEVELS)?,
            "console" => {
                self.console = choose(key, value, &[("hvc0", Console::Hvc0), ("com2", Console::Com2)])?
            }
            "selftest" => self.selftest = Some(choose(key, value, &SELFTESTS)?),
            "init" => self.inits = choose(key, value, &[("run", Inits::Run), ("skip", Inits::Skip)])?,
            _ if key.contains('.') => self.params.push((key.to_string(), value.to_string())),
            _ => self.unknown.push(key.to_string()),
        }
        Ok(())
    }
}

const STRATEGIES: [(&str, Strategy); 5] = [
    ("copy", Strategy::Copy),
    ("alias", Strategy::Alias),
    ("linear", Strategy::Linear),
    ("keep", Strategy::Keep),
    ("baseline", Strategy::Baseline),
];

const LEVELS: [(&str, LevelFilter); 5] = [
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];

const SELFTESTS: [(&str, Selftest); 9] = [
    ("panic", Selftest::Panic),
    ("fault", Selftest::Fault),
    ("wild-write", Selftest::WildWrite),
    ("stack", Selftest::Stack),
    ("conformance", Selftest::Conformance),
    ("twice-named-leaf", Selftest::TwiceNamedLeaf),
    ("lost-leaf", Selftest::LostLeaf),
    ("misplaced-list", Selftest::MisplacedList),
    ("grown", Selftest::Grown),
];

fn choose<T: Copy>(key: &str, value: &str, known: &[(&str, T)]) -> Result<T, BadValue> {
    match known.iter().find(|(name, _)| *name == value) {
        Some((_, choice)) => Ok(*choice),
        None => Err(BadValue {
            key: key.to_string(),
            found: value.to_string(),
            accepted: known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_line_means_the_defaults() {
        assert_eq!(Options::parse(b"\0garbage").unwrap(), Options::default());
    }

    #[test]
    fn every_option_is_read() {
        let line =
            b"p2m=alias cleanup=off verify=sample modules=a,b loglevel=debug console=com2 selftest=fault limits=on";
        let options = Options::parse(line).unwrap();
        assert_eq!(options.strategy, Some(Strategy::Alias));
        assert_eq!(options.cleanup, Cleanup::Off);
        assert_eq!(options.verify, Verify::Sample);
        assert_eq!(options.modules, ["a", "b"]);
        assert_eq!(options.limits, Limits::On);
        assert_eq!(options.loglevel, LevelFilter::Debug);
        assert_eq!(options.console, Console::Com2);
        assert_eq!(options.selftest, Some(Selftest::Fault));
    }

    #[test]
    fn a_key_with_a_dot_is_a_parameter_of_a_module() {
        let options = Options::parse(b"hello.times=3 init=skip digest=on").unwrap();
        assert_eq!(options.params, [("hello.times".to_string(), "3".to_string())]);
        assert_eq!(options.inits, Inits::Skip);
        assert_eq!(options.digest, Digest::On);
    }

    #[test]
    fn an_unknown_key_is_kept_for_a_warning() {
        assert_eq!(Options::parse(b"p3m=x quiet").unwrap().unknown, ["p3m", "quiet"]);
    }

    #[test]
    fn a_bad_value_names_the_accepted_ones() {
        let error = Options::parse(b"p2m=banana").unwrap_err();
        assert_eq!(
            error.to_string(),
            "command line: p2m=banana: expected one of copy, alias, linear, keep, baseline"
        );
    }
}
