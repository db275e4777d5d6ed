//! The resolver that programs inside ask (RFC 1035): allowed names get an address of the run's own, others do not exist. It
//! asks nobody, so that no question leaves the machine. Pure.

use std::net::Ipv4Addr;

/// Port 53, UDP and TCP.
pub const PORT: u16 = 53;
/// The largest question; a name has at most 255 bytes, the rest is room for options.
pub const LARGEST: usize = 1232;
/// Seconds an answer may be kept: it stays true for the whole run.
const KEEP: u32 = 600;

/// What is known about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It may be reached, at this address.
    At(Ipv4Addr),
    /// It may not.
    No,
    /// It could be, but there are too many names already.
    Full,
}

/// The answer to a message; none for what is no question.
pub fn answer(message: &[u8], known: &mut dyn FnMut(&str) -> Known) -> Option<Vec<u8>> {
    let header = message.first_chunk::<12>()?;
    if header[2] & 0x80 != 0 {
        return None;
    }
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let opcode = header[2] >> 3 & 0xf;
    let reply = |code: u8, question: &[u8], address: Option<Ipv4Addr>| {
        let mut reply = Vec::with_capacity(12 + question.len() + 16);
        reply.extend(&header[..2]);
        // An answer, authoritative, recursion as desired and available.
        reply.extend([0x84 | header[2] & 0x79, 0x80 | code]);
        for count in [!question.is_empty(), address.is_some(), false, false] {
            reply.extend(u16::from(count).to_be_bytes());
        }
        reply.extend(question);
        if let Some(address) = address {
            // The name of the question, type A, class IN.
            reply.extend([0xc0, 12, 0, 1, 0, 1]);
            reply.extend(KEEP.to_be_bytes());
            reply.extend([0, 4]);
            reply.extend(address.octets());
        }
        Some(reply)
    };
    const FORMAT: u8 = 1;
    const SERVER: u8 = 2;
    const NO_SUCH_NAME: u8 = 3;
    const NOT_DONE: u8 = 4;
    if opcode != 0 {
        return reply(NOT_DONE, &[], None);
    }
    if count(4) != 1 || count(6) != 0 {
        return reply(FORMAT, &[], None);
    }
    let Some((name, end)) = name(message) else { return reply(FORMAT, &[], None) };
    let Some(&[a, b, c, d]) = message.get(end..).and_then(|rest| rest.first_chunk::<4>()) else {
        return reply(FORMAT, &[], None);
    };
    let question = &message[12..end + 4];
    if [c, d] != [0, 1] {
        return reply(NO_SUCH_NAME, question, None);
    }
    match known(&name) {
        Known::No => reply(NO_SUCH_NAME, question, None),
        Known::Full => reply(SERVER, question, None),
        // Everything else that one could ask about it has an empty answer.
        Known::At(address) => reply(0, question, ([a, b] == [0, 1]).then_some(address)),
    }
}

/// The name in a question, and where it ends. What a host name does not hold makes a name that nothing allows.
fn name(message: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = 12;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        // Two high bits are a pointer, of which a question has none.
        if length > 63 || name.len() + length > 254 {
            return None;
        }
        let label = message.get(at..at + length)?;
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|&byte| match byte {
            b'-' | b'_' => char::from(byte),
            byte if byte.is_ascii_alphanumeric() => char::from(byte.to_ascii_lowercase()),
            _ => '?',
        }));
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.').filter(|label| !label.is_empty()) {
            message.push(label.len() as u8);
            message.extend(label.bytes());
        }
        message.push(0);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        message
    }

    fn ask(message: &[u8]) -> Option<Vec<u8>> {
        answer(message, &mut |name| match name {
            "api.example.com" => Known::At(Ipv4Addr::new(198, 18, 0, 2)),
            "full.example.com" => Known::Full,
            _ => Known::No,
        })
    }

    #[test]
    fn allowed_names_have_one_address_and_others_do_not_exist() {
        let reply = ask(&question("API.Example.com", 1)).unwrap();
        assert_eq!(reply[..4], [0xab, 0xcd, 0x85, 0x80]);
        assert_eq!(reply[6..8], [0, 1]);
        assert!(reply.ends_with(&[198, 18, 0, 2]));
        // AAAA, HTTPS, TXT: there is such a name, without any.
        for kind in [28, 65, 16] {
            let reply = ask(&question("api.example.com", kind)).unwrap();
            assert_eq!((reply[3] & 0xf, &reply[6..8]), (0, &[0, 0][..]));
        }
        for name in ["example.com", "evil.net", "", "a?b.example.com"] {
            assert_eq!(ask(&question(name, 1)).unwrap()[3] & 0xf, 3, "{name}");
        }
        assert_eq!(ask(&question("full.example.com", 1)).unwrap()[3] & 0xf, 2);
    }

    #[test]
    fn odd_messages_are_refused_or_ignored() {
        let whole = question("api.example.com", 1);
        for cut in 0..whole.len() {
            assert!(ask(&whole[..cut]).is_none_or(|reply| reply[3] & 0xf == 1), "{cut}");
        }
        let with = |at: usize, value: u8| {
            let mut changed = whole.clone();
            changed[at] = value;
            ask(&changed)
        };
        assert_eq!(with(2, 0x80), None, "an answer");
        assert_eq!(with(2, 0x10).unwrap()[3] & 0xf, 4, "another opcode");
        assert_eq!(with(5, 2).unwrap()[3] & 0xf, 1, "two questions");
        assert_eq!(with(12, 0xc0).unwrap()[3] & 0xf, 1, "a pointer");
        for at in 0..whole.len() {
            for value in [0, 1, 63, 64, 0xc0, 0xff] {
                let _ = with(at, value);
            }
        }
        let long = vec!["a".repeat(63); 5].join(".");
        assert_eq!(ask(&question(&long, 1)).unwrap()[3] & 0xf, 1);
    }
}
