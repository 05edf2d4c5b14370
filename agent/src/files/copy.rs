//! Copying one file's content by descriptor: sharing blocks where the file system can, in the
//! kernel where it can, holes kept, and by hand where nothing else works (old kernels, filters of
//! system calls, file systems that refuse).

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;

use nix::errno::Errno;
use nix::fcntl::copy_file_range;
use nix::unistd::{Whence, lseek};
use rustix::fs::ioctl_ficlone;

/// The most that one `copy_file_range` call is asked for; the kernel may do less.
const CHUNK: u64 = 1 << 30;
/// What of a file comes first when its end is wanted first, and in which steps the rest follows.
const END: u64 = 2 << 20;
const STEP: u64 = 8 << 20;
/// From this size on, sharing blocks is tried: smaller ones are written sooner than shared.
const WORTH_SHARING: u64 = 64 * 1024;

/// Copies everything from `source`'s position to its end into `target`, in the kernel where it
/// can (which also shares blocks on file systems that do), else through a 64 KiB buffer. From the
/// beginning of a file into an empty one, blocks are shared and holes are kept.
/// Returns the number of bytes.
///
/// # Errors
/// The first read or write error; `target` then holds a part.
pub fn copy_contents(source: &mut File, target: &mut File) -> io::Result<u64> {
    let found = source.metadata()?;
    let is_whole = found.is_file()
        && found.len() >= WORTH_SHARING
        && source.stream_position()? == 0
        && target.metadata()?.len() == 0;
    if !is_whole {
        return copy(source, target, u64::MAX);
    }
    match copy_frugally(source, target, &found)? {
        Some(count) => Ok(count),
        None => copy(source, target, u64::MAX),
    }
}

/// Copies all of the regular file `source` into the empty file `target`, as [`copy_contents`] does;
/// of one that is written out, the end comes first. `there` is told what has been copied.
/// Returns the number of bytes.
///
/// # Errors
/// The first read or write error, or that `source` has changed its length meanwhile.
pub fn copy_end_first(
    source: &mut File,
    target: &mut File,
    there: &dyn Fn(Range<u64>),
) -> io::Result<u64> {
    let found = source.metadata()?;
    let length = found.len();
    if length < WORTH_SHARING {
        let count = copy_contents(source, target)?;
        there(0..count);
        return Ok(count);
    }
    if let Some(count) = copy_frugally(source, target, &found)? {
        there(0..count);
        return Ok(count);
    }
    let end = length.saturating_sub(END);
    let mut position = 0;
    let begin = std::iter::from_fn(|| {
        let range = position..(position + STEP).min(end);
        position = range.end;
        (!range.is_empty()).then_some(range)
    });
    for range in std::iter::once(end..length).chain(begin) {
        source.seek(SeekFrom::Start(range.start))?;
        target.seek(SeekFrom::Start(range.start))?;
        let count = range.end - range.start;
        if copy(source, target, count)? < count {
            break;
        }
        there(range);
    }
    if source.metadata()?.len() != length || target.metadata()?.len() != length {
        return Err(io::Error::other("it changed while it was copied"));
    }
    Ok(length)
}

/// Shares blocks or keeps holes, where there is something to share or to keep; else none.
fn copy_frugally(
    source: &mut File,
    target: &mut File,
    found: &Metadata,
) -> io::Result<Option<u64>> {
    if share(source, target).is_ok() {
        // As if it had been read and written.
        source.seek(SeekFrom::End(0))?;
        return target.seek(SeekFrom::End(0)).map(Some);
    }
    if found.blocks().saturating_mul(512) < found.len() {
        return copy_with_holes(source, target, found.len()).map(Some);
    }
    Ok(None)
}

fn share(source: &File, target: &File) -> nix::Result<()> {
    #[cfg(test)]
    if let Some(refusal) = tests::REFUSAL.get() {
        return Err(refusal);
    }
    ioctl_ficlone(target, source).map_err(|error| Errno::from_raw(error.raw_os_error()))
}

fn copy_in_kernel(source: &File, target: &File, most: u64) -> nix::Result<u64> {
    #[cfg(test)]
    if let Some(refusal) = tests::REFUSAL.get() {
        return Err(refusal);
    }
    let most = usize::try_from(most.min(CHUNK)).unwrap_or(usize::MAX);
    copy_file_range(source, None, target, None, most).map(|count| count as u64)
}

