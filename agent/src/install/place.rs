//! Renames that never replace what they should not.
//!
//! Where the kernel or the file system has no `RENAME_NOREPLACE` or `RENAME_EXCHANGE` (before
//! Linux 3.15, some network and stacked file systems, system call filters), hard links do the
//! same for files: a name is never without a file, and nothing is replaced that was not looked
//! at. For directories there is then a moment between looking and renaming.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, renameat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use rustix::fs::{RenameFlags, renameat_with};

use super::descriptors;
use super::tree::Existing;

/// Where what was under a name is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It took the staged name.
    Exchanged,
    /// It is in the set-aside place (no exchange on this file system).
    SetAside,
}

/// A name in a directory.
#[derive(Debug)]
pub(super) struct Name<'a, D> {
    pub(super) directory: D,
    pub(super) name: &'a OsStr,
}

impl<'a, D: AsFd> Name<'a, D> {
    pub(super) fn new(directory: D, name: &'a OsStr) -> Self {
        Self { directory, name }
    }

    pub(super) fn remove(&self) -> nix::Result<()> {
        unlinkat(&self.directory, self.name, UnlinkatFlags::NoRemoveDir)
    }

    /// A plain rename, which replaces.
    pub(super) fn rename(&self, to: &Name<'_, impl AsFd>) -> nix::Result<()> {
        renameat(&self.directory, self.name, &to.directory, to.name)
    }

    /// A second name for a file or link.
    pub(super) fn link(&self, to: &Name<'_, impl AsFd>) -> nix::Result<()> {
        let flags = AtFlags::empty();
        linkat(&self.directory, self.name, &to.directory, to.name, flags)
    }

    fn rename_with(&self, to: &Name<'_, impl AsFd>, flags: RenameFlags) -> nix::Result<()> {
        #[cfg(test)]
        if let Some(refusal) = tests::REFUSAL.get() {
            return Err(refusal);
        }
        renameat_with(&self.directory, self.name, &to.directory, to.name, flags)
            .map_err(|error| Errno::from_raw(error.raw_os_error()))
    }
}

/// Which renames a file system is asked for. Both are tried first; a refusal is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    exchange: bool,
    no_replace: bool,
    /// Some rename was done in another way.
    pub(super) weakened: bool,
}

impl Abilities {
    pub(super) const ALL: Self = Self {
        exchange: true,
        no_replace: true,
        weakened: false,
    };
}

/// The kernel or the file system does not know the flag.
const UNKNOWN: [Errno; 3] = [Errno::EINVAL, Errno::ENOSYS, Errno::EOPNOTSUPP];
/// A filter of system calls, or this very pair of names: the plain calls tell.
const REFUSED: [Errno; 2] = [Errno::EPERM, Errno::EXDEV];
/// No hard links here.
const NO_LINKS: [Errno; 5] = [
    Errno::EPERM,
    Errno::EOPNOTSUPP,
    Errno::EMLINK,
    Errno::ENOSYS,
    Errno::EXDEV,
];

/// Moves `from` to `to`, where nothing may be.
///
/// # Errors
/// `EEXIST` when something is there. Without `RENAME_NOREPLACE`, files are hard linked, which is
/// as strict; for directories there is then a moment between looking and renaming.
pub(super) fn move_new(
    from: &Name<'_, impl AsFd>,
    to: &Name<'_, impl AsFd>,
    can: &mut Abilities,
) -> io::Result<()> {
    if can.no_replace {
        match from.rename_with(to, RenameFlags::NOREPLACE) {
            Err(error) if UNKNOWN.contains(&error) => can.no_replace = false,
            Err(error) if REFUSED.contains(&error) => {}
            result => return Ok(result?),
        }
    }
    can.weakened = true;
    if descriptors::look(&from.directory, from.name)? != Existing::Directory {
        match from.link(to) {
            Ok(()) => return Ok(from.remove()?),
            Err(error) if NO_LINKS.contains(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if descriptors::look(&to.directory, to.name)? != Existing::Absent {
        return Err(Errno::EEXIST.into());
    }
    Ok(from.rename(to)?)
}

/// Puts `from` in the place of `to`, which must be there, and keeps what was there: under the
/// name of `from`, or in `aside`.
pub(super) fn exchange(
    from: &Name<'_, impl AsFd>,
    to: &Name<'_, impl AsFd>,
    aside: &Name<'_, impl AsFd>,
    can: &mut Abilities,
) -> io::Result<How> {
    if can.exchange {
        match from.rename_with(to, RenameFlags::EXCHANGE) {
            Err(error) if UNKNOWN.contains(&error) => can.exchange = false,
            Err(error) if REFUSED.contains(&error) => {}
            result => {
                result?;
                return Ok(How::Exchanged);
            }
        }
    }
    can.weakened = true;
    let kinds = [
        descriptors::look(&from.directory, from.name)?,
        descriptors::look(&to.directory, to.name)?,
    ];
    if !kinds.contains(&Existing::Directory) {
        // A second name for the old file, then a rename over the first: no moment without it.
        match to.link(aside) {
            Ok(()) => {
                from.rename(to)?;
                return Ok(How::SetAside);
            }
            Err(error) if NO_LINKS.contains(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    move_new(to, aside, can)?;
    if let Err(error) = move_new(from, to, can) {
        move_new(aside, to, can)?;
        return Err(error);
    }
    Ok(How::SetAside)
}

#[cfg(test)]
pub(super) mod tests {
    use rstest::rstest;

    use super::*;

    thread_local! {
        /// What renames with flags fail with in this test.
        pub(in super::super) static REFUSAL: std::cell::Cell<Option<Errno>> =
            const { std::cell::Cell::new(None) };
    }

    #[rstest]
    #[case::kernel(None)]
    #[case::too_old_a_kernel(Some(Errno::ENOSYS))]
    #[case::unknown_flag(Some(Errno::EINVAL))]
    #[case::filtered(Some(Errno::EPERM))]
    #[case::across(Some(Errno::EXDEV))]
    fn nothing_is_replaced_unseen_and_what_is_replaced_is_kept(#[case] refusal: Option<Errno>) {
        REFUSAL.set(refusal);
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path();
        let open = || fs_err::File::open(path).unwrap().into_file();
        let name = |name| Name::new(open(), OsStr::new(name));
        let (from, to, aside) = (name("from"), name("to"), name("aside"));
        let mut can = Abilities::ALL;
        for (old, new) in [(false, false), (true, false), (false, true)] {
            let make = |name: &str, directory: bool| match directory {
                true => fs_err::create_dir(path.join(name)).unwrap(),
                false => fs_err::write(path.join(name), name).unwrap(),
            };
            make("from", new);
            make("to", old);
            let error = move_new(&from, &to, &mut can).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            let kept = match exchange(&from, &to, &aside, &mut can).unwrap() {
                How::Exchanged => "from",
                How::SetAside => "aside",
            };
            assert_eq!(path.join("to").is_dir(), new);
            assert_eq!(path.join(kept).is_dir(), old);
            if !old {
                assert_eq!(fs_err::read(path.join(kept)).unwrap(), b"to");
            }
            descriptors::empty(open(), None).unwrap();
        }
        fs_err::write(path.join("from"), "x").unwrap();
        move_new(&from, &to, &mut can).unwrap();
        assert!(!path.join("from").exists() && path.join("to").exists());
        assert_eq!(can.weakened, refusal.is_some());
    }
}
