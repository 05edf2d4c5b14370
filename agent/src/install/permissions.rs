//! Which `permissions` rule applies to what, and what it comes to (contract: appspec).
//!
//! Names of users and groups are looked up here, so that an unknown one stops the plan and not a
//! half-done Install. A rule that matches nothing does nothing and needs no names.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;

use nix::unistd::{Gid, Group, Uid, User, geteuid};

use super::acl::{Entry, Tag};
use super::pattern;
use super::problem::Problem;
use super::request::InstallRequest;
use super::tree::{NONE, NodeId, Planned, Tree};
use crate::appspec::{AclTag, Pattern, Permission, SelinuxContext};

/// Types that `reject_unconfined_selinux_in_bundle` forbids.
const UNCONFINED: [&str; 3] = ["unconfined_t", "kernel_t", "init_t"];

/// A rule with its names looked up.
#[derive(Debug, Default)]
pub(super) struct Rule {
    pub(super) line: usize,
    pub(super) mode: Option<u32>,
    pub(super) user: Option<Uid>,
    pub(super) group: Option<Gid>,
    /// Entries of the access ACL, to be completed for each object.
    pub(super) access: Vec<Entry>,
    /// Entries of the default ACL.
    pub(super) default: Vec<Entry>,
    /// As written, for the record.
    pub(super) acls: Vec<String>,
    pub(super) owner_name: Option<String>,
    pub(super) group_name: Option<String>,
    pub(super) context: Option<SelinuxContext>,
}

/// Matches every rule, in order, and resolves those that match. Returns the rules (by index in
/// the AppSpec) and the matched nodes in the order of application: by rule, files before
/// directories, each in the order created.
pub(super) fn resolve(
    request: &InstallRequest<'_>,
    tree: &mut Tree,
    sequence: &[NodeId],
    problems: &mut Vec<Problem>,
) -> (Vec<Rule>, Vec<NodeId>) {
    let mut rules = Vec::new();
    for (index, permission) in request.appspec.permissions.iter().enumerate() {
        let mut rule = Rule {
            line: permission.line,
            ..Rule::default()
        };
        check_settings(request, permission, problems);
        let matched = matches(tree, permission, problems);
        if !matched.is_empty() {
            resolve_names(&mut rule, permission, problems);
        }
        for id in matched {
            let node = tree.node_mut(id);
            if node.rule == NONE {
                node.rule = u32::try_from(index).unwrap_or(NONE);
            } else {
                let first = request.appspec.permissions.get(node.rule as usize);
                problems.push(Problem::TwoRules {
                    first: first.map_or(0, |first| first.line),
                    second: permission.line,
                    path: tree.path(id),
                });
            }
        }
        rules.push(rule);
    }
    let with_rule = sequence
        .iter()
        .copied()
        .filter(|id| tree.node(*id).rule != NONE);
    let mut permitted: Vec<NodeId> = with_rule.collect();
    // Stable: within a rule and kind the order of creation stays.
    permitted.sort_by_key(|id| {
        let node = tree.node(*id);
        (node.rule, node.planned == Planned::Made)
    });
    (rules, permitted)
}

fn check_settings(
    request: &InstallRequest<'_>,
    permission: &Permission,
    problems: &mut Vec<Problem>,
) {
    let line = permission.line;
    let options = request.options;
    if options.reject_unsafe_permissions && permission.mode.is_some_and(|mode| mode.0 & 0o6000 != 0)
    {
        let what =
            "the mode is setuid or setgid, which reject_unsafe_permissions_in_bundle forbids";
        problems.push(Problem::Rule {
            line,
            what: what.into(),
        });
    }
    let kind = permission
        .context
        .as_ref()
        .map(|context| context.kind.as_str());
    if let Some(kind) =
        kind.filter(|kind| options.reject_unconfined_selinux && UNCONFINED.contains(kind))
    {
        let what = format!(
            "the context type {kind} is unconfined, which reject_unconfined_selinux_in_bundle forbids"
        );
        problems.push(Problem::Rule { line, what });
    }
}

