//! One record as a line: `<CRC-32 of the JSON, 8 hex digits> <JSON>\n`. So a damaged record is
//! known for one, and takes no other with it.

use serde::Serialize;

/// Digits and blank before the JSON.
const PREFIX: usize = 9;

/// A record as a line.
///
/// # Errors
/// When the record has no JSON form.
pub(crate) fn encode(record: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    // JSON has its line ends escaped, so a record is one line whatever is in it.
    let json = serde_json::to_vec(record)?;
    let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

/// The JSON of a line (without its line end) that is as it was written.
pub(crate) fn json(line: &[u8]) -> Option<&[u8]> {
    let (prefix, json) = line.split_at_checked(PREFIX)?;
    let expected = format!("{:08x} ", crc32fast::hash(json));
    (prefix == expected.as_bytes()).then_some(json)
}

/// The intact line at the end of one that is damaged: when the line end between two records was
/// destroyed, the second is whole all the same.
pub(crate) fn json_at_end(line: &[u8]) -> Option<&[u8]> {
    let looks_like_one = |rest: &[u8]| {
        rest.get(..PREFIX).is_some_and(|prefix| {
            prefix[PREFIX - 1] == b' ' && prefix[..PREFIX - 1].iter().all(u8::is_ascii_hexdigit)
        })
    };
    (1..line.len())
        .filter_map(|start| line.get(start..))
        .filter(|rest| looks_like_one(rest))
        .find_map(json)
}
