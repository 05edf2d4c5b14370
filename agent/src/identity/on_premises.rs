//! The on-premises file: says that the host is no EC2 instance, and who it is instead.
//!
//! Only a file that is absent, unreadable or without an ARN leaves the question to EC2; one that
//! has an ARN and is wrong otherwise is an error, because a host that waits for instance
//! metadata that never comes is harder to understand than an agent that does not start.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::{CredentialsFile, OnPremisesError, OnPremisesWarning, Region, Secret};
use crate::config::document::{Document, Field, Value};
use crate::files::small_file;

/// Who the host is according to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnPremises {
    /// The region that is used throughout.
    pub region: Region,
    /// The ARN under which the service knows the host.
    pub host_identifier: String,
    /// What requests are signed with.
    pub credentials: OnPremisesCredentials,
}

/// The two kinds of on-premises credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnPremisesCredentials {
    /// The key pair of an IAM user.
    User {
        /// The public part.
        access_key_id: String,
        /// The secret part.
        secret_access_key: Secret,
    },
    /// Session credentials in a file that something else renews.
    Session {
        /// A shared credentials file; its `default` profile counts.
        credentials_file: PathBuf,
    },
}

impl OnPremises {
    /// Reads the on-premises file. None when the host is an EC2 instance: the file is absent (the
    /// ordinary case there, nothing is said), or, with a warning, unreadable or without an ARN.
    ///
    /// # Errors
    /// When the file has an ARN but cannot be used, is empty, or is no YAML mapping.
    pub fn read(path: &Path) -> Result<(Option<Self>, Vec<OnPremisesWarning>), OnPremisesError> {
        let file = match small_file::read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, Vec::new())),
            Err(error) => return Ok((None, vec![OnPremisesWarning::Unreadable(error)])),
        };
        let (identity, mut warnings) = parse(path, &file.content)?;
        if file.mode & 0o006 != 0 {
            warnings.push(OnPremisesWarning::Access {
                path: path.to_owned(),
                mode: file.mode,
            });
        }
        Ok((identity, warnings))
    }

    /// What the file adds to the environment of hooks, which call the AWS command line. Never a
    /// key pair.
    #[must_use]
    pub fn hook_environment(&self) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![
            ("AWS_REGION", self.region.as_str().into()),
            ("AWS_HOST_IDENTIFIER", self.host_identifier.clone().into()),
        ];
        if let OnPremisesCredentials::Session { credentials_file } = &self.credentials {
            variables.push(("AWS_CREDENTIALS_FILE", credentials_file.clone().into()));
        }
        variables
    }
}

impl OnPremisesCredentials {
    /// The provider for the AWS crates.
    #[must_use]
    pub fn provider(&self) -> SharedCredentialsProvider {
        match self {
            Self::User {
                access_key_id,
                secret_access_key,
            } => SharedCredentialsProvider::new(Credentials::new(
                access_key_id,
                secret_access_key.expose(),
                None,
                None,
                "OnPremisesFile",
            )),
            Self::Session { credentials_file } => {
                SharedCredentialsProvider::new(CredentialsFile::new(credentials_file.clone()))
            }
        }
    }
}

const REGION: &str = "region";
const USER_ARN: &str = "iam_user_arn";
const SESSION_ARN: &str = "iam_session_arn";

