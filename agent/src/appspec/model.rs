//! The AppSpec as a type (contract: appspec). Every value has been checked.

use std::path::PathBuf;
use std::time::Duration;

use crate::deployment::FileExistsBehavior;

/// A parsed AppSpec for the EC2/on-premises platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSpec {
    /// `file_exists_behavior`; beats the deployment's own setting.
    pub file_exists_behavior: Option<FileExistsBehavior>,
    /// `files`, in the order of the file.
    pub files: Vec<FileMapping>,
    /// `hooks`, in the order of the file; events with nothing under them are left out.
    pub hooks: Vec<EventHooks>,
    /// `permissions`, in the order of the file.
    pub permissions: Vec<Permission>,
}

impl AppSpec {
    /// The scripts of `event`, in order; empty when the AppSpec has none.
    #[must_use]
    pub fn scripts(&self, event: &str) -> &[Script] {
        self.hooks
            .iter()
            .find(|hooks| hooks.event == event)
            .map_or(&[], |hooks| &hooks.scripts)
    }
}

/// One entry of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMapping {
    /// Relative to the archive, with `.`, `..` and doubled slashes resolved by text and never
    /// outside it; empty for all of the archive.
    pub source: PathBuf,
    /// The directory that receives it: absolute, resolved by text.
    pub destination: PathBuf,
}

/// The scripts of one lifecycle event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHooks {
    /// The event's name as written; the parser does not restrict it.
    pub event: String,
    /// At least one script.
    pub scripts: Vec<Script>,
}

/// One hook script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// As written (trimmed): this is what logs and diagnostics show.
    pub location: String,
    /// Relative to the archive and inside it, resolved by text.
    pub path: PathBuf,
    /// Whole seconds; default 3600; more than zero.
    pub timeout: Duration,
    /// The account that runs it; none means the agent's own.
    pub runas: Option<String>,
    /// Whether to run it under `sudo`.
    pub sudo: bool,
}

/// One entry of `permissions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// A copied file, or a directory below which the rule applies: absolute, resolved by text.
    pub object: PathBuf,
    /// Which names below `object` match.
    pub pattern: Pattern,
    /// Which of them do not, after all.
    pub except: Vec<Pattern>,
    /// Whether files match.
    pub files: bool,
    /// Whether directories match.
    pub directories: bool,
    /// New owner: a name, or a number when no such name exists.
    pub owner: Option<String>,
    /// New group: a name, or a number when no such name exists.
    pub group: Option<String>,
    /// New mode.
    pub mode: Option<Mode>,
    /// ACL entries; the full ACL is completed from the mode when it is applied.
    pub acls: Vec<AclEntry>,
    /// SELinux context.
    pub context: Option<SelinuxContext>,
    /// The line of the AppSpec (from 1), so that Install's plan can point at it.
    pub line: usize,
}

/// A name pattern: `**`, or a name in which `*` stands for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// `**`: everything below, at any depth.
    Everything,
    /// Names directly in the object; `*` is the only wildcard.
    Name(String),
}

/// File mode bits: 1 to 4 octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u16);

/// One ACL entry: `[default:][user|group|mask|other:][name]:perms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclEntry {
    /// As written, for `-install.json` and messages.
    pub text: String,
    /// A default entry (directories only).
    pub default: bool,
    /// Whom it is for.
    pub tag: AclTag,
    /// `rwx` as bits 4, 2, 1.
    pub permissions: u8,
}

/// Whom an ACL entry is for. The unnamed ones exist only as default entries, but for the mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AclTag {
    /// The owner.
    UserObject,
    /// A named user (or number).
    User(String),
    /// The owning group.
    GroupObject,
    /// A named group (or number).
    Group(String),
    /// The mask.
    Mask,
    /// Everybody else.
    Other,
}

/// An SELinux context (`permissions[].context`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelinuxContext {
    /// The SELinux user (`name`, ours also `user`).
    pub user: Option<String>,
    /// The type; required.
    pub kind: String,
    /// `sN[-sN][:cN[.cN][,...]]`, checked.
    pub range: Option<String>,
}
