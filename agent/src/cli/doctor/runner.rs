//! The program that runs hook scripts is there and can be run.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat, geteuid};

use super::finding::Finding;

const REMEDY: &str = "install the agent's package again";

/// Looks for it where the daemon does: beside this program.
pub(super) fn check() -> Finding {
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => {
            let detail = format!("the path of this program cannot be found out: {error}");
            return Finding::failed(detail, "mount /proc");
        }
    };
    check_beside(&own)
}

fn check_beside(agent: &Path) -> Finding {
    let runner = agent.with_file_name(hooks_runner::PROGRAM_NAME);
    let shown = runner.display();
    let Ok(found) = fs_err::metadata(&runner) else {
        return Finding::ok(format!(
            "{} does it itself; there is no {shown}",
            agent.display()
        ));
    };
    let executable = faccessat(AT_FDCWD, &runner, AccessFlags::X_OK, AtFlags::AT_EACCESS);
    if !found.is_file() {
        return Finding::failed(format!("{shown} is no file"), REMEDY);
    }
    if let Err(error) = executable {
        return Finding::failed(format!("{shown} cannot be run: {error}"), REMEDY);
    }
    if geteuid().is_root() && (found.uid() != 0 || found.mode() & 0o002 != 0) {
        return Finding::failed(
            format!(
                "{shown} can be changed by others than root (user id {}, mode {:04o}), and root \
                 runs it",
                found.uid(),
                found.mode() & 0o7777
            ),
            REMEDY,
        );
    }
    Finding::ok(format!("{shown} can be run"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn beside_the_agent_or_the_agent_itself() {
        let directory = tempfile::tempdir().unwrap();
        let agent = directory.path().join("agent");
        let alone = check_beside(&agent);
        assert!(
            !alone.is_failure() && alone.detail.contains("itself"),
            "{alone:?}"
        );
        let runner = directory.path().join(hooks_runner::PROGRAM_NAME);
        fs_err::write(&runner, "").unwrap();
        let set = |mode| fs_err::set_permissions(&runner, std::fs::Permissions::from_mode(mode));
        set(0o644).unwrap();
        assert!(check_beside(&agent).is_failure());
        set(0o755).unwrap();
        assert!(!check_beside(&agent).is_failure());
        fs_err::remove_file(&runner).unwrap();
        fs_err::create_dir(&runner).unwrap();
        assert!(check_beside(&agent).is_failure());
    }
}
