//! Property: any tree, packed and unpacked, is the same tree.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::archives::{Place, Raw, RawZip, Zip, gzip, raw_zip, tar};
use crate::deployment::BundleType;

#[derive(Debug, Clone, PartialEq)]
enum Node {
    File {
        content: Vec<u8>,
        mode: u32,
    },
    Link(Vec<u8>),
    Directory {
        mode: u32,
        inner: BTreeMap<Vec<u8>, Node>,
    },
}

fn name(utf8: bool) -> BoxedStrategy<Vec<u8>> {
    let name = if utf8 {
        "[^/\0\\\\]{1,20}".prop_map(String::into_bytes).boxed()
    } else {
        vec(1_u8..=255, 1..130).boxed()
    };
    name.prop_filter("no names", |name| {
        !name.contains(&b'/') && name != b"." && name != b".." && !name.is_empty()
    })
    .boxed()
}

fn node(utf8: bool) -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        (vec(any::<u8>(), 0..2000), 0_u32..0o1000)
            .prop_map(|(content, mode)| Node::File { content, mode }),
        name(utf8).prop_map(Node::Link),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        (0_u32..0o1000, btree_map(name(utf8), inner, 0..5))
            .prop_map(|(mode, inner)| Node::Directory { mode, inner })
    })
}

fn tree(utf8: bool) -> impl Strategy<Value = BTreeMap<Vec<u8>, Node>> {
    btree_map(name(utf8), node(utf8), 1..5)
        // A single directory with an AppSpec would be stripped.
        .prop_map(|mut tree| {
            tree.insert(b"one".to_vec(), Node::Link(b"x".to_vec()));
            tree.insert(b"two".to_vec(), Node::Link(b"y".to_vec()));
            tree
        })
}

fn visit(tree: &BTreeMap<Vec<u8>, Node>, above: &[u8], each: &mut impl FnMut(&[u8], &Node)) {
    for (name, node) in tree {
        let path = if above.is_empty() {
            name.clone()
        } else {
            [above, b"/", name].concat()
        };
        each(&path, node);
        if let Node::Directory { inner, .. } = node {
            visit(inner, &path, each);
        }
    }
}

