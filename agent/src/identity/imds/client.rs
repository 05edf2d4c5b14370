//! The client of the instance metadata service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::Mutex;

use super::session::{Session, TOKEN_LIFETIME};
use super::{ImdsError, ImdsSettings};

/// Far above any answer.
const LIMIT: usize = 64 * 1024;

const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");

/// How long is waited. The service is on the host's own link and answers within milliseconds; a
/// token that does not come is how a network with one hop too many shows itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    pub(super) token: Duration,
    pub(super) request: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            token: Duration::from_secs(2),
            request: Duration::from_secs(3),
        }
    }
}

/// The client. Clones share one session.
#[derive(Debug, Clone)]
pub struct Imds {
    http: reqwest::Client,
    settings: Arc<ImdsSettings>,
    patience: Patience,
    session: Arc<Mutex<Session>>,
}

impl Imds {
    /// A client. Nothing is asked yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(settings: ImdsSettings) -> Result<Self, ImdsError> {
        Self::with_patience(settings, Patience::default())
    }

    pub(super) fn with_patience(
        settings: ImdsSettings,
        patience: Patience,
    ) -> Result<Self, ImdsError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(patience.connect)
            .pool_max_idle_per_host(0)
            // It speaks plain http only, so the system's trust roots need not be loaded.
            .tls_certs_only([])
            .build()
            .map_err(ImdsError::Client)?;
        Ok(Self {
            http,
            settings: Arc::new(settings),
            patience,
            session: Arc::default(),
        })
    }

    /// The text at `path` below `latest/`. None when the service has nothing there.
    ///
    /// # Errors
    /// When the service does not answer, or with something else.
    pub(super) async fn get(&self, path: &str) -> Result<Option<String>, ImdsError> {
        if self.settings.disabled {
            return Err(ImdsError::Disabled);
        }
        let mut renewed = false;
        loop {
            let token = self.token().await?;
            let mut headers = HeaderMap::new();
            if let Some(token) = &token {
                headers.insert(TOKEN, token.clone());
            }
            let response = self
                .send(Method::GET, path, headers, self.patience.request)
                .await?;
            match response.status() {
                StatusCode::OK => return self.text(path, response).await.map(Some),
                StatusCode::NOT_FOUND => return Ok(None),
                // The token is no longer known, or version 1 has been switched off.
                StatusCode::UNAUTHORIZED if !renewed => {
                    renewed = true;
                    self.forget(token).await;
                }
                status => {
                    let (path, status) = (path.to_owned(), status.as_u16());
                    return Err(ImdsError::Status { path, status });
                }
            }
        }
    }

    /// The token of the session, which is begun when there is none. One request begins it, the
    /// others wait for that.
    async fn token(&self) -> Result<Option<HeaderValue>, ImdsError> {
        let mut session = self.session.lock().await;
        if let Some(token) = session.usable(Instant::now()) {
            return Ok(token);
        }
        *session = self.begin().await?;
        // Also when the token has come with a lifetime of nothing.
        match &*session {
            Session::Token { value, .. } => Ok(Some(value.clone())),
            Session::WithoutToken { .. } | Session::Unknown => Ok(None),
        }
    }

    async fn begin(&self) -> Result<Session, ImdsError> {
        const PATH: &str = "api/token";
        let v1_allowed = self.settings.v1_allowed;
        let mut headers = HeaderMap::new();
        headers.insert(TOKEN_TTL, HeaderValue::from(TOKEN_LIFETIME.as_secs()));
        let answer = self
            .send(Method::PUT, PATH, headers, self.patience.token)
            .await;
        let response = match answer {
            Ok(response) => response,
            // The answer to a token request does not pass a hop, other answers do.
            Err(ImdsError::NoAnswer { source, .. }) if v1_allowed && is_slow(&source) => {
                return Ok(Session::without_token(Instant::now()));
            }
            Err(error) => return Err(error),
        };
        let status = response.status();
        match status {
            StatusCode::OK => {
                let lifetime = lifetime(response.headers());
                let token = self.text(PATH, response).await?;
                let session = Session::with_token(token.trim(), lifetime, Instant::now());
                session.ok_or(ImdsError::InvalidToken)
            }
            // What services without version 2 answer.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                if v1_allowed {
                    Ok(Session::without_token(Instant::now()))
                } else {
                    Err(ImdsError::NoToken {
                        status: status.as_u16(),
                    })
                }
            }
            _ => Err(ImdsError::Status {
                path: PATH.to_owned(),
                status: status.as_u16(),
            }),
        }
    }

    /// Ends the session that has `token`, unless somebody else has begun another one meanwhile.
    async fn forget(&self, token: Option<HeaderValue>) {
        let mut session = self.session.lock().await;
        if session
            .usable(Instant::now())
            .is_some_and(|current| current == token)
        {
            *session = Session::Unknown;
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        patience: Duration,
    ) -> Result<Response, ImdsError> {
        let url = format!("{}latest/{path}", self.settings.endpoint);
        let request = self
            .http
            .request(method, url)
            .headers(headers)
            .timeout(patience);
        request.send().await.map_err(|error| self.no_answer(error))
    }

    /// The body, which must be short and text.
    async fn text(&self, path: &str, mut response: Response) -> Result<String, ImdsError> {
        let mut body = Vec::new();
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|error| self.no_answer(error))?
        {
            if body.len() + part.len() > LIMIT {
                return Err(ImdsError::TooLarge {
                    path: path.to_owned(),
                    limit: LIMIT,
                });
            }
            body.extend_from_slice(&part);
        }
        String::from_utf8(body).map_err(|_| ImdsError::NotText {
            path: path.to_owned(),
        })
    }

    fn no_answer(&self, error: reqwest::Error) -> ImdsError {
        ImdsError::NoAnswer {
            endpoint: self
                .settings
                .endpoint
                .as_str()
                .trim_end_matches('/')
                .to_owned(),
            source: error.without_url(),
        }
    }
}

/// Whether somebody has been reached who did not answer in time. A connection that cannot be made
/// is something else: version 1 would not be reached either.
fn is_slow(error: &reqwest::Error) -> bool {
    error.is_timeout() && !error.is_connect()
}

/// The lifetime that the service has given the token.
fn lifetime(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get(TOKEN_TTL)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(TOKEN_LIFETIME, Duration::from_secs)
}
