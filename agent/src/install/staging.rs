//! Staging areas: our own 0700 dot directories, one a volume (a mount, and within it a file system
//! or subvolume: names can be renamed within one only), where new things are completed
//! before they get their names and old things wait in case of an undo.
//!
//! An area holds a directory for each existing directory that receives something (named by node,
//! with its setgid bit and default ACL, so that what is made inside inherits as it would there),
//! with new things under their final names; and one named after itself, for what was removed.
//! Areas are listed in a record before they are made, so that the next Install finds those of a
//! killed one.
//!
//! The path of an area may lead to something else by then: whoever owns the directory that it is
//! in can move another one of ours there. So an area is known by the directory named after it,
//! which nobody else can put into a directory of mode 0700.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher as _;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod, fstat, mkdirat};
use nix::unistd::{Gid, UnlinkatFlags, fchown, geteuid, unlinkat};
use xattr::FileExt as _;

use super::acl;
use super::descriptors::{self, OpenDirectories, OpenError, Volume};
use super::error::StepError;
use super::plan::Plan;
use super::tree::{Existing, NodeId, Planned, ROOT};
use super::workers::Work;
use crate::files::write_atomically;

const PREFIX: &str = ".codedeploy-";
const LIST: &str = "staging";
/// Opens our own directories.
const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// One volume's area.
#[derive(Debug)]
struct Area {
    volume: Volume,
    path: PathBuf,
    name: OsString,
    /// The directory that the area is in.
    host: Arc<OwnedFd>,
    directory: OwnedFd,
    /// Inside the area.
    old: OwnedFd,
}

/// All areas of an Install.
#[derive(Debug)]
pub(super) struct Areas<'p> {
    plan: &'p Plan,
    /// Beside the records; holds the list of areas.
    working: &'p Path,
    areas: Vec<Area>,
    /// The existing directories that something is staged for.
    prepared: HashSet<NodeId>,
    destinations: OpenDirectories,
}

/// Opens the directories that an Install works in. Each thread has its own.
#[derive(Debug)]
pub(super) struct Workplace<'a, 'p> {
    areas: &'a Areas<'p>,
    staged: OpenDirectories,
    destinations: OpenDirectories,
}

impl Workplace<'_, '_> {
    /// The existing directory of a node; it must be the one that was planned with.
    pub(super) fn destination(&mut self, id: NodeId) -> Result<Arc<OwnedFd>, StepError> {
        open_destination(self.areas.plan, &mut self.destinations, id)
    }

    /// The staged directory of a node that gets something new, once it has been made.
    pub(super) fn staged(&mut self, id: NodeId) -> Result<Arc<OwnedFd>, StepError> {
        let plan = self.areas.plan;
        let area = self.areas.area_of(top_of(plan, id));
        let failed = |error: Errno| StepError::io("stage", plan.tree.path(id), error);
        let area = area.ok_or(Errno::ENOENT).map_err(failed)?;
        self.staged
            .get(
                id,
                |id| (!is_top(plan, id)).then(|| plan.tree.node(id).parent),
                |parent, id| match parent {
                    Some(parent) => openat(parent, plan.tree.name(id), DIRECTORY, Mode::empty()),
                    None => openat(
                        &area.directory,
                        id.to_string().as_str(),
                        DIRECTORY,
                        Mode::empty(),
                    ),
                },
            )
            .map_err(failed)
    }

    /// Where removed things of the directory `parent` wait.
    pub(super) fn old(&self, parent: NodeId) -> Result<&OwnedFd, StepError> {
        let area = self.areas.area_of(parent).ok_or(Errno::ENOENT);
        let area =
            area.map_err(|error| StepError::io("stage", self.areas.plan.tree.path(parent), error))?;
        Ok(&area.old)
    }
}

/// Kept directories have a directory of their own directly in the area.
fn is_top(plan: &Plan, id: NodeId) -> bool {
    plan.tree.node(id).planned == Planned::Kept
}

fn top_of(plan: &Plan, id: NodeId) -> NodeId {
    let mut top = id;
    while !is_top(plan, top) && top != ROOT {
        top = plan.tree.node(top).parent;
    }
    top
}

