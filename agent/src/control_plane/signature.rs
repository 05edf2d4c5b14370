//! Signature version 4 of one request.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::identity::Region;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a signature is about besides the request.
pub(super) struct Scope<'a> {
    pub(super) region: &'a Region,
    pub(super) service: &'static str,
    pub(super) time: SystemTime,
}

/// Adds the signature's headers to `headers`, which are all signed but the user agent.
pub(super) fn add_signature(
    headers: &mut HeaderMap,
    url: &Url,
    body: &[u8],
    credentials: &Credentials,
    scope: &Scope<'_>,
) -> Result<(), BoxError> {
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region.as_str())
        .name(scope.service)
        .time(scope.time)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let mut pairs = Vec::with_capacity(headers.len());
    for (name, value) in &*headers {
        pairs.push((name.as_str(), value.to_str()?));
    }
    let body = SignableBody::Bytes(body);
    let request = SignableRequest::new("POST", url.as_str(), pairs.into_iter(), body)?;
    let (instructions, _) = sign(request, &parameters)?.into_parts();
    for (name, value) in instructions.headers() {
        let mut value = HeaderValue::from_str(value)?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, value);
    }
    Ok(())
}
