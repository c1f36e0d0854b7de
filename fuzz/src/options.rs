//! Any command line: refused with one line, or read, each word exactly once.

use revector::options::Options;

use super::assert_one_line;

const KEYS: [&str; 8] = ["p2m", "cleanup", "verify", "modules", "init", "loglevel", "console", "selftest"];

/// Parses `data` as a command line.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let parsed = Options::parse(data);
    assert_eq!(parsed, Options::parse(&data[..end]), "what follows the NUL must not matter");
    match parsed {
        Err(error) => assert_one_line(&error),
        Ok(options) => {
            let text = String::from_utf8_lossy(&data[..end]);
            let keys = text.split_whitespace().map(|word| word.split('=').next().unwrap_or(""));
            let other = keys.filter(|key| !KEYS.contains(key));
            let (params, unknown): (Vec<_>, Vec<_>) = other.partition(|key| key.contains('.'));
            assert_eq!(options.unknown, unknown);
            assert!(options.params.iter().map(|(key, _)| key).eq(&params));
            assert!(options.modules.iter().all(|name| !name.is_empty() && !name.contains(',')));
        }
    }
}
