//! Session credentials in a shared credentials file, which something else renews.
//!
//! The file is read at each request for credentials, and what was read expires after half an
//! hour, so that a cache in front asks again. Nothing is kept here: a file that is being
//! rewritten gives an error now and the new credentials at the next try.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use crate::files::small_file;

/// How long credentials are used before the file is read again (contract: host, identity).
const LIFETIME: Duration = Duration::from_secs(1800);

/// How young a file without a final newline must be to count as half written.
const WRITING: Duration = Duration::from_secs(2);

/// A provider for the `default` profile of a shared credentials file.
#[derive(Debug, Clone)]
pub struct CredentialsFile {
    path: PathBuf,
}

/// Why there are no credentials. No variant holds anything of the file's content.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsFileError {
    /// The file is absent or unreadable. The source names it.
    #[error("cannot read the credentials file")]
    Read(#[source] io::Error),
    /// The file has just been touched and ends within a line: what it ends with may be the
    /// beginning of a token, and a cache would keep that for half an hour.
    #[error("the credentials file {} is being rewritten; it is read again at the next try", path.display())]
    HalfWritten {
        /// The file.
        path: PathBuf,
    },
    /// The file is not UTF-8.
    #[error("the credentials file {} is not text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// There is no section `[default]`.
    #[error("the credentials file {} has no profile [default]; add it", path.display())]
    NoProfile {
        /// The file.
        path: PathBuf,
    },
    /// The profile lacks a key: it is wrong, or is being rewritten right now.
    #[error(
        "the profile [default] of the credentials file {} has no {key}; if the file is not just \
         being rewritten, add it",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The absent key.
        key: &'static str,
    },
    /// A value has characters that no credential has.
    #[error(
        "{key} in the profile [default] of the credentials file {} is not one word of ASCII \
         characters",
        path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
}

impl CredentialsFile {
    /// The provider for `path`. Nothing is read yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads the file. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read or has no complete credentials.
    pub fn load(&self, now: SystemTime) -> Result<Credentials, CredentialsFileError> {
        let file = small_file::read(&self.path).map_err(CredentialsFileError::Read)?;
        let age = now.duration_since(file.modified);
        if !file.content.ends_with(b"\n") && age.is_ok_and(|age| age < WRITING) {
            return Err(CredentialsFileError::HalfWritten {
                path: self.path.clone(),
            });
        }
        parse(&self.path, &file.content, now)
    }
}

impl ProvideCredentials for CredentialsFile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let file = self.clone();
        future::ProvideCredentials::new(async move {
            // A file on a dead network mount must not stop everything else.
            tokio::task::spawn_blocking(move || file.load(SystemTime::now()))
                .await
                .map_err(CredentialsError::unhandled)?
                // Not "not loaded": that would make a chain go on to another identity.
                .map_err(CredentialsError::provider_error)
        })
    }
}

