//! The ARNs that an on-premises host may have.

use super::{Partition, Region};

/// The ARN of an IAM user, or of the session of an IAM role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IamArn {
    /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
    User(String),
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    Session(String),
}

/// A text that is no ARN of the kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArn {
    /// It has another form.
    #[error("{text:?} is not the ARN of {what}; one looks like {example}")]
    Form {
        /// The text, cut short.
        text: String,
        /// What it should be the ARN of.
        what: &'static str,
        /// How it should look.
        example: &'static str,
    },
    /// The region belongs to another partition.
    #[error(
        "{arn} is of the partition {found}, and {region} is in {expected}; correct the ARN or the \
         region"
    )]
    Partition {
        /// The ARN.
        arn: String,
        /// Its partition.
        found: String,
        /// The region.
        region: String,
        /// The region's partition.
        expected: String,
    },
}

impl IamArn {
    /// Checks the ARN of an IAM user.
    ///
    /// # Errors
    /// When it has another form, or belongs to another partition than `region`.
    pub fn user(text: &str, region: &Region) -> Result<Self, InvalidArn> {
        let form = || InvalidArn::Form {
            text: text.chars().take(200).collect(),
            what: "an IAM user",
            example: "arn:aws:iam::123456789012:user/web-1",
        };
        let resource = resource(text, "iam").ok_or_else(form)?;
        let name = resource.strip_prefix("user/").ok_or_else(form)?;
        if !name.split('/').all(is_word) {
            return Err(form());
        }
        of_partition(text, region)?;
        Ok(Self::User(text.to_owned()))
    }

    /// Checks the ARN of a session.
    ///
    /// # Errors
    /// As [`Self::user`].
    pub fn session(text: &str, region: &Region) -> Result<Self, InvalidArn> {
        let form = || InvalidArn::Form {
            text: text.chars().take(200).collect(),
            what: "an IAM session",
            example: "arn:aws:sts::123456789012:assumed-role/web/web-1",
        };
        let resource = resource(text, "sts").ok_or_else(form)?;
        let names = resource.strip_prefix("assumed-role/").ok_or_else(form)?;
        match names.split_once('/') {
            Some((role, session)) if is_word(role) && is_word(session) => {}
            _ => return Err(form()),
        }
        of_partition(text, region)?;
        Ok(Self::Session(text.to_owned()))
    }

    /// The ARN as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::User(arn) | Self::Session(arn) => arn,
        }
    }
}

/// What follows `arn:<partition>:<service>::<account>:`.
fn resource<'a>(text: &'a str, service: &str) -> Option<&'a str> {
    Partition::of_arn(text)?;
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [_, _, found, "", account, resource] = parts.as_slice() else {
        return None;
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (*found == service && is_account).then_some(*resource)
}

/// The characters that IAM allows in names.
fn is_word(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    !text.is_empty() && text.len() <= 512 && text.bytes().all(allowed)
}

fn of_partition(arn: &str, region: &Region) -> Result<(), InvalidArn> {
    let expected = Partition::of_region(region);
    match Partition::of_arn(arn) {
        Some(found) if found.as_str() != expected.as_str() => Err(InvalidArn::Partition {
            arn: arn.to_owned(),
            found: found.as_str().to_owned(),
            region: region.to_string(),
            expected: expected.as_str().to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::user("arn:aws:iam::123456789012:user/web-1", true)]
    #[case::path("arn:aws:iam::123456789012:user/fleet/web@a.b", true)]
    #[case::role("arn:aws:iam::123456789012:role/web-1", false)]
    #[case::session("arn:aws:sts::123456789012:assumed-role/r/s", false)]
    #[case::no_name("arn:aws:iam::123456789012:user/", false)]
    #[case::short_account("arn:aws:iam::12345:user/web-1", false)]
    #[case::with_region("arn:aws:iam:eu-west-1:123456789012:user/web-1", false)]
    #[case::blank("arn:aws:iam::123456789012:user/web 1", false)]
    #[case::line_break("arn:aws:iam::123456789012:user/web\n", false)]
    #[case::other_partition("arn:aws-cn:iam::123456789012:user/web", false)]
    #[case::nothing("", false)]
    fn users(#[case] text: &str, #[case] expected: bool) {
        let region = Region::new("eu-west-1").unwrap();
        assert_eq!(IamArn::user(text, &region).is_ok(), expected);
    }

    #[rstest]
    #[case::session("arn:aws-us-gov:sts::123456789012:assumed-role/r/web-1", true)]
    #[case::user("arn:aws-us-gov:iam::123456789012:user/web-1", false)]
    #[case::no_session("arn:aws-us-gov:sts::123456789012:assumed-role/r", false)]
    #[case::too_many("arn:aws-us-gov:sts::123456789012:assumed-role/r/s/t", false)]
    #[case::other_partition("arn:aws:sts::123456789012:assumed-role/r/s", false)]
    fn sessions(#[case] text: &str, #[case] expected: bool) {
        let region = Region::new("us-gov-west-1").unwrap();
        assert_eq!(IamArn::session(text, &region).is_ok(), expected);
    }
}
