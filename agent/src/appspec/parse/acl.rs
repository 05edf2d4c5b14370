//! `permissions[].acls`: entries in setfacl's notation.

use crate::appspec::findings::Findings;
use crate::appspec::model::{AclEntry, AclTag};
use crate::appspec::problem::quoted;
use crate::appspec::yaml::{Content, Node};

const HELP: &str = "write `user:name:rwx`, `group:name:r-x`, `mask::rwx` or, for directories, \
     `default:user:name:rwx`; quote it when it holds blanks";

/// The entries of `acls`.
pub(super) fn entries(node: &Node, findings: &mut Findings<'_>) -> Option<Vec<AclEntry>> {
    let Content::Sequence(items) = node.content() else {
        let message = format!("`acls` is {}, where a list is expected", node.kind());
        findings.error(
            "acls-not-a-list",
            node.region(),
            &message,
            "start each entry with `- `",
        );
        return None;
    };
    let mut entries: Vec<AclEntry> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for item in items {
        let text = item.text().filter(|_| !item.is_null());
        let Some(text) = text else {
            let message = format!("an ACL entry is {}, where text is expected", item.kind());
            findings.error("acl-invalid", item.region(), &message, HELP);
            continue;
        };
        match entry(text) {
            Ok(entry) if !seen.insert((entry.default, key(&entry.tag))) => {
                let message = format!("{} sets what an earlier entry sets", quoted(text));
                findings.error(
                    "acl-duplicate",
                    item.region(),
                    &message,
                    "remove one of them",
                );
            }
            Ok(entry) => {
                if text.ends_with(':') {
                    let message = format!("{} grants nothing", quoted(text));
                    let help = "if that is meant, write `---` as its permissions";
                    findings.warning("acl-no-permissions", item.region(), &message, help);
                }
                entries.push(entry);
            }
            Err(fault) => {
                let message = format!("{} is no ACL entry: {}", quoted(text), fault.reason());
                findings.error(fault.code(), item.region(), &message, fault.help());
            }
        }
    }
    Some(entries)
}

fn key(tag: &AclTag) -> (u8, String) {
    match tag {
        AclTag::UserObject => (0, String::new()),
        AclTag::User(name) => (0, name.clone()),
        AclTag::GroupObject => (1, String::new()),
        AclTag::Group(name) => (1, name.clone()),
        AclTag::Mask => (2, String::new()),
        AclTag::Other => (3, String::new()),
    }
}

/// Why a text is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Fields,
    Kind,
    Permissions,
    NamedMaskOrOther,
    Base,
}

