//! Paths resolved by text alone, as the AppSpec's rules ask for: no link is ever followed here.

use std::path::{Component, Path, PathBuf};

/// `path` as an absolute path, a relative one taken from `/`; `.`, `..` and doubled slashes are
/// resolved by text, and `..` at the root stays at the root.
pub(crate) fn resolve(path: impl AsRef<Path>) -> PathBuf {
    let mut resolved = PathBuf::from("/");
    for component in path.as_ref().components() {
        match component {
            Component::Normal(name) => resolved.push(name),
            Component::ParentDir => {
                resolved.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    resolved
}

/// `path` relative to a directory that it must not leave, a leading `/` meaning that directory;
/// `None` when a `..` would leave it, even if the path comes back.
pub(crate) fn resolve_within(path: impl AsRef<Path>) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in path.as_ref().components() {
        match component {
            Component::Normal(name) => resolved.push(name),
            Component::ParentDir => {
                if !resolved.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::absolute("/srv/app", "/srv/app")]
    #[case::relative_is_taken_from_the_root("srv/app", "/srv/app")]
    #[case::dots_and_slashes("//srv/./x/..//app/", "/srv/app")]
    #[case::root_has_no_parent("/../../srv", "/srv")]
    #[case::empty("", "/")]
    fn resolves_by_text(#[case] path: &str, #[case] expected: &str) {
        assert_eq!(resolve(path).as_os_str(), expected);
    }

    #[rstest]
    #[case::plain("scripts/start.sh", Some("scripts/start.sh"))]
    #[case::leading_slash_is_joined("/scripts/start.sh", Some("scripts/start.sh"))]
    #[case::inner_parent("a/../b", Some("b"))]
    #[case::the_directory_itself("/", Some(""))]
    #[case::leaves("../b", None)]
    #[case::leaves_and_comes_back("../archive/b", None)]
    #[case::leaves_later("a/../../b", None)]
    #[case::leaves_from_the_root("/../b", None)]
    #[case::two_dots_in_a_name("..a/b..", Some("..a/b.."))]
    fn stays_within(#[case] path: &str, #[case] expected: Option<&str>) {
        assert_eq!(resolve_within(path), expected.map(PathBuf::from));
    }

    proptest! {
        #[test]
        fn results_have_only_names(path in "([a.]{0,3}/?){0,6}") {
            let only_names = |path: &Path| path.components().all(|c| matches!(c, Component::Normal(_)));
            let absolute = resolve(&path);
            prop_assert!(absolute.is_absolute());
            prop_assert!(absolute.strip_prefix("/").is_ok_and(only_names));
            if let Some(inner) = resolve_within(&path) {
                prop_assert!(only_names(&inner));
            }
        }
    }
}
