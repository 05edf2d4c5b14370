//! A name that becomes one segment of a path.

use std::fmt;
use std::path::Path;

/// One file name: not empty, no slash, no control character, neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// The longest name, in bytes. File systems allow 255; suffixes such as
    /// `-deployments.log.20240131` are added.
    pub(super) const LONGEST: usize = 200;

    /// Checks `text`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_name = !matches!(text, "" | "." | "..")
            && text.len() <= Self::LONGEST
            && !text.chars().any(|c| c == '/' || c.is_control());
        is_name.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for FileName {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
