//! POSIX ACLs as the kernel's extended attributes hold them: completing, encoding, decoding.
//!
//! The attributes are written directly, so that no process is started and no C library needed.
//! Invariant of [`Acl`]: entries are sorted by tag and id and are unique, as the kernel demands.

use nix::unistd::{Gid, Group, Uid, User};

/// The attribute of the ACL that governs access.
pub(super) const ACCESS: &str = "system.posix_acl_access";
/// The attribute of the ACL that new entries of a directory get.
pub(super) const DEFAULT: &str = "system.posix_acl_default";

const VERSION: u32 = 2;
const NO_ID: u32 = u32::MAX;

/// Whom an entry is for, in the kernel's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Tag {
    UserObject,
    User(u32),
    GroupObject,
    Group(u32),
    Mask,
    Other,
}

impl Tag {
    fn code(self) -> (u16, u32) {
        match self {
            Self::UserObject => (0x01, NO_ID),
            Self::User(id) => (0x02, id),
            Self::GroupObject => (0x04, NO_ID),
            Self::Group(id) => (0x08, id),
            Self::Mask => (0x10, NO_ID),
            Self::Other => (0x20, NO_ID),
        }
    }

    fn is_named(self) -> bool {
        matches!(self, Self::User(_) | Self::Group(_))
    }
}

/// One entry: whom it is for, and `rwx` as 4, 2, 1.
pub(super) type Entry = (Tag, u8);

/// A whole ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Acl(Vec<Entry>);

impl Acl {
    /// Completes `given` (unique tags) from a file's mode bits: owner, group and other where they
    /// are absent, and a mask equal to the group's bits when a named entry exists and no mask.
    pub(super) fn complete(given: &[Entry], mode: u32) -> Self {
        let mut entries = given.to_vec();
        let has = |entries: &[Entry], tag| entries.iter().any(|(other, _)| *other == tag);
        let bits = |shift: u32| u8::try_from((mode >> shift) & 7).unwrap_or_default();
        for (tag, shift) in [(Tag::UserObject, 6), (Tag::GroupObject, 3), (Tag::Other, 0)] {
            if !has(&entries, tag) {
                entries.push((tag, bits(shift)));
            }
        }
        if entries.iter().any(|(tag, _)| tag.is_named()) && !has(&entries, Tag::Mask) {
            let group = entries.iter().find(|(tag, _)| *tag == Tag::GroupObject);
            entries.push((Tag::Mask, group.map_or(0, |(_, permissions)| *permissions)));
        }
        entries.sort_unstable();
        Self(entries)
    }

    /// The attribute's value.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + 8 * self.0.len());
        bytes.extend(VERSION.to_le_bytes());
        for (tag, permissions) in &self.0 {
            let (code, id) = tag.code();
            bytes.extend(code.to_le_bytes());
            bytes.extend(u16::from(*permissions).to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    /// The ACL in an attribute's value.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
            return None;
        }
        let entry = |raw: &[u8]| {
            let (code, rest) = raw.split_first_chunk::<2>()?;
            let (permissions, id) = rest.split_first_chunk::<2>()?;
            let id = u32::from_le_bytes(id.try_into().ok()?);
            let tag = match u16::from_le_bytes(*code) {
                0x01 => Tag::UserObject,
                0x02 => Tag::User(id),
                0x04 => Tag::GroupObject,
                0x08 => Tag::Group(id),
                0x10 => Tag::Mask,
                0x20 => Tag::Other,
                _ => return None,
            };
            Some((tag, u8::try_from(u16::from_le_bytes(*permissions)).ok()?))
        };
        let entries: Option<Vec<_>> = entries.chunks(8).map(entry).collect();
        entries.map(Self)
    }

    /// The permission bits that a directory gets which is made with 0777 where this is the default
    /// ACL.
    pub(super) fn directory_mode(&self) -> u32 {
        let of = |wanted: Tag| {
            let entry = self.0.iter().find(|(tag, _)| *tag == wanted);
            entry.map(|(_, permissions)| u32::from(*permissions))
        };
        let group = of(Tag::Mask).or(of(Tag::GroupObject));
        let bits = [of(Tag::UserObject), group, of(Tag::Other)];
        bits.into_iter()
            .fold(0, |mode, bits| mode << 3 | bits.unwrap_or_default() & 7)
    }

    /// One text an entry, as getfacl shows them.
    pub(super) fn texts(&self) -> Vec<String> {
        let text = |(tag, permissions): &Entry| {
            let (kind, name) = match tag {
                Tag::UserObject => ("user", String::new()),
                Tag::User(id) => ("user", user_name(*id)),
                Tag::GroupObject => ("group", String::new()),
                Tag::Group(id) => ("group", group_name(*id)),
                Tag::Mask => ("mask", String::new()),
                Tag::Other => ("other", String::new()),
            };
            let bit = |bit: u8, letter| if permissions & bit == 0 { '-' } else { letter };
            format!(
                "{kind}:{name}:{}{}{}",
                bit(4, 'r'),
                bit(2, 'w'),
                bit(1, 'x')
            )
        };
        self.0.iter().map(text).collect()
    }
}

fn user_name(id: u32) -> String {
    match User::from_uid(Uid::from_raw(id)) {
        Ok(Some(user)) => user.name,
        _ => id.to_string(),
    }
}

fn group_name(id: u32) -> String {
    match Group::from_gid(Gid::from_raw(id)) {
        Ok(Some(group)) => group.name,
        _ => id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_named_entry_brings_a_mask_equal_to_the_group_bits() {
        let acl = Acl::complete(&[(Tag::User(1000), 6)], 0o640);
        assert_eq!(
            acl.0,
            [
                (Tag::UserObject, 6),
                (Tag::User(1000), 6),
                (Tag::GroupObject, 4),
                (Tag::Mask, 4),
                (Tag::Other, 0),
            ]
        );
    }

    #[test]
    fn given_entries_win_and_no_mask_is_made_without_a_named_one() {
        let acl = Acl::complete(&[(Tag::Other, 7), (Tag::GroupObject, 0)], 0o777);
        assert_eq!(
            acl.0,
            [(Tag::UserObject, 7), (Tag::GroupObject, 0), (Tag::Other, 7)]
        );
    }

    fn tag() -> impl Strategy<Value = Tag> {
        prop_oneof![
            Just(Tag::UserObject),
            (0..4_u32).prop_map(Tag::User),
            Just(Tag::GroupObject),
            (0..4_u32).prop_map(Tag::Group),
            Just(Tag::Mask),
            Just(Tag::Other),
        ]
    }

    proptest! {
        #[test]
        fn completion_agrees_with_the_naive_model(
            given in proptest::collection::btree_map(tag(), 0..8_u8, 0..6), mode in 0..0o1000_u32
        ) {
            let list: Vec<Entry> = given.clone().into_iter().rev().collect();
            let mut model = given.clone();
            model.entry(Tag::UserObject).or_insert((mode / 64) as u8);
            let group = *model.entry(Tag::GroupObject).or_insert((mode / 8 % 8) as u8);
            model.entry(Tag::Other).or_insert((mode % 8) as u8);
            if given.keys().any(|tag| matches!(tag, Tag::User(_) | Tag::Group(_))) {
                model.entry(Tag::Mask).or_insert(group);
            }
            let acl = Acl::complete(&list, mode);
            prop_assert_eq!(&acl.0, &model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(Acl::decode(&acl.encode()), Some(acl));
        }
    }
}
