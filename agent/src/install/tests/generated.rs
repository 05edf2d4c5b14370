//! Small trees with awkward names, for properties; also included by the tests of `agent plan`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use proptest::prelude::*;

/// A generated tree: names to content.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    File(u8),
    Link(u8),
    Directory(BTreeMap<Vec<u8>, Tree>),
}

const NAMES: [&[u8]; 6] = [b"a", b"b", b"c ", b"d\n/", b"\xff", b"e\nf"];

fn name() -> impl Strategy<Value = Vec<u8>> {
    (0..NAMES.len()).prop_map(|index| {
        NAMES[index]
            .iter()
            .copied()
            .filter(|b| *b != b'/')
            .collect()
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        any::<u8>().prop_map(Tree::File),
        (0..4_u8).prop_map(Tree::Link)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        proptest::collection::btree_map(name(), inner, 0..4).prop_map(Tree::Directory)
    })
}

/// The content of a revision's directory.
pub(crate) fn revision() -> impl Strategy<Value = BTreeMap<Vec<u8>, Tree>> {
    proptest::collection::btree_map(name(), tree(), 0..4)
}

/// Writes a tree below the directory `base`, which is made.
pub(crate) fn write(base: &Path, tree: &BTreeMap<Vec<u8>, Tree>) {
    fs_err::create_dir_all(base).unwrap();
    for (name, tree) in tree {
        let path = base.join(OsStr::from_bytes(name));
        match tree {
            Tree::File(content) => fs_err::write(path, [*content]).unwrap(),
            // Dangling, so that each is recreated and none is followed.
            Tree::Link(target) => std::os::unix::fs::symlink(format!("no-{target}"), path).unwrap(),
            Tree::Directory(content) => write(&path, content),
        }
    }
}
