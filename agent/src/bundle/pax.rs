//! Extended header records of a tar (POSIX pax): `length key=value\n`, where the length counts
//! the whole record, so that values may hold anything, newlines included.

use nix::sys::time::TimeSpec;

/// What the records of one extended header say. A later record beats an earlier one.
#[derive(Debug, Clone, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) modified: Option<TimeSpec>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    /// Extended attributes of the `user` namespace, the only one that is restored.
    pub(super) extended: Vec<(Vec<u8>, Vec<u8>)>,
    /// A file capability was among the attributes; like setuid, it is not restored.
    pub(super) capability: bool,
    pub(super) sparse: PaxSparse,
}

/// The records of GNU's three sparse formats.
#[derive(Debug, Clone, Default)]
pub(super) struct PaxSparse {
    /// Format 1.0 says so here; 0.x does not.
    pub(super) major: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    /// The size of the file with its holes.
    pub(super) real_size: Option<u64>,
    /// Offset and length of each piece of data (formats 0.0 and 0.1).
    pub(super) map: Vec<(u64, u64)>,
    /// Format 0.0: the offset whose length has yet to come.
    offset: Option<u64>,
}

/// Why records cannot be read.
pub(super) type Malformed = &'static str;

impl Pax {
    /// Adds the records in `data`.
    pub(super) fn read(&mut self, mut data: &[u8]) -> Result<(), Malformed> {
        while !data.is_empty() {
            // Some writers pad the records with NULs.
            if data.iter().all(|byte| *byte == 0) {
                return Ok(());
            }
            let space = data
                .iter()
                .position(|byte| *byte == b' ')
                .ok_or("an extended record has no length")?;
            let (length, _) = data.split_at(space);
            let length =
                usize::try_from(decimal(length)?).map_err(|_| "an extended record is too long")?;
            let record = data
                .get(space + 1..length)
                .ok_or("the length of an extended record is wrong")?;
            let Some((b'\n', record)) = record.split_last() else {
                return Err("an extended record does not end where it says");
            };
            let equals = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or("an extended record has no value")?;
            let (key, value) = record.split_at(equals);
            self.record(key, value.get(1..).unwrap_or_default())?;
            data = data.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let text = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link_path = text(),
            b"size" => self.size = optional(value)?,
            b"uid" => self.uid = optional(value)?.map(signed).transpose()?,
            b"gid" => self.gid = optional(value)?.map(signed).transpose()?,
            b"mtime" => {
                self.modified = if value.is_empty() {
                    None
                } else {
                    Some(time(value)?)
                }
            }
            b"GNU.sparse.major" => self.sparse.major = optional(value)?,
            b"GNU.sparse.name" => self.sparse.name = text(),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.real_size = optional(value)?,
            b"GNU.sparse.offset" => self.sparse.offset = optional(value)?,
            b"GNU.sparse.numbytes" => {
                let offset = self
                    .sparse
                    .offset
                    .take()
                    .ok_or("a sparse piece has no offset")?;
                self.sparse.map.push((offset, decimal(value)?));
            }
            b"GNU.sparse.map" => {
                let numbers: Vec<u64> = value
                    .split(|byte| *byte == b',')
                    .filter(|number| !number.is_empty())
                    .map(decimal)
                    .collect::<Result<_, _>>()?;
                let pieces = numbers.chunks_exact(2);
                if !pieces.remainder().is_empty() {
                    return Err("a sparse map is incomplete");
                }
                self.sparse.map = pieces
                    .filter_map(|piece| Some((*piece.first()?, *piece.last()?)))
                    .collect();
            }
            b"SCHILY.xattr.security.capability" => self.capability = true,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.")
                    && name.starts_with(b"user.")
                {
                    self.extended.retain(|(known, _)| known != name);
                    self.extended.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }

    /// Whether the entry is stored in one of GNU's pax sparse formats.
    pub(super) fn is_sparse(&self) -> bool {
        self.sparse.major.is_some()
            || self.sparse.real_size.is_some()
            || !self.sparse.map.is_empty()
    }
}

/// A decimal number; not empty.
pub(super) fn decimal(text: &[u8]) -> Result<u64, Malformed> {
    std::str::from_utf8(text)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or("an extended record has a malformed number")
}

fn optional(text: &[u8]) -> Result<Option<u64>, Malformed> {
    if text.is_empty() {
        Ok(None)
    } else {
        decimal(text).map(Some)
    }
}

fn signed(value: u64) -> Result<i64, Malformed> {
    i64::try_from(value).map_err(|_| "an owner is out of range")
}

/// Seconds since 1970 with a fraction, perhaps negative; digits beyond nanoseconds are dropped.
fn time(text: &[u8]) -> Result<TimeSpec, Malformed> {
    const WRONG: Malformed = "a time is malformed";
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(dot) => (
            text.get(..dot).unwrap_or_default(),
            text.get(dot + 1..).unwrap_or_default(),
        ),
        None => (text, &b""[..]),
    };
    let seconds = i64::try_from(decimal(whole).map_err(|_| WRONG)?).map_err(|_| WRONG)?;
    let mut nanoseconds = 0_i64;
    for at in 0..9 {
        let digit = fraction.get(at).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return Err(WRONG);
        }
        nanoseconds = nanoseconds * 10 + i64::from(digit - b'0');
    }
    Ok(match (negative, nanoseconds) {
        (false, _) => TimeSpec::new(seconds, nanoseconds),
        (true, 0) => TimeSpec::new(-seconds, 0),
        (true, _) => TimeSpec::new(-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use nix::sys::time::TimeValLike as _;

    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let body = key.len() + value.len() + 3;
        let mut length = body + 1;
        while length != body + length.to_string().len() {
            length = body + length.to_string().len();
        }
        let mut record = format!("{length} {key}=").into_bytes();
        record.extend_from_slice(value);
        record.push(b'\n');
        record
    }

    #[test]
    fn values_may_hold_newlines_and_any_bytes() {
        let mut pax = Pax::default();
        let mut data = record("path", b"one\ntwo=\xff ");
        data.extend(record("mtime", b"1700000000.123456789123"));
        data.extend(record("comment", b""));
        pax.read(&data).unwrap();
        assert_eq!(pax.path.unwrap(), b"one\ntwo=\xff ");
        assert_eq!(
            pax.modified.unwrap(),
            TimeSpec::new(1_700_000_000, 123_456_789)
        );
    }

    #[test]
    fn a_later_record_beats_an_earlier_one_and_an_empty_one_unsets() {
        let mut pax = Pax::default();
        pax.read(&[record("path", b"a"), record("path", b"b")].concat())
            .unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"b"[..]));
        pax.read(&record("path", b"")).unwrap();
        assert_eq!(pax.path, None);
    }

    #[test]
    fn times_before_1970_are_understood() {
        let at = time(b"-1.25").unwrap();
        assert_eq!(at.num_milliseconds(), -1250);
        assert_eq!(time(b"-2").unwrap(), TimeSpec::new(-2, 0));
    }

    #[rstest::rstest]
    #[case(b"7 path=".as_slice())]
    #[case(b"path=a\n")]
    #[case(b"99 path=a\n")]
    #[case(b"3 a\n")]
    #[case(b"18446744073709551615 path=a\n")]
    #[case(b"11 size=1x\n")]
    #[case(b"1 a=b\n")]
    fn malformed_records_are_errors(#[case] data: &[u8]) {
        assert!(Pax::default().read(data).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_input_makes_the_reader_panic(data: Vec<u8>) {
            let _ = Pax::default().read(&data);
        }
    }
}
