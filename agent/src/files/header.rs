//! The first record of a file of records: what the file is, and its format. Every format has one of
//! this form, so that other versions can refuse the file.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

/// What the first record says, and what it must say to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    /// The member that says what the file is.
    pub(crate) key: &'static str,
    /// What it says.
    pub(crate) name: &'static str,
    /// The format that this version writes, and the only one that it reads.
    pub(crate) format: u64,
}

impl Header {
    /// Whether `json` is this header.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self, json: &[u8]) -> Result<(), String> {
        let found: Value = serde_json::from_slice(json).unwrap_or_default();
        let is_such_a_file = found.get(self.key).is_some_and(|name| name == self.name);
        match found.get("format").and_then(Value::as_u64) {
            Some(format) if is_such_a_file && format == self.format => Ok(()),
            Some(format) if is_such_a_file => Err(format!(
                "its format is {format} and this agent knows format {} only; it was written by \
                 another version",
                self.format
            )),
            _ => Err("its first line is not the header of such a file".to_owned()),
        }
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(2))?;
        members.serialize_entry(self.key, self.name)?;
        members.serialize_entry("format", &self.format)?;
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const HEADER: Header = Header {
        key: "journal",
        name: "agent",
        format: 2,
    };

    #[test]
    fn what_is_written_is_accepted() {
        let json = serde_json::to_string(&HEADER).unwrap();
        assert_eq!(json, r#"{"journal":"agent","format":2}"#);
        assert_eq!(HEADER.check(json.as_bytes()), Ok(()));
    }

    #[rstest]
    #[case::another_format(r#"{"journal":"agent","format":3}"#, "its format is 3")]
    #[case::another_name(r#"{"journal":"other","format":2}"#, "not the header")]
    #[case::another_file(r#"{"history":"agent","format":2}"#, "not the header")]
    #[case::no_format(r#"{"journal":"agent","format":"2"}"#, "not the header")]
    #[case::no_object("2", "not the header")]
    fn anything_else_is_refused(#[case] json: &str, #[case] reason: &str) {
        let said = HEADER.check(json.as_bytes()).unwrap_err();
        assert!(said.contains(reason), "{said}");
    }
}