fn parse(
    path: &Path,
    text: &[u8],
) -> Result<(Option<OnPremises>, Vec<OnPremisesWarning>), OnPremisesError> {
    let document = Document::parse(text).map_err(|source| OnPremisesError::Document {
        path: path.to_owned(),
        source,
    })?;
    if document.fields.is_empty() {
        return Err(OnPremisesError::Empty {
            path: path.to_owned(),
        });
    }
    let duplicates = document.duplicates.iter();
    let mut warnings: Vec<OnPremisesWarning> = duplicates
        .map(|duplicate| OnPremisesWarning::Duplicate {
            path: path.to_owned(),
            line: duplicate.line,
            earlier_line: duplicate.earlier_line,
        })
        .collect();
    let fields = Fields {
        path,
        fields: &document.fields,
    };
    let user = fields.find(USER_ARN)?;
    let session = fields.find(SESSION_ARN)?;
    let identity = match (user, session) {
        (Some(_), Some(_)) => {
            return Err(OnPremisesError::BothArns {
                path: path.to_owned(),
            });
        }
        (Some(arn), None) => Some(fields.user(arn)?),
        (None, Some(arn)) => Some(fields.session(arn)?),
        (None, None) => {
            warnings.push(OnPremisesWarning::NoArn {
                path: path.to_owned(),
            });
            None
        }
    };
    Ok((identity, warnings))
}

/// The fields of the file, and the file's name for errors.
struct Fields<'a> {
    path: &'a Path,
    fields: &'a [Field],
}

/// A field's text with its line.
#[derive(Clone, Copy)]
struct Text<'a> {
    text: &'a str,
    line: u32,
}

impl<'a> Fields<'a> {
    /// The field, unless it is absent or has no value.
    fn find(&self, name: &'static str) -> Result<Option<Text<'a>>, OnPremisesError> {
        let Some(field) = self.fields.iter().find(|field| field.name == name) else {
            return Ok(None);
        };
        match &*field.value {
            Value::Null => Ok(None),
            Value::Scalar(scalar) => {
                let (text, line) = (scalar.text.trim(), field.line);
                Ok((!text.is_empty()).then_some(Text { text, line }))
            }
            Value::List(_) | Value::Other(_) => {
                Err(self.invalid(name, field.line, "a single value"))
            }
        }
    }

    fn need(&self, field: &'static str, arn: &'static str) -> Result<Text<'a>, OnPremisesError> {
        self.find(field)?.ok_or_else(|| OnPremisesError::Missing {
            path: self.path.to_owned(),
            field,
            arn,
        })
    }

    fn invalid(&self, field: &'static str, line: u32, allowed: &'static str) -> OnPremisesError {
        OnPremisesError::Invalid {
            path: self.path.to_owned(),
            line,
            field,
            allowed,
        }
    }

    fn region(&self, arn: &'static str) -> Result<Region, OnPremisesError> {
        let Text { text, line } = self.need(REGION, arn)?;
        Region::new(text).map_err(|source| OnPremisesError::Region {
            path: self.path.to_owned(),
            line,
            source,
        })
    }

    /// The ARN itself: it becomes part of requests and of hooks' environment.
    fn arn(&self, field: &'static str, arn: Text<'_>) -> Result<String, OnPremisesError> {
        let odd = |c: char| c.is_control() || c.is_whitespace();
        if !arn.text.starts_with("arn:") || arn.text.contains(odd) {
            return Err(self.invalid(field, arn.line, "an ARN (arn:...)"));
        }
        Ok(arn.text.to_owned())
    }

    /// A key goes into a signed header: one word of ASCII.
    fn key(&self, field: &'static str) -> Result<&'a str, OnPremisesError> {
        let Text { text, line } = self.need(field, USER_ARN)?;
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(self.invalid(field, line, "one word of ASCII characters"));
        }
        Ok(text)
    }

    fn user(&self, arn: Text<'_>) -> Result<OnPremises, OnPremisesError> {
        Ok(OnPremises {
            region: self.region(USER_ARN)?,
            host_identifier: self.arn(USER_ARN, arn)?,
            credentials: OnPremisesCredentials::User {
                access_key_id: self.key("aws_access_key_id")?.to_owned(),
                secret_access_key: Secret::new(self.key("aws_secret_access_key")?.to_owned()),
            },
        })
    }

