//! Replacing the AppSpec file with its mended text.

use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Replaces the file at `path`, reached through links, so that it is the old or the new one at
/// every instant; owner and mode stay.
pub(super) fn rewrite(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = fs_err::canonicalize(path)?;
    let metadata = fs_err::metadata(&path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut temporary = tempfile::Builder::new()
        .prefix(".appspec-")
        .tempfile_in(directory)?;
    let file = temporary.as_file();
    let ours = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    if ours != (metadata.uid(), metadata.gid()) {
        // By descriptor: the name could meanwhile be another file's.
        std::os::unix::fs::fchown(file, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    temporary.persist(&path).map_err(|error| error.error)?;
    fs_err::File::open(directory)?.sync_all()
}
