//! Staging areas: our own 0700 dot directories, one a mount, where new things are completed
//! before they get their names and old things wait in case of an undo.
//!
//! An area holds a directory for each existing directory that receives something (named by node,
//! with its setgid bit and default ACL, so that what is made inside inherits as it would there),
//! with new things under their final names; and `old`, for what was removed. Areas are listed in
//! a record before they are made, so that the next Install finds those of a killed one.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, UnlinkatFlags, fchown, geteuid, unlinkat};
use xattr::FileExt as _;

use super::acl;
use super::descriptors::{self, OpenDirectories, OpenError};
use super::error::StepError;
use super::place::Abilities;
use super::plan::Plan;
use super::tree::{NONE, NodeId, ROOT};
use crate::files::write_atomically;

const PREFIX: &str = ".codedeploy-";
const OLD: &str = "old";
const LIST: &str = "staging";
/// Opens our own directories.
const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// One mount's area.
#[derive(Debug)]
struct Area {
    mount: u64,
    path: PathBuf,
    name: OsString,
    /// The directory that the area is in.
    host: Rc<OwnedFd>,
    directory: OwnedFd,
    /// Inside the area.
    old: OwnedFd,
    can: Abilities,
}

/// All areas of an Install, and the directories that it works in.
#[derive(Debug)]
pub(super) struct Staging<'p> {
    plan: &'p Plan,
    /// Beside the records; holds the list of areas.
    working: &'p Path,
    areas: Vec<Area>,
    staged: OpenDirectories,
    destinations: OpenDirectories,
    /// Directories that an undo made again.
    remade: HashSet<NodeId>,
}

impl<'p> Staging<'p> {
    pub(super) fn new(plan: &'p Plan, working: &'p Path) -> Self {
        Self {
            plan,
            working,
            areas: Vec::new(),
            staged: OpenDirectories::default(),
            destinations: OpenDirectories::default(),
            remade: HashSet::new(),
        }
    }

    /// The existing directory of a node; it must be the one that was planned with.
    pub(super) fn destination(&mut self, id: NodeId) -> Result<Rc<OwnedFd>, StepError> {
        let plan = self.plan;
        let remade = &self.remade;
        let opened = self.destinations.get(
            id,
            |id| (id != ROOT).then(|| plan.tree.node(id).parent),
            |parent, id| {
                let opened = match parent {
                    None => descriptors::root()?,
                    Some(parent) => descriptors::enter(parent.as_fd(), plan.tree.name(id))?,
                };
                let status = fstat(&opened)?;
                let planned = plan.directory(id).map(|directory| directory.identity);
                if planned == Some((status.st_dev, status.st_ino)) || remade.contains(&id) {
                    Ok(opened)
                } else {
                    Err(OpenError::Io(Errno::ESTALE))
                }
            },
        );
        opened.map_err(|error| match error {
            OpenError::Untrusted { .. }
            | OpenError::Io(Errno::ESTALE | Errno::ENOENT | Errno::ENOTDIR) => StepError::Changed {
                path: plan.tree.path(id),
            },
            OpenError::Io(error) => StepError::io("open", plan.tree.path(id), error),
        })
    }

    /// Notes that a directory was made again: it is another one than planned with.
    pub(super) fn replaced(&mut self, id: NodeId) {
        self.remade.insert(id);
        self.destinations.forget(id);
    }

    /// The staged directory of a node that gets something new.
    pub(super) fn staged(&mut self, id: NodeId) -> Result<Rc<OwnedFd>, StepError> {
        let plan = self.plan;
        // Kept directories have a directory of their own directly in the area.
        let is_top = |id: NodeId| plan.tree.node(id).planned == super::tree::Planned::Kept;
        let mut top = id;
        while !is_top(top) {
            top = plan.tree.node(top).parent;
        }
        let area = self.area_of(top)?;
        let top_name = OsString::from(top.to_string());
        let mut directory = self.areas.get(area).map(|area| area.directory.as_fd());
        let result = self.staged.get(
            id,
            |id| (!is_top(id)).then(|| plan.tree.node(id).parent),
            |parent, id| match (parent, directory.take()) {
                (Some(parent), _) => openat(parent, plan.tree.name(id), DIRECTORY, Mode::empty()),
                (None, Some(area)) => match mkdirat(area, top_name.as_os_str(), Mode::S_IRWXU) {
                    // A new one is completed below.
                    Ok(()) => Err(Errno::EAGAIN),
                    Err(Errno::EEXIST) => {
                        openat(area, top_name.as_os_str(), DIRECTORY, Mode::empty())
                    }
                    Err(error) => Err(error),
                },
                (None, None) => Err(Errno::ENOENT),
            },
        );
        match result {
            Ok(opened) => Ok(opened),
            Err(Errno::EAGAIN) => {
                self.inherit(area, top, &top_name)?;
                self.staged(id)
            }
            Err(error) => Err(StepError::io("stage", plan.tree.path(id), error)),
        }
    }

