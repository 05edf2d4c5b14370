//! Whether a name matches a `permissions` pattern (contract: appspec, "Matching").

use crate::appspec::Pattern;

/// Whether something `depth` levels below a rule's object (1: directly in it) called `name`
/// matches `pattern`.
pub(crate) fn matches(pattern: &Pattern, name: &[u8], depth: u32) -> bool {
    match pattern {
        Pattern::Everything => true,
        Pattern::Name(glob) => depth == 1 && matches_name(glob.as_bytes(), name),
    }
}

/// `*` stands for any run of bytes and everything else for itself. Looks back only to the last
/// star, so that no pattern takes more than pattern times name steps.
fn matches_name(glob: &[u8], name: &[u8]) -> bool {
    let (mut at_glob, mut at_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(at_name) {
        match glob.get(at_glob) {
            Some(b'*') => {
                star = Some((at_glob, at_name));
                at_glob += 1;
            }
            Some(expected) if expected == byte => {
                at_glob += 1;
                at_name += 1;
            }
            _ => {
                let Some((star_glob, star_name)) = star else {
                    return false;
                };
                star = Some((star_glob, star_name + 1));
                at_glob = star_glob + 1;
                at_name = star_name + 1;
            }
        }
    }
    glob.get(at_glob..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("*.sh", "a.sh", true)]
    #[case("*.sh", "a.shx", false)]
    #[case("a*b*c", "a-b-b-c", true)]
    #[case("[a]?", "[a]?", true)]
    #[case("?", "x", false)]
    #[case("***", "", true)]
    #[case("", "x", false)]
    fn the_star_is_the_only_wildcard(#[case] glob: &str, #[case] name: &str, #[case] yes: bool) {
        assert_eq!(matches_name(glob.as_bytes(), name.as_bytes()), yes);
    }

    #[test]
    fn a_name_pattern_matches_only_names_directly_in_the_object() {
        assert!(matches(&Pattern::Name("*".into()), b"x", 1));
        assert!(!matches(&Pattern::Name("*".into()), b"x", 2));
        assert!(matches(&Pattern::Everything, b"x", 9));
    }

    fn naive(glob: &[u8], name: &[u8]) -> bool {
        match (glob.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                naive(rest, name) || name.split_first().is_some_and(|(_, n)| naive(glob, n))
            }
            (Some((g, rest)), Some((n, name))) => g == n && naive(rest, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_naive_model(glob in "[ab*]{0,8}", name in "[ab]{0,8}") {
            prop_assert_eq!(
                matches_name(glob.as_bytes(), name.as_bytes()),
                naive(glob.as_bytes(), name.as_bytes())
            );
        }
    }
}
