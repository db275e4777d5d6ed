//! The `weft` binary: parse, dispatch, error to exit code.

fn main() {}
