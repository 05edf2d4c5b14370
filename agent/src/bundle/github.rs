//! A bundle that is a commit on GitHub: the archive that GitHub makes of it.
//!
//! The token goes to the API's own origin (scheme, host, port) and nowhere else; GitHub redirects
//! to a download host with a token of its own in the URL.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};

use crate::deployment::{BundleType, GitHubToken};
use crate::http::TrustRoots;

use super::fetch::{Fetched, Sources};
use super::fetch_error::{FetchError, GitHubRefusal};
use super::http;
use super::network::{Cause, NetworkProblem, address, problem};
use super::space;
use super::store::{BATCH, PartialBundle};

const API: &str = "https://api.github.com";

/// GitHub itself redirects once or twice.
const REDIRECTS_MAX: usize = 10;

/// GitHub may ask for an hour; a deployment that waits so long only looks stuck.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// What is fetched.
pub(super) struct Archive<'a> {
    pub(super) account: &'a str,
    pub(super) repository: &'a str,
    pub(super) commit: &'a str,
    pub(super) bundle_type: BundleType,
    pub(super) token: Option<&'a GitHubToken>,
}

impl Archive<'_> {
    fn refused(&self, reason: GitHubRefusal, source: Cause) -> FetchError {
        FetchError::GitHub {
            account: self.account.to_owned(),
            repository: self.repository.to_owned(),
            commit: self.commit.to_owned(),
            reason,
            source,
        }
    }

    fn invalid(&self, why: &'static str) -> FetchError {
        FetchError::GitHubName {
            account: self.account.to_owned(),
            repository: self.repository.to_owned(),
            commit: self.commit.to_owned(),
            why,
        }
    }

    /// The archive's URL. Each part becomes whole segments: what it holds cannot lead elsewhere.
    fn url(&self, base: &Url) -> Result<Url, FetchError> {
        for part in [self.account, self.repository]
            .into_iter()
            .chain(self.commit.split('/'))
        {
            if matches!(part, "" | "." | "..") {
                return Err(self.invalid("a part is empty, . or .."));
            }
        }
        let kind = match self.bundle_type {
            BundleType::Zip => "zipball",
            BundleType::Tar | BundleType::Tgz => "tarball",
            BundleType::Directory => return Err(self.invalid("its type must be tar or zip")),
        };
        let mut url = base.clone();
        url.path_segments_mut()
            .map_err(|()| self.invalid("github_api_endpoint cannot have a path"))?
            .pop_if_empty()
            .extend(["repos", self.account, self.repository, kind])
            .extend(self.commit.split('/'));
        Ok(url)
    }
}

/// An error, and whether another try makes sense.
enum Failure {
    Final(FetchError),
    /// Another try makes sense, after at least this long if GitHub says so.
    Transient(FetchError, Option<Duration>),
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::Final(error)
    }
}

/// Downloads the archive into `partial`; transient errors are retried after the delays that the
/// settings have.
pub(super) async fn fetch(
    sources: &Sources,
    archive: &Archive<'_>,
    partial: &mut PartialBundle,
) -> Result<Fetched, FetchError> {
    let base = base(sources.settings.github_api.as_deref().unwrap_or(API))?;
    let url = archive.url(&base)?;
    let client = sources
        .github
        .get_or_try_init(|| async {
            let trust = TrustRoots::load(&sources.settings.trust).map_err(FetchError::Trust)?;
            http::github_client(&sources.settings, &trust)
        })
        .await?;
    let mut delays = sources.settings.timing.github_delays.iter().copied();
    loop {
        let failure = match attempt(client, archive, &base, url.clone(), partial).await {
            Ok(fetched) => return Ok(fetched),
            Err(failure) => failure,
        };
        let (error, at_least) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Transient(error, at_least) => (error, at_least),
        };
        let Some(delay) = delays.next() else {
            return Err(error);
        };
        let delay = delay.max(at_least.unwrap_or_default());
        tracing::warn!(
            error = %crate::error::chain(&error),
            seconds = delay.as_secs(),
            "the download from GitHub failed; it is tried again"
        );
        tokio::time::sleep(delay).await;
        partial.restart()?;
    }
}

/// The API's address: https, or plain http to this very host, which tests use.
fn base(url: &str) -> Result<Url, FetchError> {
    let failed = |why: &str| FetchError::Setup {
        target: "GitHub",
        source: Cause(format!("github_api_endpoint {why}")),
    };
    let base = Url::parse(url).map_err(|_| failed("is not a URL"))?;
    if base.scheme() == "https" || is_plain_loopback(&base) {
        Ok(base)
    } else {
        Err(failed("must be an https URL"))
    }
}