fn open_destination(
    plan: &Plan,
    cache: &mut OpenDirectories,
    id: NodeId,
) -> Result<Arc<OwnedFd>, StepError> {
    let opened = cache.get(
        id,
        |id| (id != ROOT).then(|| plan.tree.node(id).parent),
        |parent, id| {
            let opened = match parent {
                None => descriptors::root()?,
                Some(parent) => descriptors::enter(parent.as_fd(), plan.tree.name(id))?,
            };
            let status = fstat(&opened)?;
            let planned = plan.directory(id).map(|directory| directory.identity);
            if planned == Some((status.st_dev, status.st_ino)) {
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

impl<'p> Areas<'p> {
    pub(super) fn new(plan: &'p Plan, working: &'p Path) -> Self {
        Self {
            plan,
            working,
            areas: Vec::new(),
            prepared: HashSet::new(),
            destinations: OpenDirectories::default(),
        }
    }

    pub(super) fn workplace(&self) -> Workplace<'_, 'p> {
        Workplace {
            areas: self,
            staged: OpenDirectories::default(),
            destinations: OpenDirectories::default(),
        }
    }

    /// The number of the area for what is in an existing directory.
    pub(super) fn number_of(&self, directory: NodeId) -> Option<usize> {
        let volume = self.plan.directory(directory)?.volume;
        self.areas.iter().position(|area| area.volume == volume)
    }

    fn area_of(&self, directory: NodeId) -> Option<&Area> {
        self.areas.get(self.number_of(directory)?)
    }

    /// Where what goes into the directory `id` is staged, relative to its area.
    pub(super) fn staged_path(&self, id: NodeId) -> PathBuf {
        let plan = self.plan;
        let mut names = Vec::new();
        let mut next = id;
        while !is_top(plan, next) && next != ROOT {
            names.push(plan.tree.name(next));
            next = plan.tree.node(next).parent;
        }
        let mut path = PathBuf::from(next.to_string());
        path.extend(names.iter().rev());
        path
    }

    /// Makes the place for what goes, at any depth, into the directory `id`.
    pub(super) fn prepare(&mut self, id: NodeId) -> Result<(), StepError> {
        let plan = self.plan;
        let top = top_of(plan, id);
        if self.prepared.contains(&top) {
            return Ok(());
        }
        let number = self.make_area(top)?;
        let name = OsString::from(top.to_string());
        if let Some(area) = self.areas.get(number) {
            mkdirat(&area.directory, name.as_os_str(), Mode::S_IRWXU)
                .map_err(|error| StepError::io("stage", plan.tree.path(id), error))?;
        }
        self.inherit(number, top, &name)?;
        self.prepared.insert(top);
        Ok(())
    }

    /// Gives a new directory in an area what entries of the existing directory inherit.
    fn inherit(&mut self, area: usize, top: NodeId, name: &OsStr) -> Result<(), StepError> {
        let path = self.plan.tree.path(top);
        let failed = |error: std::io::Error| StepError::io("stage what goes into", &path, error);
        let existing = open_destination(self.plan, &mut self.destinations, top)?;
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

    /// The area for an existing directory, made when it is the first on its volume.
    pub(super) fn make_area(&mut self, id: NodeId) -> Result<usize, StepError> {
        let plan = self.plan;
        let volume_of = |id: NodeId| plan.directory(id).map(|directory| directory.volume);
        let volume = volume_of(id);
        let known = self
            .areas
            .iter()
            .position(|area| Some(area.volume) == volume);
        if let Some(known) = known {
            return Ok(known);
        }
        // The deepest directory that others cannot write to; else the deepest that stays.
        let mut host = None;
        let mut next = id;
        while volume_of(next) == volume {
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
        let directory = open_destination(plan, &mut self.destinations, host)?;
        let path = plan.tree.path(host);
        let random = RandomState::new().hash_one(std::process::id());
        let name = OsString::from(format!("{PREFIX}{random:016x}"));
        let area_path = path.join(&name);
        self.write_list(Some(&area_path))?;
        let failed = |error: Errno| StepError::io("make a staging directory in", &path, error);
        mkdirat(&*directory, name.as_os_str(), Mode::S_IRWXU).map_err(failed)?;
        let opened =
            openat(&*directory, name.as_os_str(), DIRECTORY, Mode::empty()).map_err(failed)?;
        if !is_new(&opened).map_err(failed)? {
            return Err(StepError::Changed { path: area_path });
        }
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
        let old = name_of_old(&name);
        mkdirat(&opened, old, Mode::S_IRWXU).map_err(failed)?;
        let old = openat(&opened, old, DIRECTORY, Mode::empty()).map_err(failed)?;
        self.areas.push(Area {
            volume: volume.unwrap_or_default(),
            path: area_path,
            name,
            host: directory,
            directory: opened,
            old,
        });
        Ok(self.areas.len() - 1)
    }

    /// The paths of all areas.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Path, &OwnedFd)> {
        let areas = self.areas.iter();
        areas.map(|area| (area.path.as_path(), &area.directory))
    }

    /// Makes the file systems of all areas and of the directory `working` write everything to the
    /// disk, each once.
    pub(super) fn sync(&self, working: &Path) -> Result<(), StepError> {
        let failed = |path: &Path, error| StepError::io("sync the file system of", path, error);
        let opened = fs_err::File::open(working).map_err(|error| failed(working, error))?;
        let areas = self.areas.iter();
        let directories = areas
            .map(|area| (area.path.as_path(), area.directory.as_fd()))
            .chain([(working, opened.as_fd())]);
        let mut synced = Vec::new();
        for (path, directory) in directories {
            let device = rustix::fs::fstat(directory)
                .map_err(|error| failed(path, error.into()))?
                .st_dev;
            if !synced.contains(&device) {
                descriptors::sync_file_system(directory).map_err(|error| failed(path, error))?;
                synced.push(device);
            }
        }
        Ok(())
    }

    /// The area that was made with this path.
    pub(super) fn opened(&self, path: &Path) -> Option<&OwnedFd> {
        let area = self.areas.iter().find(|area| area.path == path)?;
        Some(&area.directory)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.areas.len()
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

    /// Removes the areas with everything in them; `replaced` are staged names known to hold
    /// something, removed by several threads. What cannot be removed becomes a warning.
    pub(super) fn discard(&self, replaced: Vec<NodeId>, warnings: &mut Vec<String>) {
        let plan = self.plan;
        let removed = Work::new(plan, replaced).run(
            || self.workplace(),
            |place, id| {
                // What stays is removed, or complained about, below.
                if let Ok(staged) = place.staged(plan.tree.node(id).parent) {
                    let _ = unlinkat(&*staged, plan.tree.name(id), UnlinkatFlags::NoRemoveDir);
                }
                Ok::<(), std::convert::Infallible>(())
            },
        );
        match removed {
            Ok(_) => {}
            Err(never) => match never {},
        }
        drop_all(self.working, &self.areas, warnings);
    }
}

/// Removes the areas that the list in `working` names. What cannot be removed becomes a warning.
pub(super) fn drop_listed(working: &Path, warnings: &mut Vec<String>) {
    drop_all(working, &[], warnings);
}

/// Removes the listed areas; `known` ones are open. What is off the list is kept: an undo had its
/// doubts. What is on it and not known is one that could not be made completely.
fn drop_all(working: &Path, known: &[Area], warnings: &mut Vec<String>) {
    let listed = match listed(working) {
        Ok(listed) => listed,
        Err(error) => {
            warnings.push(format!(
                "cannot remove the staging directories, whose list cannot be read ({error}); \
                 remove what is left of {PREFIX}* beside the destinations by hand"
            ));
            return;
        }
    };
    for path in listed {
        let removed = match known.iter().find(|area| area.path == path) {
            Some(area) => remove_area(&area.host, &area.directory, &area.name),
            None => match drop_area(&path) {
                Ok(()) | Err(OpenError::Io(Errno::ENOENT | Errno::ENOTDIR)) => Ok(()),
                Err(OpenError::Io(error)) => Err(error.into()),
                Err(OpenError::Untrusted { .. }) => Err(Errno::ELOOP.into()),
            },
        };
        match removed {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(Errno::ESTALE as i32) => {
                warnings.push(format!(
                    "{} is not the staging directory that was made there: somebody has moved that \
                     away; it is left as it is",
                    path.display()
                ));
            }
            Err(error) => warnings.push(format!(
                "cannot remove the staging directory {}: {error}; remove it by hand",
                path.display()
            )),
        }
    }
}

/// Whether an area could have this name.
pub(super) fn is_area_name(name: &OsStr) -> bool {
    name.as_bytes()
        .strip_prefix(PREFIX.as_bytes())
        .is_some_and(|rest| rest.len() == 16 && rest.iter().all(u8::is_ascii_hexdigit))
}

/// The areas that the list in `working` names; none when there is no list.
pub(super) fn listed(working: &Path) -> io::Result<Vec<PathBuf>> {
    use io::ErrorKind::{NotADirectory, NotFound};

    let list = match fs_err::read(working.join(LIST)) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Vec::new(),
        result => result?,
    };
    let paths = list.split(|byte| *byte == 0);
    Ok(paths
        .filter(|path| !path.is_empty())
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .collect())
}

/// Takes the areas for which `keep` is true off the list, so that nobody removes them.
pub(super) fn forget(working: &Path, keep: impl Fn(&Path) -> bool) -> io::Result<()> {
    let mut list = Vec::new();
    for path in listed(working)?.iter().filter(|path| !keep(path)) {
        list.extend_from_slice(path.as_os_str().as_bytes());
        list.push(0);
    }
    write_atomically(&working.join(LIST), &list, 0o600)
}

/// Whether an opened directory is as one that was made just now: ours, closed to others, empty.
/// Whoever owns the directory that it is in could have put another one in its place.
fn is_new(directory: &OwnedFd) -> nix::Result<bool> {
    let status = fstat(directory)?;
    let mut is_empty = true;
    descriptors::list(directory, |_, _| is_empty = false)?;
    Ok(is_empty && status.st_uid == geteuid().as_raw() && status.st_mode & 0o077 == 0)
}

/// The name of the directory where set aside things wait, in the area of this name.
pub(super) fn name_of_old(area: &OsStr) -> &OsStr {
    let name = area.as_bytes();
    OsStr::from_bytes(name.strip_prefix(PREFIX.as_bytes()).unwrap_or(name))
}

/// Opens an area and the directory that it is in. It must be one of ours, with `old` in it.
pub(super) fn open_area(path: &Path, old: &OsStr) -> Result<(OwnedFd, OwnedFd), OpenError> {
    let (Some(host), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::EINVAL.into());
    };
    let at = descriptors::walk(host)?;
    let opened = openat(&at, name, DIRECTORY, Mode::empty())?;
    let status = fstat(&opened)?;
    let is_ours = status.st_uid == geteuid().as_raw() && status.st_mode & 0o777 == 0o700;
    if !is_ours
        || !name.as_bytes().starts_with(PREFIX.as_bytes())
        || descriptors::look(&opened, old)? != Existing::Directory
    {
        return Err(Errno::EPERM.into());
    }
    Ok((at, opened))
}

/// A directory below an opened area.
pub(super) fn open_below(area: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let mut at = openat(area, ".", DIRECTORY, Mode::empty())?;
    for step in path {
        at = openat(&at, step, DIRECTORY, Mode::empty())?;
    }
    Ok(at)
}

fn drop_area(path: &Path) -> Result<(), OpenError> {
    let name = path.file_name().unwrap_or_default();
    match open_area(path, name_of_old(name)) {
        Ok((host, opened)) => {
            let io = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or_default());
            Ok(remove_area(&host, &opened, name).map_err(io)?)
        }
        // An Install that was killed while it made or removed an area has left it empty. What is
        // not empty is something else.
        Err(OpenError::Io(Errno::EPERM)) => {
            let host = descriptors::walk(path.parent().unwrap_or(Path::new("/")))?;
            match unlinkat(&host, name, UnlinkatFlags::RemoveDir) {
                Err(Errno::ENOTEMPTY | Errno::EEXIST) => Err(Errno::ESTALE.into()),
                removed => Ok(removed?),
            }
        }
        Err(error) => Err(error),
    }
}

/// Removes an opened area, last the directory in it that it is known by: so what is left by an
/// Install that is killed meanwhile is known, or empty.
fn remove_area(host: &OwnedFd, area: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let old = name_of_old(name);
    descriptors::empty(area, Some(old))?;
    match openat(area, old, DIRECTORY, Mode::empty()) {
        Ok(opened) => descriptors::empty(opened, None)?,
        Err(Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    match unlinkat(area, old, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(unlinkat(host, name, UnlinkatFlags::RemoveDir)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_an_empty_directory_of_ours_that_is_closed_to_others_is_new() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("area");
        fs_err::create_dir(&path).unwrap();
        let looks_new = |mode: u32| {
            let permissions = std::fs::Permissions::from_mode(mode);
            fs_err::set_permissions(&path, permissions).unwrap();
            is_new(&fs_err::File::open(&path).unwrap().into_file().into()).unwrap()
        };
        assert!(looks_new(0o700) && looks_new(0o2700));
        assert!(!looks_new(0o750) && !looks_new(0o707));
        fs_err::write(path.join("x"), "").unwrap();
        assert!(!looks_new(0o700));
        fs_err::remove_file(path.join("x")).unwrap();
        if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1234), None).unwrap();
            assert!(!looks_new(0o700));
        }
    }
}
