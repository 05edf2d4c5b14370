//! The command service over HTTPS: AWS JSON 1.1, signed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use reqwest::header::{
    CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT,
};
use reqwest::{Response, StatusCode, Url};

use super::clock::{ClockSkew, http_date};
use super::failure::{Diagnosis, Route};
use super::hygiene::{Secrets, one_line};
use super::model::{AcknowledgementReply, CompletionStatus, Envelope, UpdateReply};
use super::operations::{ControlPlane, Operation};
use super::request::Request;
use super::signature::{Scope, add_signature};
use super::wire_log::{Exchange, WireLog};
use super::{Error, HostCommand, ServiceError, Settings, SpecificationReply, answer, body};
use crate::config::ProxyUri;
use crate::http::{TrustError, TrustRoots};
use crate::identity::Region;

/// The longest wait for a connection, TLS and the proxy's answer included. Never more than
/// `http_read_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest wait for credentials, which may come from the metadata service or a process.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(60);

/// Just under the minute that load balancers keep idle connections for.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);

/// Our own name and version; the version that the service is told is another.
pub(super) const OWN_NAME: &str = concat!("codedeploy-host-agent/", env!("CARGO_PKG_VERSION"));

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS.
    #[error("cannot set up TLS for the command service")]
    Trust(#[source] TrustError),
    /// The HTTP library.
    #[error("cannot set up the HTTP client of the command service")]
    Http(#[source] reqwest::Error),
    /// The configuration.
    #[error("compatible_version {value:?} cannot be sent as a header")]
    Version {
        /// The value.
        value: String,
    },
}

/// A client of the command service. One call is one attempt; share it by reference or `Arc`.
pub struct Client {
    http: reqwest::Client,
    url: Url,
    route: Route,
    region: Region,
    names: Names,
    compatible_version: HeaderValue,
    read_timeout: Duration,
    credentials: SharedCredentialsProvider,
    wire_log: Option<Arc<WireLog>>,
    clock_skew: Mutex<Option<ClockSkew>>,
}

/// What differs with `enable_auth_policy`.
#[derive(Debug, Clone, Copy)]
struct Names {
    target: &'static str,
    signing: &'static str,
}

impl Names {
    fn new(secure: bool) -> Self {
        match secure {
            false => Self {
                target: "CodeDeployCommandService_v20141006",
                signing: "codedeploy-commands",
            },
            true => Self {
                target: "CodeDeployCommandService",
                signing: "codedeploy-commands-secure",
            },
        }
    }
}

impl Client {
    /// A client. Connects to nothing yet. `credentials` is asked before each attempt: whatever is
    /// cached is the provider's to cache.
    ///
    /// # Errors
    /// When the HTTP or TLS library refuses the settings.
    pub fn new(
        settings: Settings,
        trust: &TrustRoots,
        credentials: SharedCredentialsProvider,
    ) -> Result<Self, ClientError> {
        let proxy = settings.proxies.for_url(&settings.url);
        let http = http_client(trust, proxy, CONNECT_TIMEOUT.min(settings.read_timeout))?;
        let compatible_version = HeaderValue::from_str(&settings.compatible_version);
        Ok(Self {
            http,
            route: Route::new(&settings.url, proxy),
            url: settings.url,
            region: settings.region,
            names: Names::new(settings.secure),
            compatible_version: compatible_version.map_err(|_| ClientError::Version {
                value: settings.compatible_version,
            })?,
            read_timeout: settings.read_timeout,
            credentials,
            wire_log: settings.wire_log.map(Arc::new),
            clock_skew: Mutex::new(None),
        })
    }

    /// The way to the service.
    #[must_use]
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// The clocks' difference as the last answer had it, whatever else it said; none before the
    /// first.
    #[must_use]
    pub fn clock_skew(&self) -> Option<ClockSkew> {
        *self
            .clock_skew
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn credentials(&self, operation: Operation) -> Result<Credentials, Error> {
        let credentials = self.credentials.provide_credentials();
        match tokio::time::timeout(CREDENTIALS_TIMEOUT, credentials).await {
            Ok(Ok(credentials)) => Ok(credentials),
            Ok(Err(source)) => Err(Error::Credentials { operation, source }),
            Err(_) => Err(Error::CredentialsTimeout {
                operation,
                after: CREDENTIALS_TIMEOUT,
            }),
        }
    }

    fn headers(&self, request: &Request, credentials: &Credentials) -> Result<HeaderMap, Error> {
        let operation = request.operation;
        let sign = |source| Error::Sign { operation, source };
        let target = format!("{}.{operation}", self.names.target);
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/x-amz-json-1.1");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(USER_AGENT, HeaderValue::from_static(OWN_NAME));
        headers.insert(
            HeaderName::from_static("x-amz-target"),
            HeaderValue::from_str(&target).map_err(|error| sign(error.into()))?,
        );
        headers.insert(
            HeaderName::from_static("x-amz-codedeploy-agent-version"),
            self.compatible_version.clone(),
        );
        let scope = Scope {
            region: &self.region,
            service: self.names.signing,
            time: SystemTime::now(),
        };
        add_signature(&mut headers, &self.url, &request.body, credentials, &scope).map_err(sign)?;
        Ok(headers)
    }

    /// One attempt: the body of a success.
    async fn call(&self, request: Request) -> Result<Vec<u8>, Error> {
        let credentials = self.credentials(request.operation).await?;
        let headers = self.headers(&request, &credentials)?;
        let secrets = Secrets::of(&credentials);
        let exchange = self.wire_log.as_ref().map(|log| {
            Exchange::begin(
                Arc::clone(log),
                &self.url,
                &headers,
                &request.body,
                &secrets,
            )
        });
        let result = self
            .exchange(request, headers, &credentials, &secrets, exchange.as_ref())
            .await;
        if let (Some(exchange), Err(error)) = (&exchange, &result) {
            exchange.failed(error);
        }
        result
    }

    async fn exchange(
        &self,
        request: Request,
        headers: HeaderMap,
        credentials: &Credentials,
        secrets: &Secrets,
        exchange: Option<&Exchange>,
    ) -> Result<Vec<u8>, Error> {
        let operation = request.operation;
        let response = self.send(request, headers).await?;
        let received = SystemTime::now();
        let (status, headers) = (response.status(), response.headers().clone());
        self.note_clock(&headers, received);
        if let Some(exchange) = exchange {
            exchange.head(status, &headers, secrets);
        }
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED && self.route.proxy.is_some() {
            let route = self.route.clone();
            return Err(Error::ProxyAuthentication { operation, route });
        }
        if let Some(error) = redirection(operation, status, &headers) {
            return Err(error);
        }
        let body = body::read(response, operation, &self.route, self.read_timeout).await;
        let body = match status.is_success() {
            true => body?,
            // The status says enough, whatever becomes of the rest.
            false => body.unwrap_or_default(),
        };
        if let Some(exchange) = exchange {
            exchange.body(&body, secrets);
        }
        if !status.is_success() {
            let error =
                ServiceError::read(operation, status, &headers, &body, received, credentials);
            return Err(Error::Service(Box::new(error)));
        }
        check_content_type(operation, &headers)?;
        Ok(body)
    }

    async fn send(&self, request: Request, headers: HeaderMap) -> Result<Response, Error> {
        let operation = request.operation;
        let call = self
            .http
            .post(self.url.clone())
            .headers(headers)
            .body(request.body)
            .send();
        let started = Instant::now();
        let source = match tokio::time::timeout(self.read_timeout, call).await {
            Ok(Ok(response)) => {
                let (status, after) = (response.status().as_u16(), started.elapsed());
                tracing::debug!(%operation, status, ?after, "answered");
                return Ok(response);
            }
            Ok(Err(error)) => error.without_url(),
            Err(_) => {
                return Err(Error::Timeout {
                    operation,
                    route: self.route.clone(),
                    after: self.read_timeout,
                    has_begun: false,
                });
            }
        };
        tracing::debug!(%operation, after = ?started.elapsed(), "no answer");
        let route = self.route.clone();
        if !source.is_connect() {
            return Err(Error::Broken {
                operation,
                route,
                source,
            });
        }
        Err(match Diagnosis::of(&source) {
            Diagnosis::ProxyAuthentication => Error::ProxyAuthentication { operation, route },
            Diagnosis::Failure(failure) => Error::Connect {
                operation,
                route,
                failure,
                source,
            },
        })
    }

    fn note_clock(&self, headers: &HeaderMap, received: SystemTime) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(http_date) {
            let skew = ClockSkew::between(received, date);
            *self
                .clock_skew
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(skew);
        }
    }
}

/// The HTTP client of one service: its proxy, its trusted certificates, and nothing from the
/// process's environment.
pub(super) fn http_client(
    trust: &TrustRoots,
    proxy: Option<&ProxyUri>,
    connect_timeout: Duration,
) -> Result<reqwest::Client, ClientError> {
    let mut tls = trust.client_config().map_err(ClientError::Trust)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        // One connection a poll: when the poll is given up its connection closes, and the service
        // does not hand a command to nobody.
        .http1_only()
        // Requests carry credentials; nothing but the address that was configured gets them.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // The environment counts only through `Proxies`.
        .no_proxy()
        .pool_idle_timeout(IDLE_CONNECTION)
        .connect_timeout(connect_timeout);
    if let Some(proxy) = proxy {
        let proxy = reqwest::Proxy::all(proxy.expose_url().clone())
            .map_err(|error| ClientError::Http(error.without_url()))?;
        builder = builder.proxy(proxy);
    }
    builder
        .build()
        .map_err(|error| ClientError::Http(error.without_url()))
}

fn redirection(operation: Operation, status: StatusCode, headers: &HeaderMap) -> Option<Error> {
    let to = headers.get(LOCATION).filter(|_| status.is_redirection())?;
    let to = String::from_utf8_lossy(to.as_bytes());
    // Path and query are somebody's, perhaps with a token.
    let to = match Url::parse(&to) {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => "another path".to_owned(),
    };
    Some(Error::Redirect {
        operation,
        status: status.as_u16(),
        to,
    })
}

/// A success must be the service's: a portal's page of status 200 must not count as an accepted
/// completion. Without a type the body decides.
fn check_content_type(operation: Operation, headers: &HeaderMap) -> Result<(), Error> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let kind = text.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    if kind == "application/json" || kind.starts_with("application/x-amz-json-1.") {
        return Ok(());
    }
    Err(Error::ContentType {
        operation,
        content_type: one_line(&text, 80),
    })
}

