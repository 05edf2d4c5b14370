//! This host, as the rules ask for it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nix::unistd::{Group, User};

use crate::lint::Host;

/// This host. What cannot be looked up counts as there: a name service may be down.
pub(super) struct ThisHost;

impl Host for ThisHost {
    fn has_user(&self, name: &str) -> bool {
        !matches!(User::from_name(name), Ok(None))
    }

    fn has_group(&self, name: &str) -> bool {
        !matches!(Group::from_name(name), Ok(None))
    }

    fn has_file(&self, path: &[u8]) -> bool {
        // The kernel looks for a relative interpreter in the working directory, which is `/`.
        let path = Path::new("/").join(OsStr::from_bytes(path));
        !matches!(fs_err::metadata(path), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
    }
}
