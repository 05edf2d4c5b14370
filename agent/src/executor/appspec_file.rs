//! Finding and reading the AppSpec of an unpacked revision (contract: deployment, "AppSpec file":
//! one rule for every event).

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;

use crate::appspec::{self, Parsed, Problems, Script};

/// Tried in this order after the deployment's own AppSpec name.
const DEFAULT_NAMES: [&str; 2] = ["appspec.yaml", "appspec.yml"];

/// There is no usable AppSpec.
#[derive(Debug, thiserror::Error)]
pub enum AppSpecFileError {
    /// None of the names is there.
    #[error("{}", not_found(archive, tried, similar))]
    NotFound {
        /// Where it was looked for.
        archive: PathBuf,
        /// Under which names.
        tried: Vec<String>,
        /// What is there instead and looks like a misnamed AppSpec.
        similar: Vec<String>,
    },
    /// The deployment names a file outside the archive.
    #[error(
        "the AppSpec name {name:?} leads out of the revision; name a file relative to its top \
         directory"
    )]
    Outside {
        /// The name.
        name: String,
    },
    /// It could not be read.
    #[error("cannot read the AppSpec")]
    Read(#[source] io::Error),
    /// It breaks the rules.
    #[error("{}", invalid(name, problems, content))]
    Invalid {
        /// The file's name.
        name: String,
        /// Every problem in it.
        problems: Problems,
        /// The file's content, for excerpts.
        content: Vec<u8>,
    },
}

fn not_found(archive: &Path, tried: &[String], similar: &[String]) -> String {
    let mut text = format!(
        "no AppSpec in {}: looked for {}",
        archive.display(),
        tried.join(", ")
    );
    if let Some(similar) = similar.first() {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "; there is a file {similar:?}: rename it to appspec.yml, or name it with the \
             deployment's AppSpec file name"
        );
    } else {
        text.push_str("; put an appspec.yml into the revision's top directory");
    }
    text
}

fn invalid(name: &str, problems: &Problems, content: &[u8]) -> String {
    format!(
        "the AppSpec is not valid\n{}",
        problems.render(name, content, false).trim_end()
    )
}

/// Finds, reads and parses the AppSpec in `archive`.
///
/// # Errors
/// When there is none, or it cannot be read or used.
pub fn read_appspec(archive: &Path, name: &str) -> Result<Parsed, AppSpecFileError> {
    parse_with(archive, name, appspec::parse)
}

/// The scripts of one event in the AppSpec of an earlier deployment, which was installed with it:
/// what is wrong elsewhere in it is no reason not to run them. AWS's agents accept more.
///
/// # Errors
/// As [`read_appspec`], but for problems that do not concern these scripts.
pub(super) fn read_scripts(
    archive: &Path,
    name: &str,
    event: &str,
) -> Result<Vec<Script>, AppSpecFileError> {
    parse_with(archive, name, |content| {
        appspec::parse_scripts(content, event)
    })
}

fn parse_with<T>(
    archive: &Path,
    name: &str,
    parse: impl FnOnce(&[u8]) -> Result<T, Problems>,
) -> Result<T, AppSpecFileError> {
    let (name, path) = find(archive, name)?;
    let content = read(&path).map_err(AppSpecFileError::Read)?;
    parse(&content).map_err(|problems| AppSpecFileError::Invalid {
        name,
        problems,
        content,
    })
}

/// As much of a file as the parser needs to tell that it is too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let most = appspec::MAX_BYTES as u64 + 1;
    let mut content = Vec::new();
    fs::File::open(path)?.take(most).read_to_end(&mut content)?;
    Ok(content)
}

fn find(archive: &Path, name: &str) -> Result<(String, PathBuf), AppSpecFileError> {
    let confined = Path::new(name)
        .components()
        .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
    if !confined || name.is_empty() {
        return Err(AppSpecFileError::Outside {
            name: name.to_owned(),
        });
    }
    let mut tried = vec![name.to_owned()];
    tried.extend(
        DEFAULT_NAMES
            .iter()
            .filter(|default| **default != name)
            .map(ToString::to_string),
    );
    for candidate in &tried {
        let path = archive.join(candidate);
        if path.is_file() {
            return Ok((candidate.clone(), path));
        }
    }
    let similar = look_alikes(archive);
    Err(AppSpecFileError::NotFound {
        archive: archive.to_owned(),
        tried,
        similar,
    })
}

/// Names that someone may have meant for an AppSpec: `AppSpec.yml`, `appspec.yml.txt`.
fn look_alikes(archive: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(archive) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.to_ascii_lowercase().contains("appspec"))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "version: 0.0\nos: linux\n";

    fn archive(names: &[&str]) -> tempfile::TempDir {
        let archive = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(archive.path().join(name), VALID).unwrap();
        }
        archive
    }

    fn found(names: &[&str], asked: &str) -> String {
        find(archive(names).path(), asked).unwrap().0
    }

    #[test]
    fn the_deployments_name_comes_first_then_yaml_then_yml() {
        let all = ["mine.yml", "appspec.yaml", "appspec.yml"];
        assert_eq!(found(&all, "mine.yml"), "mine.yml");
        assert_eq!(found(&all[1..], "mine.yml"), "appspec.yaml");
        assert_eq!(found(&all[2..], "mine.yml"), "appspec.yml");
        assert_eq!(found(&all, "appspec.yml"), "appspec.yml");
    }

    #[test]
    fn a_misnamed_appspec_is_pointed_out() {
        let archive = archive(&["AppSpec.yml"]);
        let error = read_appspec(archive.path(), "appspec.yml")
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"AppSpec.yml\""), "{error}");
        assert!(error.contains("appspec.yaml"), "{error}");
    }

    #[test]
    fn a_name_that_leads_out_is_refused() {
        let archive = archive(&["appspec.yml"]);
        for name in ["../appspec.yml", "/etc/passwd", "a/../../b", ""] {
            let error = read_appspec(archive.path(), name).unwrap_err();
            assert!(matches!(error, AppSpecFileError::Outside { .. }), "{name}");
        }
    }

    #[test]
    fn no_more_of_an_appspec_is_read_than_tells_that_it_is_too_large() {
        let archive = tempfile::tempdir().unwrap();
        let path = archive.path().join("appspec.yml");
        let file = fs::File::create(&path).unwrap();
        // Far more than there is room for, and nothing of it on the disk.
        file.set_len(1 << 42).unwrap();
        let error = read_appspec(archive.path(), "appspec.yml").unwrap_err();
        let AppSpecFileError::Invalid {
            problems, content, ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(problems[0].code, "file-too-large");
        assert_eq!(content.len(), appspec::MAX_BYTES + 1);
    }

    #[test]
    fn an_invalid_appspec_is_shown_with_its_line() {
        let archive = tempfile::tempdir().unwrap();
        fs::write(
            archive.path().join("appspec.yml"),
            "version: 0.0\nos: ubuntu\n",
        )
        .unwrap();
        let error = read_appspec(archive.path(), "appspec.yml")
            .unwrap_err()
            .to_string();
        assert!(error.contains("os: ubuntu"), "{error}");
    }
}
