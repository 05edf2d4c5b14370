//! Looking at what is at a destination, and working out what would be there.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Gid, Uid, getegid, geteuid};
use xattr::FileExt as _;

use super::properties::{ObjectKind, Properties};
use crate::appspec::SelinuxContext;
use crate::files::umask;
use crate::install::acl::{self, Acl};
use crate::install::descriptors::{self, OpenDirectories};
use crate::install::error::{InstallError, StepError};
use crate::install::permissions::Rule;
use crate::install::plan::Plan;
use crate::install::request::{InstallRequest, SourceForm};
use crate::install::sources;
use crate::install::staging::{Areas, Workplace};
use crate::install::tree::{Existing, NodeId, Planned, ROOT};

const LABEL: &str = "security.selinux";

/// What new things in an existing directory get from it.
#[derive(Debug, Clone, Default)]
struct Heritage {
    /// The group, from a directory with the setgid bit.
    group: Option<u32>,
    /// The default ACL.
    acl: Option<Acl>,
    /// Its file system has no ACLs.
    no_acls: bool,
}

/// Looks at the objects of a plan.
pub(super) struct Looker<'a, 'p> {
    plan: &'p Plan,
    form: SourceForm,
    place: Workplace<'a, 'p>,
    sources: OpenDirectories,
    umask: u32,
    heritages: HashMap<NodeId, Heritage>,
    unsupported: Vec<(NodeId, usize)>,
    /// What could not be looked at.
    pub(super) unseen: Vec<String>,
}

impl<'a, 'p> Looker<'a, 'p> {
    pub(super) fn new(request: &InstallRequest<'_>, plan: &'p Plan, areas: &'a Areas<'p>) -> Self {
        Self {
            plan,
            form: request.form,
            place: areas.workplace(),
            sources: OpenDirectories::default(),
            umask: umask(),
            heritages: HashMap::new(),
            unsupported: Vec::new(),
            unseen: Vec::new(),
        }
    }

    /// What staging would fail with.
    pub(super) fn failures(&mut self) -> Vec<InstallError> {
        let path = |id| self.plan.tree.path(id);
        // One object tells it; the others would say the same.
        let first = self.unsupported.first();
        first
            .map(|(id, line)| {
                InstallError::from_step(StepError::AclUnsupported {
                    path: path(*id),
                    line: *line,
                })
            })
            .into_iter()
            .collect()
    }

    fn missed(&mut self, id: NodeId, error: &dyn std::fmt::Display) {
        let path = self.plan.tree.path(id);
        self.unseen.push(format!("{}: {error}", path.display()));
    }

    /// The directory that the node is in, when it exists.
    fn directory(&mut self, id: NodeId) -> Option<Arc<OwnedFd>> {
        let parent = self.plan.tree.node(id).parent;
        self.plan.directory(parent)?;
        match self.place.destination(parent) {
            Ok(opened) => Some(opened),
            Err(error) => {
                self.missed(parent, &crate::error::chain(&error));
                None
            }
        }
    }