fn is_plain_loopback(url: &Url) -> bool {
    let loopback = match address(url) {
        Some(address) => address.is_loopback(),
        None => url.host_str() == Some("localhost"),
    };
    url.scheme() == "http" && loopback
}

async fn attempt(
    client: &Client,
    archive: &Archive<'_>,
    base: &Url,
    mut url: Url,
    partial: &mut PartialBundle,
) -> Result<Fetched, Failure> {
    let mut redirects = 0;
    let mut response = loop {
        let response = request(client, archive, base, &url).await?;
        if !response.status().is_redirection() {
            break response;
        }
        redirects += 1;
        if redirects > REDIRECTS_MAX {
            let reason = GitHubRefusal::Redirect("there are too many redirects");
            return Err(archive.refused(reason, answer(&response)).into());
        }
        url = redirected(archive, base, &url, &response)?;
    };
    if response.status() != StatusCode::OK {
        return Err(refusal(archive, response).await);
    }
    if let Some(length) = response.content_length() {
        space::check(partial.bundle(), length, length)?;
    }
    let mut batch = Vec::new();
    let mut batched = 0;
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => {
                batched += bytes.len();
                batch.push(bytes);
                if batched >= BATCH {
                    partial.append(std::mem::take(&mut batch)).await?;
                    batched = 0;
                }
            }
            Ok(None) => break,
            Err(error) => return Err(unreachable(archive, error)),
        }
    }
    partial.append(batch).await?;
    partial.growing().is_all(partial.length());
    Ok(Fetched {
        bytes: partial.length(),
        etag: None,
        version: None,
    })
}

async fn request(
    client: &Client,
    archive: &Archive<'_>,
    base: &Url,
    url: &Url,
) -> Result<Response, Failure> {
    let mut request = client.get(url.clone());
    if let Some(token) = archive.token.filter(|_| url.origin() == base.origin()) {
        let mut value = HeaderValue::from_str(&format!("token {}", token.reveal()))
            .map_err(|_| archive.invalid("its token has characters that no token has"))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    request
        .send()
        .await
        .map_err(|error| unreachable(archive, error))
}

/// Where a redirect leads, if that may be followed.
fn redirected(
    archive: &Archive<'_>,
    base: &Url,
    from: &Url,
    response: &Response,
) -> Result<Url, FetchError> {
    let refused = |why| archive.refused(GitHubRefusal::Redirect(why), answer(response));
    let to = response
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| refused("it has no address"))?;
    let allowed = match base.scheme() {
        "https" => to.scheme() == "https",
        _ => to.scheme() == "https" || is_plain_loopback(&to),
    };
    if allowed {
        Ok(to)
    } else {
        Err(refused("it is not https"))
    }
}

fn unreachable(archive: &Archive<'_>, error: reqwest::Error) -> Failure {
    // The URL may hold a token of the download host.
    let error = error.without_url();
    let problem = if error.is_timeout() {
        NetworkProblem::TimedOut
    } else {
        problem(&error)
    };
    let error = archive.refused(GitHubRefusal::Network(problem), Cause::of(&error));
    Failure::Transient(error, None)
}

fn answer(response: &Response) -> Cause {
    Cause(format!("HTTP status {}", response.status()))
}

/// What an answer other than success means.
async fn refusal(archive: &Archive<'_>, mut response: Response) -> Failure {
    let status = response.status();
    let wait = wait(response.headers(), SystemTime::now());
    let mut cause = answer(&response);
    // GitHub explains itself in a small JSON document.
    if let Ok(Some(body)) = response.chunk().await
        && let Ok(body) = serde_json::from_slice::<serde_json::Value>(&body)
        && let Some(message) = body.get("message").and_then(serde_json::Value::as_str)
    {
        let message: String = message
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        cause = Cause(format!("{cause}: {message}"));
    }
    let limited = status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::FORBIDDEN && wait.is_some());
    if limited {
        let wait = wait.unwrap_or_default();
        let error = archive.refused(GitHubRefusal::RateLimited(wait), cause);
        return if wait > WAIT_MAX {
            Failure::Final(error)
        } else {
            Failure::Transient(error, Some(wait))
        };
    }
    let reason = match status {
        StatusCode::UNAUTHORIZED => GitHubRefusal::Unauthorized,
        StatusCode::FORBIDDEN => GitHubRefusal::Forbidden,
        StatusCode::NOT_FOUND if archive.token.is_some() => GitHubRefusal::NotFound,
        StatusCode::NOT_FOUND => GitHubRefusal::NotFoundAnonymously,
        status => GitHubRefusal::Status(status.as_u16()),
    };
    let error = archive.refused(reason, cause);
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        Failure::Transient(error, wait.filter(|wait| *wait <= WAIT_MAX))
    } else {
        Failure::Final(error)
    }
}

