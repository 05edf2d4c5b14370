//! `.version`: `agent_version: <version>`, where AWS documents it (contract: host, "Logs").
//!
//! People and inventories read `/opt/codedeploy-agent/.version` to learn which agent a host has.
//! The package ships the file; but a program that was copied there by hand, over AWS's agent
//! perhaps, would leave the version of another one in it. So the daemon sees to it at its start,
//! and writes only what is not there yet.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::files::write_atomically;

/// The name of the directory of an installation: only there is a version file looked for.
const DIRECTORY: &str = "codedeploy-agent";

/// The version file could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} does not tell this agent's version and cannot be written; correct it, or its permissions",
    path.display()
)]
pub struct VersionFileError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Sees to it that the installation of `program` (`<...>/codedeploy-agent/bin/<program>`) has a
/// version file with this version. A program elsewhere has no installation, and nothing happens.
///
/// # Errors
/// When the file tells something else and cannot be written.
pub fn keep_version_file(program: &Path) -> Result<(), VersionFileError> {
    let Some(path) = version_file(program) else {
        return Ok(());
    };
    let content = concat!("agent_version: ", env!("CARGO_PKG_VERSION"), "\n");
    if fs::read(&path).is_ok_and(|found| found == content.as_bytes()) {
        return Ok(());
    }
    write_atomically(&path, content.as_bytes(), 0o644)
        .map_err(|source| VersionFileError { path, source })
}

fn version_file(program: &Path) -> Option<PathBuf> {
    let programs = program.parent().filter(|path| path.ends_with("bin"))?;
    let root = programs.parent().filter(|path| path.ends_with(DIRECTORY))?;
    Some(root.join(".version"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "/opt/codedeploy-agent/bin/agent",
        Some("/opt/codedeploy-agent/.version")
    )]
    #[case("/usr/local/bin/agent", None)]
    #[case("/home/me/codedeploy-agent/target/debug/agent", None)]
    #[case("/opt/codedeploy-agent/agent", None)]
    fn only_an_installation_has_one(#[case] program: &str, #[case] expected: Option<&str>) {
        let found = version_file(Path::new(program));
        assert_eq!(found.as_deref(), expected.map(Path::new));
    }

    #[test]
    fn another_agents_version_is_replaced_and_the_right_one_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("codedeploy-agent");
        fs::create_dir_all(root.join("bin")).unwrap();
        let program = root.join("bin/agent");
        let file = root.join(".version");
        fs::write(&file, "agent_version: OFFICIAL_1.8.1-12_rpm\n").unwrap();
        keep_version_file(&program).unwrap();
        let expected = format!("agent_version: {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(fs::read_to_string(&file).unwrap(), expected);
        let before = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&file).unwrap());
        keep_version_file(&program).unwrap();
        let after = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&file).unwrap());
        assert_eq!(before, after);
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("codedeploy-agent");
        fs::create_dir_all(root.join(".version")).unwrap();
        let error = keep_version_file(&root.join("bin/agent")).unwrap_err();
        assert!(error.to_string().contains(".version"), "{error}");
    }
}
