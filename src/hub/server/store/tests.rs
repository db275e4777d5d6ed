//! The store as its neighbours see it, and what it makes of damage. What a killed process leaves is looked at in
//! `tests/hub_store.rs`.

use super::*;
use crate::trust::{merkle, note};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder that goes when the test ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // In memory where that can be had: some of these tests open a store a thousand times, and each syncs.
        let memory = PathBuf::from("/dev/shm");
        let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = base.join(format!("weft-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    /// A new store in it.
    pub fn store() -> (Scratch, PathBuf) {
        let scratch = Scratch::new();
        let dir = scratch.0.join("data");
        Store::create(&dir).unwrap();
        (scratch, dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line(number: u64) -> String {
    format!("{{\"type\":\"test\",\"n\":{number},\"t\":\"é{}\"}}", "x".repeat((number % 90) as usize))
}

fn salted(number: u64) -> String {
    format!("{{\"type\":\"star\",\"n\":{number},\"salt\":\"{number:032x}\"}}")
}

fn all(store: &Store, from: u64) -> Vec<(u64, Span, String)> {
    let mut found = Vec::new();
    let mut visit = |index, span, line: &str| {
        found.push((index, span, line.to_owned()));
        Ok(())
    };
    store.events(from, &mut visit).unwrap();
    found
}

#[test]
fn events_come_back_in_order_and_are_proved() {
    let (_scratch, dir) = Scratch::store();
    let (store, opened) = Store::open(&dir).unwrap();
    assert_eq!((opened.events, opened.cut, opened.remarks.len()), (0, 0, 0));
    let mut spans = Vec::new();
    for number in 0..600 {
        let private = number % 5 == 0;
        let text = if private { salted(number) } else { line(number) };
        let appended = store.append(&text, private).unwrap();
        assert_eq!(appended.index, number);
        assert_eq!(store.read(appended.span).unwrap(), text);
        spans.push(appended.span);
    }
    let (three, private) = ((600..603).map(line).collect::<Vec<_>>(), salted(9));
    let group = [(three[0].as_str(), false), (private.as_str(), true), (three[1].as_str(), false)];
    let appended = store.append_all(&group).unwrap();
    assert_eq!(appended.iter().map(|one| one.index).collect::<Vec<_>>(), [600, 601, 602]);
    assert_eq!(store.read(appended[1].span).unwrap(), private);
    assert_eq!(store.append_all(&[]).unwrap(), []);
    let checkpoint = store.checkpoint();
    let signed = note::verify(&checkpoint.note, store.verifier()).unwrap();
    assert_eq!((signed.checkpoint.size, signed.checkpoint.root), (603, checkpoint.root));
    assert_eq!(signed.time, Some(checkpoint.time));
    let events = all(&store, 0);
    assert_eq!(events.len(), 603);
    for (index, span, text) in &events {
        let leaf = merkle::leaf(text.as_bytes());
        assert_eq!(store.leaf(*index), Some(leaf));
        assert!(spans.get(*index as usize).is_none_or(|known| known == span));
        let proof = store.inclusion(*index, 603).unwrap();
        assert!(merkle::includes(&leaf, *index, 603, &checkpoint.root, &proof));
    }
    for from in [0, 1, 255, 256, 257, 511, 512, 602, 603, 9000] {
        assert_eq!(all(&store, from), events[from.min(603) as usize..], "{from}");
    }
    assert!(store.inclusion(603, 603).is_none() && store.leaf(603).is_none());
    // The place of no event.
    for span in [Span { offset: u64::MAX, length: 4 }, Span { offset: 0, length: u32::MAX }] {
        assert!(store.read(span).is_err());
    }
    drop(store);
    let (store, opened) = Store::open(&dir).unwrap();
    assert_eq!((opened.events, opened.cut, opened.remarks), (603, 0, Vec::<String>::new()));
    assert_eq!((all(&store, 0), store.checkpoint().root), (events, checkpoint.root));
}

#[test]
fn only_events_get_in() {
    let (_scratch, dir) = Scratch::store();
    let (store, _) = Store::open(&dir).unwrap();
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LONGEST_LINE as usize));
    for (text, private) in [
        ("", false),
        ("{", false),
        ("[]", false),
        ("{\"a\":1}\n", false),
        ("{\"a\":1}\n{\"a\":2}", false),
        ("{\"a\":\"\u{1}\"}", false),
        ("{\"a\":1}", true),
        (salted(1).as_str(), false),
        (long.as_str(), false),
    ] {
        assert!(store.append(text, private).is_err(), "{:.80}", text);
    }
    assert!(store.append_all(&[("{\"a\":1}", false), ("no", false)]).is_err());
    assert_eq!(store.size(), 0);
    // Looks like a salt, in a text.
    let text = format!("{{\"a\":\"b\\\",\\\"salt\\\":\\\"{}\"}}", "0".repeat(32));
    assert!(store.append(&text, true).is_err() && store.append(&text, false).is_ok());
    let only = format!("{{\"salt\":\"{}\"}}", "f".repeat(32));
    assert!(store.append(&only, true).is_ok());
}

#[test]
fn many_threads_append_at_once() {
    let (_scratch, dir) = Scratch::store();
    let (store, _) = Store::open(&dir).unwrap();
    let appended: Vec<(Appended, String)> = std::thread::scope(|scope| {
        let one = |thread: u64| {
            let store = &store;
            scope.spawn(move || {
                let one = |number| {
                    let text = line(thread * 1000 + number);
                    (store.append(&text, false).unwrap(), text)
                };
                (0..50).map(one).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..8).map(one).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let events = all(&store, 0);
    assert_eq!(events.len(), 400);
    for (appended, text) in appended {
        assert_eq!(events[appended.index as usize], (appended.index, appended.span, text));
    }
    drop(store);
    assert_eq!(Store::open(&dir).unwrap().1.events, 400);
}

#[test]
fn a_store_has_one_writer_and_any_readers() {
    let (_scratch, dir) = Scratch::store();
    let (store, _) = Store::open(&dir).unwrap();
    let problem = Store::open(&dir).err().unwrap();
    assert!(problem.what.contains(&format!("process {}", std::process::id())), "{problem}");
    store.append(&line(1), false).unwrap();
    let (reader, opened) = Store::open_read_only(&dir).unwrap();
    assert_eq!((opened.events, reader.size()), (1, 1));
    assert!(reader.append(&line(2), false).unwrap_err().what.contains("reading only"));
    assert_eq!(reader.checkpoint().note, store.checkpoint().note);
    assert!(reader.inclusion(0, 1).is_some());
    drop(store);
    assert!(Store::open(&dir).is_ok());
}

#[test]
fn a_store_is_made_in_an_empty_folder_alone() {
    let scratch = Scratch::new();
    fs::write(scratch.0.join("x"), "").unwrap();
    assert!(Store::create(&scratch.0).unwrap_err().what.contains("not empty"));
    assert!(Store::open(&scratch.0).err().unwrap().what.contains("no store"));
    let dir = scratch.0.join("a/b");
    for bad in ["a b", "", "a+b"] {
        assert!(Store::create_named(&scratch.0.join("new"), Some(bad)).is_err());
    }
    let verifier = Store::create_named(&dir, Some("hub.example/log")).unwrap();
    assert!(verifier.to_string().starts_with("hub.example/log+"));
    assert_eq!(Store::open(&dir).unwrap().0.verifier(), &verifier);
}

#[test]
fn a_snapshot_counts_for_its_own_log_alone() {
    let (_scratch, dir) = Scratch::store();
    let (store, _) = Store::open(&dir).unwrap();
    assert!(store.load_snapshot().is_none());
    for number in 0..5 {
        store.append(&line(number), false).unwrap();
    }
    let body = [7u8; 100_000];
    store.save_snapshot(3, &mut |out| out.write_all(&body)).unwrap();
    let read = |store: &Store| {
        let mut snapshot = store.load_snapshot()?;
        let mut bytes = Vec::new();
        snapshot.read_to_end(&mut bytes).unwrap();
        Some((snapshot.size, bytes))
    };
    assert_eq!(read(&store), Some((3, body.to_vec())));
    assert!(store.save_snapshot(6, &mut |_| Ok(())).is_err());
    // Half of one replaces nothing.
    assert!(store.save_snapshot(5, &mut |_| Err(io::ErrorKind::StorageFull.into())).is_err());
    assert_eq!(read(&store).unwrap().0, 3);
    let path = dir.join("snapshot");
    let good = fs::read(&path).unwrap();
    for (at, cut) in
        [(0, 0), (20, 0), (60, 0), (500, 0), (good.len() - 1, 0), (0, 1), (0, 40), (0, good.len())]
    {
        let mut bad = good.clone();
        bad[at] ^= u8::from(cut == 0);
        bad.truncate(good.len() - cut);
        fs::write(&path, bad).unwrap();
        assert!(read(&store).is_none(), "{at} {cut}");
    }
    let (_other, dir) = Scratch::store();
    let (store, _) = Store::open(&dir).unwrap();
    fs::write(dir.join("snapshot"), &good).unwrap();
    assert!(read(&store).is_none());
    for number in 1..5 {
        store.append(&line(number), false).unwrap();
    }
    assert!(read(&store).is_none());
    store.save_snapshot(0, &mut |_| Ok(())).unwrap();
    assert_eq!(read(&store), Some((0, vec![])));
}

/// The files that say what a store holds.
fn copy_log(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("log/checkpoints")).unwrap();
    for name in ["blobs", "keys", "spool"] {
        fs::create_dir_all(to.join(name)).unwrap();
    }
    for name in ["store.json", KEY, "log/events.jsonl", "log/checkpoint", "log/hashes"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let first = "log/checkpoints/00000000000000000000";
    fs::copy(from.join(first), to.join(first)).unwrap();
}

/// Twelve events, all covered by the checkpoint; then three that are not, as after a power cut.
fn log_with_a_tail() -> (Scratch, PathBuf, usize) {
    let (scratch, dir) = Scratch::store();
    let (store, _) = Store::open(&dir).unwrap();
    for number in 0..12 {
        store.append(&line(number), false).unwrap();
    }
    let note = fs::read(dir.join("log/checkpoint")).unwrap();
    let signed = fs::metadata(dir.join("log/events.jsonl")).unwrap().len();
    for number in 12..15 {
        store.append(&line(number), false).unwrap();
    }
    drop(store);
    fs::write(dir.join("log/checkpoint"), note).unwrap();
    (scratch, dir, signed as usize)
}

#[test]
fn a_log_that_is_cut_anywhere_is_refused_or_ends_at_an_event() {
    let (scratch, dir, signed) = log_with_a_tail();
    let log = fs::read(dir.join("log/events.jsonl")).unwrap();
    for cut in 0..=log.len() {
        let copy = scratch.0.join("copy");
        copy_log(&dir, &copy);
        fs::write(copy.join("log/events.jsonl"), &log[..cut]).unwrap();
        let before = verify::verify(&copy, &|_, _| ()).unwrap();
        let whole = log[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
        match Store::open(&copy) {
            Ok((store, opened)) => {
                assert!(cut >= signed && before.holds(), "{cut}");
                let end = log[..cut].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
                assert_eq!((opened.events, opened.cut), (whole, (cut - end) as u64), "{cut}");
                assert_eq!(all(&store, 0).len() as u64, whole);
                assert_eq!(store.append(&line(99), false).unwrap().index, whole);
                drop(store);
                assert!(verify::verify(&copy, &|_, _| ()).unwrap().holds());
            }
            Err(problem) => {
                assert!(cut < signed && !before.holds(), "{cut}: {problem}");
                assert!(problem.what.contains("damaged") && problem.fix.contains("verify"), "{problem}");
                // It is refused, not changed.
                assert_eq!(fs::read(copy.join("log/events.jsonl")).unwrap(), &log[..cut]);
            }
        }
        fs::remove_dir_all(copy).unwrap();
    }
}

#[test]
fn a_log_that_is_damaged_anywhere_is_refused_or_cut() {
    let (scratch, dir, signed) = log_with_a_tail();
    let log = fs::read(dir.join("log/events.jsonl")).unwrap();
    for at in 0..log.len() {
        let damage = [0x01, 0x80, 0xff][at % 3];
        let copy = scratch.0.join("copy");
        copy_log(&dir, &copy);
        let mut bad = log.clone();
        // 0xff: a page of zeros from here on, as some file systems leave it.
        match damage {
            0xff => bad[at..].fill(0),
            bit => bad[at] ^= bit,
        }
        fs::write(copy.join("log/events.jsonl"), &bad).unwrap();
        let opened = Store::open(&copy);
        assert_eq!(opened.is_ok(), at >= signed, "{at} {damage}");
        if let Ok((store, opened)) = opened {
            // What is kept begins as the log did, and is whole events.
            assert!((12..=15).contains(&opened.events), "{at}");
            assert!(all(&store, 0).iter().all(|(_, _, text)| is_event(text.as_bytes())));
            drop(store);
            assert!(verify::verify(&copy, &|_, _| ()).unwrap().holds(), "{at} {damage}");
        } else {
            let report = verify::verify(&copy, &|_, _| ()).unwrap();
            assert!(!report.holds(), "{at} {damage}");
        }
        fs::remove_dir_all(copy).unwrap();
    }
}

#[test]
fn what_follows_from_the_log_is_made_again() {
    let (scratch, dir) = Scratch::store();
    let (store, _) = Store::open(&dir).unwrap();
    for number in 0..20 {
        store.append(&line(number), false).unwrap();
    }
    let root = store.checkpoint().root;
    drop(store);
    let hashes = fs::read(dir.join("log/hashes")).unwrap();
    assert_eq!(hashes.len() as u64, tree::count(20) * tree::WIDTH);
    for at in (0..hashes.len()).step_by(7) {
        let copy = scratch.0.join("copy");
        for (name, content) in [
            ("cut", hashes[..at].to_vec()),
            ("damaged", {
                let mut bad = hashes.clone();
                bad[at] ^= 1;
                bad
            }),
            ("longer", [hashes.clone(), vec![1; at]].concat()),
        ] {
            copy_log(&dir, &copy);
            fs::write(copy.join("log/hashes"), content).unwrap();
            let (store, opened) = Store::open(&copy).unwrap();
            assert_eq!(opened.remarks.len(), usize::from(name != "longer"), "{name} {at}");
            assert_eq!(store.checkpoint().root, root);
            for index in 0..20 {
                let proof = store.inclusion(index, 20).unwrap();
                let leaf = store.leaf(index).unwrap();
                assert!(merkle::includes(&leaf, index, 20, &root, &proof), "{name} {at}");
            }
            drop(store);
            assert_eq!(fs::read(copy.join("log/hashes")).unwrap(), hashes, "{name} {at}");
            fs::remove_dir_all(&copy).unwrap();
        }
    }
    // Without the last checkpoint an earlier one says what must be there; without any nobody knows.
    fs::remove_file(dir.join("log/checkpoint")).unwrap();
    let (store, opened) = Store::open(&dir).unwrap();
    assert_eq!((opened.events, opened.remarks.len()), (20, 1));
    drop(store);
    fs::write(dir.join("log/checkpoint"), "").unwrap();
    fs::remove_dir_all(dir.join("log/checkpoints")).unwrap();
    assert!(Store::open(&dir).err().unwrap().what.contains("no checkpoint"));
    // A checkpoint that another key signed is none.
    let (_other, elsewhere) = Scratch::store();
    fs::copy(elsewhere.join("log/checkpoint"), dir.join("log/checkpoint")).unwrap();
    assert!(Store::open(&dir).err().unwrap().what.contains("no checkpoint"));
}

#[test]
fn a_group_that_is_half_there_is_taken_away() {
    let (scratch, dir) = Scratch::store();
    let (store, _) = Store::open(&dir).unwrap();
    store.append(&line(0), false).unwrap();
    let note = fs::read(dir.join("log/checkpoint")).unwrap();
    let texts: Vec<String> = (1..5).map(line).collect();
    let group: Vec<(&str, bool)> = texts.iter().map(|text| (text.as_str(), false)).collect();
    store.append_all(&group).unwrap();
    let announced = fs::read(dir.join("log/group")).unwrap();
    drop(store);
    let log = fs::read(dir.join("log/events.jsonl")).unwrap();
    let first = log.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in first..=log.len() {
        let copy = scratch.0.join("copy");
        copy_log(&dir, &copy);
        fs::write(copy.join("log/checkpoint"), &note).unwrap();
        fs::write(copy.join("log/group"), &announced).unwrap();
        fs::write(copy.join("log/events.jsonl"), &log[..cut]).unwrap();
        let (store, opened) = Store::open(&copy).unwrap();
        assert_eq!(opened.events, if cut == log.len() { 5 } else { 1 }, "{cut}");
        // The announcement is used up: what follows is not taken for its half.
        store.append(&line(1), false).unwrap();
        drop(store);
        assert_eq!(Store::open(&copy).unwrap().1.events, opened.events + 1, "{cut}");
        fs::remove_dir_all(copy).unwrap();
    }
}

#[test]
fn verify_sees_every_blob() {
    let (_scratch, dir) = Scratch::store();
    let (store, _) = Store::open(&dir).unwrap();
    let (zip, file) = (store.blobs().put(b"zip").unwrap(), store.blobs().put(b"file").unwrap());
    let stray = store.blobs().put(b"stray").unwrap();
    let other = Sha256::of(b"not a blob");
    let text = format!(
        "{{\"type\":\"publish\",\"release\":{{\"zip\":\"{zip}\",\"content_hash\":\"{other}\",\"files\":[{{\"sha256\":\"{file}\"}}]}}}}"
    );
    store.append(&text, false).unwrap();
    // While it is open for writing.
    let look = || verify::verify(&dir, &|_, _| ()).unwrap();
    let report = look();
    assert!(report.holds(), "{:?}", report.faults);
    assert_eq!((report.events, report.blobs, report.blob_bytes), (1, 3, 12));
    assert_eq!(report.unnamed, [stray]);
    fs::write(store.blobs().path(&file), "fil!").unwrap();
    assert!(look().faults[0].what.contains("damaged"));
    fs::remove_file(store.blobs().path(&file)).unwrap();
    assert!(look().faults[0].what.contains("missing: event 0"));
    store.blobs().put(b"file").unwrap();
    assert!(look().holds());
    fs::write(dir.join("blobs/odd"), "").unwrap();
    assert_eq!(look().remarks.len(), 1);
}