/// The nodes that a rule matches.
fn matches(tree: &Tree, permission: &Permission, problems: &mut Vec<Problem>) -> Vec<NodeId> {
    let line = permission.line;
    let Some(object) = tree.lookup(permission.object.as_os_str().as_bytes()) else {
        return Vec::new();
    };
    let mut fail = |what: String| problems.push(Problem::Rule { line, what });
    let defaults = permission.acls.iter().any(|entry| entry.default);
    let mut matched = Vec::new();
    match tree.node(object).planned {
        Planned::Nothing | Planned::Retained => {}
        Planned::File | Planned::Link if !permission.files => {}
        Planned::Link => fail(format!(
            "{} is a symbolic link; name what it leads to instead",
            permission.object.display()
        )),
        Planned::File => {
            if permission.pattern != Pattern::Everything || !permission.except.is_empty() {
                fail(format!(
                    "{} is a file: `pattern` must be ** and `except` empty",
                    permission.object.display()
                ));
            }
            matched.push(object);
        }
        Planned::Kept | Planned::Made => {
            let mut ahead: Vec<(NodeId, u32)> = tree.children(object).map(|id| (id, 1)).collect();
            while let Some((id, depth)) = ahead.pop() {
                let node = tree.node(id);
                let wanted = match node.planned {
                    Planned::File | Planned::Link => permission.files,
                    Planned::Made => permission.directories,
                    Planned::Nothing | Planned::Kept | Planned::Retained => false,
                };
                let name = tree.name(id).as_bytes();
                if wanted
                    && pattern::matches(&permission.pattern, name, depth)
                    && !permission
                        .except
                        .iter()
                        .any(|except| pattern::matches(except, name, depth))
                {
                    matched.push(id);
                }
                if permission.pattern == Pattern::Everything {
                    ahead.extend(tree.children(id).map(|child| (child, depth + 1)));
                }
            }
        }
    }
    let file = matched
        .iter()
        .find(|id| tree.node(**id).planned != Planned::Made);
    if let Some(file) = file.filter(|_| defaults) {
        fail(format!(
            "a default ACL entry is for directories only, and the rule matches the file {}; add \
             `type: [directory]`",
            tree.path(*file).display()
        ));
    }
    matched
}

fn resolve_names(rule: &mut Rule, permission: &Permission, problems: &mut Vec<Problem>) {
    let line = permission.line;
    let mut fail = |what: String| problems.push(Problem::Rule { line, what });
    rule.mode = permission.mode.map(|mode| u32::from(mode.0));
    rule.owner_name.clone_from(&permission.owner);
    rule.group_name.clone_from(&permission.group);
    rule.context.clone_from(&permission.context);
    rule.acls = permission
        .acls
        .iter()
        .map(|entry| entry.text.clone())
        .collect();
    if let Some(name) = &permission.owner {
        match user(name) {
            Ok(user) if !geteuid().is_root() && user != geteuid() => fail(format!(
                "only root can give files to {name}; run the agent as root or remove `owner`"
            )),
            Ok(user) => rule.user = Some(user),
            Err(what) => fail(what),
        }
    }
    if let Some(name) = &permission.group {
        match group(name) {
            Ok(group) => rule.group = Some(group),
            Err(what) => fail(what),
        }
    }
    let mut written: HashMap<(bool, Tag), &str> = HashMap::new();
    for entry in &permission.acls {
        let tag = match &entry.tag {
            AclTag::UserObject => Ok(Tag::UserObject),
            AclTag::User(name) => user(name).map(|uid| Tag::User(uid.as_raw())),
            AclTag::GroupObject => Ok(Tag::GroupObject),
            AclTag::Group(name) => group(name).map(|gid| Tag::Group(gid.as_raw())),
            AclTag::Mask => Ok(Tag::Mask),
            AclTag::Other => Ok(Tag::Other),
        };
        match tag {
            Ok(tag) => {
                if let Some(first) = written.insert((entry.default, tag), &entry.text) {
                    fail(format!(
                        "the ACL entries {first:?} and {:?} are for the same",
                        entry.text
                    ));
                }
                let list = if entry.default {
                    &mut rule.default
                } else {
                    &mut rule.access
                };
                list.push((tag, entry.permissions));
            }
            Err(what) => fail(what),
        }
    }
}

/// A user by name, else by number.
fn user(name: &str) -> Result<Uid, String> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid),
        Ok(None) => number(name).map(Uid::from_raw).ok_or_else(|| {
            format!("the user {name:?} does not exist; create it (BeforeInstall may) or correct the name")
        }),
        Err(error) => Err(format!("the user {name:?} could not be looked up: {error}")),
    }
}

/// A group by name, else by number.
fn group(name: &str) -> Result<Gid, String> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) => number(name).map(Gid::from_raw).ok_or_else(|| {
            format!("the group {name:?} does not exist; create it (BeforeInstall may) or correct the name")
        }),
        Err(error) => Err(format!("the group {name:?} could not be looked up: {error}")),
    }
}

/// -1 means "nobody" to the kernel and cannot be an owner.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && *number != u32::MAX)
}
