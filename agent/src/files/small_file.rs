//! Reading one of the agent's own small files, with who owns it and who may touch it.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

use fs_err::os::unix::fs::OpenOptionsExt as _;

/// Far above any such file, far below what would hurt.
const LIMIT: u64 = 1024 * 1024;

/// A file's bytes and its access, both of the same open file.
pub(crate) struct SmallFile {
    pub(crate) content: Vec<u8>,
    /// Permission bits only.
    pub(crate) mode: u32,
    /// User id.
    pub(crate) owner: u32,
    /// Before the content was read.
    pub(crate) modified: SystemTime,
}

/// Reads `path`.
///
/// # Errors
/// Any I/O error, with the path in it; a file that is not regular (a FIFO would block for ever)
/// or above 1 MiB.
pub(crate) fn read(path: &Path) -> io::Result<SmallFile> {
    let file = fs_err::OpenOptions::new()
        .read(true)
        // Opening a FIFO must not wait for a writer; regular files do not care.
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} is not a regular file", path.display()),
        ));
    }
    let mut content = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{} is larger than 1 MiB", path.display()),
        ));
    }
    Ok(SmallFile {
        content,
        mode: metadata.mode() & 0o7777,
        owner: metadata.uid(),
        modified: metadata.modified()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = read(&path).err().unwrap();
        assert!(
            error.to_string().contains("is not a regular file"),
            "{error}"
        );
    }

    #[test]
    fn a_huge_file_is_refused_and_one_at_the_limit_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs_err::File::create(&path)
            .unwrap()
            .set_len(LIMIT + 1)
            .unwrap();
        let error = read(&path).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        fs_err::File::create(&path).unwrap().set_len(LIMIT).unwrap();
        assert_eq!(read(&path).unwrap().content.len() as u64, LIMIT);
    }
}
