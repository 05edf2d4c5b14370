//! The session with the metadata service: a token (version 2), or none (version 1).
//!
//! ```text
//! Unknown ── token given ──────────────► Token ── 401, or nearly expired ──► Unknown
//!    └── 403, 404, 405, too slow ──► WithoutToken ── 401, or after 5 minutes ──► Unknown
//!            (unless disable_imds_v1)
//! ```

use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;

/// What a token is asked for: six hours, the longest there is.
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(21_600);

/// How long before its end a token is renewed.
const MARGIN: Duration = Duration::from_secs(120);

/// How long version 1 is used before version 2 is tried again. Without this each request would
/// wait for a token on a host whose network swallows them (a container behind one hop too many);
/// for ever would be a downgrade that one lost packet causes.
const WITHOUT_TOKEN: Duration = Duration::from_secs(300);

/// How the next request is made.
#[derive(Debug, Default)]
pub(super) enum Session {
    /// Find out first.
    #[default]
    Unknown,
    /// Version 2.
    Token { value: HeaderValue, renew: Instant },
    /// Version 1.
    WithoutToken { until: Instant },
}

impl Session {
    /// A session with a token that lives for `lifetime` from `now`. None when the token cannot be
    /// a header.
    pub(super) fn with_token(token: &str, lifetime: Duration, now: Instant) -> Option<Self> {
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let mut value = HeaderValue::from_str(token).ok()?;
        // Hidden in every Debug.
        value.set_sensitive(true);
        let renew = now + lifetime.min(TOKEN_LIFETIME).saturating_sub(MARGIN);
        Some(Self::Token { value, renew })
    }

    /// A session of version 1.
    pub(super) fn without_token(now: Instant) -> Self {
        Self::WithoutToken {
            until: now + WITHOUT_TOKEN,
        }
    }

    /// The token to send, if any; None while it is unknown which version to speak.
    pub(super) fn usable(&self, now: Instant) -> Option<Option<HeaderValue>> {
        match self {
            Self::Token { value, renew } if now < *renew => Some(Some(value.clone())),
            Self::WithoutToken { until } if now < *until => Some(None),
            Self::Unknown | Self::Token { .. } | Self::WithoutToken { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        let now = Instant::now();
        let session = Session::with_token("TOKEN", Duration::from_secs(1000), now).unwrap();
        assert_eq!(session.usable(now).unwrap().unwrap(), "TOKEN");
        assert!(session.usable(now + Duration::from_secs(879)).is_some());
        assert!(session.usable(now + Duration::from_secs(880)).is_none());
        assert!(!format!("{session:?}").contains("TOKEN"));
    }

    #[test]
    fn a_lifetime_beyond_what_was_asked_for_is_not_believed() {
        let now = Instant::now();
        let session = Session::with_token("TOKEN", Duration::MAX, now).unwrap();
        assert!(session.usable(now + Duration::from_secs(21_479)).is_some());
        assert!(session.usable(now + Duration::from_secs(21_480)).is_none());
    }

    #[test]
    fn version_1_is_left_after_a_while() {
        let now = Instant::now();
        let session = Session::without_token(now);
        assert!(session.usable(now).unwrap().is_none());
        assert!(session.usable(now + Duration::from_secs(300)).is_none());
    }

    #[test]
    fn what_cannot_be_a_header_is_no_token() {
        let now = Instant::now();
        for token in ["", "a b", "a\r\nb: c", "é", "<html>\n"] {
            assert!(
                Session::with_token(token, TOKEN_LIFETIME, now).is_none(),
                "{token:?}"
            );
        }
    }
}
