//! Files that were cut short or changed at any byte.

use proptest::prelude::*;

use super::*;
use crate::journal::ledger::Ledger;
use crate::journal::reading;

fn read(bytes: &[u8]) -> Result<reading::Reading, String> {
    reading::read(Path::new("commands.journal"), bytes)
}

/// The lines of a file, each with its line end.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// What the lines of `bytes` that have not been touched come to. The header says only what the
/// file is.
fn from_untouched(bytes: &[u8], touched: impl Fn(std::ops::Range<usize>) -> bool) -> Ledger {
    let mut kept = Vec::new();
    let mut start = 0;
    for (index, line) in lines(bytes).into_iter().enumerate() {
        let range = start..start + line.len();
        start = range.end;
        if index == 0 || !touched(range) {
            kept.extend_from_slice(line);
        }
    }
    read(&kept).unwrap().ledger
}

#[test]
fn cut_short_at_every_byte_it_has_every_whole_record_and_no_other() {
    let whole = realistic();
    assert!(lines(&whole).len() >= 15);
    for length in 0..=whole.len() {
        let reading = read(&whole[..length]).unwrap();
        let expected = from_untouched(&whole, |line| line.end > length);
        assert_eq!(reading.ledger, expected, "{length} bytes");
    }
}

#[test]
fn cut_short_anywhere_it_opens_and_is_written_on() {
    let whole = realistic();
    let ends = lines(&whole).into_iter().scan(0, |end, line| {
        *end += line.len();
        Some(*end)
    });
    // At each end of a line and around it, and at many other places.
    let around = ends.flat_map(|end| end - 1..=(end + 1).min(whole.len()));
    for length in around.chain((0..whole.len()).step_by(97)) {
        let place = Place::new();
        put(&place.path(), &whole[..length]);
        let opened = place.open();
        let expected = from_untouched(&whole, |line| line.end > length);
        assert_eq!(opened.live, expected.entries());
        assert_eq!(opened.known, expected.known());
        // An interrupted append is nothing to complain about.
        assert!(opened.complaints.is_empty(), "{:?}", opened.complaints);
        opened
            .journal
            .taken(&command("next"), &State::Received)
            .unwrap();
        drop(opened);
        let opened = place.open();
        assert_eq!(opened.live.len(), expected.entries().len() + 1);
        assert!(opened.complaints.is_empty(), "{:?}", opened.complaints);
    }
}

#[test]
fn changed_at_every_byte_it_has_every_untouched_record_and_no_other() {
    let whole = realistic();
    let header = lines(&whole)[0].len();
    for position in 0..whole.len() {
        let expected = from_untouched(&whole, |line| line.contains(&position));
        for change in [
            0x01,
            0x08,
            0x20,
            0x80,
            whole[position],
            whole[position] ^ b'\n',
        ] {
            let mut changed = whole.clone();
            changed[position] ^= change;
            if changed == whole {
                continue;
            }
            let reading = read(&changed).unwrap();
            assert_eq!(reading.ledger, expected, "{position} ^ {change}");
            let said = reading.complaints.join("\n");
            // The very end is as an interrupted append leaves it.
            assert_eq!(said.is_empty(), position == whole.len() - 1, "{position}");
            assert!(position >= header || said.contains("line 1 "), "{said}");
        }
    }
}

#[test]
fn a_result_is_reported_although_the_taking_of_its_command_is_damaged() {
    let whole = realistic();
    let line = |what: &str| {
        let found = lines(&whole)
            .into_iter()
            .find(|line| String::from_utf8_lossy(line).contains(what))
            .unwrap();
        whole.windows(found.len()).position(|part| part == found)
    };
    let place = Place::new();
    let mut changed = whole.clone();
    for what in ["run-of-in-script", "run-of-unreported", "run-of-settled"] {
        changed[line(what).unwrap() + 20] ^= 1;
    }
    put(&place.path(), changed);
    let opened = place.open();
    let [entry] = &opened.live[..] else {
        panic!("{:?}", opened.live)
    };
    assert_eq!(entry.taken.host_command_identifier, "unreported");
    assert!(matches!(entry.state, State::Finished(_)));
    assert!(entry.may_have_been_accepted && entry.taken.spec.is_none());
    // The other one is said to be left out; the third is over.
    assert!(opened.known.contains("settled"));
    let said = opened.complaints.join("\n");
    assert!(said.contains("how command in-script began"), "{said}");
    assert!(!said.contains("how command settled"), "{said}");
}

proptest! {
    #[test]
    fn anything_at_all_is_read_without_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        at in 0..3000_usize,
        instead in proptest::bool::ANY,
    ) {
        let _ = read(&bytes);
        let mut whole = realistic_once().to_vec();
        let at = at.min(whole.len());
        let end = if instead { (at + bytes.len()).min(whole.len()) } else { at };
        let expected = from_untouched(&whole, |line| line.start < end.max(at + 1) && at < line.end);
        whole.splice(at..end, bytes);
        let reading = read(&whole).unwrap();
        // What is put in between two lines spoils the second unless it ends a line itself; so at
        // most one line more than expected is there.
        for entry in expected.entries() {
            let id = &entry.taken.host_command_identifier;
            prop_assert!(reading.ledger.is_live(id) || reading.ledger.is_closed(id));
        }
    }
}

fn realistic_once() -> &'static [u8] {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(realistic)
}
