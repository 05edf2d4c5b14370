//! Before anything is staged: which files are there already as they would be installed, and
//! whether there is room for the rest.
//!
//! A file is unchanged when content, mode, owner, times of modification and attributes are what
//! an Install would make; it then stays, the same file, and is not even opened for writing. Only
//! when size and time agree are contents read.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{Gid, Uid, geteuid};
use xattr::FileExt as _;

use super::acl;
use super::attributes;
use super::descriptors::{self, OpenDirectories, Volume};
use super::error::{InstallError, StepError};
use super::plan::Plan;
use super::request::{InstallRequest, SourceForm};
use super::room::Need;
use super::sources;
use super::staging::{Areas, Workplace};
use super::tree::{Existing, NodeId, Planned};
use super::workers::Work;

/// The files that stay as they are, with what identifies each.
#[derive(Debug, Default)]
pub(super) struct Unchanged(HashMap<NodeId, Identity>);

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    changed: (i64, i64),
}

impl Identity {
    fn of(status: &FileStat) -> Self {
        Self {
            inode: status.st_ino,
            changed: (status.st_ctime, status.st_ctime_nsec),
        }
    }
}

impl Unchanged {
    pub(super) fn contains(&self, id: NodeId) -> bool {
        self.0.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Fails when one of the files is not as it was found: the plan is then made again.
    pub(super) fn check(
        &self,
        plan: &Plan,
        place: &mut Workplace<'_, '_>,
    ) -> Result<(), StepError> {
        let mut ids: Vec<_> = self.0.iter().collect();
        // In the order of the tree, so that neighbours share their directory.
        ids.sort_unstable_by_key(|(id, _)| **id);
        for (id, identity) in ids {
            let directory = place.destination(plan.tree.node(*id).parent)?;
            let found = descriptors::status(&*directory, plan.tree.name(*id))
                .ok()
                .flatten();
            if found.map(|status| Identity::of(&status)) != Some(*identity) {
                return Err(StepError::Changed {
                    path: plan.tree.path(*id),
                });
            }
        }
        Ok(())
    }
}

/// What one thread has found out.
struct Comparer<'a, 'p> {
    plan: &'p Plan,
    form: SourceForm,
    sources: OpenDirectories,
    place: Workplace<'a, 'p>,
    /// Whether what is made in the last directory gets an ACL.
    inherits: Option<(NodeId, bool)>,
    unchanged: HashMap<NodeId, Identity>,
    /// By the directory's volume.
    needs: HashMap<Volume, Need>,
}

/// Compares what the revision brings with what is there, and sums up the room that the rest needs
/// on each volume.
pub(super) fn compare(
    request: &InstallRequest<'_>,
    plan: &Plan,
    areas: &Areas<'_>,
) -> Result<(Unchanged, HashMap<Volume, Need>), InstallError> {
    let files = plan.sequence.iter().copied().filter(|id| {
        let planned = plan.tree.node(*id).planned;
        matches!(planned, Planned::File | Planned::Link | Planned::Made)
    });
    let results = Work::new(plan, files.collect()).run(
        || Comparer {
            plan,
            form: request.form,
            sources: OpenDirectories::default(),
            place: areas.workplace(),
            inherits: None,
            unchanged: HashMap::new(),
            needs: HashMap::new(),
        },
        |comparer, id| {
            request.look_for_interruption()?;
            comparer.object(id).map_err(|error| {
                StepError::io("compare with the revision", plan.tree.path(id), error)
            })
        },
    );
    let results = results.map_err(InstallError::from_step)?;
    let mut unchanged = HashMap::new();
    let mut needs: HashMap<Volume, Need> = HashMap::new();
    for result in results {
        unchanged.extend(result.unchanged);
        for (volume, need) in result.needs {
            needs.entry(volume).or_default().add(need);
        }
    }
    Ok((Unchanged(unchanged), needs))
}

impl Comparer<'_, '_> {
    fn object(&mut self, id: NodeId) -> io::Result<()> {
        let node = self.plan.tree.node(id);
        let mut need = Need {
            bytes: 0,
            inodes: 1,
            directory: self.existing_above(node.parent),
        };
        if node.planned == Planned::File {
            let from = sources::directory_of(self.plan, &mut self.sources, id)?;
            // What is not there any more is told by staging.
            let Some(status) = descriptors::status(&*from, self.plan.tree.name(id))? else {
                return Ok(());
            };
            if let Some(identity) = self.unchanged(id, &from, &status)? {
                self.unchanged.insert(id, identity);
                return Ok(());
            }
            need.bytes = Need::of_file(&status);
        }
        let volume = self.plan.directory(need.directory).map(|d| d.volume);
        let entry = self.needs.entry(volume.unwrap_or_default());
        entry.or_default().add(need);
        Ok(())
    }