    /// What is at the node's destination now.
    pub(super) fn before(&mut self, id: NodeId) -> Option<Properties> {
        let node = self.plan.tree.node(id);
        if matches!(node.existing, Existing::Absent | Existing::Unknown) {
            return None;
        }
        let directory = self.directory(id)?;
        let name = self.plan.tree.name(id);
        let status = match descriptors::status(&*directory, name) {
            Ok(status) => status?,
            Err(error) => {
                self.missed(id, &error.desc());
                return None;
            }
        };
        let mut properties = Properties::of(&status);
        if properties.kind == ObjectKind::Link {
            properties.target = readlinkat(&*directory, name).ok().map(Into::into);
        }
        let Some(rule) = self.plan.rule_of(id) else {
            return Some(properties);
        };
        let is_special = matches!(properties.kind, ObjectKind::Link | ObjectKind::Other);
        if is_special || rule.acls.is_empty() && rule.context.is_none() {
            return Some(properties);
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        match openat(&*directory, name, flags, Mode::empty()) {
            Ok(opened) => read_attributes(&File::from(opened), rule, &mut properties),
            Err(error) => self.missed(id, &error.desc()),
        }
        Some(properties)
    }

    /// What would be at the node's destination.
    pub(super) fn after(&mut self, id: NodeId) -> Option<Properties> {
        let heritage = self.heritage(id);
        let node = self.plan.tree.node(id);
        let mut properties = if node.planned == Planned::Made {
            self.new_directory(&heritage)
        } else {
            self.copy(id, &heritage)?
        };
        let Some(rule) = self.plan.rule_of(id) else {
            return Some(properties);
        };
        properties.user = rule.user.map_or(properties.user, Uid::as_raw);
        properties.group = rule.group.map_or(properties.group, Gid::as_raw);
        if properties.kind == ObjectKind::Link {
            return Some(properties);
        }
        properties.mode = rule.mode.unwrap_or(properties.mode);
        if !rule.acls.is_empty() {
            if heritage.no_acls {
                self.unsupported.push((id, rule.line));
            }
            let access = Acl::complete(&rule.access, properties.mode);
            // An ACL's mask shows as the group's bits.
            properties.mode = properties.mode & 0o7000 | access.directory_mode();
            properties.acl = Some(access.texts());
            if !rule.default.is_empty() {
                let default = Acl::complete(&rule.default, properties.mode);
                properties.default_acl = Some(default.texts());
            }
        }
        properties.context = rule.context.as_ref().map(context);
        Some(properties)
    }

    fn new_directory(&self, heritage: &Heritage) -> Properties {
        let mode = match &heritage.acl {
            Some(acl) => acl.directory_mode(),
            None => 0o777 & !self.umask,
        };
        let setgid = heritage.group.map_or(0, |_| 0o2000);
        Properties {
            kind: ObjectKind::Directory,
            size: None,
            mode: mode | setgid,
            user: geteuid().as_raw(),
            group: heritage.group.unwrap_or_else(|| getegid().as_raw()),
            target: None,
            acl: None,
            default_acl: None,
            context: None,
        }
    }

    /// The copy of a file or link.
    fn copy(&mut self, id: NodeId, heritage: &Heritage) -> Option<Properties> {
        let name = self.plan.tree.name(id);
        let from = sources::directory_of(self.plan, &mut self.sources, id);
        let status = from.and_then(|from| {
            let status = descriptors::status(&*from, name)?;
            Ok((status, from))
        });
        let (status, from) = match status {
            Ok((status, from)) => (self.form.of_revision(status?), from),
            Err(error) => {
                self.missed(id, &error.desc());
                return None;
            }
        };
        let mut properties = Properties::of(&status);
        if !geteuid().is_root() {
            // Who is not root cannot keep owners.
            properties.user = geteuid().as_raw();
            properties.group = heritage.group.unwrap_or_else(|| getegid().as_raw());
        }
        if properties.kind == ObjectKind::Link {
            properties.mode = 0o777;
            properties.target = readlinkat(&*from, name).ok().map(Into::into);
        }
        Some(properties)
    }

    /// What the node would get from the directory above it that is there.
    fn heritage(&mut self, id: NodeId) -> Heritage {
        // Staging goes by the directory that stays, as the nearest one above that is kept.
        let mut top = self.plan.tree.node(id).parent;
        while self.plan.tree.node(top).planned != Planned::Kept && top != ROOT {
            top = self.plan.tree.node(top).parent;
        }
        if let Some(known) = self.heritages.get(&top) {
            return known.clone();
        }
        let mut heritage = Heritage::default();
        match self.place.destination(top) {
            Ok(opened) => {
                if let Ok(status) = fstat(&*opened)
                    && status.st_mode & 0o2000 != 0
                    && may_give_to(status.st_gid)
                {
                    heritage.group = Some(status.st_gid);
                }
                let default = descriptors::reopen(&*opened)
                    .map_err(io::Error::from)
                    .and_then(|file| file.get_xattr(acl::DEFAULT));
                match default {
                    Ok(value) => heritage.acl = value.as_deref().and_then(Acl::decode),
                    Err(error) => {
                        heritage.no_acls = error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32);
                    }
                }
            }
            Err(error) => self.missed(top, &crate::error::chain(&error)),
        }
        self.heritages.insert(top, heritage.clone());
        heritage
    }
}

/// Whether this process may give files to a group.
fn may_give_to(group: u32) -> bool {
    geteuid().is_root()
        || getegid().as_raw() == group
        || nix::unistd::getgroups().is_ok_and(|own| own.iter().any(|g| g.as_raw() == group))
}

/// Reads what a rule would replace.
fn read_attributes(file: &File, rule: &Rule, properties: &mut Properties) {
    let read = |name: &str| file.get_xattr(name).ok().flatten();
    let texts = |value: Vec<u8>| Acl::decode(&value).map(|acl| acl.texts());
    if !rule.acls.is_empty() {
        properties.acl = match read(acl::ACCESS) {
            Some(value) => texts(value),
            // An object without an ACL has that of its mode.
            None => Some(Acl::complete(&[], properties.mode).texts()),
        };
        properties.default_acl = read(acl::DEFAULT).and_then(texts);
    }
    if rule.context.is_some() {
        properties.context = read(LABEL).map(|value| {
            let text = String::from_utf8_lossy(&value);
            text.trim_end_matches('\0').to_owned()
        });
    }
}

/// A context as it is shown; what the AppSpec leaves open is the policy's.
fn context(context: &SelinuxContext) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".to_owned());
    format!(
        "{}:*:{}:{}",
        part(&context.user),
        context.kind,
        part(&context.range)
    )
}
