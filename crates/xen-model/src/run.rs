//! A kernel's `main` on the model, from the builder's hand-over to its verdict.
//!
//! What the kernel prints is kept for the test to look at; each test thread has a page of its own.
//!
//! Neighbours: `builder` makes the domain; the kernel's package calls [`Domain::boot`].

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::string::String;

use xen::{Boot, Outcome, Verdict, output};

use crate::heap::Running;
use crate::{Domain, Xen};

std::thread_local! {
    static CONSOLE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What became of a boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// How it ended.
    pub verdict: Verdict,
    /// What the kernel printed.
    pub console: String,
}

impl Domain {
    /// Builds the domain and runs `main` in it.
    ///
    /// # Panics
    /// If no builder could make the domain, if the kernel does what would crash a domain or takes more heap than an
    /// image has, or if the program's allocator is not [`GuestHeap`](crate::GuestHeap).
    pub fn boot<T: Outcome>(&self, main: impl FnOnce(Boot<'_, Xen>) -> T) -> Run {
        output::redirect(keep);
        let mut built = self.build().expect("a builder can make the domain");
        CONSOLE.take();
        let (raw, role, facts) = (&built.start_info, self.builder.role(), built.facts);
        let verdict = built.xen.run(|xen| main(Boot::new(raw, role, facts, xen)).ending().verdict);
        Run { verdict, console: CONSOLE.take() }
    }
}

fn keep(text: fmt::Arguments<'_>) {
    let _host = Running::host();
    CONSOLE.with_borrow_mut(|console| {
        // A string takes everything.
        let _ = console.write_fmt(text);
    });
}
