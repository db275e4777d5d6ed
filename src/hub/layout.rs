//! Where things are in a registry that was written out as files (`weft hub export`). Whoever writes the tree and whoever
//! reads it ask here; all paths are below the registry's address and consist of characters that every web server, object
//! store and file system takes as they are.

use crate::digest::Sha256;
use crate::net::url::encode;
use crate::trust::merkle::node;

/// What every file that is no page for people is below.
pub const ROOT: &str = "api/static";
/// Skills on a page of the catalogue.
pub const PAGE: usize = 200;
/// Hashes in a full tile, and the levels of the tree that one spans (C2SP tlog-tiles).
pub const TILE: u64 = 256;
const LEVELS: u32 = 8;
/// Bytes of a hash.
pub const WIDTH: usize = 32;

/// Who and what wrote the tree, and when.
pub fn about() -> String {
    format!("{ROOT}/about.json")
}

/// Every file of the tree, one path a line: what a later export may take away.
pub fn list() -> String {
    format!("{ROOT}/files.txt")
}

/// The owners that have a skill of this name.
pub fn owners(slug: &str) -> String {
    format!("{ROOT}/names/{}.json", plain(slug))
}

/// A skill.
pub fn skill(owner: &str, slug: &str) -> String {
    format!("{ROOT}/skills/{}/{}.json", plain(owner), plain(slug))
}

/// All of its versions, newest first. No version is called `versions`.
pub fn versions(owner: &str, slug: &str) -> String {
    format!("{ROOT}/skills/{}/{}/versions.json", plain(owner), plain(slug))
}

/// A version: its files and its signature.
pub fn version(owner: &str, slug: &str, version: &str) -> String {
    format!("{ROOT}/skills/{}/{}/{}.json", plain(owner), plain(slug), plain(version))
}

/// The package of a version.
pub fn package(owner: &str, slug: &str, version: &str) -> String {
    format!("{ROOT}/skills/{}/{}/{}.zip", plain(owner), plain(slug), plain(version))
}

/// The page of a version, for people.
pub fn page(owner: &str, slug: &str, version: &str) -> String {
    format!("{}/skills/{}/{}/index.html", plain(owner), plain(slug), plain(version))
}

/// The page, for people, of the skills that come behind that one (`owner/slug`).
pub fn list_page(after: &str) -> String {
    // No owner has a full stop in its name.
    format!("{ROOT}/pages/{}.html", plain(&after.replace('/', ".")))
}

/// A page of all skills, the newest first; the first page is 0.
pub fn catalog(page: usize) -> String {
    format!("{ROOT}/catalog/{page}.json")
}

/// The newest checkpoint of the log.
pub fn checkpoint() -> String {
    format!("{ROOT}/log/checkpoint.json")
}

/// The line of an event that is public.
pub fn event(index: u64) -> String {
    format!("{ROOT}/log/event/{}", split(index))
}

/// The tile with that number at that level, of which `width` hashes are there (C2SP tlog-tiles).
pub fn tile(level: u32, number: u64, width: u64) -> String {
    let partial = if width < TILE { format!(".p/{width}") } else { String::new() };
    format!("{ROOT}/log/tile/{level}/{}{partial}", split(number))
}

/// A name as it stands in a path. Those of owners and skills stand as they are; the plus sign of versions, which some servers
/// read as a space, becomes what no version has. Whatever else a stranger may call a version does not leave its segment.
fn plain(name: &str) -> String {
    encode(&name.replace('+', "_"))
}

/// `x001/x234/067`: no folder has more than a thousand entries.
fn split(number: u64) -> String {
    let mut out = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        out = format!("x{:03}/{out}", rest % 1000);
        rest /= 1000;
    }
    out
}

/// Where the hash of a subtree is to be found: a tile, and what of it the hash is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub level: u32,
    pub number: u64,
    /// How many hashes the tile has.
    pub width: u64,
    /// The hashes from this one on,
    pub first: usize,
    /// so many of them; a power of two.
    pub many: usize,
}

