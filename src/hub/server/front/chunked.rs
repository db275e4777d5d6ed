//! A body in chunks (RFC 9112, 7.1), taken apart as it comes. Strict: sizes are hex digits and nothing else, lines end in CR LF,
//! there are no extensions and no trailers worth the name; so nobody can read the end elsewhere.

use super::head::Refusal;

/// Hex digits of a size: more than any body that is taken.
const DIGITS: u8 = 12;

const BAD: Refusal = Refusal { status: 400, why: "the chunks of the body are malformed" };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a size, after so many digits.
    Size(u8),
    /// The size has been read, its line feed has not.
    SizeEnd,
    Data,
    /// Behind the data: its CR, its LF.
    DataCr,
    DataLf,
    /// Behind the last size: the CR and the LF of the empty line.
    LastCr,
    LastLf,
    Over,
}

/// Reads one body.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    /// What is left of the chunk.
    left: u64,
}

impl Default for Chunked {
    fn default() -> Chunked {
        Chunked { state: State::Size(0), left: 0 }
    }
}

impl Chunked {
    /// The last chunk has come.
    pub fn over(&self) -> bool {
        self.state == State::Over
    }

    /// Takes the next piece of `input` apart: how many bytes of it were used, and which of those are content. To be called
    /// again with what is left until nothing is or the body is over.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<(usize, &'a [u8]), Refusal> {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            self.state = match (self.state, byte) {
                (State::Over, _) => break,
                (State::Data, _) => {
                    let rest = input.get(used..).unwrap_or_default();
                    let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
                    self.left -= take as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok((used + take, rest.get(..take).unwrap_or_default()));
                }
                (State::Size(digits), byte) if byte.is_ascii_hexdigit() => {
                    let value = char::from(byte).to_digit(16).unwrap_or(0);
                    self.left = self.left << 4 | u64::from(value);
                    if digits >= DIGITS {
                        return Err(BAD);
                    }
                    State::Size(digits + 1)
                }
                (State::Size(1..), b'\r') => State::SizeEnd,
                (State::SizeEnd, b'\n') if self.left == 0 => State::LastCr,
                (State::SizeEnd, b'\n') => State::Data,
                (State::DataCr, b'\r') => State::DataLf,
                (State::DataLf, b'\n') => State::Size(0),
                (State::LastCr, b'\r') => State::LastLf,
                (State::LastLf, b'\n') => State::Over,
                _ => return Err(BAD),
            };
            used += 1;
        }
        Ok((used, &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), Refusal> {
        let (mut chunked, mut out, mut used) = (Chunked::default(), Vec::new(), 0);
        for piece in input.chunks(step) {
            let mut at = 0;
            while at < piece.len() && !chunked.over() {
                let (taken, content) = chunked.next(&piece[at..])?;
                out.extend_from_slice(content);
                at += taken;
            }
            used += at;
        }
        Ok((out, used, chunked.over()))
    }

    #[test]
    fn the_same_in_every_piece() {
        let body = b"5\r\nhello\r\n00a\r\n0123456789\r\n0\r\n\r\nGET";
        for step in 1..=body.len() {
            let (out, used, over) = read(body, step).unwrap();
            assert_eq!((out.as_slice(), used, over), (&b"hello0123456789"[..], body.len() - 3, true));
        }
    }

    #[test]
    fn refuses_what_others_read_otherwise() {
        for bad in [
            "5\nhello\r\n0\r\n\r\n",
            "5;x=y\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "-1\r\nhello\r\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "0\r\nX: y\r\n\r\n",
            "ffffffffffffffff1\r\nx",
        ] {
            assert!(read(bad.as_bytes(), bad.len()).is_err(), "{bad:?}");
            assert!(read(bad.as_bytes(), 1).is_err(), "{bad:?}");
        }
    }
}