/// How long the headers ask to wait: `Retry-After`, or a rate that is used up.
fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(seconds));
    }
    // The other form that HTTP has for it: a date.
    let date = headers
        .get(RETRY_AFTER)
        .and_then(|date| date.to_str().ok())
        .and_then(|date| jiff::fmt::rfc2822::parse(date.trim()).ok());
    if let Some(date) = date {
        let until = SystemTime::from(date.timestamp());
        return Some(until.duration_since(now).unwrap_or_default());
    }
    if number("x-ratelimit-remaining") == Some(0) {
        // In seconds since 1970, both: what is no time at all is only a long wait.
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let reset = Duration::from_secs(number("x-ratelimit-reset").unwrap_or_default());
        return Some(reset.saturating_sub(now));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive<'a>(account: &'a str, commit: &'a str) -> Archive<'a> {
        Archive {
            account,
            repository: "repo",
            commit,
            bundle_type: BundleType::Zip,
            token: None,
        }
    }

    #[rstest::rstest]
    #[case(
        "owner",
        "abc123",
        "https://api.github.com/repos/owner/repo/zipball/abc123"
    )]
    #[case(
        "owner",
        "feature/x",
        "https://api.github.com/repos/owner/repo/zipball/feature/x"
    )]
    #[case(
        "a/b?c#d",
        "v 1%2f",
        "https://api.github.com/repos/a%2Fb%3Fc%23d/repo/zipball/v%201%252f"
    )]
    fn parts_become_whole_segments(#[case] account: &str, #[case] commit: &str, #[case] url: &str) {
        let base = Url::parse(API).unwrap();
        assert_eq!(archive(account, commit).url(&base).unwrap().as_str(), url);
    }

    #[test]
    fn an_endpoint_with_a_path_keeps_it() {
        let base = Url::parse("https://ghe.example/api/v3/").unwrap();
        let url = archive("o", "c").url(&base).unwrap();
        assert_eq!(
            url.as_str(),
            "https://ghe.example/api/v3/repos/o/repo/zipball/c"
        );
    }

    #[rstest::rstest]
    #[case("..", "c")]
    #[case("", "c")]
    #[case("o", "")]
    #[case("o", "a/../b")]
    #[case("o", "/a")]
    fn parts_that_lead_elsewhere_are_refused(#[case] account: &str, #[case] commit: &str) {
        assert!(
            archive(account, commit)
                .url(&Url::parse(API).unwrap())
                .is_err()
        );
    }

    #[rstest::rstest]
    #[case("https://ghe.example", true)]
    #[case("http://127.0.0.1:80", true)]
    #[case("http://[::1]:80", true)]
    #[case("http://ghe.example", false)]
    #[case("http://127.0.0.1.example", false)]
    #[case("ftp://127.0.0.1", false)]
    #[case("nothing", false)]
    fn the_api_is_https_or_loopback(#[case] url: &str, #[case] good: bool) {
        assert_eq!(base(url).is_ok(), good);
    }

    #[test]
    fn github_says_how_long_to_wait() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| {
                    (
                        reqwest::header::HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect::<HeaderMap>()
        };
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait(&headers(&[("retry-after", "7")]), now), seconds(7));
        let date = [("retry-after", "Thu, 01 Jan 1970 00:17:10 GMT")];
        assert_eq!(wait(&headers(&date), now), seconds(30));
        let used = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1060"),
        ];
        assert_eq!(wait(&headers(&used), now), seconds(60));
        let never = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "18446744073709551615"),
        ];
        assert_eq!(wait(&headers(&never), now), seconds(u64::MAX - 1000));
        let past = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")];
        assert_eq!(wait(&headers(&past), now), seconds(0));
        assert_eq!(wait(&headers(&[("x-ratelimit-remaining", "5")]), now), None);
        assert_eq!(wait(&headers(&[]), now), None);
    }
}
