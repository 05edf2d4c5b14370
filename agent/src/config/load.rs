//! Reading the file: every key accounted for, every problem in one go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::{Config, ConfigError, ConfigWarning, Problem, Purpose, WarningKind, keys};
use crate::files::small_file::{self, SmallFile};

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The built-in default.
    Default,
    /// The configuration file.
    File {
        /// The line, counted from 1.
        line: u32,
    },
}

/// One effective setting for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name in the file.
    pub key: &'static str,
    /// The value, secrets hidden; none when unset.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A configuration with what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The file; none for the built-in defaults.
    pub path: Option<PathBuf>,
    /// The effective settings.
    pub config: Config,
    /// What the operator should know, in the order of the file. For the log: at load time it is
    /// not open yet.
    pub warnings: Vec<ConfigWarning>,
    /// The lines of the settings that the file has.
    lines: BTreeMap<&'static str, u32>,
}

impl Loaded {
    /// The settings without a file.
    #[must_use]
    pub fn defaults(purpose: Purpose) -> Self {
        Self {
            path: None,
            config: Config::defaults(purpose),
            warnings: Vec::new(),
            lines: BTreeMap::new(),
        }
    }

    /// Where the value of `key` comes from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        match self.lines.get(key) {
            Some(&line) => Origin::File { line },
            None => Origin::Default,
        }
    }

    /// The warnings in words, each with the file that it is about.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let path = self.path.as_ref().map(|path| path.display());
        let file = path.map_or_else(String::new, |path| format!("{path}: "));
        let warnings = self.warnings.iter();
        warnings.map(|warning| format!("{file}{warning}")).collect()
    }

    /// Every setting, in a fixed order.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let texts = self.config.texts().into_iter();
        let entry = |(key, value)| Entry {
            key,
            value,
            origin: self.origin(key),
        };
        texts.map(entry).collect()
    }
}

/// The file that is used when none is named: the one of the packages, else the one under /opt
/// when it exists.
#[must_use]
pub fn default_path() -> PathBuf {
    const PLACES: [&str; 2] = [
        "/etc/codedeploy-agent/conf/codedeployagent.yml",
        "/opt/codedeploy-agent/conf/codedeployagent.yml",
    ];
    first_that_exists(&PLACES.map(Path::new))
}

/// The first when none exists, so that messages name the usual place.
fn first_that_exists(places: &[&Path; 2]) -> PathBuf {
    let [usual, other] = places;
    // A file that cannot be looked at is there: reading it tells what is wrong.
    let absent = |path: &Path| {
        fs_err::metadata(path).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
    };
    if absent(usual) && !absent(other) {
        other.to_path_buf()
    } else {
        usual.to_path_buf()
    }
}

impl Config {
    /// Reads and checks `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is no YAML mapping, or has values that cannot be used.
    pub fn load(path: &Path, purpose: Purpose) -> Result<Loaded, ConfigError> {
        let file = small_file::read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut parsed = Self::parse(path, &file.content, purpose);
        let as_root = nix::unistd::geteuid().is_root();
        let access = access_warnings(path, &file, as_root);
        let loaded = match &mut parsed {
            Ok(loaded) => Some(loaded),
            Err(ConfigError::Invalid { otherwise, .. }) => Some(&mut **otherwise),
            Err(_) => None,
        };
        if let Some(loaded) = loaded {
            loaded.warnings.splice(0..0, access);
        }
        parsed
    }

    /// Checks `text`, the content of the file that errors call `path`. An empty file has the
    /// defaults.
    ///
    /// # Errors
    /// When the text is no YAML mapping, or has values that cannot be used.
    pub fn parse(path: &Path, text: &[u8], purpose: Purpose) -> Result<Loaded, ConfigError> {
        let document = Document::parse(text).map_err(|source| ConfigError::Document {
            path: path.to_owned(),
            source,
        })?;
        let mut loaded = Loaded {
            path: Some(path.to_owned()),
            ..Loaded::defaults(purpose)
        };
        let mut problems = Vec::new();
        for duplicate in &document.duplicates {
            let earlier_line = duplicate.earlier_line;
            let kind = WarningKind::Duplicate { earlier_line };
            let warning = ConfigWarning::of_key(&duplicate.name, duplicate.line, kind);
            loaded.warnings.push(warning);
        }
        for field in &document.fields {
            let mut remarks = Vec::new();
            let known = Self::KEYS.iter().find(|&&key| key == field.name);
            let outcome = loaded.config.set(&field.name, &field.value, &mut remarks);
            match (known, outcome) {
                (Some(&key), Some(Ok(true))) => {
                    loaded.lines.insert(key, field.line);
                }
                (Some(&key), Some(Err((value, allowed)))) => problems.push(Problem {
                    key,
                    line: field.line,
                    value,
                    allowed,
                }),
                (Some(_), Some(Ok(false))) => {}
                _ => remarks.push(not_a_setting(&field.name)),
            }
            let warn = |kind| ConfigWarning::of_key(&field.name, field.line, kind);
            loaded.warnings.extend(remarks.into_iter().map(warn));
        }
        if let Some(line) = document.ignored_from_line {
            loaded.warnings.push(ConfigWarning {
                key: None,
                line: Some(line),
                kind: WarningKind::MoreDocuments,
            });
        }
        loaded.warnings.sort_by_key(|warning| warning.line);
        problems.sort_by_key(|problem| problem.line);
        if problems.is_empty() {
            Ok(loaded)
        } else {
            Err(ConfigError::Invalid {
                path: path.to_owned(),
                problems,
                otherwise: Box::new(loaded),
            })
        }
    }
}

