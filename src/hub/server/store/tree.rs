//! The hashes of the log's Merkle tree, kept in a file so that proofs need no long computation and no memory. All of it
//! can be computed from the log again.
//!
//! The file holds 32 bytes a hash, in the order in which they become known: each leaf, then the subtrees that it
//! completes, the smaller first. So it is only ever appended to, and where a hash stands follows from its level and index.

use crate::digest::Sha256;
use crate::trust::merkle::{self, node};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of one hash.
pub const WIDTH: u64 = 32;

/// How many hashes a tree of so many leaves has kept.
pub const fn count(leaves: u64) -> u64 {
    2 * leaves - leaves.count_ones() as u64
}

/// Where the hash of the subtree stands: `index`-th of those with 2^level leaves.
const fn place(level: u32, index: u64) -> u64 {
    count(((index + 1) << level) - 1) + level as u64
}

/// A tree that grows.
pub struct Tree {
    size: u64,
    /// The whole subtrees it consists of, the largest first.
    peaks: Vec<Sha256>,
    file: File,
    /// So many hashes are in the file; the others wait in `pending`.
    written: u64,
    pending: Vec<Sha256>,
}

impl Tree {
    /// The empty tree. `written` hashes of the file are known to be right as far as the tree will grow.
    pub fn new(file: File, written: u64) -> Tree {
        Tree { size: 0, peaks: Vec::new(), file, written, pending: Vec::new() }
    }

    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf and tells each hash that becomes known by it.
    fn grow(&mut self, leaf: Sha256, mut known: impl FnMut(&mut Self, Sha256)) {
        let mut hash = leaf;
        known(self, hash);
        let mut rest = self.size;
        while rest & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node(&left, &hash);
            known(self, hash);
            rest >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Adds a leaf. Its hashes are kept in memory until they are [`wrote`](Tree::wrote).
    pub fn push(&mut self, leaf: Sha256) {
        self.grow(leaf, |tree, hash| tree.pending.push(hash));
    }

    /// Adds a leaf whose hashes may be in the file already: `known` gets each.
    pub fn replay(&mut self, leaf: Sha256, known: &mut dyn FnMut(Sha256)) {
        self.grow(leaf, |_, hash| known(hash));
    }

    /// After [`replay`](Tree::replay): so many hashes are in the file, these follow.
    pub fn continues(&mut self, written: u64, pending: Vec<Sha256>) {
        (self.written, self.pending) = (written, pending);
    }

    pub fn root(&self) -> Sha256 {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => merkle::empty(),
            Some(last) => peaks.fold(*last, |right, left| node(left, &right)),
        }
    }

    /// What is not in the file yet, and where it goes.
    pub fn unwritten(&self) -> (u64, Vec<u8>) {
        (self.written * WIDTH, self.pending.iter().flat_map(|hash| *hash.as_bytes()).collect())
    }

    /// The root that the tree would have with these leaves more.
    pub fn root_with(&self, leaves: &[Sha256]) -> io::Result<Sha256> {
        let peaks = self.peaks.clone();
        let file = self.file.try_clone()?;
        let mut tree = Tree { size: self.size, peaks, file, written: 0, pending: Vec::new() };
        leaves.iter().for_each(|leaf| tree.grow(*leaf, |_, _| ()));
        Ok(tree.root())
    }

    /// So many bytes of what was not written are now.
    pub fn wrote(&mut self, bytes: usize) {
        let hashes = bytes / WIDTH as usize;
        self.pending.drain(..hashes.min(self.pending.len()));
        self.written += hashes as u64;
    }

