//! Phase 1: everything new is made complete in the staging areas: content, times, owner, mode,
//! ACL. No destination has changed when it ends or fails.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{
    FileStat, Mode, UtimensatFlags, fchmod, fstat, fstatat, futimens, mkdirat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, getegid, geteuid, symlinkat};
use xattr::FileExt as _;

use super::acl::{self, Acl};
use super::apply::{Moment, Watch};
use super::descriptors::{self, OpenDirectories};
use super::error::StepError;
use super::permissions::Rule;
use super::plan::Plan;
use super::sources;
use super::staging::Staging;
use super::tree::{Existing, NONE, NodeId, Planned};
use crate::files::copy_contents;

/// Up to this size a file goes through a buffer: fewer system calls than copying in the kernel.
const SMALL: usize = 64 * 1024;

/// Stages everything that the plan brings.
pub(super) fn stage(
    plan: &Plan,
    staging: &mut Staging<'_>,
    watch: &mut Watch<'_>,
) -> Result<(), StepError> {
    let mut stager = Stager {
        plan,
        sources: OpenDirectories::default(),
        buffer: vec![0; SMALL],
        owner: (geteuid(), getegid()),
    };
    for id in &plan.sequence {
        let planned = plan.tree.node(*id).planned;
        if matches!(
            planned,
            Planned::Kept | Planned::Retained | Planned::Nothing
        ) {
            continue;
        }
        let done = (|| {
            watch(Moment::Stage)?;
            let parent = staging.staged(plan.tree.node(*id).parent);
            let parent = parent.map_err(Failure::Step)?;
            match planned {
                Planned::File => stager.file(*id, &parent),
                Planned::Link => stager.link(*id, &parent),
                _ => Ok(mkdirat(
                    &*parent,
                    plan.tree.name(*id),
                    Mode::from_bits_truncate(0o777),
                )?),
            }
        })();
        done.map_err(|failure| failure.at(plan, *id))?;
    }
    // Directories last, and children first: a mode may shut us out.
    for id in plan.sequence.iter().rev() {
        let node = plan.tree.node(*id);
        let (Planned::Made, false, Some(rule)) = (node.planned, node.merged, plan.rule_of(*id))
        else {
            continue;
        };
        let done = (|| {
            let directory = staging.staged(*id).map_err(Failure::Step)?;
            permit(rule, &descriptors::reopen(&*directory)?)
        })();
        done.map_err(|failure| failure.at(plan, *id))?;
    }
    Ok(())
}

/// Why something could not be staged; the place is added where it is known.
#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    AclUnsupported(usize),
    Step(StepError),
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Failure {
    pub(super) fn at(self, plan: &Plan, id: NodeId) -> StepError {
        match self {
            Self::Io(source) => StepError::io("install", plan.tree.path(id), source),
            Self::AclUnsupported(line) => StepError::AclUnsupported {
                path: plan.tree.path(id),
                line,
            },
            Self::Step(error) => error,
        }
    }
}

struct Stager<'p> {
    plan: &'p Plan,
    sources: OpenDirectories,
    buffer: Vec<u8>,
    /// Who makes files.
    owner: (Uid, Gid),
}

