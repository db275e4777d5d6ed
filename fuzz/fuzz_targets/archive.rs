//! The archive readers: no panic, nothing beyond the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weft::scan::archive::{Limits, members};

fuzz_target!(|input: &[u8]| {
    let limits = Limits { members: 200, member_bytes: 1 << 20, total_bytes: 4 << 20, ..Limits::default() };
    let mut total = 0;
    members("a", input, &limits, &mut |member| {
        assert!(!member.path.chars().any(char::is_control));
        if member.path.contains("!/") {
            total += member.content.map_or(0, |content| content.len());
        }
    });
    assert!(total <= 3 * (limits.total_bytes + input.len()));
});
