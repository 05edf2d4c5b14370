//! The files' common shape: `{"version":1,"checksum":"9fa3b0c2","content":{...}}`.
//!
//! Agent and runner may be of different releases while one replaces the other, so the version
//! is looked at before anything else is understood. A field that a release adds has a default, so
//! that what the one before wrote stays readable; the version changes when a field changes its
//! meaning. The checksum is the CRC-32 of the content as it is written, in eight hexadecimal
//! digits: a file that was damaged is not taken for another request or outcome.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The version that this release writes, and the only one that it reads.
pub const FORMAT_VERSION: u64 = 1;

/// A file of the run directory cannot be written or understood.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Written by another release.
    #[error("it has format version {found}, this program understands version {FORMAT_VERSION}")]
    Version {
        /// The version in the file.
        found: u64,
    },
    /// Damaged.
    #[error("its content is not what its checksum says: the file was damaged")]
    Checksum,
    /// Not JSON, or not of this shape.
    #[error("its content is not what version {FORMAT_VERSION} has")]
    Content {
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    version: u64,
    checksum: String,
    #[serde(borrow)]
    content: &'a RawValue,
}

fn checksum(content: &RawValue) -> String {
    format!("{:08x}", crc32fast::hash(content.get().as_bytes()))
}

pub(crate) fn encode<T: Serialize>(content: &T) -> Result<Vec<u8>, FormatError> {
    let failed = |source| FormatError::Content { source };
    let content = serde_json::value::to_raw_value(content).map_err(failed)?;
    let envelope = Envelope {
        version: FORMAT_VERSION,
        checksum: checksum(&content),
        content: &content,
    };
    serde_json::to_vec(&envelope).map_err(failed)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FormatError> {
    let failed = |source| FormatError::Content { source };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(failed)?;
    if version != FORMAT_VERSION {
        return Err(FormatError::Version { found: version });
    }
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(failed)?;
    if envelope.checksum != checksum(envelope.content) {
        return Err(FormatError::Checksum);
    }
    serde_json::from_str(envelope.content.get()).map_err(failed)
}

/// Paths without loss: a JSON string when UTF-8, else `{"bytes": [..]}`.
pub(crate) mod lossless {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Encoded {
        Text(String),
        Raw { bytes: Vec<u8> },
    }

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => Encoded::Raw {
                bytes: path.as_os_str().as_bytes().to_vec(),
            }
            .serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        Ok(match Encoded::deserialize(deserializer)? {
            Encoded::Text(text) => PathBuf::from(text),
            Encoded::Raw { bytes } => PathBuf::from(OsString::from_vec(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use rstest::rstest;

    use super::*;
    use crate::outcome::{Holder, Outcome, ScriptResult, Stream};
    use crate::request::{Request, tests::request};
    use crate::run_dir::Started;

    fn started() -> Started {
        Started {
            pid: 7,
            start_time: 100,
            script_pid: 8,
            script_start_time: 101,
            boot_id: "b-1".to_owned(),
            marks: vec!["DEPLOYMENT_ID=d-1".to_owned()],
            time_ms: 5,
        }
    }

    fn outcome() -> Outcome {
        Outcome {
            result: ScriptResult::OutputLeftOpen {
                seconds: 1,
                streams: vec![Stream::Stdout],
                holders: vec![Holder {
                    pid: 9,
                    command: "sh".to_owned(),
                    streams: vec![Stream::Stdout],
                }],
                all_visible: true,
            },
            duration_ms: 12,
            tail: vec!["[stdout]\u{0}\u{fffd}ü\n".to_owned()],
            warnings: vec!["w".to_owned()],
        }
    }

    /// No damage to a single byte, and no missing end, goes unnoticed or does harm.
    fn every_damage_is_noticed<T: Serialize + DeserializeOwned + Debug>(content: &T) {
        let bytes = encode(content).unwrap();
        decode::<T>(&bytes).unwrap();
        for length in 0..bytes.len() {
            decode::<T>(&bytes[..length]).unwrap_err();
        }
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << bit;
                let decoded = decode::<T>(&flipped);
                assert!(decoded.is_err(), "bit {bit} of byte {place}: {decoded:?}");
            }
            let mut zeroed = bytes.clone();
            zeroed[place..].fill(0);
            decode::<T>(&zeroed).unwrap_err();
        }
    }

    #[test]
    fn every_damage_to_a_request_is_noticed() {
        every_damage_is_noticed(&request());
    }

    #[test]
    fn every_damage_to_a_start_is_noticed() {
        every_damage_is_noticed(&started());
    }

    #[test]
    fn every_damage_to_an_outcome_is_noticed() {
        every_damage_is_noticed(&outcome());
    }

    #[rstest]
    #[case("")]
    #[case("[]")]
    #[case("null")]
    #[case("{}")]
    #[case(r#"{"version":1}"#)]
    #[case(r#"{"version":1,"checksum":"00000000","content":{}}"#)]
    #[case(r#"{"version":-1,"content":{}}"#)]
    #[case(r#"{"version":1e3,"content":{}}"#)]
    #[case("\u{0}\u{0}")]
    fn what_is_no_file_of_ours_is_refused(#[case] text: &str) {
        decode::<Outcome>(text.as_bytes()).unwrap_err();
    }

    #[rstest]
    #[case(0)]
    #[case(2)]
    #[case(99)]
    fn another_version_is_refused_by_number_whatever_else_is_in_it(#[case] version: u64) {
        for rest in ["", r#","content":[]"#, r#","checksum":1,"content":{}"#] {
            let text = format!("{{\"version\":{version}{rest}}}");
            let error = decode::<Request>(text.as_bytes()).unwrap_err();
            assert!(matches!(error, FormatError::Version { found } if found == version));
            assert!(error.to_string().contains(&version.to_string()), "{error}");
        }
    }

    /// Files as releases have written them: these must be readable by every later one.
    #[test]
    fn what_earlier_releases_wrote_is_read() {
        let text = include_str!("../tests/formats/request-1.json");
        assert_eq!(decode::<Request>(text.as_bytes()).unwrap(), request());
        let text = include_str!("../tests/formats/started-1.json");
        assert_eq!(decode::<Started>(text.as_bytes()).unwrap(), started());
        let text = include_str!("../tests/formats/outcome-1.json");
        assert_eq!(decode::<Outcome>(text.as_bytes()).unwrap(), outcome());
    }

    #[test]
    fn fields_that_a_later_release_adds_are_passed_over() {
        let mut content = serde_json::to_value(started()).unwrap();
        content["new"] = serde_json::json!({"a": [1]});
        let read: Started = decode(&encode(&content).unwrap()).unwrap();
        assert_eq!(read, started());
    }
}