    fn session(&self, arn: Text<'_>) -> Result<OnPremises, OnPremisesError> {
        const FILE: &str = "aws_credentials_file";
        let region = self.region(SESSION_ARN)?;
        let host_identifier = self.arn(SESSION_ARN, arn)?;
        let file = self.need(FILE, SESSION_ARN)?;
        let absolute = Path::new(file.text).is_absolute();
        if !absolute || file.text.contains(char::is_control) {
            return Err(self.invalid(FILE, file.line, "an absolute path"));
        }
        Ok(OnPremises {
            region,
            host_identifier,
            credentials: OnPremisesCredentials::Session {
                credentials_file: PathBuf::from(file.text),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use aws_credential_types::provider::ProvideCredentials as _;
    use fs_err as fs;
    use rstest::rstest;

    use super::*;

    const USER: &str = "---
region: eu-west-1
iam_user_arn: arn:aws:iam::123456789012:user/web-1
aws_access_key_id: AKIDEXAMPLE
aws_secret_access_key: wJalr+se/cret
";

    const SESSION: &str = "---
region: us-gov-west-1
iam_session_arn: arn:aws-us-gov:sts::123456789012:assumed-role/r/web-1
aws_credentials_file: /etc/codedeploy-agent/conf/.aws_credentials
";

    fn with_symbols(text: &str) -> String {
        let line = |line: &str| match line {
            "---" => "---\n".to_owned(),
            line => format!(":{line}\n"),
        };
        text.lines().map(line).collect()
    }

    fn parsed(text: &str) -> (Option<OnPremises>, Vec<String>) {
        let (identity, warnings) = parse(Path::new("/o.yml"), text.as_bytes()).unwrap();
        (identity, warnings.iter().map(ToString::to_string).collect())
    }

    #[rstest]
    #[case(USER.to_owned())]
    #[case(with_symbols(USER))]
    fn iam_user(#[case] text: String) {
        let (identity, warnings) = parsed(&text);
        assert_eq!(warnings, Vec::<String>::new());
        let identity = identity.unwrap();
        assert_eq!(
            identity,
            OnPremises {
                region: Region::new("eu-west-1").unwrap(),
                host_identifier: "arn:aws:iam::123456789012:user/web-1".to_owned(),
                credentials: OnPremisesCredentials::User {
                    access_key_id: "AKIDEXAMPLE".to_owned(),
                    secret_access_key: Secret::new("wJalr+se/cret".to_owned()),
                },
            }
        );
        let shown = format!("{identity:?} {:?}", identity.credentials.provider());
        assert!(!shown.contains("wJalr"), "{shown}");
    }

    #[rstest]
    #[case(SESSION.to_owned())]
    #[case(with_symbols(SESSION))]
    fn iam_session(#[case] text: String) {
        let (identity, warnings) = parsed(&text);
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(
            identity,
            Some(OnPremises {
                region: Region::new("us-gov-west-1").unwrap(),
                host_identifier: "arn:aws-us-gov:sts::123456789012:assumed-role/r/web-1".to_owned(),
                credentials: OnPremisesCredentials::Session {
                    credentials_file: "/etc/codedeploy-agent/conf/.aws_credentials".into(),
                },
            })
        );
    }

    #[test]
    fn the_hook_environment_has_no_key_pair() {
        let user = parsed(USER).0.unwrap().hook_environment();
        assert_eq!(
            user,
            [
                ("AWS_REGION", OsString::from("eu-west-1")),
                (
                    "AWS_HOST_IDENTIFIER",
                    OsString::from("arn:aws:iam::123456789012:user/web-1")
                ),
            ]
        );
        let session = parsed(SESSION).0.unwrap().hook_environment();
        assert_eq!(
            session.last(),
            Some(&(
                "AWS_CREDENTIALS_FILE",
                OsString::from("/etc/codedeploy-agent/conf/.aws_credentials")
            ))
        );
    }

    #[test]
    fn a_secret_of_digits_keeps_its_text() {
        let text = USER.replace("wJalr+se/cret", "0123e45");
        let OnPremisesCredentials::User {
            secret_access_key, ..
        } = parsed(&text).0.unwrap().credentials
        else {
            panic!("not a user");
        };
        assert_eq!(secret_access_key.expose(), "0123e45");
    }

    #[rstest]
    #[case::empty(
        "",
        "is empty; fill it in (region, iam_user_arn or iam_session_arn, credentials), or remove it if this is an EC2 instance"
    )]
    #[case::only_a_marker(
        "---\n",
        "is empty; fill it in (region, iam_user_arn or iam_session_arn, credentials), or remove it if this is an EC2 instance"
    )]
    #[case::both_arns(
        "iam_user_arn: arn:a\niam_session_arn: arn:b\n",
        "has both iam_user_arn and iam_session_arn; keep the one that the host is registered with"
    )]
    #[case::user_without_region(
        "iam_user_arn: arn:a\naws_access_key_id: a\naws_secret_access_key: b\n",
        "has iam_user_arn but no region; add it"
    )]
    #[case::user_without_key(
        "region: eu-west-1\niam_user_arn: arn:a\naws_secret_access_key: b\n",
        "has iam_user_arn but no aws_access_key_id; add it"
    )]
    #[case::user_without_secret(
        "region: eu-west-1\niam_user_arn: arn:a\naws_access_key_id: a\naws_secret_access_key:\n",
        "has iam_user_arn but no aws_secret_access_key; add it"
    )]
    #[case::user_with_empty_secret(
        "region: eu-west-1\niam_user_arn: arn:a\naws_access_key_id: a\naws_secret_access_key: ''\n",
        "has iam_user_arn but no aws_secret_access_key; add it"
    )]
    #[case::session_without_region(
        "iam_session_arn: arn:a\naws_credentials_file: /f\n",
        "has iam_session_arn but no region; add it"
    )]
    #[case::session_without_file(
        "region: eu-west-1\niam_session_arn: arn:a\n",
        "has iam_session_arn but no aws_credentials_file; add it"
    )]
    fn what_is_missing_is_named(#[case] text: &str, #[case] expected: &str) {
        let error = parse(Path::new("/o.yml"), text.as_bytes()).unwrap_err();
        let expected = format!("the on-premises file /o.yml {expected}");
        assert_eq!(crate::error::chain(&error), expected);
    }

    #[rstest]
    #[case::region(
        "region: Ireland",
        "the on-premises file /o.yml, line 2: region is wrong: \"Ireland\" is not a region; one looks like eu-west-1"
    )]
    #[case::arn(
        "iam_user_arn: web-1",
        "the on-premises file /o.yml, line 3: iam_user_arn must be an ARN (arn:...)"
    )]
    #[case::arn_list(
        "iam_user_arn: [arn:a]",
        "the on-premises file /o.yml, line 3: iam_user_arn must be a single value"
    )]
    #[case::secret(
        "aws_secret_access_key: \"a\\nb\"",
        "the on-premises file /o.yml, line 5: aws_secret_access_key must be one word of ASCII characters"
    )]
    #[case::secret_list(
        "aws_secret_access_key: [hush]",
        "the on-premises file /o.yml, line 5: aws_secret_access_key must be a single value"
    )]
    fn what_is_wrong_is_named(#[case] line: &str, #[case] expected: &str) {
        let field = line.split(':').next().unwrap();
        let replace = |old: &str| match old.starts_with(field) {
            true => format!("{line}\n"),
            false => format!("{old}\n"),
        };
        let text: String = USER.lines().map(replace).collect();
        let error = parse(Path::new("/o.yml"), text.as_bytes()).unwrap_err();
        assert_eq!(crate::error::chain(&error), expected);
    }

    #[rstest]
    #[case("creds")]
    #[case("~/.aws/credentials")]
    fn the_credentials_file_is_an_absolute_path(#[case] file: &str) {
        let text = SESSION.replace("/etc/codedeploy-agent/conf/.aws_credentials", file);
        let error = parse(Path::new("/o.yml"), text.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the on-premises file /o.yml, line 4: aws_credentials_file must be an absolute path"
        );
    }

    #[test]
    fn broken_yaml_is_an_error_without_its_content() {
        let text = "aws_secret_access_key: 'hush\nregion: eu-west-1\n";
        let error = parse(Path::new("/o.yml"), text.as_bytes()).unwrap_err();
        let shown = format!("{} {error:?}", crate::error::chain(&error));
        assert!(
            shown.starts_with("cannot understand the on-premises file /o.yml: line "),
            "{shown}"
        );
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[rstest]
    #[case("region: eu-west-1\n")]
    #[case("region: eu-west-1\niam_user_arn:\niam_session_arn: ''\n")]
    fn neither_arn_is_an_ec2_host_with_a_warning(#[case] text: &str) {
        let (identity, warnings) = parsed(text);
        assert_eq!(identity, None);
        assert_eq!(
            warnings,
            [
                "the on-premises file /o.yml has neither iam_user_arn nor iam_session_arn, so \
                 this host counts as an EC2 instance; remove the file if it is one"
            ]
        );
    }

    #[test]
    fn of_a_duplicate_the_last_counts() {
        let (identity, warnings) = parsed(&format!("{USER}:region: us-east-1\n"));
        assert_eq!(identity.unwrap().region.as_str(), "us-east-1");
        assert_eq!(
            warnings,
            [
                "the on-premises file /o.yml has the field of line 6 on line 2, too; the later \
                 one counts, remove the other"
            ]
        );
    }

    #[test]
    fn an_absent_file_is_an_ec2_host_without_a_word() {
        let (identity, warnings) = OnPremises::read(Path::new("/nonexistent/o.yml")).unwrap();
        assert_eq!(identity, None);
        assert!(warnings.is_empty());
    }

    #[test]
    fn an_unreadable_file_is_an_ec2_host_with_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let (identity, warnings) = OnPremises::read(directory.path()).unwrap();
        assert_eq!(identity, None);
        let expected = format!(
            "the on-premises file cannot be read, so this host counts as an EC2 instance: {} is \
             not a regular file",
            directory.path().display()
        );
        assert_eq!(warnings[0].to_string(), expected);
    }

    #[rstest]
    #[case(0o600, None)]
    #[case(0o640, None)]
    #[case(0o644, Some("(mode 0644) can be read by other users"))]
    #[case(0o602, Some("(mode 0602) can be changed by other users"))]
    #[case(0o666, Some("(mode 0666) can be read and changed by other users"))]
    fn a_file_that_others_can_touch_is_warned_about(
        #[case] mode: u32,
        #[case] expected: Option<&str>,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("o.yml");
        fs::write(&path, USER).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let (identity, warnings) = OnPremises::read(&path).unwrap();
        assert!(identity.is_some());
        match (expected, warnings.as_slice()) {
            (None, []) => {}
            (Some(expected), [warning]) => {
                let text = warning.to_string();
                assert!(text.contains(expected), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_provider_of_a_user_has_the_key_pair() {
        let provider = parsed(USER).0.unwrap().credentials.provider();
        let credentials = provider.provide_credentials().await.unwrap();
        assert_eq!(credentials.access_key_id(), "AKIDEXAMPLE");
        assert_eq!(credentials.secret_access_key(), "wJalr+se/cret");
        assert_eq!(credentials.expiry(), None);
    }

    #[tokio::test]
    async fn the_provider_of_a_session_reads_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        fs::write(
            &path,
            "[default]\naws_access_key_id=ASIAX\naws_secret_access_key=s\naws_session_token=t\n",
        )
        .unwrap();
        let credentials = OnPremisesCredentials::Session {
            credentials_file: path,
        };
        let credentials = credentials.provider().provide_credentials().await.unwrap();
        assert_eq!(credentials.session_token(), Some("t"));
    }
}
