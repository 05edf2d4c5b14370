//! Signatures of requests (Signature Version 4), worked out again from what has arrived.

use aws_lc_rs::{digest, hmac};
use axum::http::HeaderMap;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::server::Received;

/// The service allows clocks to differ by five minutes.
const SKEW_SECONDS: i64 = 300;

/// A key that the service knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its public part.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The token that has to come with it, for a session's key.
    pub token: Option<String>,
}

impl Key {
    /// A key of a user, without a token.
    #[must_use]
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            token: None,
        }
    }

    /// A key of a session.
    #[must_use]
    pub fn session(id: &str, secret: &str, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::new(id, secret)
        }
    }
}

/// A signature that does not do: the service's name for it, and more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

/// The parts of the `Authorization` header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Authorization<'a> {
    pub(super) key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    pub(super) fn parse(header: &'a str) -> Option<Self> {
        let mut authorization = Self::default();
        for part in header.strip_prefix("AWS4-HMAC-SHA256 ")?.split(',') {
            match part.trim().split_once('=')? {
                ("Credential", scope) => {
                    let mut parts = scope.split('/');
                    authorization.key = parts.next()?;
                    authorization.date = parts.next()?;
                    authorization.region = parts.next()?;
                    authorization.service = parts.next()?;
                    (parts.next() == Some("aws4_request") && parts.next().is_none())
                        .then_some(())?;
                }
                ("SignedHeaders", names) => authorization.signed = names.split(';').collect(),
                ("Signature", signature) => authorization.signature = signature,
                _ => return None,
            }
        }
        let complete = !authorization.key.is_empty()
            && !authorization.signed.is_empty()
            && !authorization.signature.is_empty();
        complete.then_some(authorization)
    }

    /// Checks the signature of `received`, which is made for `service` in `region`.
    pub(super) fn verify(
        &self,
        received: &Received,
        key: &Key,
        (region, service): (&str, &str),
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let refuse = |kind, message: String| Err(Refusal { kind, message });
        if (self.region, self.service) != (region, service) {
            let Self {
                region: was,
                service: of,
                ..
            } = self;
            return refuse(
                "InvalidSignatureException",
                format!("Credential should be scoped to {region}/{service}, not {was}/{of}"),
            );
        }
        let token = received.header("x-amz-security-token");
        if key.token.as_deref().unwrap_or_default() != token {
            return refuse(
                "UnrecognizedClientException",
                "the token is another".to_owned(),
            );
        }
        // What the service acts upon must be signed.
        let acted_upon = received.headers.keys().map(axum::http::HeaderName::as_str);
        for name in acted_upon.filter(|name| *name == "host" || name.starts_with("x-amz-")) {
            if !self.signed.contains(&name) {
                return refuse("InvalidSignatureException", format!("{name} is not signed"));
            }
        }
        let time = received.header("x-amz-date");
        let Some(signed_at) = parse_time(time) else {
            return refuse(
                "IncompleteSignatureException",
                format!("X-Amz-Date is {time:?}"),
            );
        };
        if (now.as_second() - signed_at.as_second()).abs() > SKEW_SECONDS {
            let message = format!("Signature expired: {time} is too far from {now}");
            return refuse("InvalidSignatureException", message);
        }
        if !time.starts_with(self.date) {
            return refuse("InvalidSignatureException", "two dates".to_owned());
        }
        let expected = self.expected(received, &key.secret, time);
        if expected != self.signature {
            return refuse(
                "InvalidSignatureException",
                "The request signature we calculated does not match".to_owned(),
            );
        }
        Ok(())
    }

    fn expected(&self, received: &Received, secret: &str, time: &str) -> String {
        let mut query: Vec<&str> = received
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .collect();
        query.sort_unstable();
        let headers: String = self
            .signed
            .iter()
            .map(|name| format!("{name}:{}\n", canonical_value(&received.headers, name)))
            .collect();
        let request = [
            received.method.as_str(),
            received.uri.path(),
            &query.join("&"),
            &headers,
            &self.signed.join(";"),
            &hex(digest::digest(&digest::SHA256, &received.body).as_ref()),
        ]
        .join("\n");
        let scope = format!(
            "{}/{}/{}/aws4_request",
            self.date, self.region, self.service
        );
        let request = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request}");
        let key = [self.date, self.region, self.service, "aws4_request"]
            .into_iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
                mac(&key, part)
            });
        hex(&mac(&key, &to_sign))
    }
}

fn canonical_value(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter();
    let values = values.map(|value| {
        let words: Vec<&str> = value
            .to_str()
            .unwrap_or_default()
            .split(' ')
            .filter(|word| !word.is_empty())
            .collect();
        words.join(" ")
    });
    values.collect::<Vec<_>>().join(",")
}

fn parse_time(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue, Method};

    use super::*;

    /// From AWS's published test suite for signatures: `post-x-www-form-urlencoded`.
    #[test]
    fn the_published_example_is_verified() {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let headers = headers.map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let mut received = Received {
            method: Method::POST,
            uri: "/".parse().unwrap(),
            headers: headers.into_iter().collect(),
            body: "Param1=value1".into(),
        };
        let header = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/\
            aws4_request, SignedHeaders=content-type;host;x-amz-date, \
            Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        let authorization = Authorization::parse(header).unwrap();
        let key = Key::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let now = "2015-08-30T12:40:00Z".parse().unwrap();
        let scope = ("us-east-1", "service");
        assert_eq!(authorization.verify(&received, &key, scope, now), Ok(()));

        let later = "2015-08-30T12:41:01Z".parse().unwrap();
        let refusal = authorization
            .verify(&received, &key, scope, later)
            .unwrap_err();
        assert!(
            refusal.message.starts_with("Signature expired"),
            "{refusal:?}"
        );

        let refusal = authorization.verify(&received, &key, ("us-east-1", "s3"), now);
        assert!(refusal.unwrap_err().message.contains("scoped"));

        received.body = "Param1=value2".into();
        let refusal = authorization
            .verify(&received, &key, scope, now)
            .unwrap_err();
        assert!(refusal.message.contains("does not match"), "{refusal:?}");
    }
}
