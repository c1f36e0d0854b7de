//! A ring that is mapped somewhere: taking bytes out of it, and putting bytes in.
//!
//! The other side reads and writes the same page at any time, so every access is volatile, and the bytes are written
//! before the index that announces them. `ring` checks the indices.

use core::mem::{offset_of, size_of};
use core::sync::atomic::{Ordering, fence};

use crate::abi::{ConsoleRing, StoreRing};
use crate::addr::VirtAddr;
use crate::ring::{BadRing, Indices};

use super::volatile;

/// Where the parts of a ring are in its page.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    buffer: usize,
    size: u32,
    producer: usize,
    consumer: usize,
}

/// What is typed at the console.
pub(crate) const CONSOLE_INPUT: Shape = Shape {
    buffer: offset_of!(ConsoleRing, input),
    size: 1024,
    producer: offset_of!(ConsoleRing, in_prod),
    consumer: offset_of!(ConsoleRing, in_cons),
};

/// What the console shows.
pub(crate) const CONSOLE_OUTPUT: Shape = Shape {
    buffer: offset_of!(ConsoleRing, output),
    size: 2048,
    producer: offset_of!(ConsoleRing, out_prod),
    consumer: offset_of!(ConsoleRing, out_cons),
};

/// Requests to the store.
pub(crate) const STORE_REQUESTS: Shape = Shape {
    buffer: offset_of!(StoreRing, requests),
    size: 1024,
    producer: offset_of!(StoreRing, req_prod),
    consumer: offset_of!(StoreRing, req_cons),
};

/// Replies of the store.
pub(crate) const STORE_REPLIES: Shape = Shape {
    buffer: offset_of!(StoreRing, replies),
    size: 1024,
    producer: offset_of!(StoreRing, rsp_prod),
    consumer: offset_of!(StoreRing, rsp_cons),
};

const _: () = assert!(size_of::<ConsoleRing>() <= 4096 && size_of::<StoreRing>() <= 4096);

/// A ring in a page that is mapped.
#[derive(Clone, Copy)]
pub(crate) struct Ring {
    page: VirtAddr,
    shape: Shape,
}

impl Ring {
    /// The ring of this shape in a page.
    ///
    /// # Safety
    /// The page must be mapped writable for as long as the ring is used, and be such a ring.
    pub(crate) const unsafe fn new(page: VirtAddr, shape: Shape) -> Self {
        Self { page, shape }
    }

    pub(crate) fn indices(self) -> Indices {
        let Shape { producer, consumer, .. } = self.shape;
        Indices { producer: self.index(producer), consumer: self.index(consumer) }
    }

    /// Bytes that can be taken out.
    pub(crate) fn filled(self) -> Result<u32, BadRing> {
        self.indices().filled(self.shape.size)
    }

    /// Bytes that can be put in.
    pub(crate) fn free(self) -> Result<u32, BadRing> {
        self.indices().free(self.shape.size)
    }

    /// Takes bytes out, as many as there are and `into` has room for.
    pub(crate) fn take(self, into: &mut [u8]) -> Result<usize, BadRing> {
        let (filled, consumer) = (self.filled()?, self.indices().consumer);
        fence(Ordering::Acquire);
        let mut at = consumer;
        for place in into.iter_mut().take(filled as usize) {
            // SAFETY: inside the buffer, because of the remainder; any bit pattern is a byte.
            *place = unsafe { volatile::read(self.byte(at)) };
            at = at.wrapping_add(1);
        }
        fence(Ordering::Release);
        self.set_index(self.shape.consumer, at);
        Ok(at.wrapping_sub(consumer) as usize)
    }

    /// Puts bytes in, as many as there is room for.
    pub(crate) fn put(self, bytes: &[u8]) -> Result<usize, BadRing> {
        let (free, producer) = (self.free()?, self.indices().producer);
        fence(Ordering::Acquire);
        let mut at = producer;
        for byte in bytes.iter().take(free as usize) {
            // SAFETY: inside the buffer, because of the remainder; nobody reads there, because there is room.
            unsafe { volatile::write(self.byte(at), *byte) };
            at = at.wrapping_add(1);
        }
        fence(Ordering::Release);
        self.set_index(self.shape.producer, at);
        Ok(at.wrapping_sub(producer) as usize)
    }

    const fn byte(self, at: u32) -> VirtAddr {
        volatile::field(self.page, self.shape.buffer + (at % self.shape.size) as usize)
    }

    fn index(self, offset: usize) -> u32 {
        // SAFETY: mapped, by the contract of `new`; the other side writes its index, so the read is volatile.
        unsafe { volatile::read(volatile::field(self.page, offset)) }
    }

    fn set_index(self, offset: usize, value: u32) {
        // SAFETY: as in `index`; this side alone writes the index that it advances.
        unsafe { volatile::write(volatile::field(self.page, offset), value) }
    }
}
