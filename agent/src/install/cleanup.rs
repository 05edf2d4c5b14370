//! The `-cleanup` record: what an Install made and the next one removes.
//!
//! One path a line cannot hold every name, and AWS's agents strip blanks from lines. Names that
//! they would misread are therefore left out of `-cleanup` and kept in a record of our own beside
//! it, which has everything. That one names (by length and digest) the `-cleanup` contents it
//! belongs to, so it is ignored as soon as another agent has written `-cleanup`.

use super::plan::Plan;
use super::tree::{NodeId, Planned};

const SEMANAGE: &[u8] = b"semanage\0";
const EXACT_HEADER: &[u8] = b"codedeploy-cleanup-exact 1\0";

/// One thing to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A file, link or directory.
    Path(&'a [u8]),
    /// An SELinux rule, as `semanage fcontext` knows it.
    Semanage(&'a [u8]),
}

/// The entries of a group's record: the exact one when it belongs to `cleanup`.
pub(super) fn parse<'a>(cleanup: &'a [u8], exact: Option<&'a [u8]>) -> Vec<Entry<'a>> {
    if let Some(entries) = exact.and_then(|exact| parse_exact(cleanup, exact)) {
        return entries;
    }
    let mut lines: Vec<&[u8]> = cleanup.split(|byte| *byte == b'\n').collect();
    // What follows the last newline is nothing, or a line whose writing was interrupted.
    lines.pop();
    lines.retain(|line| !line.is_empty());
    let entry = |line: &'a [u8]| match line.strip_prefix(SEMANAGE) {
        Some(spec) => Entry::Semanage(spec),
        None => Entry::Path(line),
    };
    lines.into_iter().map(entry).collect()
}

fn parse_exact<'a>(cleanup: &[u8], exact: &'a [u8]) -> Option<Vec<Entry<'a>>> {
    let body = exact.strip_prefix(EXACT_HEADER)?.strip_suffix(b"\0")?;
    let mut fields = body.split(|byte| *byte == 0);
    let digests = fields.next()?;
    let belongs = digest(cleanup);
    if !digests
        .split(|byte| *byte == b' ')
        .any(|known| known == belongs.as_bytes())
    {
        return None;
    }
    fields
        .map(|field| match field.split_first()? {
            (b'p', path) => Some(Entry::Path(path)),
            (b's', spec) => Some(Entry::Semanage(spec)),
            _ => None,
        })
        .collect()
}

/// Length and FNV-1a of a `-cleanup`. It tells versions of a root-owned file apart; it is no
/// protection against somebody who may write there.
pub(super) fn digest(cleanup: &[u8]) -> String {
    let hash = cleanup
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{}:{hash:016x}", cleanup.len())
}

/// A record about to be written.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The content of `-cleanup`.
    pub(super) cleanup: Vec<u8>,
    /// The content of `-cleanup.exact`, when lines cannot say it all.
    pub(super) exact: Option<Vec<u8>>,
}

