//! The allocator of the static builds: dlmalloc behind the standard library's mutex. musl's own asks the kernel for nearly every
//! page and gives it back at once; the lock that dlmalloc brings along is a call into the C library twice for every allocation, a
//! tenth of what a start executes.

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One heap for all threads.
pub struct Allocator(Mutex<Dlmalloc>);

impl Allocator {
    /// An empty heap.
    #[must_use]
    #[allow(clippy::new_without_default)] // It is made once, in a static.
    pub const fn new() -> Self {
        Self(Mutex::new(Dlmalloc::new()))
    }

    fn heap(&self) -> MutexGuard<'_, Dlmalloc> {
        // A panic ends the process; where it did not, the heap would be as it was after the last whole step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// SAFETY: dlmalloc gives out memory as `GlobalAlloc` asks: of the size and alignment asked for, nobody else's until it is given
// back, and null where there is none. The mutex allows one thread at a time, does not allocate, and nothing unwinds under it.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a size above zero and a valid alignment.
        unsafe { self.heap().malloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller promises that the pointer came from here with this layout, and is not used again.
        unsafe { self.heap().free(pointer, layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        unsafe { self.heap().calloc(layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as for `dealloc`; the caller promises a new size above zero.
        unsafe { self.heap().realloc(pointer, layout.size(), layout.align(), size) }
    }
}
