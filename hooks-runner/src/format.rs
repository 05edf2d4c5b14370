//! The files' common shape: a JSON object with the format version beside the content.
//!
//! Agent and runner may be of different releases while one replaces the other, so the version
//! is looked at before anything else is understood.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

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
struct Envelope<T> {
    version: u64,
    content: T,
}

pub(crate) fn encode<T: Serialize>(content: &T) -> Result<Vec<u8>, FormatError> {
    let envelope = Envelope {
        version: FORMAT_VERSION,
        content,
    };
    serde_json::to_vec(&envelope).map_err(|source| FormatError::Content { source })
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FormatError> {
    let failed = |source| FormatError::Content { source };
    let Versioned { version } = serde_json::from_slice(bytes).map_err(failed)?;
    if version != FORMAT_VERSION {
        return Err(FormatError::Version { found: version });
    }
    let envelope: Envelope<T> = serde_json::from_slice(bytes).map_err(failed)?;
    Ok(envelope.content)
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
