//! The first thing a TLS client says (RFC 8446 §4.1.2, RFC 6066 §3): which host it means. Pure; decides nothing.
//!
//! A hello may be larger than one packet (post-quantum key shares) and split over records; it is read whole or refused.

/// The largest hello that is read, record headers included.
pub const LARGEST: usize = 32 * 1024;
/// A hello comes in one record, rarely two; splitting it finer is done to get past filters.
const MOST_RECORDS: usize = 32;

/// What is known about the first bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// Nothing can be said before there are so many bytes.
    Needs(usize),
    /// A whole ClientHello, with the name it asks for, if it does.
    Whole(Option<String>),
}

/// Reads the beginning of a stream. The error says what is wrong with it.
pub fn hello(bytes: &[u8]) -> Result<Hello, &'static str> {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    let mut message = Vec::new();
    let mut at = 0;
    for _ in 0..MOST_RECORDS {
        // What is there of a header must fit, before more is waited for.
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE) || rest.get(1).is_some_and(|major| *major != 3)
        {
            return Err("it does not begin with a TLS ClientHello");
        }
        let Some(header) = rest.first_chunk::<5>() else { return needs(at + 5) };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if !(1..=16_384).contains(&length) {
            return Err("its TLS record has no valid length");
        }
        let Some(fragment) = rest.get(5..5 + length) else { return needs(at + 5 + length) };
        message.extend_from_slice(fragment);
        at += 5 + length;
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err("its first TLS message is no ClientHello");
        }
        let Some(&[_, a, b, c]) = message.first_chunk::<4>() else { continue };
        let whole = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
        if whole > LARGEST {
            return Err("its ClientHello is too large");
        }
        if message.len() > whole {
            return Err("its first TLS record holds more than the ClientHello");
        }
        if message.len() == whole {
            return server_name(&message[4..]).map(Hello::Whole);
        }
    }
    Err("its ClientHello is split into too many records")
}

fn needs(bytes: usize) -> Result<Hello, &'static str> {
    if bytes > LARGEST { Err("its ClientHello is too large") } else { Ok(Hello::Needs(bytes)) }
}

/// What is left of a message that is being read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<usize> {
        self.take(1).map(|byte| byte[0].into())
    }

    fn u16(&mut self) -> Option<usize> {
        self.take(2).map(|two| u16::from_be_bytes([two[0], two[1]]).into())
    }

    /// A list with its length in two bytes before it.
    fn list(&mut self) -> Option<Rest<'a>> {
        let length = self.u16()?;
        self.take(length).map(Rest)
    }
}

/// Version, random, session, ciphers, compression.
fn skip_to_extensions(rest: &mut Rest<'_>) -> Option<()> {
    rest.take(2 + 32)?;
    let session = rest.u8()?;
    rest.take(session)?;
    rest.list()?;
    let compression = rest.u8()?;
    rest.take(compression).map(drop)
}

/// The name in a ClientHello.
fn server_name(body: &[u8]) -> Result<Option<String>, &'static str> {
    const CUT: &str = "its ClientHello is cut off";
    let mut rest = Rest(body);
    let mut name = None;
    skip_to_extensions(&mut rest).ok_or(CUT)?;
    if rest.0.is_empty() {
        return Ok(None);
    }
    let mut extensions = rest.list().ok_or(CUT)?;
    if !rest.0.is_empty() {
        return Err("there is more behind its ClientHello");
    }
    while !extensions.0.is_empty() {
        let kind = extensions.u16().ok_or(CUT)?;
        let data = extensions.list().ok_or(CUT)?;
        if kind != 0 {
            continue;
        }
        if name.is_some() {
            return Err("its ClientHello names two hosts");
        }
        name = Some(one_name(data).ok_or("the host in its ClientHello cannot be read")?);
    }
    Ok(name)
}

/// The one host name of a list that has nothing else.
fn one_name(mut data: Rest<'_>) -> Option<String> {
    let mut names = data.list()?;
    let kind = names.u8()?;
    let name = names.list()?.0;
    let plain = kind == 0 && names.0.is_empty() && data.0.is_empty() && name.is_ascii();
    (plain && !name.contains(&0)).then(|| String::from_utf8_lossy(name).into_owned())
}

/// The alert that tells a client that the host it named is not served (RFC 6066 §3: `unrecognized_name`, fatal).
pub const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];
/// The same when there was no hello to speak of (RFC 8446 §6.2: `access_denied`, fatal).
pub const ACCESS_DENIED: &[u8] = &[21, 3, 3, 0, 2, 2, 49];

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello for a host, with so many bytes of other extensions.
    fn message(names: &[&str], padding: usize) -> Vec<u8> {
        let list = |data: &[u8]| [&(data.len() as u16).to_be_bytes()[..], data].concat();
        let mut extensions = [&[0xff, 0x01][..], &list(&vec![0; padding])].concat();
        for name in names {
            let entry = [&[0][..], &list(name.as_bytes())].concat();
            extensions.extend([&[0, 0][..], &list(&list(&entry))].concat());
        }
        let body = [&[3, 3][..], &[7; 32], &[0], &list(&[0x13, 1]), &[1, 0], &list(&extensions)].concat();
        [&[1][..], &(body.len() as u32).to_be_bytes()[1..], &body].concat()
    }

    /// In records of so many bytes.
    fn records(message: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
        message.chunks(size).flat_map(record).collect()
    }

    #[test]
    fn the_name_is_found_however_it_is_cut() {
        for (padding, size) in [(0, 16_384), (1_800, 16_384), (1_800, 100), (20_000, 16_384)] {
            let bytes = records(&message(&["api.example.com"], padding), size);
            assert_eq!(hello(&bytes), Ok(Hello::Whole(Some("api.example.com".to_owned()))));
            for cut in [0, 1, 4, 5, 9, bytes.len() / 2, bytes.len() - 1] {
                let Ok(Hello::Needs(more)) = hello(&bytes[..cut]) else {
                    panic!("{cut} of {}: {:?}", bytes.len(), hello(&bytes[..cut]))
                };
                assert!(more > cut && more <= bytes.len());
            }
        }
        assert_eq!(hello(&records(&message(&[], 9), 16_384)), Ok(Hello::Whole(None)));
    }

    #[test]
    fn what_is_no_hello_is_refused_at_the_first_byte() {
        assert!(hello(b"GET / HTTP/1.1\r\n").is_err());
        assert!(hello(b"S").is_err());
        assert!(hello(&[22, 2]).is_err());
        assert!(hello(&[22, 3, 1, 0, 0]).is_err());
        assert!(hello(&[22, 3, 1, 0x40, 1]).is_err());
        assert!(hello(&records(&message(&["a.com", "b.com"], 0), 16_384)).is_err());
        assert!(hello(&records(&message(&["a.com"], 0), 1)).is_err(), "one byte at a time");
        assert!(hello(&records(&message(&["a.com"], 40_000), 16_384)).is_err());
        let more = [message(&["a.com"], 0), vec![1]].concat();
        assert!(hello(&records(&more, 16_384)).is_err());
        assert!(hello(&records(&message(&["a.com\0.b.com"], 0), 16_384)).is_err());
    }

    #[test]
    fn no_bytes_make_it_fail() {
        let whole = records(&message(&["api.example.com"], 30), 60);
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = hello(&changed);
                let _ = hello(&changed[..at]);
            }
        }
    }
}
