//! The GitHub token is in no message, whatever is wrong around it.

use serde_json::json;

use super::fixtures::{CONTENT, FORMAT, fixture};
use super::{message, minimal};
use crate::specification::content::parse;
use crate::specification::signing::{Identity, Message, SIGNER, signer};
use crate::specification::{SignerTrust, open};

const TOKEN: &str = "a-token-that-no-message-may-show";

fn assert_hidden(text: &str) {
    assert!(!text.contains(TOKEN) && !text.contains("a-token"), "{text}");
}

#[test]
fn debug_output_of_what_was_opened_hides_it() {
    assert!(CONTENT.contains(TOKEN));
    let opened = open(FORMAT, fixture!("rsa-sha256"), &SignerTrust::any_signer()).unwrap();
    assert_hidden(&format!("{opened:?} {:?}", opened.spec.revision));
}

#[test]
fn no_error_about_the_content_shows_it() {
    let identity = Identity::self_signed(signer(SIGNER));
    let mut broken: Vec<String> = Vec::new();
    // Cut off, or damaged, at every place of the text.
    for end in (0..CONTENT.len()).filter(|end| CONTENT.is_char_boundary(*end)) {
        broken.push(CONTENT[..end].to_owned());
        broken.push(format!("{}\u{1}{}", &CONTENT[..end], &CONTENT[end..]));
    }
    // The token where its type is wrong, and where another member is.
    for token in [
        json!([TOKEN]),
        json!({TOKEN: TOKEN}),
        json!(format!("{TOKEN}\0")),
    ] {
        let mut whole = minimal();
        whole["GitHubAccessToken"] = token;
        whole["Revision"] = json!({"RevisionType": "GitHub"});
        broken.push(whole.to_string());
    }
    for text in &broken {
        match parse(text.as_bytes()) {
            Ok(parsed) => assert_hidden(&format!("{parsed:?}")),
            Err(error) => assert_hidden(&format!("{error} {error:?}")),
        }
    }
    // And the same through an envelope.
    for text in broken.iter().step_by(97) {
        let payload = Message::new(text.as_bytes()).signed_by(&identity);
        if let Err(error) = open(FORMAT, &payload, &SignerTrust::any_signer()) {
            assert_hidden(&format!("{error} {error:?} {}", message(&error)));
        }
    }
}

#[test]
fn no_error_about_the_envelope_shows_it() {
    for payload in [CONTENT, fixture!("md5"), fixture!("small-key")] {
        let error = open(FORMAT, payload, &SignerTrust::any_signer()).unwrap_err();
        assert_hidden(&format!("{error:?} {}", message(&error)));
    }
}