impl Stager<'_> {
    fn source(&mut self, id: NodeId) -> nix::Result<Rc<std::os::fd::OwnedFd>> {
        let plan = self.plan;
        let directory = |id: u32| plan.sources.get(id as usize);
        self.sources.get(
            plan.tree.node(id).source,
            |id| {
                directory(id)
                    .map(|d| d.parent)
                    .filter(|parent| *parent != NONE)
            },
            |parent, id| sources::open_directory(&plan.archive, directory(id), parent),
        )
    }

    /// Copies a file: content, owner (as root), mode, times; then its rule.
    fn file(&mut self, id: NodeId, parent: &std::os::fd::OwnedFd) -> Result<(), Failure> {
        let name = self.plan.tree.name(id);
        let from = self.source(id)?;
        // Not blocking: what was a file may be a pipe by now.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let mut source = File::from(openat(&*from, name, flags, Mode::empty())?);
        let status = fstat(source.as_fd())?;
        if descriptors::kind(&status) != Existing::File {
            return Err(Failure::Io(io::Error::other(
                "the source is no file any more",
            )));
        }
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut target = File::from(openat(parent, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        self.content(&mut source, &mut target, &status)?;
        self.keep_owner(&status, |user, group| fchown(&target, user, group))?;
        fchmod(&target, Mode::from_bits_truncate(status.st_mode & 0o7777))?;
        if let Some(rule) = self.plan.rule_of(id) {
            permit(rule, &target)?;
        }
        let [accessed, modified] = times(&status);
        futimens(&target, &accessed, &modified)?;
        Ok(())
    }

    fn content(
        &mut self,
        source: &mut File,
        target: &mut File,
        status: &FileStat,
    ) -> io::Result<()> {
        let size = usize::try_from(status.st_size).unwrap_or(usize::MAX);
        if size > SMALL {
            return copy_contents(source, target).map(|_| ());
        }
        let mut copied = 0;
        while copied < size {
            match source.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => {
                    target.write_all(self.buffer.get(..count).unwrap_or_default())?;
                    copied += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Root keeps the owner of the unpacked file; everybody else's files are their own.
    fn keep_owner(
        &self,
        status: &FileStat,
        change: impl FnOnce(Option<Uid>, Option<Gid>) -> nix::Result<()>,
    ) -> nix::Result<()> {
        if self.owner.0.is_root() {
            change(
                Some(Uid::from_raw(status.st_uid)),
                Some(Gid::from_raw(status.st_gid)),
            )
        } else {
            Ok(())
        }
    }

    /// Makes a link again. Mode and ACL of a rule do not apply: links have none, and what they
    /// lead to may be anybody's.
    fn link(&mut self, id: NodeId, parent: &std::os::fd::OwnedFd) -> Result<(), Failure> {
        let name: &OsStr = self.plan.tree.name(id);
        let from = self.source(id)?;
        let target = readlinkat(&*from, name)?;
        let status = fstatat(&*from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        symlinkat(target.as_os_str(), parent, name)?;
        let own = |user, group| fchownat(parent, name, user, group, AtFlags::AT_SYMLINK_NOFOLLOW);
        self.keep_owner(&status, own)?;
        if let Some(rule) = self.plan.rule_of(id)
            && (rule.user.is_some() || rule.group.is_some())
        {
            own(rule.user, rule.group)?;
        }
        let [accessed, modified] = times(&status);
        utimensat(
            parent,
            name,
            &accessed,
            &modified,
            UtimensatFlags::NoFollowSymlink,
        )?;
        Ok(())
    }
}

fn times(status: &FileStat) -> [TimeSpec; 2] {
    [
        TimeSpec::new(status.st_atime, status.st_atime_nsec),
        TimeSpec::new(status.st_mtime, status.st_mtime_nsec),
    ]
}

/// Applies a rule to an open file or directory: what mode, ACL and owner, applied in this order,
/// come to. The owner is set first, because a change of owner clears setuid.
pub(super) fn permit(rule: &Rule, object: &File) -> Result<(), Failure> {
    let before = fstat(object.as_fd())?;
    if rule.user.is_some() || rule.group.is_some() {
        let same = rule.user.is_none_or(|user| user.as_raw() == before.st_uid)
            && rule
                .group
                .is_none_or(|group| group.as_raw() == before.st_gid);
        if !same {
            fchown(object, rule.user, rule.group)?;
        }
    }
    let mode = rule.mode.unwrap_or(before.st_mode & 0o7777);
    let acls = [(acl::ACCESS, &rule.access), (acl::DEFAULT, &rule.default)];
    if rule.mode.is_some() || rule.user.is_some() || rule.group.is_some() {
        fchmod(object, Mode::from_bits_truncate(mode))?;
    }
    if rule.acls.is_empty() {
        return Ok(());
    }
    for (attribute, entries) in acls {
        // The access ACL is set even when only default entries are given: it replaces what a
        // default ACL above may have left. A default ACL is there only when given.
        if attribute == acl::DEFAULT && entries.is_empty() {
            continue;
        }
        let value = Acl::complete(entries, mode).encode();
        object.set_xattr(attribute, &value).map_err(|error| {
            if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) {
                Failure::AclUnsupported(rule.line)
            } else {
                Failure::Io(error)
            }
        })?;
    }
    Ok(())
}
