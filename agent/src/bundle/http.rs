//! The HTTP clients: one of the AWS SDK for S3, one of reqwest for GitHub, with the proxies
//! and the trusted certificates that [`crate::http`] decides on for all clients.

use std::time::Duration;

use aws_sdk_s3::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use reqwest::{Client, NoProxy, Proxy};

use super::fetch_error::FetchError;
use super::network::Cause;
use super::settings::SourceSettings;
use crate::http::{Proxies, TrustRoots};

/// Which targets a client talks to; the SDK's client knows one proxy only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

fn setup(target: &'static str) -> impl Fn(&(dyn std::error::Error + 'static)) -> FetchError {
    move |error| FetchError::Setup {
        target,
        source: Cause::of(error),
    }
}

/// The SDK's client for targets of one scheme. Through the https client, plain http (instance
/// metadata, container credentials) is never sent to a proxy.
pub(super) fn sdk_client(
    proxies: &Proxies,
    scheme: Scheme,
    trust: &TrustRoots,
) -> Result<SharedHttpClient, FetchError> {
    let failed = setup("S3");
    // Without the native roots, which SSL_CERT_FILE would replace.
    let store = TrustStore::empty().with_pem_certificate(trust.to_pem());
    let tls = TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| failed(&error))?;
    let config = match scheme {
        Scheme::Http => proxies
            .for_scheme("http")
            .map(|proxy| ProxyConfig::http(proxy.expose_url().as_str())),
        Scheme::Https => proxies
            .for_scheme("https")
            .map(|proxy| ProxyConfig::https(proxy.expose_url().as_str())),
    };
    let proxy = match config {
        None => ProxyConfig::disabled(),
        Some(config) => config
            .map_err(|error| failed(&error))?
            .no_proxy(proxies.no_proxy()),
    };
    Ok(
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(tls.clone())
                .proxy_config(proxy.clone());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            connector.build()
        }),
    )
}

/// reqwest's client for GitHub. It follows no redirect by itself.
pub(super) fn github_client(
    settings: &SourceSettings,
    trust: &TrustRoots,
) -> Result<Client, FetchError> {
    let failed = setup("GitHub");
    let mut tls = trust.client_config().map_err(FetchError::Trust)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut builder = Client::builder()
        .user_agent(&settings.user_agent)
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.timing.connect)
        .read_timeout(settings.timing.stall)
        .tcp_keepalive(Duration::from_secs(30))
        // Only what the settings say; they hold the environment's proxies too.
        .no_proxy();
    let proxies = &settings.proxies_github;
    let http = proxies
        .for_scheme("http")
        .map(|proxy| Proxy::http(proxy.expose_url().clone()));
    let https = proxies
        .for_scheme("https")
        .map(|proxy| Proxy::https(proxy.expose_url().clone()));
    for proxy in [http, https].into_iter().flatten() {
        let proxy = proxy.map_err(|error| failed(&error.without_url()))?;
        builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(proxies.no_proxy())));
    }
    builder
        .build()
        .map_err(|error| failed(&error.without_url()))
}
