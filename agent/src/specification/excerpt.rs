//! Text of others in our messages.

use std::fmt;

/// Longest excerpt, in characters.
const LONGEST: usize = 128;

/// Shows text that came from outside: quoted, control characters escaped, never long. A message
/// with it stays one line of bounded size in a log and in a report.
pub(super) struct Excerpt<'a>(pub(super) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(LONGEST) {
            None => write!(f, "{:?}", self.0),
            Some((end, _)) => write!(f, "{:?}...", self.0.split_at(end).0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_what_is_odd_is_escaped() {
        assert_eq!(Excerpt("a\n\u{1b}[0m").to_string(), r#""a\n\u{1b}[0m""#);
        assert_eq!(Excerpt(&"é".repeat(128)).to_string().chars().count(), 130);
        assert_eq!(
            Excerpt(&"é".repeat(129)).to_string(),
            format!("\"{}\"...", "é".repeat(128))
        );
    }
}
