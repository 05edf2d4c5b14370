//! A checked path inside an archive: names only, relative, no way up.

use super::limits::Limits;
use super::unpack_error::{EntryName, UnpackError};

/// A path inside an archive as names joined by single slashes: not absolute, no `.`, no `..`,
/// no NUL. Empty for the archive's own root (`./` in a tar).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryPath {
    bytes: Vec<u8>,
}

/// The longest name that Linux file systems take.
const NAME_MAX: usize = 255;

impl EntryPath {
    /// Checks a name as an archive has it. `.` and empty names between slashes are dropped;
    /// nothing else is repaired, because a name that needs repair was not meant honestly.
    pub(super) fn parse(raw: &[u8], limits: &Limits) -> Result<Self, UnpackError> {
        let refused = |why| UnpackError::UnsafeName {
            name: EntryName::new(raw),
            why,
        };
        if raw.is_empty() {
            return Err(refused("its name is empty"));
        }
        if raw.contains(&0) {
            return Err(refused("its name has a NUL in it"));
        }
        if raw.first() == Some(&b'/') {
            return Err(refused(
                "its name is absolute; build the archive with relative names",
            ));
        }
        if raw.len() > limits.path_bytes {
            return Err(UnpackError::Limit {
                what: "bytes in one path",
                limit: limits.path_bytes as u64,
                key: Some("archive_max_path_length"),
            });
        }
        let mut bytes = Vec::with_capacity(raw.len());
        let mut depth = 0;
        for name in raw.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => return Err(refused("its name has .. in it and leaves the archive")),
                _ if name.len() > NAME_MAX => {
                    return Err(refused("a part of its name is longer than 255 bytes"));
                }
                _ => {
                    if depth > 0 {
                        bytes.push(b'/');
                    }
                    bytes.extend_from_slice(name);
                    depth += 1;
                }
            }
        }
        if depth > limits.depth {
            return Err(UnpackError::Limit {
                what: "directories within each other",
                limit: limits.depth as u64,
                key: Some("archive_max_depth"),
            });
        }
        Ok(Self { bytes })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_root(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The path above and the last name; none for the root.
    pub(super) fn split(&self) -> Option<(&[u8], &[u8])> {
        if self.is_root() {
            return None;
        }
        match self.bytes.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => Some((&self.bytes[..slash], &self.bytes[slash + 1..])),
            None => Some((b"", &self.bytes)),
        }
    }
}

/// The names of a normalised path.
pub(super) fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(b"a", b"a")]
    #[case(b"./a/b/", b"a/b")]
    #[case(b"a//b/./c", b"a/b/c")]
    #[case(b"./", b"")]
    #[case(b"a\\..\\b\n\xff ", b"a\\..\\b\n\xff ")]
    #[case(b"...", b"...")]
    fn honest_names_are_normalised(#[case] raw: &[u8], #[case] normal: &[u8]) {
        let path = EntryPath::parse(raw, &Limits::default()).unwrap();
        assert_eq!(path.bytes(), normal);
    }

    #[rstest::rstest]
    #[case(b"")]
    #[case(b"/etc/passwd")]
    #[case(b"//a")]
    #[case(b"..")]
    #[case(b"a/..")]
    #[case(b"a/../b")]
    #[case(b"../a")]
    #[case(b"a\0b")]
    fn names_that_leave_the_archive_are_refused(#[case] raw: &[u8]) {
        let error = EntryPath::parse(raw, &Limits::default()).unwrap_err();
        assert!(matches!(error, UnpackError::UnsafeName { .. }), "{error}");
    }

    #[test]
    fn limits_are_errors() {
        let limits = Limits::default();
        let long = [b"a/".repeat(2049)].concat();
        let deep = b"a/".repeat(257);
        for raw in [long, deep] {
            assert!(matches!(
                EntryPath::parse(&raw, &limits),
                Err(UnpackError::Limit { .. })
            ));
        }
        assert!(EntryPath::parse(&b"a/".repeat(256), &limits).is_ok());
        assert!(EntryPath::parse(&[b'n'; 256], &limits).is_err());
    }
}
