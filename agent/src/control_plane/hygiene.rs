//! Keeping secrets and control characters out of logs and messages.
//!
//! The service itself can echo a secret: its answer to a wrong signature quotes the canonical
//! request, session token included. So texts of others go through here before they are kept.

use aws_credential_types::Credentials;
use serde_json::Value;

/// What replaces a secret.
const HIDDEN: &str = "(hidden)";

/// The longest text of an answer that an error keeps, in characters.
const LONGEST_MESSAGE: usize = 600;

/// Members whose text is never shown: the payload of any envelope (a specification may carry a
/// GitHub token, in a form that no search would find), and tokens by name.
const SECRET_MEMBERS: [&str; 2] = ["Payload", "GitHubAccessToken"];

/// Headers whose value is never shown, in lower case.
const SECRET_HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "x-amz-security-token",
    "cookie",
    "set-cookie",
    "authentication-info",
];

/// The secrets of one attempt. No `Debug`.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn of(credentials: &Credentials) -> Self {
        let secrets = [
            Some(credentials.secret_access_key()),
            credentials.session_token(),
        ];
        let secrets = secrets.into_iter().flatten();
        // Anything shorter is no secret, and replacing it would garble every text.
        Self(
            secrets
                .filter(|s| s.len() >= 8)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// `text` without the secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }

    /// A text of an answer, made fit for a log line: one line, short, without secrets and without
    /// the canonical request.
    pub(super) fn message(&self, text: &str) -> String {
        let quoted = ["The Canonical String", "The String-to-Sign"];
        let end = quoted.iter().filter_map(|quoted| text.find(quoted)).min();
        let text = end.and_then(|end| text.get(..end)).unwrap_or(text);
        // Hidden before it is cut, so that no part of a secret stays.
        one_line(&self.hide(text), LONGEST_MESSAGE)
    }

    /// A JSON body for the wire log; of anything else only the size, because a damaged answer
    /// cannot be searched for what must be hidden.
    pub(super) fn body(&self, body: &[u8]) -> String {
        if body.is_empty() {
            return String::new();
        }
        match serde_json::from_slice::<Value>(body) {
            Ok(mut value) => {
                hide_members(&mut value);
                self.hide(&value.to_string())
            }
            Err(_) => format!("({} bytes that are not JSON)", body.len()),
        }
    }

    /// A header's value for the wire log.
    pub(super) fn header(&self, name: &str, value: &str) -> String {
        if SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            HIDDEN.to_owned()
        } else {
            self.hide(value)
        }
    }
}

/// At most `characters`, with blanks for control characters and for runs of blanks.
pub(super) fn one_line(text: &str, characters: usize) -> String {
    let mut line = String::new();
    let blank = |c: char| c.is_whitespace() || c.is_control();
    for word in text.split(blank).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(characters) {
        Some((end, _)) => {
            line.truncate(end);
            line + "..."
        }
        None => line,
    }
}

/// The JSON parser bounds the depth.
fn hide_members(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let is_secret = SECRET_MEMBERS.iter().any(|s| name.eq_ignore_ascii_case(s));
                match member {
                    Value::Null => {}
                    Value::String(text) if is_secret => {
                        *member = format!("(hidden, {} bytes)", text.len()).into();
                    }
                    _ if is_secret => *member = HIDDEN.into(),
                    _ => hide_members(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let token = Some("tok/en+0123".to_owned());
        Secrets::of(&Credentials::new("AKID", "secret-key", token, None, "test"))
    }

    #[test]
    fn secrets_are_replaced_wherever_they_are() {
        let text = secrets().message("a\ntok/en+0123\r\n\u{1b}[31m secret-key");
        assert_eq!(text, "a (hidden) [31m (hidden)");
    }

    #[test]
    fn the_canonical_request_is_cut_off() {
        let text = "The signature does not match.\n\nThe Canonical String for this request \
                    should have been\n'POST\nx-amz-security-token:OTHER'";
        assert_eq!(secrets().message(text), "The signature does not match.");
    }

    #[test]
    fn messages_are_short_and_no_secret_is_cut_in_half() {
        let text = format!("{}secret-key", "é".repeat(595));
        assert_eq!(
            secrets().message(&text),
            format!("{}(hidd...", "é".repeat(595))
        );
    }

    #[test]
    fn payloads_and_tokens_of_bodies_are_hidden() {
        let body = br#"{"A":[{"Payload":"abc"},{"payload":{"x":1}}],"GitHubAccessToken":"gh","Payload":null,"s":"secret-key","n":1}"#;
        assert_eq!(
            secrets().body(body),
            r#"{"A":[{"Payload":"(hidden, 3 bytes)"},{"payload":"(hidden)"}],"GitHubAccessToken":"(hidden, 2 bytes)","Payload":null,"n":1,"s":"(hidden)"}"#
        );
        assert_eq!(
            secrets().body(br#"{"Payload":"abc"#),
            "(15 bytes that are not JSON)"
        );
        assert_eq!(secrets().body(b""), "");
    }

    #[test]
    fn headers() {
        assert_eq!(secrets().header("Authorization", "AWS4"), "(hidden)");
        assert_eq!(
            secrets().header("X-Amz-Security-Token", "other"),
            "(hidden)"
        );
        assert_eq!(secrets().header("x-amzn-requestid", "1"), "1");
        assert_eq!(secrets().header("x-echo", "tok/en+0123"), "(hidden)");
    }
}
