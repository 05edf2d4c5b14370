//! How many objects have what in store.

use crate::install::{Change, ObjectKind, PreviewedObject};

/// The changes, in the order in which they are told.
pub(super) const CHANGES: [Change; 5] = [
    Change::Add,
    Change::Change,
    Change::Keep,
    Change::Remove,
    Change::Leave,
];

/// The stable word of a change.
pub(super) fn word(change: Change) -> &'static str {
    match change {
        Change::Add => "add",
        Change::Change => "change",
        Change::Keep => "keep",
        Change::Remove => "remove",
        Change::Leave => "leave",
    }
}

/// How many files (links and others among them) and directories there are of each change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    files: [usize; CHANGES.len()],
    directories: [usize; CHANGES.len()],
    /// Bytes of what comes, or of what is there where nothing comes.
    pub(super) bytes: u64,
}

fn place(change: Change) -> usize {
    CHANGES
        .iter()
        .position(|known| *known == change)
        .unwrap_or(0)
}

/// What the object is: afterwards, else now.
pub(super) fn kind(object: &PreviewedObject) -> ObjectKind {
    let properties = object.after.as_ref().or(object.before.as_ref());
    properties.map_or(ObjectKind::Other, |properties| properties.kind)
}

impl Counts {
    /// Counts one object.
    pub(super) fn count(&mut self, object: &PreviewedObject) {
        let properties = object.after.as_ref().or(object.before.as_ref());
        let size = properties.and_then(|properties| properties.size);
        self.bytes = self.bytes.saturating_add(size.unwrap_or_default());
        let list = if kind(object) == ObjectKind::Directory {
            &mut self.directories
        } else {
            &mut self.files
        };
        if let Some(count) = list.get_mut(place(object.change)) {
            *count += 1;
        }
    }

    /// Adds what was counted elsewhere.
    pub(super) fn add(&mut self, other: &Self) {
        let pairs = |own: &mut [usize; 5], other: &[usize; 5]| {
            for (own, other) in own.iter_mut().zip(other) {
                *own += other;
            }
        };
        pairs(&mut self.files, &other.files);
        pairs(&mut self.directories, &other.directories);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Files with this change.
    pub(super) fn files(&self, change: Change) -> usize {
        self.files.get(place(change)).copied().unwrap_or_default()
    }

    /// Directories with this change.
    pub(super) fn directories(&self, change: Change) -> usize {
        self.directories
            .get(place(change))
            .copied()
            .unwrap_or_default()
    }

    /// All of one change.
    pub(super) fn uniform(&self) -> Option<Change> {
        let has = |change: &Change| self.files(*change) + self.directories(*change) > 0;
        let mut there = CHANGES.into_iter().filter(has);
        there.next().filter(|_| there.next().is_none())
    }

    /// How many objects there are.
    pub(super) fn total(&self) -> usize {
        self.files.iter().chain(&self.directories).sum()
    }
}