impl ControlPlane for Client {
    async fn poll_host_command(&self, host_identifier: &str) -> Result<Option<HostCommand>, Error> {
        let body = self.call(Request::poll(host_identifier)).await?;
        answer::host_command(&body)
    }

    async fn get_deployment_specification(
        &self,
        deployment_execution_id: &str,
        host_identifier: &str,
    ) -> Result<SpecificationReply, Error> {
        let request = Request::specification(deployment_execution_id, host_identifier);
        answer::specification(&self.call(request).await?)
    }

    async fn put_host_command_acknowledgement(
        &self,
        host_command_identifier: &str,
        is_command_noop: bool,
    ) -> Result<AcknowledgementReply, Error> {
        let request = Request::acknowledgement(host_command_identifier, is_command_noop);
        let operation = request.operation;
        let command_status = answer::command_status(operation, &self.call(request).await?)?;
        Ok(AcknowledgementReply { command_status })
    }

    async fn put_host_command_complete(
        &self,
        host_command_identifier: &str,
        status: CompletionStatus,
        diagnostics: &Envelope,
    ) -> Result<(), Error> {
        let request = Request::complete(host_command_identifier, status, diagnostics)?;
        let operation = request.operation;
        answer::nothing(operation, &self.call(request).await?)
    }

    async fn post_host_command_update(
        &self,
        host_command_identifier: &str,
        estimated_completion_time: Option<SystemTime>,
        diagnostics: Option<&Envelope>,
    ) -> Result<UpdateReply, Error> {
        let request = Request::update(
            host_command_identifier,
            estimated_completion_time,
            diagnostics,
        )?;
        let operation = request.operation;
        let command_status = answer::command_status(operation, &self.call(request).await?)?;
        Ok(UpdateReply { command_status })
    }
}
