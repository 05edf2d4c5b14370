//! What PATH is, and what is read of it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

use super::archive::Archive;
use super::directory::Directory;
use crate::appspec::MAX_BYTES;
use crate::bundle::{self, UnpackError};

/// Bytes that tell an archive from a text.
const PROBE: u64 = 512;

/// The input cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// The system says why; the path is in its message.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// Neither a file nor a directory.
    #[error(
        "{} is neither a file nor a directory; name an AppSpec file, a bundle, or `-` for standard \
         input", path.display()
    )]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
    /// Standard input cannot be read.
    #[error("cannot read standard input")]
    StandardInput(#[source] io::Error),
}

/// What is to be checked.
pub(super) enum Input {
    /// One AppSpec file.
    Document {
        /// As it is shown.
        name: String,
        /// Where it is; none for standard input.
        path: Option<PathBuf>,
        bytes: Vec<u8>,
    },
    Directory(Directory),
    Archive(Archive),
    /// An archive that the agent would refuse.
    BadArchive(UnpackError),
}

impl Input {
    /// Reads what `path` names.
    pub(super) fn read(path: &Path) -> Result<Self, InputError> {
        if path == Path::new("-") {
            let bytes = limited(io::stdin().lock()).map_err(InputError::StandardInput)?;
            return Ok(Self::Document {
                name: "<stdin>".to_owned(),
                path: None,
                bytes,
            });
        }
        // A fifo would hold us here.
        let file = fs_err::OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
            .open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Ok(Self::Directory(Directory::read(path, file.into_file())?));
        }
        if !metadata.is_file() {
            return Err(InputError::NoFile {
                path: path.to_owned(),
            });
        }
        let name = path.to_string_lossy().into_owned();
        let mut start = Vec::new();
        (&file).take(PROBE).read_to_end(&mut start)?;
        let named_text = path.extension().is_some_and(|extension| {
            ["yml", "yaml", "json"]
                .iter()
                .any(|text| extension == *text)
        });
        if let Some(kind) = bundle::type_of(path, &start).filter(|_| !named_text) {
            return Ok(match Archive::read(path, kind) {
                Ok(archive) => Self::Archive(archive),
                Err(error) => Self::BadArchive(error),
            });
        }
        let bytes = limited(io::Cursor::new(start).chain(file))?;
        Ok(Self::Document {
            name,
            path: Some(path.to_owned()),
            bytes,
        })
    }
}

/// As much as an AppSpec may have, and one byte more.
pub(super) fn limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MAX_BYTES as u64 + 1;
    source.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Names of an AppSpec in a bundle, in the order in which Install looks for them.
pub(super) const NAMES: [&str; 2] = ["appspec.yml", "appspec.yaml"];

/// Whether someone may have meant `name` for an AppSpec: `AppSpec.yml`, `appspec.yml.txt`.
pub(super) fn looks_like_appspec(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    lower
        .windows(b"appspec".len())
        .any(|part| part == b"appspec")
}