impl Fault {
    fn code(self) -> &'static str {
        match self {
            Self::Base => "acl-base-entry",
            _ => "acl-invalid",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Fields => "it has two to four fields, separated by colons",
            Self::Kind => "its kind is none of user, group, mask and other",
            Self::Permissions => "its permissions are neither letters `rwx-` nor a digit 0 to 7",
            Self::NamedMaskOrOther => "mask and other have no name",
            Self::Base => "owner, owning group and others are set by `mode`",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Base => "name a user or group, or use `mode`",
            _ => HELP,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Group,
    Mask,
    Other,
}

fn kind(text: &str) -> Option<Kind> {
    match text {
        "u" | "user" => Some(Kind::User),
        "g" | "group" => Some(Kind::Group),
        "m" | "mask" => Some(Kind::Mask),
        "o" | "other" => Some(Kind::Other),
        _ => None,
    }
}

/// `[d[efault]:][u[ser]|g[roup]|m[ask]|o[ther]:][name]:perms`; without a kind, `m` and `o` are
/// the kind and anything else is a user's name.
fn entry(text: &str) -> Result<AclEntry, Fault> {
    let is_default = |field: &str| matches!(field, "d" | "default");
    let short = |name| match kind(name) {
        Some(kind @ (Kind::Mask | Kind::Other)) => (kind, ""),
        _ => (Kind::User, name),
    };
    let fields: Vec<&str> = text.splitn(5, ':').collect();
    let (default, (kind, name), permissions) = match *fields.as_slice() {
        [name, perms] => (false, short(name), perms),
        [first, name, perms] if is_default(first) => (true, short(name), perms),
        [first, name, perms] => (false, (kind(first).ok_or(Fault::Kind)?, name), perms),
        [first, second, name, perms] if is_default(first) => {
            (true, (kind(second).ok_or(Fault::Kind)?, name), perms)
        }
        _ => return Err(Fault::Fields),
    };
    let tag = match (kind, name) {
        (Kind::Mask, "") => AclTag::Mask,
        (Kind::Other, "") => AclTag::Other,
        (Kind::Mask | Kind::Other, _) => return Err(Fault::NamedMaskOrOther),
        (Kind::User, "") => AclTag::UserObject,
        (Kind::User, name) => AclTag::User(name.to_owned()),
        (Kind::Group, "") => AclTag::GroupObject,
        (Kind::Group, name) => AclTag::Group(name.to_owned()),
    };
    if !default
        && matches!(
            tag,
            AclTag::UserObject | AclTag::GroupObject | AclTag::Other
        )
    {
        return Err(Fault::Base);
    }
    Ok(AclEntry {
        text: text.to_owned(),
        default,
        tag,
        permissions: bits(permissions).ok_or(Fault::Permissions)?,
    })
}

fn bits(permissions: &str) -> Option<u8> {
    if let &[digit @ b'0'..=b'7'] = permissions.as_bytes() {
        return Some(digit - b'0');
    }
    permissions
        .bytes()
        .try_fold(0, |bits, letter| match letter {
            b'r' => Some(bits | 4),
            b'w' => Some(bits | 2),
            b'x' => Some(bits | 1),
            b'-' => Some(bits),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn user(name: &str) -> AclTag {
        AclTag::User(name.to_owned())
    }

    fn group(name: &str) -> AclTag {
        AclTag::Group(name.to_owned())
    }

    #[rstest]
    #[case::user("user:bob:rw-", false, user("bob"), 6)]
    #[case::short_user("u:bob:rwx", false, user("bob"), 7)]
    #[case::no_kind_is_a_user("bob:r", false, user("bob"), 4)]
    #[case::group("g:staff:x", false, group("staff"), 1)]
    #[case::number_as_name("u:1000:7", false, user("1000"), 7)]
    #[case::letters_in_any_order("u:bob:xwr", false, user("bob"), 7)]
    #[case::letters_twice("u:bob:rr-", false, user("bob"), 4)]
    #[case::digit("u:bob:5", false, user("bob"), 5)]
    #[case::nothing("u:bob:", false, user("bob"), 0)]
    #[case::mask("mask::rx", false, AclTag::Mask, 5)]
    #[case::short_mask("m:6", false, AclTag::Mask, 6)]
    #[case::default_user("default:user:bob:r", true, user("bob"), 4)]
    #[case::default_without_kind("d:bob:r", true, user("bob"), 4)]
    #[case::default_owner("d::rwx", true, AclTag::UserObject, 7)]
    #[case::default_owner_in_full("d:u::rwx", true, AclTag::UserObject, 7)]
    #[case::default_group("d:g::r", true, AclTag::GroupObject, 4)]
    #[case::default_other("d:o::r", true, AclTag::Other, 4)]
    #[case::default_other_short("d:other:r", true, AclTag::Other, 4)]
    #[case::default_mask("d:m:r", true, AclTag::Mask, 4)]
    #[case::user_named_like_a_kind("u:m:r", false, user("m"), 4)]
    fn reads(
        #[case] text: &str,
        #[case] default: bool,
        #[case] tag: AclTag,
        #[case] permissions: u8,
    ) {
        let expected = AclEntry {
            text: text.to_owned(),
            default,
            tag,
            permissions,
        };
        assert_eq!(entry(text), Ok(expected));
    }

    #[rstest]
    #[case::owner("u::rwx", Fault::Base)]
    #[case::owner_without_kind(":rwx", Fault::Base)]
    #[case::owning_group("g::rwx", Fault::Base)]
    #[case::other("o::r", Fault::Base)]
    #[case::other_short("other:r", Fault::Base)]
    #[case::one_field("rwx", Fault::Fields)]
    #[case::five_fields("d:u:bob:r:w", Fault::Fields)]
    #[case::default_twice("d:d:bob:r", Fault::Kind)]
    #[case::not_default("x:u:bob:r", Fault::Fields)]
    #[case::unknown_kind("users:bob:r", Fault::Kind)]
    #[case::empty_kind(":bob:r", Fault::Kind)]
    #[case::named_mask("m:bob:r", Fault::NamedMaskOrOther)]
    #[case::named_other("d:o:bob:r", Fault::NamedMaskOrOther)]
    #[case::letter("u:bob:rws", Fault::Permissions)]
    #[case::digit_too_large("u:bob:8", Fault::Permissions)]
    #[case::two_digits("u:bob:77", Fault::Permissions)]
    fn refuses(#[case] text: &str, #[case] fault: Fault) {
        assert_eq!(entry(text), Err(fault));
    }
}
