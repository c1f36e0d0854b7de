//! The console: Xen's ring for a guest, Xen's own console or the second serial port for the initial domain.
//!
//! The ring has 2 KiB and free-running indices; when it is full, the writer notifies the other end and waits for an
//! event, with a deadline. Indices are never reset: the ring holds output that was not read yet. Before the domain
//! ends, the ring must be drained; otherwise the last lines are lost with it.
//!
//! The ring is reached through the high mapping at first, and through the direct map later (`move_to`).
//! Sources: xen/include/public/io/console.h.

use core::fmt;

use crate::addr::{Pfn, VirtAddr};
use crate::area;
use crate::early;
use crate::events::Port;
use spin::Mutex;
use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

use super::ring::{CONSOLE_INPUT, CONSOLE_OUTPUT, Ring as SharedRing};
use super::{clock, hypercall, shared};

/// Longest wait for room in the ring: after that the other end counts as gone, and output is dropped.
const PATIENCE_NANOS: u64 = 2_000_000_000;
/// How often one wait looks at the ring: the bound before shared_info is mapped, when the clock does not run yet. A
/// poll that returns at once takes microseconds; one that waits ends with an event or the deadline.
const ROUNDS: u32 = 100_000;
/// I/O port of the second serial port.
const COM2: u16 = 0x2f8;

/// Where output goes.
enum Sink {
    /// Nowhere yet.
    None,
    /// The ring in this page, and its event channel.
    Ring(Ring),
    /// Xen's own console.
    Xen,
    /// The second serial port.
    Com2(Uart16550<PioBackend>),
}

struct Ring {
    base: VirtAddr,
    pfn: Pfn,
    port: Port,
    /// How much the other end had taken when it was given up.
    gone_at: Option<u32>,
}

/// Longest line that goes out in one piece.
const LINE: usize = 256;

/// The one console. Text is collected line by line: a hypercall for each fragment of a format string would be too many.
pub(crate) struct Console {
    sink: Sink,
    line: [u8; LINE],
    used: usize,
}

static CONSOLE: Mutex<Console> = Mutex::new(Console { sink: Sink::None, line: [0; LINE], used: 0 });

/// Uses the ring in this page, which the page tables in use lead to; through the high mapping at first.
pub(crate) fn use_ring(console: early::Console) {
    let ring = Ring { base: area::HIGH, pfn: console.page(), port: console.port(), gone_at: None };
    CONSOLE.lock().sink = Sink::Ring(ring);
}

/// Uses Xen's own console.
pub fn use_xen() {
    CONSOLE.lock().sink = Sink::Xen;
}

/// Uses the second serial port; returns the reason if it does not answer.
pub fn use_com2() -> Result<(), &'static str> {
    hypercall::set_io_privilege().map_err(|_| "Xen refuses I/O privilege")?;
    // SAFETY: the initial domain may access COM2, and nothing else in the image does.
    let port = unsafe { Uart16550::new_port(COM2) };
    let mut uart = port.map_err(|_| "no such I/O port")?;
    uart.init(Config::default()).map_err(|_| "the port does not answer as a 16550 does")?;
    CONSOLE.lock().sink = Sink::Com2(uart);
    Ok(())
}

/// Reaches the ring through another mapping from now on.
pub(crate) fn move_to(base: VirtAddr) {
    if let Sink::Ring(ring) = &mut CONSOLE.lock().sink {
        ring.base = base;
    }
}

/// Writes formatted text.
pub fn write(text: fmt::Arguments<'_>) {
    // Writing to the console cannot fail: output that is not taken is dropped.
    let mut console = CONSOLE.lock();
    let _ = fmt::Write::write_fmt(&mut *console, text);
    // Text without a line end: somebody waits for it.
    if console.used > 0 {
        console.flush();
    }
}

/// Breaks the lock held by an output that will never be finished: called when dying.
pub(crate) fn break_lock() {
    // SAFETY: there is one vCPU, and the interrupted output is never resumed.
    unsafe { CONSOLE.force_unlock() };
}

/// Waits until everything written has been taken.
pub fn drain() {
    if let Sink::Ring(ring) = &mut CONSOLE.lock().sink {
        ring.wait(|room| room == 2048);
    }
}

