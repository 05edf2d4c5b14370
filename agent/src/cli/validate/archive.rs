//! A bundle that is an archive, read without unpacking it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::input::{NAMES, looks_like_appspec};
use crate::appspec::MAX_BYTES;
use crate::bundle::{self, Listed, ListedKind, UnpackError, UnpackOptions};
use crate::deployment::BundleType;
use crate::lint::{EntryKind, ScriptFile, ScriptReader, Tree, TreeEntry};

/// What an archive may come to: a small one can stand for any number of bytes, and all of them
/// have to be decompressed to read the names.
const MOST_BYTES: u64 = 32 * 1024 * 1024 * 1024;

/// A bundle's archive.
pub(super) struct Archive {
    pub(super) path: PathBuf,
    kind: BundleType,
    /// The single directory at the top that is dropped when the archive is unpacked.
    top: Vec<u8>,
    pub(super) tree: Tree,
    documents: HashMap<Vec<u8>, Vec<u8>>,
    modes: HashMap<Vec<u8>, u32>,
}

fn options() -> UnpackOptions {
    UnpackOptions {
        max_extracted_bytes: Some(MOST_BYTES),
        ..UnpackOptions::default()
    }
}

impl Archive {
    /// Lists `path`, with the files that may be its AppSpec.
    pub(super) fn read(path: &Path, kind: BundleType) -> Result<Self, UnpackError> {
        // At the top, or in the one directory there.
        let wanted = |path: &[u8]| {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
            let levels = path.iter().filter(|byte| **byte == b'/').count();
            let named = NAMES.iter().any(|known| known.as_bytes() == name);
            (levels <= 1 && named).then_some(MAX_BYTES as u64 + 1)
        };
        let entries = bundle::list(path, kind, &options(), &wanted)?;
        let top = top(&entries);
        let mut archive = Self {
            path: path.to_owned(),
            kind,
            top,
            tree: Tree::default(),
            documents: HashMap::new(),
            modes: HashMap::new(),
        };
        let mut tree = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(path) = archive.inner(&entry.path) else {
                continue;
            };
            if let Some(content) = entry.content {
                archive.documents.insert(path.to_vec(), content);
            }
            archive.modes.insert(path.to_vec(), entry.mode);
            let kind = match entry.kind {
                ListedKind::File => EntryKind::File,
                ListedKind::Directory => EntryKind::Directory,
                ListedKind::Link(target) => EntryKind::Link(target),
                // Another name for a file is, to the rules, a way to it.
                ListedKind::Same(target) => {
                    let target = archive.inner(&target).unwrap_or(&target);
                    let up = path.iter().filter(|byte| **byte == b'/').count();
                    EntryKind::Link([b"../".repeat(up).as_slice(), target].concat())
                }
            };
            tree.push(TreeEntry {
                path: path.into(),
                kind,
            });
        }
        archive.tree = Tree::new(tree);
        Ok(archive)
    }

    /// A path of the archive as one of the revision; none for the top directory itself.
    fn inner<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        if self.top.is_empty() {
            return Some(path);
        }
        path.strip_prefix(self.top.as_slice())?.strip_prefix(b"/")
    }

    /// A file that may be the AppSpec.
    pub(super) fn document(&self, path: &[u8]) -> Option<Vec<u8>> {
        self.documents.get(path).cloned()
    }
}

/// The directory that the archive consists of, when it is dropped: nothing beside it, and a name
/// with `appspec` in it directly inside.
fn top(entries: &[Listed]) -> Vec<u8> {
    let first = |path: &[u8]| path.split(|byte| *byte == b'/').next().map(<[u8]>::to_vec);
    let Some(only) = entries.first().and_then(|entry| first(&entry.path)) else {
        return Vec::new();
    };
    let alone = entries.iter().all(|entry| {
        first(&entry.path).as_ref() == Some(&only)
            && (entry.path != only || entry.kind == ListedKind::Directory)
    });
    let has_appspec = entries.iter().any(|entry| {
        let inner = entry.path.get(only.len() + 1..).unwrap_or_default();
        let name = inner.split(|byte| *byte == b'/').next().unwrap_or_default();
        looks_like_appspec(name)
    });
    if alone && has_appspec {
        only
    } else {
        Vec::new()
    }
}

impl ScriptReader for Archive {
    /// Reads the archive a second time: which scripts are wanted, only the AppSpec tells.
    fn read(&self, paths: &[&[u8]]) -> Vec<Option<ScriptFile>> {
        if paths.is_empty() {
            return Vec::new();
        }
        let wanted = |path: &[u8]| {
            let inner = self.inner(path)?;
            paths.contains(&inner).then_some(ScriptFile::BYTES)
        };
        // It was read before: what fails now has changed since, and the scripts stay unknown.
        let entries = bundle::list(&self.path, self.kind, &options(), &wanted).unwrap_or_default();
        let mut contents: HashMap<Vec<u8>, Vec<u8>> = entries
            .into_iter()
            .filter_map(|entry| Some((self.inner(&entry.path)?.to_vec(), entry.content?)))
            .collect();
        let script = |path: &&[u8]| {
            Some(ScriptFile {
                executable: self.modes.get(*path).is_none_or(|mode| mode & 0o100 != 0),
                start: contents.remove(*path)?,
            })
        };
        paths.iter().map(script).collect()
    }
}
