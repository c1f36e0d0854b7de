//! The console: Xen's ring for a guest, Xen's own console or the second serial port for the initial domain.
//!
//! The ring has 2 KiB and free-running indices; when it is full, the writer notifies the other end and waits for an
//! event, with a deadline. Indices are never reset: what is in the ring was not read yet. Before the domain ends, the
//! ring must be drained, or the last lines are lost with it.
//!
//! The ring lies in the high mapping at first and is reached through the direct map later ([`rehome`]).
//! Sources: xen/include/public/io/console.h.

use core::fmt;
use core::ptr;
use core::sync::atomic::{Ordering, fence};

use revector::addr::{PAGE_SIZE, Pfn, VirtAddr};
use revector::mm::area;
use revector::xen::abi::ConsoleRing;
use spin::Mutex;
use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

use super::{clock, hypercall, shared};

/// Longest wait for room in the ring: then the other end is gone, and output is dropped.
const PATIENCE_NANOS: u64 = 2_000_000_000;
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
    port: u32,
}

/// The one console.
pub(crate) struct Console(Sink);

static CONSOLE: Mutex<Console> = Mutex::new(Console(Sink::None));

/// Uses the ring in page `pfn`.
pub(crate) fn use_ring(pfn: Pfn, port: u32) {
    CONSOLE.lock().0 = Sink::Ring(Ring { base: area::HIGH, pfn, port });
}

/// Uses Xen's own console.
pub(crate) fn use_xen() {
    CONSOLE.lock().0 = Sink::Xen;
}

/// Uses the second serial port; says why not if it does not answer.
pub(crate) fn use_com2() -> Result<(), &'static str> {
    hypercall::set_io_privilege().map_err(|_| "Xen refuses I/O privilege")?;
    // SAFETY: as the initial domain we may access COM2, and nothing else here does.
    let port = unsafe { Uart16550::new_port(COM2) };
    let mut uart = port.map_err(|_| "no such I/O port")?;
    uart.init(Config::default()).map_err(|_| "the port does not answer as a 16550 does")?;
    CONSOLE.lock().0 = Sink::Com2(uart);
    Ok(())
}

/// Reaches the ring through another mapping from now on.
pub(crate) fn rehome(base: VirtAddr) {
    if let Sink::Ring(ring) = &mut CONSOLE.lock().0 {
        ring.base = base;
    }
}

/// Writes formatted text.
pub(crate) fn write(text: fmt::Arguments<'_>) {
    // Writing to the console cannot fail: what nobody takes is dropped.
    let _ = fmt::Write::write_fmt(&mut *CONSOLE.lock(), text);
}

/// Breaks the lock of an output that will never be finished: called when dying.
pub(crate) fn break_lock() {
    // SAFETY: one vCPU, and its interrupted output is not gone on with.
    unsafe { CONSOLE.force_unlock() };
}

/// Waits until everything written was taken.
pub(crate) fn drain() {
    if let Sink::Ring(ring) = &CONSOLE.lock().0 {
        ring.wait(|room| room == 2048);
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match &mut self.0 {
            Sink::None => {}
            Sink::Ring(ring) => text.split_inclusive('\n').for_each(|line| ring.line(line)),
            // A console that refuses output is no reason to stop.
            Sink::Xen => drop(hypercall::console_write(text.as_bytes())),
            Sink::Com2(uart) => uart.send_bytes_exact(text.as_bytes()),
        }
        Ok(())
    }
}

impl Ring {
    fn page(&self) -> *mut ConsoleRing {
        let at = self.base.as_u64().wrapping_add(self.pfn.raw() * PAGE_SIZE);
        VirtAddr::new_truncate(at).as_mut_ptr()
    }

    /// Terminals want a carriage return before each line feed.
    fn line(&self, line: &str) {
        match line.strip_suffix('\n') {
            Some(line) => {
                self.bytes(line.as_bytes());
                self.bytes(b"\r\n");
            }
            None => self.bytes(line.as_bytes()),
        }
    }

    fn bytes(&self, bytes: &[u8]) {
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
        // Xen refuses only if the other end is gone; nothing can be said about it then.
        let _ = hypercall::event_send(self.port);
    }

    /// Waits until `enough` holds of the free bytes; 0 if the other end does not take any for too long.
    fn wait(&self, enough: impl Fn(usize) -> bool) -> usize {
        let deadline = clock::system_time() + PATIENCE_NANOS;
        loop {
            shared::clear_event(self.port);
            let room = self.room();
            if enough(room) {
                return room;
            }
            if clock::system_time() >= deadline {
                return 0;
            }
            let _ = hypercall::event_send(self.port);
            let _ = hypercall::poll(self.port, deadline);
        }
    }

    fn room(&self) -> usize {
        let page = self.page();
        // SAFETY: the ring is mapped at `base`; the other end writes `out_cons`, so the read is volatile.
        let taken = unsafe { ptr::read_volatile(&raw const (*page).out_cons) };
        // SAFETY: as above.
        let put = unsafe { ptr::read_volatile(&raw const (*page).out_prod) };
        2048 - (put.wrapping_sub(taken) as usize).min(2048)
    }

    fn put(&self, bytes: &[u8]) {
        let page = self.page();
        // SAFETY: as in `room`.
        let start = unsafe { ptr::read_volatile(&raw const (*page).out_prod) };
        let mut at = start;
        for byte in bytes {
            // SAFETY: the index is masked to the buffer's length; the caller left room, so nobody reads there.
            unsafe { ptr::write_volatile(&raw mut (*page).output[at as usize % 2048], *byte) };
            at = at.wrapping_add(1);
        }
        fence(Ordering::Release);
        // SAFETY: as in `room`; only this side writes `out_prod`.
        unsafe { ptr::write_volatile(&raw mut (*page).out_prod, at) };
    }
}