/// Takes what was typed; returns how many bytes.
pub(crate) fn typed(into: &mut [u8]) -> usize {
    match &mut CONSOLE.lock().sink {
        Sink::None => 0,
        Sink::Ring(ring) => ring.typed(into),
        // Nothing typed, if Xen gives none.
        Sink::Xen => hypercall::console_read(into).unwrap_or(0),
        Sink::Com2(uart) => uart.receive_bytes(into),
    }
}

/// How to learn that something was typed.
pub(crate) enum Typing {
    /// By this event channel, whose event has just been cleared.
    Event(Port),
    /// There is something already.
    Already,
    /// By looking: these consoles have an interrupt, but a domain must not be interrupted here.
    Look,
}

/// Clears the console's event, and tells how to wait for what will be typed.
pub(crate) fn await_typing() -> Typing {
    let console = CONSOLE.lock();
    let Sink::Ring(ring) = &console.sink else { return Typing::Look };
    shared::clear_event(ring.port);
    match ring.input().filled() {
        Ok(0) | Err(_) => Typing::Event(ring.port),
        Ok(_) => Typing::Already,
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // Terminals want a carriage return before each line feed; Xen's own console adds it.
            if byte == b'\n' && !matches!(self.sink, Sink::Xen) {
                self.push(b'\r');
            }
            self.push(byte);
            if byte == b'\n' {
                self.flush();
            }
        }
        Ok(())
    }
}

impl Console {
    fn push(&mut self, byte: u8) {
        if self.used == LINE {
            self.flush();
        }
        self.line[self.used] = byte;
        self.used += 1;
    }

    fn flush(&mut self) {
        let line = &self.line[..self.used];
        self.used = 0;
        match &mut self.sink {
            Sink::None => {}
            Sink::Ring(ring) => ring.bytes(line),
            // A console that refuses output is no reason to stop.
            Sink::Xen => drop(hypercall::console_write(line)),
            Sink::Com2(uart) => uart.send_bytes_exact(line),
        }
    }
}

impl Ring {
    const fn page(&self) -> VirtAddr {
        area::linear(self.base, self.pfn)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.wait(|room| room > 0);
            if room == 0 {
                return;
            }
            let (now, later) = rest.split_at(rest.len().min(room));
            self.put(now);
            rest = later;
        }
        // Xen refuses only if the other end is gone; then there is nowhere to report it.
        let _ = hypercall::event_send(self.port.number());
    }

    /// Waits until `enough` holds for the number of free bytes; 0 if the other end takes nothing for too long. Until it
    /// takes something again, there is no second wait: a dead daemon costs one timeout, not one for each line.
    ///
    /// The pending bit is cleared before the ring is looked at: if the other end takes something between the look and
    /// the wait, it sets the bit again, and the wait ends at once.
    fn wait(&mut self, enough: impl Fn(usize) -> bool) -> usize {
        let deadline = clock::system_time().plus(PATIENCE_NANOS);
        for _ in 0..ROUNDS {
            shared::clear_event(self.port);
            let room = self.room();
            if enough(room) {
                return room;
            }
            if clock::system_time() >= deadline || self.gone_at == Some(self.taken()) {
                break;
            }
            let _ = hypercall::event_send(self.port.number());
            let _ = hypercall::poll(&[self.port.number()], deadline.nanos());
        }
        self.gone_at = Some(self.taken());
        0
    }

    fn taken(&self) -> u32 {
        self.output().indices().consumer
    }

    /// Indices that cannot be count as a full ring: nobody takes anything from it.
    fn room(&self) -> usize {
        self.output().free().unwrap_or(0) as usize
    }

    fn put(&self, bytes: &[u8]) {
        // Room was there just now, and only this side takes it.
        let _ = self.output().put(bytes);
    }

    const fn output(&self) -> SharedRing {
        // SAFETY: the builder's mapping, and later the direct map, show the ring's page; the entry confirmed it.
        unsafe { SharedRing::new(self.page(), CONSOLE_OUTPUT) }
    }

    const fn input(&self) -> SharedRing {
        // SAFETY: as above.
        unsafe { SharedRing::new(self.page(), CONSOLE_INPUT) }
    }

    /// Takes what was typed; indices that cannot be are nothing typed.
    fn typed(&self, into: &mut [u8]) -> usize {
        let taken = self.input().take(into).unwrap_or(0);
        if taken > 0 {
            let _ = hypercall::event_send(self.port.number());
        }
        taken
    }
}