/// Both records of the entries that `each` hands out, one after the other: there may be a million,
/// and a list of them would be as large as the record. `before` is the digest of the `-cleanup`
/// that they replace: until the new one is in its place, the exact record belongs to it too.
pub(super) fn write(each: impl Fn(&mut dyn FnMut(Entry<'_>)), before: &str) -> Records {
    let mut cleanup = Vec::new();
    let mut complete = true;
    each(&mut |entry| {
        let (prefix, text): (&[u8], _) = match entry {
            Entry::Path(path) => (b"", path),
            Entry::Semanage(spec) => (SEMANAGE, spec),
        };
        if fits_a_line(text) {
            cleanup.extend_from_slice(prefix);
            cleanup.extend_from_slice(text);
            cleanup.push(b'\n');
        } else {
            complete = false;
        }
    });
    let exact = (!complete).then(|| {
        let mut exact = EXACT_HEADER.to_vec();
        exact.extend(digest(&cleanup).bytes());
        exact.push(b' ');
        exact.extend(before.bytes());
        exact.push(0);
        each(&mut |entry| {
            let (kind, text) = match entry {
                Entry::Path(path) => (b'p', path),
                Entry::Semanage(spec) => (b's', spec),
            };
            exact.push(kind);
            exact.extend_from_slice(text);
            exact.push(0);
        });
        exact
    });
    Records { cleanup, exact }
}

/// Whether AWS's agents, which strip white space and expect UTF-8, read the line as it is.
fn fits_a_line(text: &[u8]) -> bool {
    !text.contains(&b'\n')
        && !text
            .last()
            .is_some_and(|last| last.is_ascii_whitespace() || matches!(last, 0 | 0x0b))
        && std::str::from_utf8(text).is_ok()
}

/// What this Install leaves behind, in the order created.
pub(super) fn created(plan: &Plan) -> impl Iterator<Item = NodeId> + '_ {
    plan.sequence.iter().copied().filter(|id| {
        matches!(
            plan.tree.node(*id).planned,
            Planned::Made | Planned::File | Planned::Link
        )
    })
}

/// The records of old and new together (`with_old`), or of the new alone; see [`write`].
pub(super) fn of_plan(plan: &Plan, with_old: bool, before: &str) -> Records {
    let each = |put: &mut dyn FnMut(Entry<'_>)| {
        let old = plan.recorded.iter().copied().filter(|_| with_old);
        let new = created(plan).filter(|id| !(with_old && plan.tree.node(*id).recorded));
        let mut path = Vec::new();
        for id in old.chain(new) {
            path.clear();
            plan.tree.append_path(id, &mut path);
            put(Entry::Path(&path));
        }
        let old = plan.old_contexts.iter().filter(|_| with_old);
        for context in old.chain(&plan.new_contexts) {
            put(Entry::Semanage(context.spec.as_bytes()));
        }
    };
    write(each, before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(entries: &[Entry<'_>], before: &[u8]) -> Records {
        write(
            |put| entries.iter().for_each(|entry| put(*entry)),
            &digest(before),
        )
    }

    #[test]
    fn a_last_line_without_newline_is_an_interrupted_write() {
        let entries = parse(b"/a\nsemanage\0/a/x\n/b", None);
        assert_eq!(entries, [Entry::Path(b"/a"), Entry::Semanage(b"/a/x")]);
    }

    #[test]
    fn names_that_lines_cannot_hold_are_only_in_the_exact_record() {
        let entries = [
            Entry::Path(b"/a"),
            Entry::Path(b"/a/b\n/etc"),
            Entry::Path(b"/a "),
            Entry::Path(b"/\xff"),
        ];
        let records = records(&entries, b"old\n");
        assert_eq!(records.cleanup, b"/a\n");
        let exact = records.exact.as_deref();
        assert_eq!(parse(&records.cleanup, exact), entries);
        assert_eq!(parse(b"old\n", exact), entries);
        // Written by another agent since: the exact record is stale.
        assert_eq!(parse(b"/c\n", exact), [Entry::Path(b"/c")]);
    }

    #[test]
    fn ordinary_names_need_no_exact_record() {
        assert!(
            records(&[Entry::Path("/a b/ü".as_bytes())], b"")
                .exact
                .is_none()
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            paths in proptest::collection::vec("/[a \n\r\tü]{1,5}", 0..6)
        ) {
            let entries: Vec<_> = paths.iter().map(|p| Entry::Path(p.as_bytes())).collect();
            let records = records(&entries, b"");
            prop_assert_eq!(parse(&records.cleanup, records.exact.as_deref()), entries);
        }

        #[test]
        fn no_content_makes_reading_fail(
            cleanup in proptest::collection::vec(any::<u8>(), 0..60),
            exact in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            parse(&cleanup, Some(&[EXACT_HEADER, &exact].concat()));
        }
    }
}
