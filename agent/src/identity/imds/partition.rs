//! A partition of AWS. It becomes part of ARNs.

use std::fmt;

use super::super::Region;

/// A partition such as `aws`, `aws-us-gov` or `aws-iso-b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition(String);

/// A text that is no partition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a partition; one looks like aws or aws-us-gov")]
pub struct InvalidPartition {
    value: String,
}

impl Partition {
    /// Checks `text`: `aws`, then up to three words of lower-case letters, joined by `-`.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn new(text: &str) -> Result<Self, InvalidPartition> {
        let word = |word: &str| {
            (1..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase())
        };
        let mut words = text.split('-');
        let looks_like_one =
            words.next() == Some("aws") && text.split('-').count() <= 4 && words.all(word);
        if looks_like_one {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidPartition {
                value: text.chars().take(80).collect(),
            })
        }
    }

    /// The partition where instance metadata names none.
    #[must_use]
    pub fn of_region(region: &Region) -> Self {
        const PREFIXES: [(&str, &str); 7] = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("us-iso-", "aws-iso"),
            ("us-isob-", "aws-iso-b"),
            ("eu-isoe-", "aws-iso-e"),
            ("us-isof-", "aws-iso-f"),
            ("eusc-", "aws-eusc"),
        ];
        let known = PREFIXES
            .iter()
            .find(|(prefix, _)| region.as_str().starts_with(prefix));
        Self(known.map_or("aws", |(_, partition)| partition).to_owned())
    }

    /// The partition that an ARN begins with.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let (partition, _) = arn.strip_prefix("arn:")?.split_once(':')?;
        Self::new(partition).ok()
    }

    /// The partition's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn partitions_are_taken(
        #[values("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc")] text: &str,
    ) {
        assert_eq!(Partition::new(text).unwrap().as_str(), text);
    }

    #[rstest]
    fn nothing_else_is(
        #[values(
            "",
            "AWS",
            "aws-",
            "aws:evil",
            "azure",
            "aws-cn\n",
            "aws-a-b-c-d",
            "aws-1"
        )]
        text: &str,
    ) {
        let error = Partition::new(text).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("{text:?} is not a partition")),
            "{error}"
        );
    }

    #[rstest]
    #[case("eu-west-1", "aws")]
    #[case("cn-north-1", "aws-cn")]
    #[case("us-gov-east-1", "aws-us-gov")]
    #[case("us-iso-west-1", "aws-iso")]
    #[case("us-isob-east-1", "aws-iso-b")]
    #[case("eu-isoe-west-1", "aws-iso-e")]
    #[case("us-isof-south-1", "aws-iso-f")]
    #[case("eusc-de-east-1", "aws-eusc")]
    fn partition_by_region(#[case] region: &str, #[case] expected: &str) {
        let partition = Partition::of_region(&Region::new(region).unwrap());
        assert_eq!(partition.as_str(), expected);
        assert!(Partition::new(expected).is_ok());
    }

    #[rstest]
    #[case("arn:aws-cn:iam::123456789012:user/web", Some("aws-cn"))]
    #[case("arn:evil:iam::1:user/web", None)]
    #[case("arn:aws", None)]
    #[case("web-1", None)]
    fn partition_of_an_arn(#[case] arn: &str, #[case] expected: Option<&str>) {
        let partition = Partition::of_arn(arn);
        assert_eq!(partition.as_ref().map(Partition::as_str), expected);
    }
}
