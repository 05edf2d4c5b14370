//! Names and words as people read them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use nix::unistd::{Gid, Group, Uid, User};

use crate::appspec::unprintable;

/// Names of users and groups, each looked up once.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    users: RefCell<HashMap<u32, Option<String>>>,
    groups: RefCell<HashMap<u32, Option<String>>>,
}

impl Accounts {
    /// The user's name; none when there is none.
    pub(super) fn user(&self, id: u32) -> Option<String> {
        let look = || Some(User::from_uid(Uid::from_raw(id)).ok()??.name);
        let mut users = self.users.borrow_mut();
        users.entry(id).or_insert_with(look).clone()
    }

    /// The group's name; none when there is none.
    pub(super) fn group(&self, id: u32) -> Option<String> {
        let look = || Some(Group::from_gid(Gid::from_raw(id)).ok()??.name);
        let mut groups = self.groups.borrow_mut();
        groups.entry(id).or_insert_with(look).clone()
    }

    /// `user:group`, by name or number.
    pub(super) fn owner(&self, user: u32, group: u32) -> String {
        let user = self.user(user).unwrap_or_else(|| user.to_string());
        let group = self.group(group).unwrap_or_else(|| group.to_string());
        format!("{user}:{group}")
    }
}

/// A file name for a terminal: what a terminal could obey, and bytes that are no text, escaped.
pub(super) fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                other if unprintable(other) => text.extend(other.escape_unicode()),
                other => text.push(other),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// `1 file`, `2 files`.
pub(super) fn counted(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_could_obey_is_escaped() {
        assert_eq!(escaped(b"a\x1b[31m\nb\xff"), "a\\u{1b}[31m\\nb\\xff");
        assert_eq!(escaped("ä\\\u{202e}".as_bytes()), "ä\\\\\\u{202e}");
        assert_eq!(escaped(b"plain name.txt"), "plain name.txt");
    }

    #[test]
    fn words_agree_with_their_number() {
        let shown = [counted(1, "entry"), counted(2, "entry"), counted(0, "file")];
        assert_eq!(shown, ["1 entry", "2 entries", "0 files"]);
    }
}