/// Copies up to `length` bytes, fewer when the file ends before.
fn copy(source: &mut File, target: &mut File, length: u64) -> io::Result<u64> {
    let mut copied = 0_u64;
    while copied < length {
        match copy_in_kernel(source, target, length - copied) {
            Ok(0) if copied > 0 => return Ok(copied),
            // Zero at once: an empty file, or one like those in /proc whose size is not known.
            Ok(0) => break,
            Ok(count) => copied += count,
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
    while copied < length {
        let most = usize::try_from(length - copied).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        match source.read(buffer.get_mut(..most).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => {
                target.write_all(buffer.get(..count).unwrap_or_default())?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(copied)
}

/// Copies what has data; the rest of `length` bytes stays a hole.
fn copy_with_holes(source: &mut File, target: &mut File, length: u64) -> io::Result<u64> {
    let mut position = 0_i64;
    loop {
        let data = match lseek(&*source, position, Whence::SeekData) {
            Ok(data) => data,
            // Nothing but a hole up to the end.
            Err(Errno::ENXIO) => break,
            // The file system does not tell.
            Err(Errno::EINVAL) if position == 0 => {
                source.seek(SeekFrom::Start(0))?;
                return copy(source, target, u64::MAX);
            }
            Err(error) => return Err(error.into()),
        };
        let hole = lseek(&*source, data, Whence::SeekHole)?;
        let begin = u64::try_from(data).unwrap_or_default();
        source.seek(SeekFrom::Start(begin))?;
        target.seek(SeekFrom::Start(begin))?;
        copy(
            source,
            target,
            u64::try_from(hole - data).unwrap_or_default(),
        )?;
        position = hole;
    }
    target.set_len(length)?;
    target.seek(SeekFrom::Start(length))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    thread_local! {
        /// What sharing and copying in the kernel fail with in this test.
        pub(super) static REFUSAL: std::cell::Cell<Option<Errno>> =
            const { std::cell::Cell::new(None) };
    }

    /// Sharing is refused, so that it is written out; it is larger than one step.
    #[rstest]
    #[case::kernel(Errno::EOPNOTSUPP)]
    #[case::by_hand(Errno::EXDEV)]
    fn the_end_is_copied_first_and_all_of_it_arrives(#[case] refusal: Errno) {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("a"), directory.path().join("b"));
        let length = usize::try_from(STEP + END).unwrap() + 12_345;
        let content: Vec<u8> = (0..length).map(|at| (at % 253) as u8).collect();
        fs_err::write(&from, &content).unwrap();
        let mut source = fs_err::File::open(&from).unwrap().into_file();
        let mut target = fs_err::File::create(&to).unwrap().into_file();
        let told = std::cell::RefCell::new(Vec::new());
        let there = |range: Range<u64>| {
            // As much as is told has been written.
            let written = fs_err::read(&to).unwrap();
            let at = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            assert!(written[at.clone()] == content[at]);
            told.borrow_mut().push(range);
        };
        REFUSAL.set(Some(refusal));
        let count = copy_end_first(&mut source, &mut target, &there).unwrap();
        REFUSAL.set(None);
        assert_eq!(count, length as u64);
        assert!(fs_err::read(&to).unwrap() == content);
        let end = count - END;
        assert_eq!(told.into_inner(), [end..count, 0..STEP, STEP..end]);
    }

    #[test]
    fn a_file_that_is_cut_while_it_is_copied_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("a"), directory.path().join("b"));
        fs_err::write(&from, vec![1; 4 << 20]).unwrap();
        let mut source = fs_err::File::open(&from).unwrap().into_file();
        let mut target = fs_err::File::create(&to).unwrap().into_file();
        let cut = |_: Range<u64>| {
            let file = fs_err::OpenOptions::new().write(true).open(&from).unwrap();
            file.file().set_len(1 << 20).unwrap();
        };
        REFUSAL.set(Some(Errno::EOPNOTSUPP));
        let copied = copy_end_first(&mut source, &mut target, &cut);
        REFUSAL.set(None);
        assert!(copied.unwrap_err().to_string().contains("changed"));
    }

    #[rstest]
    #[case::kernel(None)]
    #[case::too_old_a_kernel(Some(Errno::ENOSYS))]
    #[case::across_file_systems(Some(Errno::EXDEV))]
    #[case::not_this_file_system(Some(Errno::EINVAL))]
    #[case::filtered(Some(Errno::EPERM))]
    fn content_arrives_whole_from_files_of_any_kind(#[case] refusal: Option<Errno>) {
        REFUSAL.set(refusal);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source");
        for content in [Vec::new(), b"x".to_vec(), vec![7; 3_000_000]] {
            fs_err::write(&path, &content).unwrap();
            let copy = directory.path().join("copy");
            let mut target = fs_err::File::create(&copy).unwrap().into_file();
            let mut source = fs_err::File::open(&path).unwrap().into_file();
            assert_eq!(
                copy_contents(&mut source, &mut target).unwrap(),
                content.len() as u64
            );
            assert!(fs_err::read(&copy).unwrap() == content);
        }
        // No size is known in advance here.
        let mut source = fs_err::File::open("/proc/self/status").unwrap().into_file();
        let mut target = tempfile::tempfile().unwrap();
        assert!(copy_contents(&mut source, &mut target).unwrap() > 0);
        // From the middle, and after something.
        let mut source = fs_err::File::open(&path).unwrap().into_file();
        source.seek(SeekFrom::Start(2_999_990)).unwrap();
        let mut target = tempfile::tempfile().unwrap();
        target.write_all(b"before").unwrap();
        assert_eq!(copy_contents(&mut source, &mut target).unwrap(), 10);
        assert_eq!(target.metadata().unwrap().len(), 16);
    }

    #[rstest]
    #[case::kernel(None)]
    #[case::too_old_a_kernel(Some(Errno::ENOSYS))]
    fn holes_stay_holes(#[case] refusal: Option<Errno>) {
        REFUSAL.set(refusal);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source");
        let mut source = fs_err::File::create(&path).unwrap().into_file();
        for place in [0, 8_000_000, 20_000_000] {
            source.seek(SeekFrom::Start(place)).unwrap();
            source.write_all(&[1; 5000]).unwrap();
        }
        source.set_len(40_000_000).unwrap();
        let copy = directory.path().join("copy");
        let mut source = fs_err::File::open(&path).unwrap().into_file();
        let mut target = fs_err::File::create(&copy).unwrap().into_file();
        assert_eq!(copy_contents(&mut source, &mut target).unwrap(), 40_000_000);
        assert!(fs_err::read(&copy).unwrap() == fs_err::read(&path).unwrap());
        assert!(target.metadata().unwrap().blocks() * 512 < 1_000_000);
    }
}
