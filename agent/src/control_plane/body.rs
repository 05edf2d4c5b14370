//! Reading an answer without trusting its length.

use std::time::Duration;

use reqwest::Response;

use super::Operation;
use super::error::Error;
use super::failure::Route;

/// The longest body that is taken, in bytes. A specification is at most some tens of kilobytes.
pub(super) const LONGEST: usize = 4 << 20;

/// The whole body, which must come within `limit`, however slowly it drips.
pub(super) async fn read(
    mut response: Response,
    operation: Operation,
    route: &Route,
    limit: Duration,
) -> Result<Vec<u8>, Error> {
    let too_long = || Error::TooLong {
        operation,
        limit: LONGEST,
    };
    // What is announced is only used to refuse early.
    if response
        .content_length()
        .is_some_and(|length| length > LONGEST as u64)
    {
        return Err(too_long());
    }
    let whole = async {
        let mut body = Vec::new();
        let broken = |source: reqwest::Error| Error::Broken {
            operation,
            route: route.clone(),
            source: source.without_url(),
        };
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    match tokio::time::timeout(limit, whole).await {
        Ok(result) => result,
        Err(_) => Err(Error::Timeout {
            operation,
            route: route.clone(),
            after: limit,
            has_begun: true,
        }),
    }
}
