//! `println!` for kernels: to the domain's console, or to whoever runs the kernel on a model.
//!
//! `println!` takes no receiver, so its output goes to a global sink: the runtime of an image sets it to the domain's
//! console, a model to a text of its own. It does not call the runtime directly, because a test program would then need
//! what only an image has.

use core::fmt;

use spin::Once;

static SINK: Once<fn(fmt::Arguments<'_>)> = Once::new();

/// Sends what is printed to `sink` from now on; only the first call has an effect.
pub fn redirect(sink: fn(fmt::Arguments<'_>)) {
    SINK.call_once(|| sink);
}

/// Prints; [`println!`](crate::println) is the way to call it.
pub fn print(text: fmt::Arguments<'_>) {
    if let Some(sink) = SINK.get() {
        sink(text);
    }
}

/// Prints a line to the console.
#[macro_export]
macro_rules! println {
    ($($text:tt)*) => {
        $crate::output::print(::core::format_args!("{}\n", ::core::format_args!($($text)*)))
    };
}
