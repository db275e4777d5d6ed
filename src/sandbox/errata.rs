//! Landlock's known faults (`Documentation/userspace-api/landlock.rst`, "Landlock errata") that this kernel has not fixed and a plan
//! touches, with what that means for it. None is a refusal: the first two deny too much, and for the third there is another wall.
//! A kernel before 6.15 that cannot say what it has fixed counts as one that has fixed nothing.

use super::landlock::Landlock;
use crate::sys::landlock::scope;

/// One fault that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erratum {
    /// The kernel's number for it.
    pub number: u32,
    /// What is wrong, and what holds the policy in spite of it.
    pub text: &'static str,
}

const TCP: u32 = 1;
const SIGNALS: u32 = 2;
const MOVED: u32 = 3;

/// The faults that touch a plan; `fixed` is the kernel's bit set, `namespaces` whether the plan has them.
pub fn of(landlock: &Landlock, fixed: u32, namespaces: bool) -> Vec<Erratum> {
    let open = |number: u32| fixed & (1 << (number - 1)) == 0;
    let mut all = Vec::new();
    let mut add = |number, touched, text| {
        if touched && open(number) {
            all.push(Erratum { number, text });
        }
    };
    add(
        TCP,
        landlock.net != 0,
        "SMC, MPTCP and SCTP are denied as TCP is: no less is held; seccomp lets nobody make such a socket",
    );
    add(
        SIGNALS,
        landlock.scoped & scope::SIGNAL != 0,
        "threads that Landlock themselves one by one cannot signal each other: no less is held",
    );
    let moved = match namespaces {
        true => {
            "renames and links of folders moved out of a mount are not compared: held by the mounts, each place is one of its own"
        }
        false => {
            "renames and links of folders moved out of a mount are not compared: held by the keeper, the command renames nothing itself"
        }
    };
    add(MOVED, landlock.handled != 0, moved);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::landlock::fs;

    fn numbers(net: u64, scoped: u64, handled: u64, fixed: u32) -> Vec<u32> {
        let landlock = Landlock { abi: 7, handled, net, scoped, grants: Vec::new() };
        of(&landlock, fixed, true).iter().map(|erratum| erratum.number).collect()
    }

    #[test]
    fn only_what_is_open_and_used_is_told() {
        let (net, scoped, handled) = (3, scope::SIGNAL | scope::ABSTRACT_UNIX_SOCKET, fs::EXECUTE);
        assert_eq!(numbers(net, scoped, handled, 0), [1, 2, 3]);
        assert_eq!(numbers(net, scoped, handled, 0b011), [3]);
        assert_eq!(numbers(net, scoped, handled, 0b101), [2]);
        assert_eq!(numbers(net, scoped, handled, 0b111), []);
        assert_eq!(numbers(0, scoped, handled, 0), [2, 3]);
        assert_eq!(numbers(0, scope::ABSTRACT_UNIX_SOCKET, handled, 0), [3]);
        assert_eq!(numbers(0, 0, 0, 0), []);
    }

    #[test]
    fn the_wall_that_holds_is_the_one_that_is_there() {
        let landlock = Landlock { abi: 7, handled: fs::REFER, net: 0, scoped: 0, grants: Vec::new() };
        let text = |namespaces| of(&landlock, 0, namespaces)[0].text;
        assert!(text(true).contains("by the mounts") && text(false).contains("by the keeper"));
    }
}
