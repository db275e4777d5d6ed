//! The Merkle tree of RFC 9162: its hashes, and whether a proof about them holds. Pure; where the hashes are kept is
//! the hub's.

use crate::digest::{Hasher, Sha256};

/// The hash of an entry (2.1.1).
pub fn leaf(entry: &[u8]) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(&[0]);
    hasher.update(entry);
    hasher.finish()
}

/// The hash of two subtrees put together (2.1.1).
pub fn node(left: &Sha256, right: &Sha256) -> Sha256 {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    Sha256::of(&bytes)
}

/// The root of a tree without leaves (2.1.1).
pub fn empty() -> Sha256 {
    Sha256::of(b"")
}

/// Is the leaf at `index` in the tree of that size and root (2.1.3.2)?
#[must_use]
pub fn includes(leaf: &Sha256, index: u64, size: u64, root: &Sha256, path: &[Sha256]) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Is the first tree the beginning of the second (2.1.4.2)? Every tree begins with the empty one.
#[must_use]
pub fn extends(before: (u64, &Sha256), after: (u64, &Sha256), path: &[Sha256]) -> bool {
    let ((first, first_root), (second, second_root)) = (before, after);
    if first == 0 || first == second {
        let same = first_root == second_root;
        return path.is_empty() && if first == second { same } else { *first_root == empty() };
    }
    if first > second {
        return false;
    }
    // A whole subtree needs no hash of its own in the path.
    let whole = [*first_root];
    let mut hashes = if first.is_power_of_two() { &whole } else { &path[..0] }.iter().chain(path);
    let Some(start) = hashes.next() else { return false };
    let (mut at, mut last) = (first - 1, second - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut old, mut new) = (*start, *start);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old = node(hash, &old);
            new = node(hash, &new);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new = node(&new, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && old == *first_root && new == *second_root
}

/// Where hashes of whole subtrees are found: of those with 2^level leaves the `index`-th.
pub type Subtrees<'a> = &'a dyn Fn(u32, u64) -> Option<Sha256>;

/// The hash over the leaves from `low` to below `high`, of which there is one at least and which begin at a whole
/// multiple of the largest power of two in them.
pub fn range(low: u64, high: u64, subtrees: Subtrees) -> Option<Sha256> {
    let many = high.checked_sub(low).filter(|many| *many > 0)?;
    if many.is_power_of_two() {
        let level = many.trailing_zeros();
        return subtrees(level, low >> level);
    }
    let middle = low + split(many);
    Some(node(&range(low, middle, subtrees)?, &range(middle, high, subtrees)?))
}

/// The proof that the leaf at `index` is in the tree of that size (2.1.3.1).
pub fn inclusion(index: u64, size: u64, subtrees: Subtrees) -> Option<Vec<Sha256>> {
    if index >= size {
        return None;
    }
    let (mut low, mut high) = (0, size);
    let mut path = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        let (sibling, rest) = match index < middle {
            true => ((middle, high), (low, middle)),
            false => ((low, middle), (middle, high)),
        };
        path.push(range(sibling.0, sibling.1, subtrees)?);
        (low, high) = rest;
    }
    path.reverse();
    Some(path)
}

/// The proof that the tree of one size is the beginning of that of another (2.1.4.1).
pub fn consistency(from: u64, to: u64, subtrees: Subtrees) -> Option<Vec<Sha256>> {
    if from > to {
        return None;
    }
    let mut path = Vec::new();
    if from == 0 || from == to {
        return Some(path);
    }
    let (mut low, mut high) = (0, to);
    // Down to the subtree that ends where the first tree ends.
    while from != high {
        let middle = low + split(high - low);
        let (sibling, rest) = match from <= middle {
            true => ((middle, high), (low, middle)),
            false => ((low, middle), (middle, high)),
        };
        path.push(range(sibling.0, sibling.1, subtrees)?);
        (low, high) = rest;
    }
    if low > 0 {
        path.push(range(low, high, subtrees)?);
    }
    path.reverse();
    Some(path)
}

/// The largest power of two below `many`, which is at least 2.
const fn split(many: u64) -> u64 {
    1 << (63 - (many - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of 2.1.1, word by word.
    fn root(leaves: &[Sha256]) -> Sha256 {
        match leaves {
            [] => empty(),
            [one] => *one,
            more => {
                let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
                node(&root(left), &root(right))
            }
        }
    }

    /// The seven leaves of RFC 9162, 2.1.5: which hashes its proofs consist of is said there.
    #[test]
    fn proofs_are_those_of_the_standard() {
        let d: Vec<Sha256> = (0..7u8).map(|i| leaf(&[i])).collect();
        let (g, h, i, j) = (node(&d[0], &d[1]), node(&d[2], &d[3]), node(&d[4], &d[5]), d[6]);
        let (k, l) = (node(&g, &h), node(&i, &j));
        let all = root(&d);
        assert_eq!(all, node(&k, &l));
        let proofs: [(u64, &[Sha256]); 4] =
            [(0, &[d[1], h, l]), (3, &[d[2], g, l]), (4, &[d[5], j, k]), (6, &[i, k])];
        for (index, path) in proofs {
            assert!(includes(&d[index as usize], index, 7, &all, path), "{index}");
            assert!(!includes(&d[index as usize], index + 1, 7, &all, path), "{index}");
            assert!(!includes(&d[index as usize], index, 7, &all, &path[1..]), "{index}");
        }
        let proofs: [(usize, &[Sha256]); 3] = [(3, &[d[2], d[3], g, l]), (4, &[l]), (6, &[i, j, k])];
        for (first, path) in proofs {
            let before = root(&d[..first]);
            assert!(extends((first as u64, &before), (7, &all), path), "{first}");
            assert!(!extends((first as u64, &all), (7, &all), path), "{first}");
            assert!(!extends((first as u64, &before), (7, &all), &path[..path.len() - 1]), "{first}");
        }
    }

    /// The roots that the reference implementations of RFC 6962 test with (same hashes): no leaf, one empty, eight.
    #[test]
    fn roots_are_those_of_others() {
        let unhex = |text: &str| -> Vec<u8> {
            let mut bytes = vec![0; text.len() / 2];
            assert!(crate::digest::hex_into(text, &mut bytes));
            bytes
        };
        let entries = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let leaves: Vec<Sha256> = entries.iter().map(|entry| leaf(&unhex(entry))).collect();
        for (size, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (5, "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(root(&leaves[..size]).to_string(), expected, "{size}");
        }
    }

    #[test]
    fn nothing_is_proved_by_nothing() {
        let (a, b) = (leaf(b"a"), leaf(b"b"));
        assert!(includes(&a, 0, 1, &a, &[]));
        assert!(!includes(&a, 0, 0, &a, &[]) && !includes(&a, 1, 1, &a, &[]));
        assert!(!includes(&a, 0, 1, &b, &[]) && !includes(&a, 0, u64::MAX, &a, &[]));
        assert!(extends((0, &empty()), (9, &a), &[]));
        assert!(!extends((0, &b), (9, &a), &[]) && !extends((0, &empty()), (9, &a), &[b]));
        assert!(extends((3, &a), (3, &a), &[]) && !extends((3, &a), (3, &b), &[]));
        assert!(!extends((4, &a), (3, &a), &[]) && !extends((2, &a), (3, &b), &[]));
        assert!(!includes(&a, 5, 9, &b, &[a; 300]) && !extends((5, &a), (9, &b), &[a; 300]));
    }
}