    fn existing_above(&self, id: NodeId) -> NodeId {
        let mut next = id;
        while !self.plan.tree.node(next).merged && next != super::tree::ROOT {
            next = self.plan.tree.node(next).parent;
        }
        next
    }

    /// The file that is there, when it is what an Install would make of the source.
    fn unchanged(
        &mut self,
        id: NodeId,
        from: &OwnedFd,
        source: &FileStat,
    ) -> io::Result<Option<Identity>> {
        let plan = self.plan;
        let node = plan.tree.node(id);
        let rule = plan.rule_of(id);
        // Foreign files are replaced, as OVERWRITE says; ACLs and labels are set anew.
        let settled = rule.is_none_or(|rule| rule.acls.is_empty() && rule.context.is_none());
        let is_new = self.form != SourceForm::Unpacked;
        if node.existing != Existing::File || !node.gone || !settled || is_new {
            return Ok(None);
        }
        let Ok(directory) = self.place.destination(node.parent) else {
            return Ok(None);
        };
        let name = plan.tree.name(id);
        let Some(there) = descriptors::status(&*directory, name)? else {
            return Ok(None);
        };
        let time = |status: &FileStat| (status.st_size, status.st_mtime, status.st_mtime_nsec);
        if time(source) != time(&there) || there.st_nlink != 1 {
            return Ok(None);
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let (old, new) = match (
            openat(&*directory, name, flags, Mode::empty()),
            openat(from, name, flags, Mode::empty()),
        ) {
            (Ok(old), Ok(new)) => (File::from(old), File::from(new)),
            // Whatever it is, staging or the commit meets it again.
            _ => return Ok(None),
        };
        let (there, source) = (fstat(old.as_fd())?, fstat(new.as_fd())?);
        let is_root = geteuid().is_root();
        let mode = rule.and_then(|rule| rule.mode);
        let user = rule.and_then(|rule| rule.user).map(Uid::as_raw);
        let group = rule.and_then(|rule| rule.group).map(Gid::as_raw);
        // Who is not root cannot keep owners: what the file has is then what it got.
        let keep = |kept: u32, there: u32| if is_root { kept } else { there };
        let same = [&there, &source]
            .iter()
            .all(|s| descriptors::kind(s) == Existing::File)
            && time(&source) == time(&there)
            && there.st_mode & 0o7777 == mode.unwrap_or(source.st_mode & 0o7777)
            && there.st_uid == user.unwrap_or_else(|| keep(source.st_uid, there.st_uid))
            && there.st_gid == group.unwrap_or_else(|| keep(source.st_gid, there.st_gid));
        if same
            && !self.inherits_acl(node.parent, &directory)?
            && attributes::are_as_copied(&new, &old)?
            && same_content(old, new)?
        {
            return Ok(Some(Identity::of(&there)));
        }
        Ok(None)
    }

    /// Whether what is made in the directory gets an ACL from it.
    fn inherits_acl(&mut self, id: NodeId, directory: &OwnedFd) -> io::Result<bool> {
        if let Some((known, inherits)) = self.inherits
            && known == id
        {
            return Ok(inherits);
        }
        let inherits = match descriptors::reopen(directory) {
            Ok(file) => match file.get_xattr(acl::DEFAULT) {
                Ok(value) => value.is_some(),
                Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => false,
                Err(error) => return Err(error),
            },
            Err(_) => true,
        };
        self.inherits = Some((id, inherits));
        Ok(inherits)
    }
}

fn same_content(mut one: File, mut other: File) -> io::Result<bool> {
    let mut buffers = [[0_u8; 16 * 1024]; 2];
    let [left, right] = &mut buffers;
    loop {
        let count = match one.read(left) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let right = right.get_mut(..count).unwrap_or_default();
        match other.read_exact(right) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        if left.get(..count) != Some(&*right) {
            return Ok(false);
        }
        if count == 0 {
            return Ok(other.read(&mut [0])? == 0);
        }
    }
}
