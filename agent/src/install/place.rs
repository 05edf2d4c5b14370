//! Renames that never replace what they should not, and their inverses.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, renameat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use rustix::fs::{RenameFlags, renameat_with};

use super::descriptors;
use super::tree::Existing;

/// How a name was taken, and so how it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Nothing was there.
    New,
    /// What was there took the staged name.
    Exchanged,
    /// What was there is in the set-aside place (no exchange on this file system).
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
}

/// Which renames a file system is asked for. Both are tried first; a refusal is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) exchange: bool,
    pub(super) no_replace: bool,
}

impl Abilities {
    pub(super) const ALL: Self = Self {
        exchange: true,
        no_replace: true,
    };

    /// What is assumed of a file system at first.
    #[cfg(not(test))]
    pub(super) fn assumed() -> Self {
        Self::ALL
    }

    /// What is assumed of a file system at first: everything, unless a test injects a refusal.
    #[cfg(test)]
    pub(super) fn assumed() -> Self {
        tests::ASSUMED.get()
    }
}

fn is_refusal(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno as E;
    matches!(error, E::INVAL | E::NOSYS | E::OPNOTSUPP)
}

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
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(&from.directory, from.name, &to.directory, to.name, flags) {
            Err(error) if is_refusal(error) => can.no_replace = false,
            result => return Ok(result?),
        }
    }
    if descriptors::look(&from.directory, from.name)? != Existing::Directory {
        match linkat(
            &from.directory,
            from.name,
            &to.directory,
            to.name,
            AtFlags::empty(),
        ) {
            Ok(()) => {
                return Ok(unlinkat(
                    &from.directory,
                    from.name,
                    UnlinkatFlags::NoRemoveDir,
                )?);
            }
            // No hard links here either.
            Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::EMLINK | Errno::ENOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if descriptors::look(&to.directory, to.name)? != Existing::Absent {
        return Err(Errno::EEXIST.into());
    }
    Ok(renameat(
        &from.directory,
        from.name,
        &to.directory,
        to.name,
    )?)
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
        let flags = RenameFlags::EXCHANGE;
        match renameat_with(&from.directory, from.name, &to.directory, to.name, flags) {
            Err(error) if is_refusal(error) => can.exchange = false,
            result => {
                result?;
                return Ok(How::Exchanged);
            }
        }
    }
    let kinds = [
        descriptors::look(&from.directory, from.name)?,
        descriptors::look(&to.directory, to.name)?,
    ];
    if !kinds.contains(&Existing::Directory) {
        // A second name for the old file, then a rename over the first: no moment without it.
        match linkat(
            &to.directory,
            to.name,
            &aside.directory,
            aside.name,
            AtFlags::empty(),
        ) {
            Ok(()) => {
                renameat(&from.directory, from.name, &to.directory, to.name)?;
                return Ok(How::SetAside);
            }
            Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::EMLINK | Errno::ENOSYS) => {}
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

/// Gives back what [`move_new`] or [`exchange`] took.
pub(super) fn undo(
    how: How,
    from: &Name<'_, impl AsFd>,
    to: &Name<'_, impl AsFd>,
    aside: &Name<'_, impl AsFd>,
    can: &mut Abilities,
) -> io::Result<()> {
    match how {
        How::New => move_new(to, from, can),
        How::Exchanged => {
            let flags = RenameFlags::EXCHANGE;
            Ok(renameat_with(
                &from.directory,
                from.name,
                &to.directory,
                to.name,
                flags,
            )?)
        }
        How::SetAside => {
            let old = descriptors::look(&aside.directory, aside.name)?;
            let new = descriptors::look(&to.directory, to.name)?;
            if old == Existing::Directory || new == Existing::Directory {
                move_new(to, from, can)?;
            }
            Ok(renameat(
                &aside.directory,
                aside.name,
                &to.directory,
                to.name,
            )?)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rstest::rstest;

    use super::*;

    thread_local! {
        /// What this test's file systems can do.
        pub(in super::super) static ASSUMED: std::cell::Cell<Abilities> =
            const { std::cell::Cell::new(Abilities::ALL) };
    }

    pub(in super::super) const NONE: Abilities = Abilities {
        exchange: false,
        no_replace: false,
    };

    #[rstest]
    #[case::kernel(Abilities::ALL)]
    #[case::fallback(NONE)]
    fn what_is_replaced_comes_back(#[case] mut can: Abilities) {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path();
        let open = || fs_err::File::open(path).unwrap().into_file();
        let name = |name| Name::new(open(), OsStr::new(name));
        let (from, to, aside) = (name("from"), name("to"), name("aside"));
        for (old, new) in [(false, false), (true, false), (false, true)] {
            let make = |name: &str, directory: bool| match directory {
                true => fs_err::create_dir(path.join(name)).unwrap(),
                false => fs_err::write(path.join(name), name).unwrap(),
            };
            make("from", new);
            make("to", old);
            let error = move_new(&from, &to, &mut can).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            let how = exchange(&from, &to, &aside, &mut can).unwrap();
            assert_eq!(path.join("to").is_dir(), new);
            undo(how, &from, &to, &aside, &mut can).unwrap();
            assert_eq!(path.join("to").is_dir(), old);
            if !old {
                assert_eq!(fs_err::read(path.join("to")).unwrap(), b"to");
            }
            descriptors::empty(open()).unwrap();
        }
        fs_err::write(path.join("from"), "x").unwrap();
        move_new(&from, &to, &mut can).unwrap();
        undo(How::New, &from, &to, &aside, &mut can).unwrap();
        assert!(path.join("from").exists() && !path.join("to").exists());
    }
}
