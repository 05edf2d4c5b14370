//! Any two revisions, one after the other, among foreign files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::generated::{Tree, revision, write};
use super::host::*;
use crate::deployment::FileExistsBehavior::Overwrite;
use crate::install::InstallError;

/// The model: path to content (none: a directory).
type Flat = BTreeMap<PathBuf, Option<Vec<u8>>>;

fn flat(base: &Path) -> Flat {
    snapshot(base)
        .into_iter()
        .map(|(path, seen)| (path, seen.content))
        .collect()
}

/// What must be there after a revision: its objects, and foreign ones where it has nothing.
fn expected(revision: &Flat, foreign: &Flat) -> Flat {
    let mut expected = foreign.clone();
    for (path, content) in revision {
        expected.insert(path.clone(), content.clone());
    }
    expected
}

/// Whether the revision can be installed among the foreign objects: no type clashes.
fn fits(revision: &Flat, foreign: &Flat) -> bool {
    revision.iter().all(|(path, content)| {
        foreign
            .get(path)
            .is_none_or(|there| there.is_none() == content.is_none())
    }) && revision.keys().chain(foreign.keys()).all(|path| {
        path.ancestors().skip(1).all(|above| {
            !matches!(revision.get(above), Some(Some(_)))
                && !matches!(foreign.get(above), Some(Some(_)))
                || above.as_os_str().is_empty()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn after_the_second_install_exactly_the_second_revision_and_the_foreign_files_are_there(
        first in revision(), second in revision(), foreign in revision(), nested in any::<bool>(),
    ) {
        let host = Host::new();
        let (one, two) = (host.archive("one", &[]), host.archive("two", &[]));
        write(&one.join("x"), &first);
        write(&two.join("x"), &second);
        write(&two.join("y"), &BTreeMap::from([(b"n".to_vec(), Tree::File(1))]));
        let first_entries: &[(&str, &str)] = &[("x", "app")];
        // A destination below the other, or the same path under two entries.
        let inner = if nested { "app/in" } else { "app" };
        let second_entries: &[(&str, &str)] = &[("x", "app"), ("y", inner)];

        let (mut first, mut second) = (flat(&one.join("x")), flat(&two.join("x")));
        if nested {
            second.insert("in".into(), None);
            second.insert("in/n".into(), Some(vec![1]));
        } else {
            second.insert("n".into(), Some(vec![1]));
        }
        let base = host.srv();
        let app = |flat: Flat| -> Flat {
            std::iter::once(("app".into(), None))
                .chain(flat.into_iter().map(|(path, content)| (Path::new("app").join(path), content)))
                .collect()
        };
        (first, second) = (app(first), app(second));

        host.install(&one, &host.appspec(first_entries), &Overwrite).unwrap();
        prop_assert_eq!(flat(&base), first.clone());

        // Foreign files appear between the deployments, where nothing is.
        let place = host.path("foreign");
        write(&place, &foreign);
        for (path, content) in flat(&place) {
            let at = host.at("app").join(&path);
            let above = fs_err::symlink_metadata(at.parent().unwrap());
            if above.is_ok_and(|above| above.is_dir()) && fs_err::symlink_metadata(&at).is_err() {
                match content {
                    None => fs_err::create_dir(&at).unwrap(),
                    Some(content) => fs_err::write(&at, content).unwrap(),
                }
            }
        }
        let there = flat(&base);
        let mut stays: Flat = there.iter().filter(|(path, _)| !first.contains_key(*path))
            .map(|(path, content)| (path.clone(), content.clone())).collect();
        // Directories of the first revision that foreign objects keep alive.
        for path in stays.keys().cloned().collect::<Vec<_>>() {
            for above in path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
                stays.insert(above.to_owned(), None);
            }
        }

        let result = host.install(&two, &host.appspec(second_entries), &Overwrite);
        if fits(&second, &stays) {
            prop_assert!(result.is_ok(), "{:?}", result);
            prop_assert_eq!(flat(&base), expected(&second, &stays));
            // And a third one without anything leaves the foreign ones only.
            let replaced: Vec<_> = second.iter().filter(|(_, c)| c.is_some()).map(|(p, _)| p).collect();
            let empty = host.archive("empty", &[]);
            host.install(&empty, &host.appspec(&[]), &Overwrite).unwrap();
            let mut rest = stays.clone();
            rest.retain(|path, _| !replaced.contains(&path));
            // Directories that only replaced files kept alive were kept, not recorded: they stay.
            prop_assert_eq!(flat(&base), rest);
        } else {
            prop_assert!(matches!(result, Err(InstallError::Plan(_))), "{:?}", result);
            prop_assert_eq!(flat(&base), there);
        }
        host.assert_tidy();
    }
}
