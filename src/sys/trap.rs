//! The trap that a panic is in the builds for size (`panic = "immediate-abort"`): no message is made up, the processor stops at the place.

/// Room for the one line below with any address in it.
type Line = [u8; 128];

/// From now on a trap says where it was, asks for a report, and ends the process with exit code 3, as a panic does in other builds.
/// The address is that of the instruction in the binary, which is linked to one place: `scripts/build/where.sh` tells file and line.
pub fn say_where() {
    // SAFETY: all zeros is a valid sigaction: no flags, nothing masked.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_flags = libc::SA_SIGINFO;
    action.sa_sigaction = said as *const () as usize;
    for signal in [libc::SIGILL, libc::SIGTRAP] {
        // SAFETY: action is valid, and its handler does only what one may do.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

/// What runs in place of the instruction that trapped. Async-signal-safe: it writes to the stack and makes system calls only.
extern "C" fn said(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel hands over a valid siginfo. Such a signal of another process ends this one as ever, once the handler is left.
    unsafe {
        if (*info).si_code <= 0 {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
            return;
        }
    }
    // SAFETY: as above; a trap's has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    let mut line: Line = [0; 128];
    let length = message(&mut line, address);
    // SAFETY: the first `length` bytes of line are initialised; _exit does not come back.
    unsafe {
        libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), length);
        libc::_exit(3);
    }
}

/// Writes the line and says how long it is, without anything that could trap itself.
fn message(line: &mut Line, address: usize) -> usize {
    let digits = (0..usize::BITS / 4).rev().map(|place| {
        let digit = (address >> (place * 4)) as u8 & 15;
        if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
    });
    let before = b"weft: internal error: 0x".iter().copied();
    let after = b": please report it with the command you ran; the scan is not complete\n".iter().copied();
    let mut length = 0;
    for (to, from) in line.iter_mut().zip(before.chain(digits).chain(after)) {
        *to = from;
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_the_address_and_ends() {
        let mut line: Line = [0; 128];
        let length = message(&mut line, 0x40_1a2f);
        let text = std::str::from_utf8(&line[..length]).expect("ASCII");
        assert!(text.starts_with("weft: internal error: 0x"), "{text}");
        assert!(text.contains("401a2f: please report it"), "{text}");
        assert!(text.ends_with("not complete\n"), "{text}");
    }
}
