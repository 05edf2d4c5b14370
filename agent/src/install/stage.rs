//! Phase 1: everything new is made complete in the staging areas: content, times, owner, mode,
//! ACL. No destination has changed when it ends or fails.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{
    FileStat, Mode, UtimensatFlags, fchmod, fstat, fstatat, futimens, mkdirat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, geteuid, symlinkat};
use xattr::FileExt as _;

use super::acl::{self, Acl};
use super::apply::{Moment, Watch};
use super::attributes;
use super::compare::Unchanged;
use super::descriptors::{self, Identity, OpenDirectories};
use super::error::StepError;
use super::permissions::Rule;
use super::plan::Plan;
use super::request::InstallRequest;
use super::sources;
use super::staging::{Areas, Workplace};
use super::tree::{Existing, NodeId, Planned};
use super::workers::Work;
use crate::files::copy_contents;

/// Up to this size a file goes through a buffer: fewer system calls than copying in the kernel.
const SMALL: usize = 64 * 1024;

/// What staging has made.
pub(super) struct Staged {
    /// Some extended attributes could not be kept.
    pub(super) lost_attributes: bool,
    /// Files that get a name of their own, as far as their identity is known already; sorted.
    identities: Vec<(NodeId, Identity)>,
}

impl Staged {
    /// Which file was staged for a node, where that is known already.
    pub(super) fn identity(&self, id: NodeId) -> Option<Identity> {
        let found = self.identities.binary_search_by_key(&id, |(id, _)| *id);
        let (_, identity) = self.identities.get(found.ok()?)?;
        Some(*identity)
    }
}

/// Stages everything that the plan brings and that is not there already.
pub(super) fn stage(
    request: &InstallRequest<'_>,
    plan: &Plan,
    unchanged: &Unchanged,
    areas: &mut Areas<'_>,
    watch: &Watch<'_>,
) -> Result<Staged, StepError> {
    let mut files = Vec::new();
    for id in &plan.sequence {
        let node = plan.tree.node(*id);
        match node.planned {
            Planned::File | Planned::Link if !unchanged.contains(*id) => {
                files.push(*id);
                areas.prepare(node.parent)?;
            }
            Planned::Made => areas.prepare(node.parent)?,
            _ => {}
        }
    }
    make_directories(plan, areas, watch)?;
    let stagers = Work::new(plan, files).run(
        || Stager::new(plan, areas),
        |stager, id| {
            request.look_for_interruption()?;
            watch
                .at(Moment::Stage)
                .and_then(|()| stager.object(id))
                .map_err(|failure| failure.at(plan, id))
        },
    )?;
    // Directories last, and children first: a mode may shut us out.
    let mut workplace = areas.workplace();
    for id in plan.sequence.iter().rev() {
        let node = plan.tree.node(*id);
        let (Planned::Made, false, Some(rule)) = (node.planned, node.merged, plan.rule_of(*id))
        else {
            continue;
        };
        let done = (|| {
            let directory = workplace.staged(*id).map_err(Failure::Step)?;
            permit(rule, &descriptors::reopen(&*directory)?)
        })();
        done.map_err(|failure| failure.at(plan, *id))?;
    }
    let mut identities = Vec::new();
    identities.reserve_exact(stagers.iter().map(|stager| stager.identities.len()).sum());
    let mut lost_attributes = false;
    for stager in stagers {
        lost_attributes |= stager.lost_attributes;
        identities.extend(stager.identities);
    }
    identities.sort_unstable_by_key(|(id, _)| *id);
    Ok(Staged {
        lost_attributes,
        identities,
    })
}

