//! The log: one fact per line, `[seconds.micros] stage: text`.
//!
//! The time counts from entry, the stage is the record's target. Levels are not printed: the text says what matters,
//! and the verdict is a line of its own.

use log::{LevelFilter, Log, Metadata, Record};

use super::{clock, console};

struct Logger;

static LOGGER: Logger = Logger;

/// Sends log records to the console.
pub fn start(level: LevelFilter) {
    // Fails only if a logger is set already, which is just as well.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level);
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let micros = clock::nanos() / 1000;
            let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
            console::write(format_args!(
                "[{seconds:>5}.{micros:06}] {}: {}\n",
                record.target(),
                record.args()
            ));
        }
    }

    fn flush(&self) {
        console::drain();
    }
}
