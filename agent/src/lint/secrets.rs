//! Secrets in plain text. A bundle is an object that many may read, and an AppSpec is shown in
//! logs; what is found is never repeated in a message.

use crate::appspec::SECRET;
use crate::appspec::findings::Findings;
use crate::appspec::yaml::{Region, Text};

const HELP: &str = "keep it in Secrets Manager or Parameter Store, let a script fetch it on the \
     host, and replace the one that was written here";

/// Looks at every line.
pub(super) fn check(text: &Text<'_>, findings: &mut Findings<'_>) {
    let source = text.as_str();
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        if let Some((at, length, what)) = find(line) {
            let region = Region::new(start + at, start + at + length);
            let message = format!("{what} in plain text");
            findings.warning(SECRET, region, &message, HELP);
        }
        start += line.len();
    }
}

/// Where a secret, or the name of one, stands in a line, and what it is.
fn find(line: &str) -> Option<(usize, usize, &'static str)> {
    if let Some(at) = line.find("-----BEGIN ")
        && line
            .get(at..)
            .is_some_and(|rest| rest.contains("PRIVATE KEY-----"))
    {
        return Some((at, "-----BEGIN".len(), "a private key"));
    }
    token(line, &["AKIA", "ASIA"], 16, |b| {
        b.is_ascii_uppercase() || b.is_ascii_digit()
    })
    .filter(|(at, length)| {
        !line
            .get(*at..at + length)
            .unwrap_or_default()
            .ends_with("EXAMPLE")
    })
    .map(|(at, length)| (at, length, "an AWS access key"))
    .or_else(|| {
        let prefixes = [
            "ghp_",
            "gho_",
            "ghs_",
            "github_pat_",
            "glpat-",
            "xoxb-",
            "xoxp-",
        ];
        let (at, length) = token(line, &prefixes, 20, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
        })?;
        Some((at, length, "an access token"))
    })
    .or_else(|| assignment(line))
}

/// A word that begins with a prefix and goes on with at least `more` fitting bytes.
fn token(
    line: &str,
    prefixes: &[&str],
    more: usize,
    fits: impl Fn(u8) -> bool,
) -> Option<(usize, usize)> {
    let bytes = line.as_bytes();
    prefixes.iter().find_map(|prefix| {
        let at = line.find(prefix)?;
        let whole = at
            .checked_sub(1)
            .and_then(|before| bytes.get(before))
            .is_none_or(|before| !before.is_ascii_alphanumeric());
        let rest = bytes.get(at + prefix.len()..)?;
        let length = rest.iter().take_while(|byte| fits(**byte)).count();
        (whole && length >= more).then_some((at, prefix.len() + length))
    })
}

/// `PASSWORD=value`, `password: value`: the name, when a literal follows it.
fn assignment(line: &str) -> Option<(usize, usize, &'static str)> {
    const NAMES: [&str; 10] = [
        "password",
        "passwd",
        "secret",
        "secret_key",
        "secret_access_key",
        "private_key",
        "api_key",
        "apikey",
        "access_token",
        "auth_token",
    ];
    /// Of one line, which may be a whole file in JSON.
    const MOST_SEPARATORS: usize = 1000;
    if line.trim_start().starts_with('#') {
        return None;
    }
    let separators = line.match_indices(['=', ':']).take(MOST_SEPARATORS);
    let named = |separator| assigned_at(line, separator, &NAMES);
    let (at, length) = separators.map(|(at, _)| at).find_map(named)?;
    Some((at, length, "a secret"))
}

/// The name before a separator, when it is one of a secret and the secret follows.
fn assigned_at(line: &str, separator: usize, names: &[&str]) -> Option<(usize, usize)> {
    let (before, after) = (line.get(..separator)?, line.get(separator + 1..)?);
    let before = before.trim_end_matches(['"', '\'', ' ']);
    let is_name = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '_' | '-');
    let name_start = before
        .char_indices()
        .rev()
        .take_while(|(_, ch)| is_name(*ch))
        .last()?
        .0;
    let name = before.get(name_start..)?;
    let normal = name.to_ascii_lowercase().replace('-', "_");
    if !names.iter().any(|known| normal.ends_with(known)) {
        return None;
    }
    literal(after).then_some((name_start, name.len()))
}

/// Whether what is assigned is the secret itself, not where it comes from.
fn literal(value: &str) -> bool {
    let value = value.trim();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value
            .get(1..)
            .and_then(|rest| rest.split(quote).next())
            .unwrap_or_default(),
        _ => value
            .split([' ', ';', '#', ',', '}'])
            .next()
            .unwrap_or_default(),
    };
    let elsewhere = value.contains(['$', '<', '>', '`', '(', '{', '*', '%', ' '])
        || value.starts_with('/')
        || value.starts_with("arn:")
        || value.contains("://");
    let mut characters = value.chars();
    let first = characters.next();
    let monotonous = characters.all(|ch| Some(ch) == first);
    let placeholder = ["changeme", "example", "required", "disabled", "enabled"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word));
    value.len() >= 6 && !elsewhere && !monotonous && !placeholder
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::password("export DB_PASSWORD=hunter22\n", "DB_PASSWORD")]
    #[case::quoted("password: \"hunter22\"\n", "password")]
    #[case::json("  \"api-key\": \"0123456789\",\n", "api-key")]
    #[case::flow("- {a: b, db_password: hunter22}", "db_password")]
    #[case::access_key("key AKIAQQQQQQQQQQQQQQQQ x", "AKIAQQQQQQQQQQQQQQQQ")]
    #[case::private_key("-----BEGIN RSA PRIVATE KEY-----\n", "-----BEGIN")]
    fn is_found(#[case] line: &str, #[case] marked: &str) {
        let (at, length, _) = find(line).unwrap();
        assert_eq!(&line[at..at + length], marked);
    }

    #[rstest]
    #[case::variable("PASSWORD=$(aws ssm get-parameter)")]
    #[case::reference("password: ${DB_PASSWORD}")]
    #[case::file("db_password_file=/run/secrets/db")]
    #[case::path("SECRET=/run/secrets/db")]
    #[case::arn("secret: arn:aws:secretsmanager:eu-west-1:1:secret:x")]
    #[case::masked("password=********")]
    #[case::comment("# password=hunter22")]
    #[case::documentation("AKIAIOSFODNN7EXAMPLE")]
    #[case::word("location: scripts/reset_password.sh")]
    fn is_not_found(#[case] line: &str) {
        assert_eq!(find(line), None);
    }
}
