//! Signature version 4, computed from AWS's description of it and not by the client's library.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::{ACCESS_KEY, Received};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Checks the request's signature and that everything that matters is signed.
pub(super) fn assert_signed(request: &Received, secret_key: &str, service: &str) {
    let authorization = request.header("authorization").unwrap();
    let date = request.header("x-amz-date").unwrap();
    let day = &date[..8];
    let scope = format!("{day}/eu-west-1/{service}/aws4_request");
    let rest = authorization
        .strip_prefix(&format!(
            "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, "
        ))
        .unwrap_or_else(|| panic!("{authorization}"));
    let (signed, signature) = rest.split_once(", Signature=").unwrap();
    let signed = signed.strip_prefix("SignedHeaders=").unwrap();
    let mut names: Vec<&str> = signed.split(';').collect();
    for name in [
        "content-type",
        "host",
        "x-amz-codedeploy-agent-version",
        "x-amz-date",
        "x-amz-target",
    ] {
        assert!(names.contains(&name), "{signed}");
    }
    let has_token = request.header("x-amz-security-token").is_some();
    assert_eq!(names.contains(&"x-amz-security-token"), has_token);
    names.sort_unstable();
    let headers: String = names
        .iter()
        .map(|name| format!("{name}:{}\n", request.header(name).unwrap()))
        .collect();
    let body = hex(&Sha256::digest(&request.body));
    let canonical = format!("POST\n/\n\n{headers}\n{signed}\n{body}");
    let hash = hex(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
    let key = hmac(format!("AWS4{secret_key}").as_bytes(), day);
    let key = hmac(&hmac(&hmac(&key, "eu-west-1"), service), "aws4_request");
    assert_eq!(signature, hex(&hmac(&key, &to_sign)));
}
