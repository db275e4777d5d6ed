//! Stable sorting that is small: the comparisons are the caller's, the rest exists once for all types. The standard library's
//! sort is faster on long lists and costs 3 to 6 KB for each type and order; use that one where lists are long or the code
//! is hot.

use std::cmp::Ordering;

/// Sorts by an order. At most n log n comparisons; n - 1 when all is in order already.
pub fn by<T>(items: &mut [T], mut order: impl FnMut(&T, &T) -> Ordering) {
    let mut places = places(items.len(), &mut |a, b| order(&items[a], &items[b]).is_lt());
    // Along each cycle of the permutation; a place that is done points to itself.
    for start in 0..places.len() {
        let mut at = start;
        loop {
            let from = std::mem::replace(&mut places[at], at);
            if from == start || from == at {
                break;
            }
            items.swap(at, from);
            at = from;
        }
    }
}

/// Which item belongs to each place; empty when all are where they belong. Merges ever longer runs.
fn places(count: usize, before: &mut dyn FnMut(usize, usize) -> bool) -> Vec<usize> {
    if (1..count).all(|at| !before(at, at - 1)) {
        return Vec::new();
    }
    let mut list: Vec<usize> = (0..count).collect();
    let mut merged = Vec::with_capacity(count);
    let mut run = 1;
    while run < count {
        merged.clear();
        for pair in list.chunks(2 * run) {
            let (mut left, mut right) = pair.split_at(run.min(pair.len()));
            while let ([first, ..], [other, ..]) = (left, right) {
                // Of equals the left one goes first.
                let from = if before(*other, *first) { &mut right } else { &mut left };
                merged.push(from[0]);
                *from = &from[1..];
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut list, &mut merged);
        run *= 2;
    }
    list
}

/// Sorts by a key.
pub fn by_key<T, K: Ord>(items: &mut [T], mut key: impl FnMut(&T) -> K) {
    by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorts things that have an order.
pub fn plain<T: Ord>(items: &mut [T]) {
    by(items, T::cmp);
}

#[cfg(test)]
mod tests {
    #[test]
    fn sorts_as_the_standard_library_does() {
        let mut seed: u32 = 1;
        for length in (0..40).chain([1000]) {
            for kinds in [1, 3, 1000] {
                let mut next = || {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 8) % kinds
                };
                // The number keeps equals apart, so that a sort that is not stable is found out.
                let mut ours: Vec<(u32, usize)> = (0..length).map(|at| (next(), at)).collect();
                let mut theirs = ours.clone();
                super::by_key(&mut ours, |one| one.0);
                theirs.sort_by_key(|one| one.0);
                assert_eq!(ours, theirs);
                let mut strings: Vec<String> = ours.iter().rev().map(|one| one.0.to_string()).collect();
                let mut expected = strings.clone();
                super::plain(&mut strings);
                expected.sort();
                assert_eq!(strings, expected);
            }
        }
    }

    #[test]
    fn an_order_that_contradicts_itself_does_no_harm() {
        let mut turn = 0;
        let mut items: Vec<u32> = (0..100).collect();
        super::by(&mut items, |_, _| {
            turn += 1;
            if turn % 3 == 0 { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less }
        });
        items.sort_unstable();
        assert!(items.into_iter().eq(0..100));
    }
}
