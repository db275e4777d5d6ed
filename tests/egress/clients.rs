//! Programs that people use, with no set-up of their own.

use super::Case;

pub const CASES: &[Case] = &[];
