//! The names in a bundle, and where its links lead. Links are followed by text alone.

use super::tree::Resolved::{Directory, File, Missing, Outside, Special};

/// Links that are followed on one way; Linux follows as many.
const MOST_LINKS: usize = 40;

/// What an entry of a bundle is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, with its target.
    Link(Vec<u8>),
    /// Something that cannot be installed, such as a socket.
    Special,
}

/// An entry of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Relative to the bundle: names joined by single slashes.
    pub path: Box<[u8]>,
    /// What it is.
    pub kind: EntryKind,
}

/// Every name in a bundle, sorted by path, with all directories.
#[derive(Debug, Default)]
pub struct Tree {
    entries: Vec<TreeEntry>,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolved {
    File(Vec<u8>),
    /// Empty for the bundle itself.
    Directory(Vec<u8>),
    Missing,
    /// Out of the bundle, through a link, or through too many of them.
    Outside,
    Special,
}

impl Tree {
    /// The tree of `entries`; directories that are only implied are added.
    #[must_use]
    pub fn new(mut entries: Vec<TreeEntry>) -> Self {
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        let mut implied: Vec<TreeEntry> = Vec::new();
        let mut last: &[u8] = b"";
        for entry in &entries {
            let mut above = parent(&entry.path);
            while !above.is_empty() && !below(last, above) && last != above {
                let there = entries.binary_search_by(|other| (*other.path).cmp(above));
                if there.is_err() {
                    implied.push(TreeEntry {
                        path: above.into(),
                        kind: EntryKind::Directory,
                    });
                }
                above = parent(above);
            }
            last = &entry.path;
        }
        entries.extend(implied);
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        entries.dedup_by(|one, other| one.path == other.path);
        Self { entries }
    }

    /// The names directly in the bundle.
    pub fn names_at_the_top(&self) -> impl Iterator<Item = &[u8]> {
        let paths = self.entries.iter().map(|entry| &*entry.path);
        paths.filter(|path| !path.contains(&b'/'))
    }

    /// The file that `path` leads to within the bundle, links followed.
    #[must_use]
    pub fn file(&self, path: &[u8]) -> Option<Vec<u8>> {
        match self.resolve(path) {
            File(found) => Some(found),
            _ => None,
        }
    }

    /// The entries, sorted by path.
    pub(super) fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    fn get(&self, path: &[u8]) -> Option<&TreeEntry> {
        let place = self
            .entries
            .binary_search_by(|entry| (*entry.path).cmp(path))
            .ok()?;
        self.entries.get(place)
    }

    /// Everything below a directory, at any depth; its own entry is not among them.
    pub(super) fn below(&self, directory: &[u8]) -> &[TreeEntry] {
        if directory.is_empty() {
            return &self.entries;
        }
        let prefix = [directory, b"/"].concat();
        let start = self.entries.partition_point(|entry| *entry.path < *prefix);
        let rest = self.entries.get(start..).unwrap_or_default();
        let count = rest.partition_point(|entry| entry.path.starts_with(&prefix));
        rest.get(..count).unwrap_or_default()
    }

    /// Where `path` leads, links followed.
    pub(super) fn resolve(&self, path: &[u8]) -> Resolved {
        let mut ahead: Vec<Vec<u8>> = names(path).rev().map(<[u8]>::to_vec).collect();
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == b".." {
                if at.is_empty() {
                    return Outside;
                }
                at = parent(&at).to_vec();
                continue;
            }
            let next = join(&at, &name);
            match self.get(&next).map(|entry| &entry.kind) {
                None => return Missing,
                Some(EntryKind::Directory) => at = next,
                Some(EntryKind::File) if ahead.is_empty() => return File(next),
                Some(EntryKind::Special) if ahead.is_empty() => return Special,
                Some(EntryKind::File | EntryKind::Special) => return Missing,
                Some(EntryKind::Link(target)) => {
                    links += 1;
                    if target.starts_with(b"/") || links > MOST_LINKS {
                        return Outside;
                    }
                    ahead.extend(names(target).rev().map(<[u8]>::to_vec));
                }
            }
        }
        Directory(at)
    }
}

/// The names of a path; `.` and doubled slashes are none.
fn names(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
}

/// The path above; empty at the top.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    slash.and_then(|at| path.get(..at)).unwrap_or_default()
}

/// The last name of a path.
pub(super) fn base(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    slash.and_then(|at| path.get(at + 1..)).unwrap_or(path)
}

/// `name` below `directory`.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

/// Whether `path` is below `directory`.
fn below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let entry = |path: &str, kind| TreeEntry {
            path: path.as_bytes().into(),
            kind,
        };
        let link = |target: &str| EntryKind::Link(target.into());
        Tree::new(vec![
            entry("a/b/file", EntryKind::File),
            entry("a-b", EntryKind::File),
            entry("to-b", link("a/b")),
            entry("a/up", link("../a-b")),
            entry("out", link("/etc")),
            entry("loop", link("loop")),
            entry("escapes", link("../x")),
        ])
    }

    #[test]
    fn implied_directories_are_there() {
        assert_eq!(tree().resolve(b"a/b"), Directory(b"a/b".to_vec()));
        assert_eq!(tree().resolve(b""), Directory(Vec::new()));
        let below: Vec<_> = tree().below(b"a").iter().map(|e| e.path.clone()).collect();
        assert_eq!(below.len(), 3, "{below:?}");
    }

    #[test]
    fn links_are_followed_within_the_bundle() {
        assert_eq!(tree().resolve(b"to-b/file"), File(b"a/b/file".to_vec()));
        assert_eq!(tree().resolve(b"a/up"), File(b"a-b".to_vec()));
        assert_eq!(tree().resolve(b"out/passwd"), Outside);
        assert_eq!(tree().resolve(b"loop"), Outside);
        assert_eq!(tree().resolve(b"escapes"), Outside);
        assert_eq!(tree().resolve(b"a-b/x"), Missing);
        assert_eq!(tree().resolve(b"none"), Missing);
    }
}
