//! Copying one file's content by descriptor.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use nix::errno::Errno;
use nix::fcntl::copy_file_range;

/// The most that one `copy_file_range` call is asked for; the kernel may do less.
const CHUNK: usize = 1 << 30;

/// Copies everything from `source`'s position to its end into `target`, in the kernel where it
/// can (which also shares blocks on file systems that do), else through a 64 KiB buffer.
/// Returns the number of bytes.
///
/// # Errors
/// The first read or write error; `target` then holds a part.
pub fn copy_contents(source: &mut File, target: &mut File) -> io::Result<u64> {
    let mut copied = 0_u64;
    loop {
        match copy_file_range(&*source, None, &*target, None, CHUNK) {
            Ok(0) if copied > 0 => return Ok(copied),
            // Zero at once: an empty file, or one like those in /proc whose size is not known.
            Ok(0) => break,
            Ok(count) => copied += count as u64,
            Err(Errno::EINTR) => {}
            // The kernel, the file systems or the kind of file cannot do it.
            Err(
                Errno::ENOSYS
                | Errno::EXDEV
                | Errno::EINVAL
                | Errno::EOPNOTSUPP
                | Errno::EPERM
                | Errno::EBADF,
            ) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                target.write_all(&buffer[..count])?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_arrives_whole_from_files_of_any_kind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source");
        for content in [Vec::new(), b"x".to_vec(), vec![7; 3_000_000]] {
            fs_err::write(&path, &content).unwrap();
            let mut target = tempfile::tempfile().unwrap();
            let mut source = fs_err::File::open(&path).unwrap().into_file();
            assert_eq!(
                copy_contents(&mut source, &mut target).unwrap(),
                content.len() as u64
            );
            assert_eq!(target.metadata().unwrap().len(), content.len() as u64);
        }
        // No size is known in advance here.
        let mut source = fs_err::File::open("/proc/self/status").unwrap().into_file();
        let mut target = tempfile::tempfile().unwrap();
        assert!(copy_contents(&mut source, &mut target).unwrap() > 0);
    }
}