    fn hash(&self, level: u32, index: u64) -> io::Result<Sha256> {
        let at = place(level, index);
        if let Some(pending) = at.checked_sub(self.written) {
            let hash = usize::try_from(pending).ok().and_then(|pending| self.pending.get(pending));
            return hash.copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = [0; WIDTH as usize];
        self.file.read_exact_at(&mut bytes, at * WIDTH)?;
        Ok(Sha256::from_bytes(bytes))
    }

    pub fn leaf(&self, index: u64) -> io::Result<Sha256> {
        if index < self.size { self.hash(0, index) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The root as it was at that size; `None` for a size that it never had.
    pub fn root_at(&self, size: u64) -> Option<Sha256> {
        match size {
            0 => Some(merkle::empty()),
            size if size > self.size => None,
            size => merkle::range(0, size, &|level, at| self.subtree(level, at)),
        }
    }

    /// RFC 9162, 2.1.3.1.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Sha256>> {
        if size > self.size {
            None
        } else {
            merkle::inclusion(index, size, &|level, at| self.subtree(level, at))
        }
    }

    /// RFC 9162, 2.1.4.1.
    pub fn consistency(&self, from: u64, to: u64) -> Option<Vec<Sha256>> {
        if to > self.size {
            None
        } else {
            merkle::consistency(from, to, &|level, at| self.subtree(level, at))
        }
    }

    /// The hash of the `index`-th subtree of those with 2^level leaves; `None` where it is not whole.
    pub fn subtree(&self, level: u32, index: u64) -> Option<Sha256> {
        let end = index.checked_add(1)?.checked_mul(1u64.checked_shl(level)?)?;
        if end > self.size { None } else { self.hash(level, index).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::merkle::{extends, includes, leaf};
    use std::path::PathBuf;

    fn scratch(name: &str) -> (PathBuf, File) {
        let path = std::env::temp_dir().join(format!("weft-tree-{name}-{}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        (path, file)
    }

    /// Every proof of every tree up to 200 leaves holds by the client's functions, whether the hashes come from the file or
    /// from memory; and no proof holds for another leaf or another size.
    #[test]
    fn all_proofs_up_to_200_leaves_hold() {
        const MOST: u64 = 200;
        let (path, file) = scratch("proofs");
        let mut tree = Tree::new(file.try_clone().unwrap(), 0);
        let leaves: Vec<Sha256> = (0..MOST).map(|i| leaf(&i.to_be_bytes())).collect();
        let mut roots = vec![tree.root()];
        for (at, leaf) in leaves.iter().enumerate() {
            tree.push(*leaf);
            roots.push(tree.root());
            // Some of the hashes stay in memory.
            if at % 7 == 3 {
                let (offset, bytes) = tree.unwritten();
                file.write_all_at(&bytes, offset).unwrap();
                tree.wrote(bytes.len());
            }
        }
        assert_eq!(tree.written + tree.pending.len() as u64, count(MOST));
        for size in 0..=MOST {
            assert_eq!(tree.root_at(size), Some(roots[size as usize]), "{size}");
            for index in 0..size {
                let proof = tree.inclusion(index, size).unwrap();
                let (leaf, root) = (&leaves[index as usize], &roots[size as usize]);
                assert!(includes(leaf, index, size, root, &proof), "{index} of {size}");
                assert!(!includes(&roots[0], index, size, root, &proof), "{index} of {size}");
                assert!(size == 1 || !includes(leaf, index ^ 1, size, root, &proof), "{index} of {size}");
            }
            assert_eq!(tree.inclusion(size, size), None);
            for from in 0..=size {
                let proof = tree.consistency(from, size).unwrap();
                let (old, new) = ((from, &roots[from as usize]), (size, &roots[size as usize]));
                assert!(extends(old, new, &proof), "{from} to {size}");
                assert!(from == size || !extends(old, (size, &roots[from as usize]), &proof) || from == 0);
                assert!(
                    from == size || from == 0 || !extends((from, new.1), new, &proof),
                    "{from} to {size}"
                );
            }
        }
        assert!(tree.consistency(3, 2).is_none() && tree.consistency(0, MOST + 1).is_none());
        assert!(tree.root_at(MOST + 1).is_none() && tree.leaf(MOST).is_err());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_hash_has_its_place() {
        let mut at = 0;
        for leaf in 0..1000u64 {
            assert_eq!(count(leaf), at);
            for level in 0..=(leaf + 1).trailing_zeros() {
                assert_eq!(place(level, leaf >> level), at, "{leaf} {level}");
                at += 1;
            }
        }
    }
}
