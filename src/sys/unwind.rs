//! A stack that cannot be walked. The standard library links an unwinder into every static binary and a reader of debug information
//! with it, for backtraces. A release has neither tables to walk by nor debug information, and weft tells a panic by file and line:
//! with these in the unwinder's place both leave the binary (docs/size.md). In builds that unwind they are not compiled.

use std::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`: there is no frame to tell of.
const END_OF_STACK: c_int = 5;

/// Calls `trace` for no frame.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_trace: *mut c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

macro_rules! nothing {
    ($($name:ident)*) => {$(
        /// About a frame, and there is none; all are here, so that the linker asks for none of the unwinder.
        #[unsafe(no_mangle)]
        extern "C" fn $name(_context: *mut c_void) -> usize {
            0
        }
    )*};
}

nothing!(
    _Unwind_DeleteException _Unwind_FindEnclosingFunction _Unwind_ForcedUnwind _Unwind_GetCFA _Unwind_GetDataRelBase
    _Unwind_GetGR _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart
    _Unwind_GetTextRelBase _Unwind_RaiseException _Unwind_Resume _Unwind_Resume_or_Rethrow _Unwind_SetGR _Unwind_SetIP
);
