#![no_main]
//! The first byte says which reader of the hub gets the rest; whatever it is, whole and byte by byte must mean the same.

use libfuzzer_sys::fuzz_target;
use weft::hub::server::front::chunked::Chunked;
use weft::hub::server::front::head::{self, Refusal};
use weft::hub::server::front::multipart::{Multipart, PartHead, Sink};

#[derive(Default, PartialEq, Debug)]
struct Seen(Vec<u8>, usize);

impl Sink for Seen {
    fn begin(&mut self, _: PartHead) -> Result<(), Refusal> {
        self.1 += 1;
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refusal> {
        Ok(())
    }
}

fn form(input: &[u8], step: usize) -> Option<Seen> {
    let mut multipart = Multipart::new("multipart/form-data; boundary=b", 20).ok()?;
    let mut seen = Seen::default();
    for piece in input.chunks(step) {
        multipart.push(piece, &mut seen).ok()?;
    }
    multipart.finish().ok()?;
    Some(seen)
}

fn chunks(input: &[u8], step: usize) -> Option<(Vec<u8>, bool)> {
    let (mut chunked, mut out) = (Chunked::default(), Vec::new());
    for piece in input.chunks(step) {
        let mut at = 0;
        while at < piece.len() && !chunked.over() {
            let (took, content) = chunked.next(&piece[at..]).ok()?;
            out.extend_from_slice(content);
            at += took;
        }
    }
    Some((out, chunked.over()))
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, input)) = data.split_first() else { return };
    let all = input.len().max(1);
    match kind % 3 {
        0 => {
            if let Ok(Some(end)) = head::end(input, 0) {
                let _ = head::parse(&input[..end]);
            }
        }
        1 => assert_eq!(chunks(input, 1), chunks(input, all)),
        _ => assert_eq!(form(input, 1), form(input, all)),
    }
});