fn parse(path: &Path, text: &[u8], now: SystemTime) -> Result<Credentials, CredentialsFileError> {
    let text = std::str::from_utf8(text).map_err(|_| CredentialsFileError::NotText {
        path: path.to_owned(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let profile = Profile::read(text).ok_or_else(|| CredentialsFileError::NoProfile {
        path: path.to_owned(),
    })?;
    let valid = |key, value: Option<&str>| match value {
        Some(value) if !value.bytes().all(|b| b.is_ascii_graphic()) => {
            let path = path.to_owned();
            Err(CredentialsFileError::Invalid { path, key })
        }
        value => Ok(value.map(str::to_owned)),
    };
    let missing = |key| CredentialsFileError::Missing {
        path: path.to_owned(),
        key,
    };
    let id = valid(ID, profile.access_key_id)?.ok_or_else(|| missing(ID))?;
    let secret = valid(SECRET, profile.secret_access_key)?.ok_or_else(|| missing(SECRET))?;
    let token = valid(TOKEN, profile.session_token)?;
    // Keys of this kind never work without a token: the writer has not come to it yet.
    if id.starts_with("ASIA") && token.is_none() {
        return Err(missing(TOKEN));
    }
    let expiry = Some(now + LIFETIME);
    Ok(Credentials::new(
        id,
        secret,
        token,
        expiry,
        "OnPremisesSession",
    ))
}

const ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
const TOKEN: &str = "aws_session_token";

/// The `default` profile. Deliberately without `Debug`.
#[derive(Default)]
struct Profile<'a> {
    access_key_id: Option<&'a str>,
    secret_access_key: Option<&'a str>,
    session_token: Option<&'a str>,
}

impl<'a> Profile<'a> {
    /// Reads the sections `[default]`, which count as one; of a repeated key the last counts.
    /// Other sections, other keys and lines without `=` are ignored.
    fn read(text: &'a str) -> Option<Self> {
        let mut profile = None;
        let mut inside = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = section(line) {
                inside = name == "default";
                if inside {
                    profile.get_or_insert_with(Self::default);
                }
            } else if let (true, Some(profile)) = (inside, profile.as_mut())
                && let Some((key, value)) = line.split_once('=')
            {
                profile.set(key.trim_end(), without_comment(value));
            }
        }
        profile
    }

    fn set(&mut self, key: &str, value: &'a str) {
        let slot = if key.eq_ignore_ascii_case(ID) {
            &mut self.access_key_id
        } else if key.eq_ignore_ascii_case(SECRET) {
            &mut self.secret_access_key
        } else if key.eq_ignore_ascii_case(TOKEN) {
            &mut self.session_token
        } else {
            return;
        };
        *slot = (!value.is_empty()).then_some(value);
    }
}

/// The name in `[name]`, which a comment may follow.
fn section(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.split_once(']')?;
    Some(name.trim())
}

/// The value up to a `#` or `;` that follows a blank, as the AWS tools read it.
fn without_comment(value: &str) -> &str {
    let mut previous_is_blank = true;
    let end = value.find(|c: char| {
        let comment = previous_is_blank && matches!(c, '#' | ';');
        previous_is_blank = c.is_whitespace();
        comment
    });
    value.split_at(end.unwrap_or(value.len())).0.trim()
}

#[cfg(test)]
mod tests {
    use fs_err as fs;
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    fn parsed(text: &str) -> Result<Credentials, CredentialsFileError> {
        parse(Path::new("/c"), text.as_bytes(), now())
    }

    #[rstest]
    #[case::plain(
        "[default]\naws_access_key_id=ID\naws_secret_access_key=SE/C+=\naws_session_token=TO\n"
    )]
    #[case::no_last_newline(
        "[default]\naws_access_key_id=ID\naws_secret_access_key=SE/C+=\naws_session_token=TO"
    )]
    #[case::blanks(
        "\n [ default ] # the one\n  AWS_Access_Key_Id  =  ID  \naws_secret_access_key =\tSE/C+=\t\naws_session_token = TO\n"
    )]
    #[case::comments(
        "# [default]\n[default]\n; x\naws_access_key_id = ID # y\naws_secret_access_key = SE/C+= ; z\n#aws_secret_access_key = no\naws_session_token = TO\n"
    )]
    #[case::dos_lines(
        "\u{feff}[default]\r\naws_access_key_id=ID\r\naws_secret_access_key=SE/C+=\r\naws_session_token=TO\r\n"
    )]
    #[case::other_profiles(
        "aws_access_key_id=x\n[other]\naws_access_key_id=no\n[default]\nregion=x\nnonsense\naws_access_key_id=ID\naws_secret_access_key=SE/C+=\n[more]\naws_secret_access_key=no\n[default]\naws_session_token=TO\n"
    )]
    #[case::repeated(
        "[default]\naws_access_key_id=old\naws_access_key_id=ID\naws_secret_access_key=SE/C+=\naws_session_token=TO\n"
    )]
    fn the_default_profile_is_read(#[case] text: &str) {
        let credentials = parsed(text).unwrap();
        assert_eq!(credentials.access_key_id(), "ID");
        assert_eq!(credentials.secret_access_key(), "SE/C+=");
        assert_eq!(credentials.session_token(), Some("TO"));
        assert_eq!(
            credentials.expiry(),
            Some(now() + Duration::from_secs(1800))
        );
    }

    #[rstest]
    #[case::empty("", "the credentials file /c has no profile [default]; add it")]
    #[case::other_profile(
        "[prod]\naws_access_key_id=ID\n",
        "the credentials file /c has no profile [default]; add it"
    )]
    #[case::header_only(
        "[default]\n",
        "the profile [default] of the credentials file /c has no aws_access_key_id; if the file is not just being rewritten, add it"
    )]
    #[case::half_written(
        "[default]\naws_access_key_id=ID\naws_secret_acc",
        "the profile [default] of the credentials file /c has no aws_secret_access_key; if the file is not just being rewritten, add it"
    )]
    #[case::empty_secret(
        "[default]\naws_access_key_id=ID\naws_secret_access_key=",
        "the profile [default] of the credentials file /c has no aws_secret_access_key; if the file is not just being rewritten, add it"
    )]
    #[case::token_not_written_yet(
        "[default]\naws_access_key_id=ASIAX\naws_secret_access_key=SECRET\n",
        "the profile [default] of the credentials file /c has no aws_session_token; if the file is not just being rewritten, add it"
    )]
    #[case::two_words(
        "[default]\naws_access_key_id=ID\naws_secret_access_key=SECRET SECRET\n",
        "aws_secret_access_key in the profile [default] of the credentials file /c is not one word of ASCII characters"
    )]
    fn incomplete_files_are_errors_without_secrets(#[case] text: &str, #[case] expected: &str) {
        let error = parsed(text).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?}").contains("SECRET"));
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        let error = parse(Path::new("/c"), b"[default]\n\xff", now()).unwrap_err();
        assert_eq!(error.to_string(), "the credentials file /c is not text");
    }

    #[test]
    fn a_long_lived_key_needs_no_token() {
        let credentials =
            parsed("[default]\naws_access_key_id=AKIAX\naws_secret_access_key=s\n").unwrap();
        assert_eq!(credentials.session_token(), None);
    }

    #[rstest]
    #[case::just_written("", 1, false)]
    #[case::older("", 2, true)]
    #[case::just_written_whole("\n", 1, true)]
    fn a_file_that_ends_within_a_line_must_not_be_young(
        #[case] end: &str,
        #[case] seconds: u64,
        #[case] complete: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        let text = format!("[default]\naws_access_key_id=I\naws_secret_access_key=S{end}");
        fs::write(&path, text).unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let result =
            CredentialsFile::new(path.clone()).load(modified + Duration::from_secs(seconds));
        assert_eq!(result.is_ok(), complete);
        if let Err(error) = result {
            let expected = format!(
                "the credentials file {} is being rewritten; it is read again at the next try",
                path.display()
            );
            assert_eq!(error.to_string(), expected);
        }
    }

    /// The life of a file that something else rewrites.
    #[tokio::test]
    async fn each_request_sees_the_file_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        let provider = CredentialsFile::new(path.clone());
        let failure = || async {
            let error = provider.provide_credentials().await.unwrap_err();
            assert!(
                matches!(error, CredentialsError::ProviderError(_)),
                "{error:?}"
            );
            crate::error::chain(&error)
        };

        assert!(failure().await.contains(&path.display().to_string()));

        let written = |id: &str| {
            format!(
                "[default]\naws_access_key_id={id}\naws_secret_access_key=SECRET\naws_session_token=t\n"
            )
        };
        fs::write(&path, written("ASIA1")).unwrap();
        let before = SystemTime::now();
        let credentials = provider.provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), "ASIA1");
        let expiry = credentials.expiry().unwrap();
        assert!(expiry >= before + LIFETIME && expiry <= SystemTime::now() + LIFETIME);

        fs::write(&path, "[default]\naws_access_key_id=ASIA2\n").unwrap();
        let error = failure().await;
        assert!(error.contains("has no aws_secret_access_key"), "{error}");

        fs::write(&path, written("ASIA2")).unwrap();
        let credentials = provider.provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), "ASIA2");
        assert!(!format!("{provider:?} {credentials:?}").contains("SECRET"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]a-d=#; \n\u{e9}]{0,40}") {
            let _ = parsed(&text);
            let _ = parsed(&format!("[default]\naws_secret_access_key{text}"));
        }
    }
}
