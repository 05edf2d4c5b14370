//! Where things go without a configuration file.

use std::ffi::OsString;
use std::path::PathBuf;

/// Our directory below a state directory.
const NAME: &str = "codedeploy-agent";

/// The directory for deployments and logs of a user without a configuration file: never `/opt`,
/// which belongs to the service.
///
/// Root's is `/var/lib`, because scripts of other users must be able to reach it (`runas`), which
/// they cannot below `/root`. None when there is neither `XDG_STATE_HOME` nor `HOME`.
#[must_use]
pub(super) fn state_directory(
    root: bool,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = match absolute("XDG_STATE_HOME") {
        Some(base) => base,
        None if root => PathBuf::from("/var/lib"),
        None => absolute("HOME")?.join(".local/state"),
    };
    Some(base.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(root: bool, variables: &[(&str, &str)]) -> Option<PathBuf> {
        state_directory(root, |name| {
            variables
                .iter()
                .find(|(set, _)| *set == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_users_state_directory_is_found_as_the_xdg_specification_says() {
        let home = ("HOME", "/home/me");
        assert_eq!(
            directory(false, &[home]).unwrap(),
            PathBuf::from("/home/me/.local/state/codedeploy-agent")
        );
        assert_eq!(
            directory(false, &[home, ("XDG_STATE_HOME", "/state")]).unwrap(),
            PathBuf::from("/state/codedeploy-agent")
        );
        // A relative one is invalid and ignored.
        assert_eq!(
            directory(false, &[home, ("XDG_STATE_HOME", "state")]).unwrap(),
            PathBuf::from("/home/me/.local/state/codedeploy-agent")
        );
        assert_eq!(directory(false, &[]), None);
    }

    #[test]
    fn roots_is_one_that_other_users_can_pass() {
        assert_eq!(
            directory(true, &[("HOME", "/root")]).unwrap(),
            PathBuf::from("/var/lib/codedeploy-agent")
        );
    }
}