fn not_a_setting(name: &str) -> WarningKind {
    match keys::retired(name) {
        Some(reason) => WarningKind::Retired { reason },
        None => WarningKind::Unknown {
            suggestion: keys::nearest(name, Config::KEYS),
        },
    }
}

/// Whoever can change the file decides what the agent runs as root.
fn access_warnings(path: &Path, file: &SmallFile, as_root: bool) -> Vec<ConfigWarning> {
    let mut kinds = Vec::new();
    if file.mode & 0o002 != 0 {
        kinds.push(WarningKind::WorldWritable {
            path: path.to_owned(),
            mode: file.mode,
        });
    }
    if as_root && file.owner != 0 {
        kinds.push(WarningKind::ForeignOwner {
            path: path.to_owned(),
            owner: file.owner,
        });
    }
    kinds.into_iter().map(ConfigWarning::of_file).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use fs_err as fs;
    use rstest::rstest;

    use super::*;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("codedeployagent.yml");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_is_loaded() {
        let (_directory, path) = file("verbose: true\n", 0o644);
        let loaded = Config::load(&path, Purpose::Service).unwrap();
        assert!(loaded.config.verbose);
        assert_eq!(loaded.warnings, []);
    }

    #[test]
    fn an_empty_file_has_the_defaults() {
        let (_directory, path) = file("", 0o644);
        let loaded = Config::load(&path, Purpose::Service).unwrap();
        assert_eq!(loaded.config, Config::defaults(Purpose::Service));
        assert_eq!(loaded.warnings, []);
    }

    #[test]
    fn a_file_that_may_not_be_read_is_not_to_be_created() {
        let path = PathBuf::from("/f");
        let source = std::io::ErrorKind::PermissionDenied.into();
        let text = ConfigError::Read { path, source }.to_string();
        assert!(
            text.contains("let this user read") && !text.contains("create"),
            "{text}"
        );
    }

    #[test]
    fn an_absent_file_is_an_error_that_names_it() {
        let path = Path::new("/nonexistent/codedeployagent.yml");
        let error = Config::load(path, Purpose::Service).unwrap_err();
        let text = crate::error::chain(&error);
        assert!(
            text.starts_with(
                "cannot read the configuration; create the file, or name another with --config: "
            ),
            "{text}"
        );
        assert_eq!(text.matches("/nonexistent/codedeployagent.yml").count(), 1);
    }

    #[test]
    fn a_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let error = Config::load(directory.path(), Purpose::Service).unwrap_err();
        assert!(crate::error::chain(&error).ends_with("is not a regular file"));
    }

    #[test]
    fn a_file_that_anyone_can_change_is_warned_about_first() {
        let (_directory, path) = file("log_dri: x\n", 0o666);
        let loaded = Config::load(&path, Purpose::Service).unwrap();
        assert_eq!(
            loaded.warnings[0].to_string(),
            format!(
                "{} (mode 0666) can be changed by any user; run chmod o-w on it",
                path.display()
            )
        );
        assert_eq!(loaded.warnings.len(), 2);
    }

    #[rstest]
    #[case::ours(0, true, None)]
    #[case::another_users(
        1000,
        true,
        Some(
            "/c.yml belongs to user id 1000, who can change what the agent does as root; run chown root on it"
        )
    )]
    #[case::unprivileged(1000, false, None)]
    fn the_owner_of_the_file(
        #[case] owner: u32,
        #[case] as_root: bool,
        #[case] expected: Option<&str>,
    ) {
        let file = SmallFile {
            content: Vec::new(),
            mode: 0o644,
            owner,
            modified: std::time::SystemTime::UNIX_EPOCH,
        };
        let warnings = access_warnings(Path::new("/c.yml"), &file, as_root);
        let texts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(texts.first().map(String::as_str), expected);
    }

    #[rstest]
    #[case::both(&["usual", "other"], "usual")]
    #[case::only_the_usual(&["usual"], "usual")]
    #[case::only_the_other(&["other"], "other")]
    #[case::none(&[], "usual")]
    fn the_default_place(#[case] present: &[&str], #[case] expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let [usual, other] = ["usual", "other"].map(|name| directory.path().join(name));
        for name in present {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let chosen = first_that_exists(&[&usual, &other]);
        assert_eq!(chosen, directory.path().join(expected));
    }

    #[test]
    fn the_default_place_is_one_of_two() {
        let path = default_path();
        let places = ["/etc", "/opt"]
            .map(|top| Path::new(top).join("codedeploy-agent/conf/codedeployagent.yml"));
        assert!(places.contains(&path));
    }
}