fn make_directories(plan: &Plan, areas: &Areas<'_>, watch: &Watch<'_>) -> Result<(), StepError> {
    let mut workplace = areas.workplace();
    for id in &plan.sequence {
        let node = plan.tree.node(*id);
        if node.planned != Planned::Made {
            continue;
        }
        let made = watch.at(Moment::Stage).and_then(|()| {
            let parent = workplace.staged(node.parent).map_err(Failure::Step)?;
            let mode = Mode::from_bits_truncate(0o777);
            Ok(mkdirat(&*parent, plan.tree.name(*id), mode)?)
        });
        made.map_err(|failure: Failure| failure.at(plan, *id))?;
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

/// One thread that stages.
struct Stager<'a, 'p> {
    plan: &'p Plan,
    place: Workplace<'a, 'p>,
    sources: OpenDirectories,
    buffer: Vec<u8>,
    /// Only root keeps owners.
    is_root: bool,
    lost_attributes: bool,
    identities: Vec<(NodeId, Identity)>,
}

impl<'a, 'p> Stager<'a, 'p> {
    fn new(plan: &'p Plan, areas: &'a Areas<'p>) -> Self {
        Self {
            plan,
            place: areas.workplace(),
            sources: OpenDirectories::default(),
            buffer: vec![0; SMALL],
            is_root: geteuid().is_root(),
            lost_attributes: false,
            identities: Vec::new(),
        }
    }

    fn object(&mut self, id: NodeId) -> Result<(), Failure> {
        let node = self.plan.tree.node(id);
        let parent = self.place.staged(node.parent).map_err(Failure::Step)?;
        let source = self.source(id)?;
        match node.planned {
            Planned::Link => self.link(id, &source, &parent),
            _ => self.file(id, &source, &parent),
        }
    }

    fn source(&mut self, id: NodeId) -> nix::Result<Arc<OwnedFd>> {
        sources::directory_of(self.plan, &mut self.sources, id)
    }

    /// Copies a file: content, owner (as root), mode, times; then its rule. What a new file has
    /// anyway is not set again: each call that changes an inode costs as much as making it.
    fn file(&mut self, id: NodeId, from: &OwnedFd, parent: &OwnedFd) -> Result<(), Failure> {
        let name = self.plan.tree.name(id);
        // Not blocking: what was a file may be a pipe by now.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let mut source = File::from(openat(from, name, flags, Mode::empty())?);
        let status = fstat(source.as_fd())?;
        if descriptors::kind(&status) != Existing::File {
            return Err(Failure::Io(io::Error::other(
                "the source is no file any more",
            )));
        }
        let rule = self.plan.rule_of(id);
        let mode = rule
            .and_then(|rule| rule.mode)
            .unwrap_or(status.st_mode & 0o7777);
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        // Whether the mode is right is seen below: the umask and a default ACL have a say.
        let first_mode = Mode::from_bits_truncate(mode & 0o777) | Mode::S_IRUSR | Mode::S_IWUSR;
        let mut target = File::from(openat(parent, name, flags, first_mode)?);
        self.content(&mut source, &mut target, &status)?;
        self.lost_attributes |= !attributes::copy(&source, &target)?;
        let new = descriptors::see_open(&target)?;
        if new.born && self.plan.is_placed(id) {
            self.identities.push((id, new.identity));
        }
        let (mut user, mut group) = (None, None);
        if self.is_root {
            (user, group) = (Some(status.st_uid), Some(status.st_gid));
        }
        if let Some(rule) = rule {
            user = rule.user.map(Uid::as_raw).or(user);
            group = rule.group.map(Gid::as_raw).or(group);
        }
        let user = user.filter(|user| *user != new.owner.0).map(Uid::from_raw);
        let group = group
            .filter(|group| *group != new.owner.1)
            .map(Gid::from_raw);
        if user.is_some() || group.is_some() {
            // Before the mode: a change of owner clears setuid.
            fchown(&target, user, group)?;
        }
        if new.mode != mode {
            fchmod(&target, Mode::from_bits_truncate(mode))?;
        }
        if let Some(rule) = rule {
            set_acls(rule, mode, &target)?;
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

    /// Makes a link again. Mode and ACL of a rule do not apply: links have none, and what they
    /// lead to may be anybody's.
    fn link(&mut self, id: NodeId, from: &OwnedFd, parent: &OwnedFd) -> Result<(), Failure> {
        let name: &OsStr = self.plan.tree.name(id);
        let target = readlinkat(from, name)?;
        let status = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        symlinkat(target.as_os_str(), parent, name)?;
        let own = |user, group| fchownat(parent, name, user, group, AtFlags::AT_SYMLINK_NOFOLLOW);
        if self.is_root {
            let (user, group) = (status.st_uid, status.st_gid);
            own(Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
        }
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
    if rule.mode.is_some() || rule.user.is_some() || rule.group.is_some() {
        fchmod(object, Mode::from_bits_truncate(mode))?;
    }
    set_acls(rule, mode, object)
}

/// Sets the ACLs of a rule on an object of this mode.
fn set_acls(rule: &Rule, mode: u32, object: &File) -> Result<(), Failure> {
    if rule.acls.is_empty() {
        return Ok(());
    }
    let acls = [(acl::ACCESS, &rule.access), (acl::DEFAULT, &rule.default)];
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
