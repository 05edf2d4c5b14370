//! An AWS region. It becomes part of host names, so nothing else may pass for one.

use std::fmt;

/// A region such as `eu-west-1`, `us-gov-east-1`, `us-isob-east-1` or `eusc-de-east-1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region(String);

/// A text that does not look like a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a region; one looks like eu-west-1")]
pub struct InvalidRegion {
    value: String,
}

impl Region {
    /// Checks `text`: words of lower-case letters and a number of one or two digits, joined by
    /// `-`, at least two words. Not a list of regions: AWS adds some each year.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn new(text: &str) -> Result<Self, InvalidRegion> {
        let word = |word: &str| {
            (2..=16).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase())
        };
        let number = |number: &str| {
            (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
        };
        let looks_like_one = text.rsplit_once('-').is_some_and(|(words, last)| {
            number(last)
                && (2..=4).contains(&words.split('-').count())
                && words.split('-').all(word)
        });
        if looks_like_one {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRegion {
                value: text.chars().take(80).collect(),
            })
        }
    }

    /// The region's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn regions_are_taken(
        #[values(
            "us-east-1",
            "eu-central-2",
            "ap-southeast-7",
            "cn-northwest-1",
            "us-gov-west-1",
            "us-isob-east-1",
            "eusc-de-east-1",
            "eu-isoe-west-1",
            "mx-central-1"
        )]
        text: &str,
    ) {
        assert_eq!(Region::new(text).unwrap().as_str(), text);
    }

    #[rstest]
    fn nothing_else_is(
        #[values(
            "",
            "1",
            "east-1",
            "us-east",
            "us-east-",
            "us-east-123",
            "US-EAST-1",
            "us--east-1",
            "us-east-1.evil.example",
            "evil.example/us-east-1",
            "us-east-1\n",
            " us-east-1",
            "us-east-1a",
            "us-e\u{301}ast-1",
            "us-east-\u{661}"
        )]
        text: &str,
    ) {
        let error = Region::new(text).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{text:?} is not a region; one looks like eu-west-1")
        );
    }
}
