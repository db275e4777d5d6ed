//! Ed25519 keys (RFC 8032) as values: a public key that was checked, a secret key that signs. Files of keys are
//! `keyfile`'s.

use crate::digest::{Sha256, hex_into, to_hex};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;

/// A public key that is no trap: canonical, and not of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Why bytes are no key to trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// Not 64 lower-case hex digits.
    Spelling,
    /// A second spelling of another key: its number is not below the field's prime.
    NotCanonical,
    /// Under these keys, signatures hold that nobody made.
    SmallOrder,
}

impl KeyFault {
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyFault::Spelling => "not a public key: 64 lower-case hex digits",
            KeyFault::NotCanonical => "not a canonical Ed25519 key",
            KeyFault::SmallOrder => "a key of small order, under which forged signatures hold",
        }
    }
}

/// The y coordinates of the eight points of small order, sign bit cleared, little-endian.
const SMALL_ORDER: [[u8; 32]; 5] = {
    let mut zero = [0; 32];
    let mut one = zero;
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    zero[0] = 0;
    [
        zero,
        one,
        minus_one,
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ]
};

impl PublicKey {
    /// Checks raw bytes (RFC 8032, 5.1.5: y little-endian, the sign of x in the top bit).
    pub fn from_bytes(bytes: [u8; 32]) -> Result<PublicKey, KeyFault> {
        let mut y = bytes;
        y[31] &= 0x7f;
        // p = 2^255 - 19: not below it is what starts with ed or more and is all ones above.
        if y[0] >= 0xed && y[31] == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff) {
            return Err(KeyFault::NotCanonical);
        }
        if SMALL_ORDER.contains(&y) {
            return Err(KeyFault::SmallOrder);
        }
        Ok(PublicKey(bytes))
    }

    /// From 64 lower-case hex digits.
    pub fn parse(text: &str) -> Result<PublicKey, KeyFault> {
        let mut bytes = [0; 32];
        if hex_into(text, &mut bytes) { PublicKey::from_bytes(bytes) } else { Err(KeyFault::Spelling) }
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What two people read to each other: the SHA-256 of the key, in groups of four digits.
    pub fn fingerprint(&self) -> String {
        let digits = Sha256::of(&self.0).to_string();
        let groups: Vec<&str> = (0..16).filter_map(|group| digits.get(group * 4..group * 4 + 4)).collect();
        groups.join(" ")
    }

    /// Did the owner of this key sign exactly this message?
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, &signature.0).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// From 128 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Signature> {
        let mut bytes = [0; 64];
        hex_into(text, &mut bytes).then_some(Signature(bytes))
    }

    pub const fn from_bytes(bytes: [u8; 64]) -> Signature {
        Signature(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key that signs.
pub struct SecretKey {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SecretKey {
    /// A new key from the system's random source. `None` if that fails.
    pub fn generate() -> Option<SecretKey> {
        let mut seed = [0; 32];
        random(&mut seed)?;
        SecretKey::from_seed(seed)
    }

    /// The key that RFC 8032 derives from the seed.
    pub fn from_seed(seed: [u8; 32]) -> Option<SecretKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        let public = PublicKey::from_bytes(pair.public_key().as_ref().try_into().ok()?).ok()?;
        Some(SecretKey { seed, pair, public })
    }

    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What the key is made from: for its file only.
    pub(super) const fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(self.pair.sign(message).as_ref()) {
            *to = *from;
        }
        Signature(bytes)
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.seed.fill(0);
        // Keeps the line above: without it, nobody reads what was written.
        std::hint::black_box(&self.seed);
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the secret of {}", self.public)
    }
}

/// Fills `out` from the system's random source.
pub(crate) fn random(out: &mut [u8]) -> Option<()> {
    SystemRandom::new().fill(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        let mut bytes = [0; N];
        assert!(hex_into(text, &mut bytes));
        bytes
    }

    /// RFC 8032, 7.1, test 2.
    #[test]
    fn signs_as_the_standard_says() {
        let key =
            SecretKey::from_seed(unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
                .unwrap();
        assert_eq!(
            key.public().to_string(),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        let signature = key.sign(&[0x72]);
        assert_eq!(
            signature.to_string(),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
        assert!(key.public().verifies(&[0x72], &signature));
        assert!(!key.public().verifies(&[0x73], &signature));
        let other = SecretKey::generate().unwrap();
        assert!(!other.public().verifies(&[0x72], &signature));
    }

    #[test]
    fn keys_under_which_anything_holds_are_refused() {
        // The identity: ring accepts this signature, which nobody made, under it.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut forged = [0; 64];
        forged[0] = 1;
        assert!(UnparsedPublicKey::new(&ED25519, &identity).verify(b"anything", &forged).is_ok());
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut bytes = y;
                bytes[31] |= sign;
                assert_eq!(PublicKey::from_bytes(bytes), Err(KeyFault::SmallOrder));
            }
        }
        for low in 0xed..=0xffu8 {
            for high in [0x7f, 0xff] {
                let mut bytes = [0xff; 32];
                (bytes[0], bytes[31]) = (low, high);
                assert_eq!(PublicKey::from_bytes(bytes), Err(KeyFault::NotCanonical));
            }
        }
        let good = SecretKey::from_seed([7; 32]).unwrap().public().to_string();
        assert!(PublicKey::parse(&good).is_ok());
        for bad in [good.to_uppercase(), good[2..].to_owned(), format!("{good}00"), String::new()] {
            assert_eq!(PublicKey::parse(&bad), Err(KeyFault::Spelling));
        }
    }
}