/// Where the hash of the `index`-th subtree with 2^level leaves is, in a tree of that size. `None` where the tree has no such
/// whole subtree.
pub fn place(level: u32, index: u64, size: u64) -> Option<Place> {
    let end = index.checked_add(1)?.checked_mul(1u64.checked_shl(level)?)?;
    if end > size {
        return None;
    }
    let (tiles, inner) = (level / LEVELS, level % LEVELS);
    // Of the hashes at the tile's bottom, those below the subtree.
    let (first, many) = (index << inner, 1usize << inner);
    let number = first / TILE;
    Some(Place {
        level: tiles,
        number,
        width: width(tiles, number, size),
        first: (first % TILE) as usize,
        many,
    })
}

/// How many hashes a tile has in a tree of that size.
pub fn width(level: u32, number: u64, size: u64) -> u64 {
    let hashes = size.checked_shr(level.saturating_mul(LEVELS)).unwrap_or(0);
    hashes.saturating_sub(number.saturating_mul(TILE)).min(TILE)
}

/// All tiles of a tree of that size: level, number, width.
pub fn tiles(size: u64) -> impl Iterator<Item = (u32, u64, u64)> {
    (0..8u32).flat_map(move |level| {
        let hashes = size.checked_shr(level * LEVELS).unwrap_or(0);
        (0..hashes.div_ceil(TILE)).map(move |number| (level, number, width(level, number, size)))
    })
}

/// The root over hashes whose number is a power of two.
pub fn fold(hashes: &[Sha256]) -> Option<Sha256> {
    match hashes {
        [] => None,
        [one] => Some(*one),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Some(node(&fold(left)?, &fold(right)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::merkle::{self, leaf};
    use std::collections::HashMap;

    #[test]
    fn tiles_have_the_names_of_the_standard() {
        assert_eq!(tile(0, 0, 256), "api/static/log/tile/0/000");
        assert_eq!(tile(1, 1_234_067, 256), "api/static/log/tile/1/x001/x234/067");
        assert_eq!(tile(0, 273, 112), "api/static/log/tile/0/273.p/112");
        // The example of the standard: a tree of 70,000 leaves.
        let all: Vec<_> = tiles(70_000).collect();
        assert_eq!(all.len(), 274 + 2 + 1);
        assert_eq!(all[273], (0, 273, 112));
        assert_eq!(all[274..], [(1, 0, 256), (1, 1, 17), (2, 0, 1)]);
    }

    /// Every proof of trees of these sizes can be put together from their tiles.
    #[test]
    fn proofs_come_from_tiles() {
        for size in [1u64, 2, 255, 256, 257, 600, 1000, 65_536 + 300] {
            let mut levels = vec![(0..size).map(|i| leaf(&i.to_be_bytes())).collect::<Vec<Sha256>>()];
            while levels.last().unwrap().len() > 1 {
                let below = levels.last().unwrap();
                levels.push(below.chunks_exact(2).map(|two| node(&two[0], &two[1])).collect());
            }
            let made: HashMap<(u32, u64), Vec<Sha256>> = tiles(size)
                .map(|(level, number, width)| {
                    let row = &levels[level as usize * 8];
                    let first = (number * TILE) as usize;
                    ((level, number), row[first..first + width as usize].to_vec())
                })
                .collect();
            let subtrees = |level: u32, index: u64| {
                let place = place(level, index, size)?;
                let tile = &made[&(place.level, place.number)];
                assert_eq!(tile.len() as u64, place.width);
                fold(tile.get(place.first..place.first + place.many)?)
            };
            let root = merkle::range(0, size, &subtrees).unwrap();
            for index in [0, 1, size / 3, size / 2, size - 1] {
                let Some(proof) = merkle::inclusion(index, size, &subtrees) else {
                    assert!(index >= size);
                    continue;
                };
                assert!(merkle::includes(&leaf(&index.to_be_bytes()), index, size, &root, &proof));
            }
            for from in [1, size / 3, size / 2, size - 1].into_iter().filter(|from| *from > 0) {
                let old = merkle::range(0, from, &subtrees).unwrap();
                let proof = merkle::consistency(from, size, &subtrees).unwrap();
                assert!(merkle::extends((from, &old), (size, &root), &proof), "{from} to {size}");
            }
            assert!(place(0, size, size).is_none() && place(63, 1, size).is_none());
        }
    }
}
