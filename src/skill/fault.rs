//! Where tests kill a command in the middle. In the program itself these are nothing.

/// A point between two steps of an installation.
#[cfg(not(test))]
pub const fn step(_name: &str) {}

/// Ends the process at once, as a kill would, at the step that the environment names.
#[cfg(test)]
pub fn step(name: &str) {
    if std::env::var("WEFT_TEST_KILL_AT").is_ok_and(|at| at == name) {
        std::process::abort();
    }
}
