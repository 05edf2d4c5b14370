//! The credentials of the instance's IAM role.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use serde_json::{Map, Value};

use super::{Imds, ImdsError};

/// How long credentials are used that were past their end when they came. The metadata service
/// hands such out while it cannot renew them, and other services then often take them.
const EXTENSION: Duration = Duration::from_secs(600);

/// A provider for the credentials of the instance profile. Keeps nothing.
#[derive(Debug, Clone)]
pub struct InstanceProfile {
    imds: Imds,
}

impl InstanceProfile {
    /// The provider.
    #[must_use]
    pub fn new(imds: Imds) -> Self {
        Self { imds }
    }

    async fn load(&self, now: SystemTime) -> Result<Credentials, ImdsError> {
        const PATH: &str = "meta-data/iam/security-credentials/";
        let roles = self.imds.get(PATH).await?.ok_or(ImdsError::NoRole)?;
        let role = roles
            .lines()
            .next()
            .map(str::trim)
            .filter(|role| !role.is_empty());
        let role = role.ok_or(ImdsError::NoRole)?;
        if !is_role_name(role) {
            return Err(ImdsError::RoleName);
        }
        let document = self.imds.get(&format!("{PATH}{role}")).await?;
        parse(role, &document.ok_or(ImdsError::NoRole)?, now)
    }
}

impl ProvideCredentials for InstanceProfile {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            self.load(SystemTime::now())
                .await
                .map_err(|error| match error {
                    ImdsError::Disabled | ImdsError::NoRole => CredentialsError::not_loaded(error),
                    error => CredentialsError::provider_error(error),
                })
        })
    }
}

/// What IAM allows in a role's name. It becomes part of a path.
fn is_role_name(name: &str) -> bool {
    name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
        && !matches!(name, "." | "..")
}

/// No JSON error is kept as a cause: it would quote the document.
fn parse(role: &str, text: &str, now: SystemTime) -> Result<Credentials, ImdsError> {
    let wrong = || ImdsError::Credentials {
        role: role.to_owned(),
    };
    let members: Map<String, Value> = serde_json::from_str(text).map_err(|_| wrong())?;
    let member = |name| members.get(name).and_then(Value::as_str);
    if let Some(code) = member("Code").filter(|code| *code != "Success") {
        let code = code.chars().filter(|c| !c.is_control()).take(80).collect();
        return Err(ImdsError::CredentialsRefused {
            role: role.to_owned(),
            code,
        });
    }
    let word = |name| {
        let is_word =
            |value: &&str| !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
        member(name).filter(is_word).ok_or_else(wrong)
    };
    let expiry: jiff::Timestamp = word("Expiration")?.parse().map_err(|_| wrong())?;
    let mut expiry = SystemTime::from(expiry);
    if expiry <= now {
        tracing::warn!(
            role,
            "the credentials from instance metadata are past their end; they are used all the same"
        );
        expiry = now + EXTENSION;
    }
    Ok(Credentials::new(
        word("AccessKeyId")?,
        word("SecretAccessKey")?,
        Some(word("Token")?.to_owned()),
        Some(expiry),
        "InstanceProfile",
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::error::chain;

    const DOCUMENT: &str = r#"{
  "Code" : "Success",
  "LastUpdated" : "2026-01-01T00:00:00Z",
  "Type" : "AWS-HMAC",
  "AccessKeyId" : "ASIAEXAMPLE",
  "SecretAccessKey" : "HUSH/secret+",
  "Token" : "HUSHtoken==",
  "Expiration" : "2026-01-01T06:00:00Z"
}"#;

    fn at(text: &str) -> SystemTime {
        SystemTime::from(text.parse::<jiff::Timestamp>().unwrap())
    }

    #[test]
    fn the_credentials_are_read() {
        let credentials = parse("web", DOCUMENT, at("2026-01-01T05:59:59Z")).unwrap();
        assert_eq!(credentials.access_key_id(), "ASIAEXAMPLE");
        assert_eq!(credentials.secret_access_key(), "HUSH/secret+");
        assert_eq!(credentials.session_token(), Some("HUSHtoken=="));
        assert_eq!(credentials.expiry(), Some(at("2026-01-01T06:00:00Z")));
    }

    #[test]
    fn what_is_past_its_end_is_used_for_a_while() {
        let now = at("2026-01-01T06:00:00Z");
        let credentials = parse("web", DOCUMENT, now).unwrap();
        assert_eq!(credentials.expiry(), Some(now + EXTENSION));
    }

    #[rstest]
    #[case::no_json("HUSH", "HUSH")]
    #[case::no_object(DOCUMENT, "[\"HUSH\"]")]
    #[case::absent("\"Token\"", "\"Tok\"")]
    #[case::kind("\"HUSHtoken==\"", "{\"HUSH\":1}")]
    #[case::empty("HUSHtoken==", "")]
    #[case::two_words("HUSHtoken==", "HUSH HUSH")]
    #[case::header("HUSHtoken==", "HUSH\\r\\nHUSH")]
    #[case::expiry("2026-01-01T06:00:00Z", "tomorrow HUSH")]
    fn other_documents_are_refused_without_a_quotation(#[case] old: &str, #[case] new: &str) {
        let text = if old == "HUSH" {
            new.to_owned()
        } else {
            DOCUMENT.replace(old, new)
        };
        let error = parse("web", &text, at("2026-01-01T00:00:00Z")).unwrap_err();
        assert_eq!(
            chain(&error),
            "the credentials of the IAM role web cannot be understood"
        );
        assert!(!format!("{error:?}").contains("HUSH"), "{error:?}");
    }

    #[test]
    fn the_services_reason_is_told() {
        let text = r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"x"}"#;
        let error = parse("web", text, SystemTime::now()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "instance metadata has no credentials of the IAM role web: AssumeRoleUnauthorizedAccess"
        );
    }

    #[rstest]
    #[case("web-1_a+b=c,d.e@f", true)]
    #[case("..", false)]
    #[case("a/b", false)]
    #[case("a?b", false)]
    #[case("a%2fb", false)]
    #[case("<html>", false)]
    fn a_role_name_is_one_segment(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_role_name(name), expected);
    }
}