fn read(path: &Path) -> BTreeMap<Vec<u8>, Node> {
    let mut tree = BTreeMap::new();
    for entry in fs_err::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let at = entry.path();
        let metadata = fs_err::symlink_metadata(&at).unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        if !metadata.is_symlink() {
            assert_eq!(metadata.mtime(), 1_700_000_000, "{}", at.display());
            // So that anyone can read it back.
            fs_err::set_permissions(&at, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let node = if metadata.is_symlink() {
            Node::Link(
                fs_err::read_link(&at)
                    .unwrap()
                    .as_os_str()
                    .as_bytes()
                    .to_vec(),
            )
        } else if metadata.is_dir() {
            Node::Directory {
                mode,
                inner: read(&at),
            }
        } else {
            Node::File {
                content: fs_err::read(&at).unwrap(),
                mode,
            }
        };
        tree.insert(entry.file_name().as_bytes().to_vec(), node);
    }
    tree
}

fn as_tar(tree: &BTreeMap<Vec<u8>, Node>) -> Vec<u8> {
    let mut entries = Vec::new();
    visit(tree, b"", &mut |path, node| {
        let mut records = vec![("path", path)];
        let entry = match node {
            Node::File { content, mode } => Raw::file("x", content).mode(*mode),
            Node::Link(target) => {
                records.push(("linkpath", target));
                Raw::link(b'2', "x", "x")
            }
            Node::Directory { mode, .. } => Raw::directory("x").mode(*mode),
        };
        entries.extend([Raw::pax(&records), entry]);
    });
    tar(&entries)
}

fn as_zip(tree: &BTreeMap<Vec<u8>, Node>) -> Vec<u8> {
    let mut time = b"UT\x05\x00\x01".to_vec();
    time.extend_from_slice(&1_700_000_000_u32.to_le_bytes());
    let mut entries = Vec::new();
    visit(tree, b"", &mut |path, node| {
        let (name, content, mode) = match node {
            Node::File { content, mode } => (path.to_vec(), content.clone(), 0o100_000 | mode),
            Node::Link(target) => (path.to_vec(), target.clone(), 0o120_777),
            Node::Directory { mode, .. } => ([path, b"/"].concat(), Vec::new(), 0o040_000 | mode),
        };
        entries.push(RawZip {
            attributes: mode << 16,
            central_extra: time.clone(),
            ..RawZip::new(name, content)
        });
    });
    raw_zip(&entries)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_tree_comes_out_of_a_tar_as_it_went_in(tree in tree(false)) {
        let bytes = as_tar(&tree);
        for (bytes, kind) in [(gzip(&bytes), BundleType::Tgz), (bytes, BundleType::Tar)] {
            let place = Place::new();
            place.unpack(&bytes, kind).unwrap();
            prop_assert_eq!(&read(&place.archive()), &tree);
        }
    }

    #[test]
    fn a_tree_comes_out_of_a_zip_as_it_went_in(tree in tree(false)) {
        let place = Place::new();
        place.unpack(&as_zip(&tree), BundleType::Zip).unwrap();
        prop_assert_eq!(read(&place.archive()), tree);
    }

    /// The same with archives that the crates' own writers make.
    #[test]
    fn what_other_writers_pack_comes_out(tree in tree(true)) {
        let mut builder = ::tar::Builder::new(Vec::new());
        let mut zip = Zip::new();
        visit(&tree, b"", &mut |path, node| {
            let mut header = ::tar::Header::new_gnu();
            header.set_mtime(1_700_000_000);
            header.set_uid(u64::from(nix::unistd::geteuid().as_raw()));
            header.set_gid(u64::from(nix::unistd::getegid().as_raw()));
            let name = OsStr::from_bytes(path);
            let text = std::str::from_utf8(path).unwrap();
            match node {
                Node::File { content, mode } => {
                    header.set_mode(*mode);
                    header.set_size(content.len() as u64);
                    builder.append_data(&mut header, name, content.as_slice()).unwrap();
                    zip = std::mem::replace(&mut zip, Zip::new()).file(text, content, *mode);
                }
                Node::Link(target) => {
                    header.set_entry_type(::tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    builder.append_link(&mut header, name, OsStr::from_bytes(target)).unwrap();
                    let target = std::str::from_utf8(target).unwrap();
                    zip = std::mem::replace(&mut zip, Zip::new()).link(text, target);
                }
                Node::Directory { mode, .. } => {
                    header.set_entry_type(::tar::EntryType::Directory);
                    header.set_mode(*mode);
                    header.set_size(0);
                    builder.append_data(&mut header, name, std::io::empty()).unwrap();
                    zip = std::mem::replace(&mut zip, Zip::new()).directory(text, *mode);
                }
            }
        });
        let mut bytes = builder.into_inner().unwrap();
        bytes.flush().unwrap();
        let place = Place::new();
        place.unpack(&bytes, BundleType::Tar).unwrap();
        prop_assert_eq!(&read(&place.archive()), &tree);
        let place = Place::new();
        let unpacked = place.unpack(&zip.finish(), BundleType::Zip).unwrap();
        prop_assert!(unpacked.entries as usize >= tree.len());
    }
}

#[test]
fn a_zip_of_many_files_comes_out_whole_however_many_threads_unpack_it() {
    let content = |at: usize| {
        let length = if at % 400 == 0 { 3_000_000 } else { at % 97 };
        format!("{at}-").repeat(length / 4 + 1)
    };
    // Directories that no entry names, one within the other, which all threads need at once.
    let name = |at: usize| format!("{}/{}/{at}", at % 7, at % 50);
    let mut zip = Zip::new();
    for at in 0..2000 {
        zip = zip.file(&name(at), content(at), 0o640);
    }
    let place = Place::new();
    let unpacked = place.unpack(&zip.finish(), BundleType::Zip).unwrap();
    assert_eq!(unpacked.entries, 2000);
    let total: usize = (0..2000).map(|at| content(at).len()).sum();
    assert_eq!(unpacked.bytes, total as u64);
    for at in 0..2000 {
        assert!(place.read(name(at)) == content(at).as_bytes(), "{at}");
    }
}
