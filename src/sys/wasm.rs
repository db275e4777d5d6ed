//! Calls of the WebAssembly module: numbers in, a pointer out. The module imports nothing.
//!
//! The caller asks for room ([`weft_room`]), writes the input there, and calls [`weft_answer`], which takes the room back. The answer
//! starts with its length (four bytes, little-endian) and goes back with [`weft_done`].

#![allow(unsafe_code)]

use crate::embed::{Operation, answer};

/// Room for `length` bytes of input. Null for none.
// SAFETY: the name is this crate's own, no other symbol has it.
#[unsafe(no_mangle)]
pub extern "C" fn weft_room(length: usize) -> *mut u8 {
    if length == 0 {
        return std::ptr::null_mut();
    }
    Box::into_raw(vec![0u8; length].into_boxed_slice()).cast()
}

/// The answer to the input that stands in a room of [`weft_room`] of exactly this length. Operations: 0 scan, 1 hash, 2 policy check,
/// 3 policy why. Null for an operation that does not exist. The room is gone in either case.
///
/// # Safety
/// `room` and `length` are those of one call of [`weft_room`], and not used again.
// SAFETY: the name is this crate's own, no other symbol has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weft_answer(operation: u32, room: *mut u8, length: usize) -> *mut u8 {
    let input: Box<[u8]> = if room.is_null() {
        Box::default()
    } else {
        // SAFETY: the caller vouches that this is a room of this length, which `weft_room` made of such a box.
        unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(room, length)) }
    };
    let operation = match operation {
        0 => Operation::Scan,
        1 => Operation::Hash,
        2 => Operation::PolicyCheck,
        3 => Operation::PolicyWhy,
        _ => return std::ptr::null_mut(),
    };
    let content = answer(operation, &input);
    // Memory ends at 4 GiB, so the length fits.
    let mut page = Vec::with_capacity(content.len() + 4);
    page.extend_from_slice(&(content.len() as u32).to_le_bytes());
    page.extend_from_slice(&content);
    Box::into_raw(page.into_boxed_slice()).cast()
}

/// Takes an answer back.
///
/// # Safety
/// `answer` is what [`weft_answer`] gave, and not used again.
// SAFETY: the name is this crate's own, no other symbol has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weft_done(answer: *mut u8) {
    if answer.is_null() {
        return;
    }
    // SAFETY: every answer starts with four bytes of length, and is a box of that and what follows.
    unsafe {
        let length = u32::from_le_bytes(answer.cast::<[u8; 4]>().read()) as usize + 4;
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(answer, length)));
    }
}