    /// Gives a new directory in an area what entries of the existing directory inherit.
    fn inherit(&mut self, area: usize, top: NodeId, name: &OsStr) -> Result<(), StepError> {
        let path = self.plan.tree.path(top);
        let failed = |error: std::io::Error| StepError::io("stage what goes into", &path, error);
        let existing = self.destination(top)?;
        let Some(area) = self.areas.get(area) else {
            return Ok(());
        };
        let staged = openat(&area.directory, name, DIRECTORY, Mode::empty())
            .map_err(|error| failed(error.into()))?;
        let staged = std::fs::File::from(staged);
        let status = fstat(&*existing).map_err(|error| failed(error.into()))?;
        if status.st_mode & 0o2000 != 0 {
            let group = Some(Gid::from_raw(status.st_gid));
            let set = fchown(&staged, None, group)
                .and_then(|()| fchmod(&staged, Mode::S_IRWXU | Mode::S_ISGID));
            match set {
                // Unprivileged and not in the group: files cannot be given to it.
                Ok(()) | Err(Errno::EPERM) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
        // A directory that may be searched but not read cannot be asked.
        let default = match descriptors::reopen(&*existing) {
            Ok(file) => file.get_xattr(acl::DEFAULT),
            Err(Errno::EACCES) => Ok(None),
            Err(error) => Err(error.into()),
        };
        match default {
            Ok(Some(default)) => staged.set_xattr(acl::DEFAULT, &default).map_err(failed),
            Ok(None) => Ok(()),
            Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Where removed things of the directory `parent` wait.
    pub(super) fn old(&mut self, parent: NodeId) -> Result<(&OwnedFd, &mut Abilities), StepError> {
        let area = self.area_of(parent)?;
        match self.areas.get_mut(area) {
            Some(area) => Ok((&area.old, &mut area.can)),
            None => Err(StepError::io(
                "stage",
                self.plan.tree.path(parent),
                Errno::ENOENT,
            )),
        }
    }

    /// The area for an existing directory, made when it is the first on its mount.
    fn area_of(&mut self, id: NodeId) -> Result<usize, StepError> {
        let plan = self.plan;
        let mount_of = |id: NodeId| plan.directory(id).map(|directory| directory.mount);
        let mount = mount_of(id);
        let known = self.areas.iter().position(|area| Some(area.mount) == mount);
        if let Some(known) = known {
            return Ok(known);
        }
        // The deepest directory that others cannot write to; else the deepest that stays.
        let mut host = None;
        let mut next = id;
        while mount_of(next) == mount {
            let stays = !plan.tree.node(next).gone;
            if stays && plan.directory(next).is_some_and(|directory| directory.safe) {
                host = Some(next);
                break;
            }
            host = host.or(stays.then_some(next));
            if next == ROOT {
                break;
            }
            next = plan.tree.node(next).parent;
        }
        let host = host.unwrap_or(id);
        let directory = self.destination(host)?;
        let path = plan.tree.path(host);
        let random = RandomState::new().hash_one(std::process::id());
        let name = OsString::from(format!("{PREFIX}{random:016x}"));
        let area_path = path.join(&name);
        self.write_list(Some(&area_path))?;
        let failed = |error: Errno| StepError::io("make a staging directory in", &path, error);
        mkdirat(&*directory, name.as_os_str(), Mode::S_IRWXU).map_err(failed)?;
        let opened =
            openat(&*directory, name.as_os_str(), DIRECTORY, Mode::empty()).map_err(failed)?;
        // A default ACL of the host must not open the area to others.
        fchmod(&opened, Mode::S_IRWXU).map_err(failed)?;
        let file = std::fs::File::from(opened);
        for attribute in [acl::ACCESS, acl::DEFAULT] {
            if matches!(file.get_xattr(attribute), Ok(Some(_))) {
                let removed = file.remove_xattr(attribute);
                removed.map_err(|e| StepError::io("make a staging directory in", &path, e))?;
            }
        }
        let opened = OwnedFd::from(file);
        mkdirat(&opened, OLD, Mode::S_IRWXU).map_err(failed)?;
        let old = openat(&opened, OLD, DIRECTORY, Mode::empty()).map_err(failed)?;
        self.areas.push(Area {
            mount: mount.unwrap_or_default(),
            path: area_path,
            name,
            host: directory,
            directory: opened,
            old,
            can: Abilities::assumed(),
        });
        Ok(self.areas.len() - 1)
    }

    /// The paths of all areas.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.areas.iter().map(|area| area.path.clone()).collect()
    }

    /// Whether some file system refused the strict renames.
    pub(super) fn weakened(&self) -> impl Iterator<Item = &Path> {
        self.areas
            .iter()
            .filter(|area| area.can != Abilities::ALL)
            .map(|area| area.path.as_path())
    }

    fn write_list(&self, more: Option<&Path>) -> Result<(), StepError> {
        let mut list = Vec::new();
        for path in self
            .areas
            .iter()
            .map(|area| area.path.as_path())
            .chain(more)
        {
            list.extend_from_slice(path.as_os_str().as_bytes());
            list.push(0);
        }
        let path = self.working.join(LIST);
        write_atomically(&path, &list, 0o600).map_err(|e| StepError::io("write", path, e))
    }

    /// Removes the areas with everything in them. What cannot be removed becomes a warning: the
    /// list stays, and the next Install tries again.
    pub(super) fn discard(&mut self, warnings: &mut Vec<String>) -> bool {
        let mut complete = true;
        for area in &self.areas {
            let removed = descriptors::empty(&area.directory).and_then(|()| {
                Ok(unlinkat(
                    &*area.host,
                    area.name.as_os_str(),
                    UnlinkatFlags::RemoveDir,
                )?)
            });
            if let Err(error) = removed {
                complete = false;
                warnings.push(format!(
                    "cannot remove the staging directory {}: {error}; the next Install tries again",
                    area.path.display()
                ));
            }
        }
        complete
    }

    /// Forgets the areas, so that no later Install removes what is in them.
    pub(super) fn keep(&mut self) -> Result<(), StepError> {
        self.areas.clear();
        self.write_list(None)
    }
}

/// Removes what a killed Install left: its areas and its working directory.
pub(super) fn drop_leftovers(working: &Path, warnings: &mut Vec<String>) {
    let Ok(list) = fs_err::read(working.join(LIST)) else {
        if let Err(error) = fs_err::remove_dir_all(working)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warnings.push(format!(
                "cannot remove what an earlier Install left: {error}"
            ));
        }
        return;
    };
    for path in list
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
    {
        let path = Path::new(OsStr::from_bytes(path));
        match drop_area(path) {
            Ok(()) => warnings.push(format!(
                "removed the staging directory {} of an Install that was killed",
                path.display()
            )),
            Err(OpenError::Io(Errno::ENOENT | Errno::ENOTDIR)) => {}
            // Nothing that comes now needs its place, so it must not stop every later Install.
            Err(_) => warnings.push(format!(
                "cannot remove the staging directory {} of an Install that was killed; remove it \
                 by hand",
                path.display()
            )),
        }
    }
    if let Err(error) = fs_err::remove_dir_all(working) {
        warnings.push(format!(
            "cannot remove what an earlier Install left: {error}"
        ));
    }
}

fn drop_area(path: &Path) -> Result<(), OpenError> {
    let (Some(host), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::EINVAL.into());
    };
    let mut at = descriptors::root()?;
    for step in host.iter().skip(1) {
        at = descriptors::enter(at.as_fd(), step)?;
    }
    let opened = openat(&at, name, DIRECTORY, Mode::empty())?;
    let status = fstat(&opened)?;
    let is_ours = status.st_uid == geteuid().as_raw() && status.st_mode & 0o777 == 0o700;
    if !is_ours || !name.as_bytes().starts_with(PREFIX.as_bytes()) {
        return Err(Errno::EPERM.into());
    }
    let io = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or_default());
    descriptors::empty(&opened).map_err(io)?;
    Ok(unlinkat(&at, name, UnlinkatFlags::RemoveDir)?)
}

/// Whether a node has a directory of its own that exists.
pub(super) fn has_directory(plan: &Plan, id: NodeId) -> bool {
    plan.tree.node(id).directory != NONE
}
