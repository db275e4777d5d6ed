//! Skills and where they come from: canonical hash, search, JSON, and the requests that a hub reads.

use crate::Run;
use crate::policy::tempfolder;
use crate::texts::{Words, prose};
use std::hint::black_box;
use weft::hub::model::Summary;
use weft::hub::search::{self, Index};
use weft::hub::server::front::head;
use weft::json;
use weft::skill::path::SafePath;
use weft::skill::tree::{self, FileHash};

/// So many skills as a registry lists them.
fn skills(count: usize) -> Vec<Summary> {
    let mut words = Words::new();
    (0..count)
        .map(|number| Summary {
            owner: Some(format!("{}{}", words.word(), number % 997)),
            slug: format!("{}-{}-{number}", words.word(), words.word()),
            title: format!("{} {}", words.word(), words.word()),
            text: (0..12).map(|_| words.word()).collect::<Vec<_>>().join(" "),
            version: Some("1.0.0".to_owned()),
            tags: vec![words.word().to_owned()],
            stars: Some(words.number(100) as u64),
            downloads: Some(words.number(10_000) as u64),
            updated: 1_700_000_000_000,
            signed: Some(true),
            verdict: Default::default(),
            withdrawn: false,
            score: 0.0,
        })
        .collect()
}

pub fn add(run: &mut Run) {
    let path = |number: usize| SafePath::new(&format!("references/{number}.md")).expect("a plain path");
    let content = prose(16 << 10);
    run.add("canonical hash: 1 MiB in 64 files", || {
        let files: Vec<FileHash> =
            (0..64).map(|n| FileHash::of(path(n), black_box(content.as_bytes()))).collect();
        tree::content_hash(&files).is_ok()
    });
    let files: Vec<FileHash> = (0..1000).map(|n| FileHash::of(path(n), b"x")).collect();
    run.add("canonical hash of 1000 hashed files", || tree::content_hash(black_box(&files)).is_ok());

    let folder = tempfolder();
    let file = folder.join("index");
    search::write(&file, &skills(50_000), 0).expect("a folder that can be written");
    let index = Index::open(&file).expect("what was just written");
    run.add("search in 50,000 skills, two words", || index.search(black_box("river garden"), 20).len());
    run.add("search in 50,000 skills, a mistyped word", || index.search(black_box("gardne"), 20).len());
    let _ = std::fs::remove_dir_all(&folder);

    let listing = listing(64 << 10);
    run.add("JSON parse: 64 KiB of a registry's list", || json::parse(black_box(&listing)).is_ok());

    let request = b"GET /api/v1/skills/skill-7?ownerHandle=bench HTTP/1.1\r\nHost: hub.example.com\r\nUser-Agent: clawhub/0.23\r\n\
        Accept: application/json\r\nAccept-Encoding: gzip, br\r\nConnection: keep-alive\r\nAuthorization: Bearer abcdef\r\n\r\n";
    run.add("HTTP parse, hub: 1000 times", || {
        (0..1000)
            .filter(|_| {
                let end = head::end(black_box(request), 0).ok().flatten().unwrap_or(0);
                request.get(..end).is_some_and(|head| head::parse(head).is_ok())
            })
            .count()
    });
}

fn listing(size: usize) -> String {
    let mut words = Words::new();
    let mut out = "{\"items\":[".to_owned();
    for number in 0.. {
        out.push_str(&format!(
            "{{\"slug\":\"{}-{number}\",\"displayName\":\"{}\",\"summary\":\"{} \\u2014 {} \\\"{}\\\"\",\"stats\":{{\"stars\":{},\"downloads\":{}}},\"tags\":{{\"latest\":\"1.0.{number}\"}},\"updatedAt\":1700000000{number:03}}}",
            words.word(), words.word(), words.word(), words.word(), words.word(), words.number(100), words.number(9999),
        ));
        if out.len() >= size {
            break;
        }
        out.push(',');
    }
    out.push_str("]}");
    out
}
