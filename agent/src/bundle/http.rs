//! The HTTP clients: one of the AWS SDK for S3, one of reqwest for GitHub, with the same proxy
//! and the same trusted certificates.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_s3::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use reqwest::{Certificate, Client, NoProxy, Proxy};

use super::fetch_error::FetchError;
use super::network::Cause;
use super::settings::{ProxySettings, ProxyUri, SourceSettings};

/// Which targets a client talks to; the SDK's client knows one proxy only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

/// Certificates in PEM, one each, all of which parse.
pub(super) fn trusted(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, FetchError> {
    let mut trusted = Vec::new();
    for path in files {
        let failed = |source| FetchError::Trust {
            path: path.clone(),
            source,
        };
        let text = fs_err::read(path).map_err(failed)?;
        let blocks = pem_blocks(&text);
        // The SDK's client panics on a certificate that does not parse, so each is tried.
        let good: Vec<_> = if parse(&blocks) {
            blocks
        } else {
            blocks
                .into_iter()
                .filter(|block| parse(std::slice::from_ref(block)))
                .collect()
        };
        if good.is_empty() {
            return Err(failed(io::Error::new(
                io::ErrorKind::InvalidData,
                "it holds no certificate in PEM form",
            )));
        }
        trusted.extend(good);
    }
    Ok(trusted)
}

fn parse(blocks: &[Vec<u8>]) -> bool {
    let certificates: Result<Vec<_>, _> = blocks
        .iter()
        .map(|pem| Certificate::from_pem(pem))
        .collect();
    certificates.is_ok_and(|certificates| {
        Client::builder()
            .no_proxy()
            .tls_certs_only(certificates)
            .build()
            .is_ok()
    })
}

fn pem_blocks(text: &[u8]) -> Vec<Vec<u8>> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(begin) = find(rest, BEGIN) {
        let from = rest.get(begin..).unwrap_or_default();
        let Some(end) = find(from, END) else {
            break;
        };
        let (block, after) = from.split_at(end + END.len());
        blocks.push([block, b"\n"].concat());
        rest = after;
    }
    blocks
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
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
    proxy: &ProxySettings,
    scheme: Scheme,
    trusted: &[Vec<u8>],
) -> Result<SharedHttpClient, FetchError> {
    let failed = setup("S3");
    let mut trust = TrustStore::default();
    for pem in trusted {
        trust = trust.with_pem_certificate(pem.as_slice());
    }
    let tls = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| failed(&error))?;
    let uri = match scheme {
        Scheme::Http => &proxy.http,
        Scheme::Https => &proxy.https,
    };
    let proxy = match uri.as_ref().filter(|_| proxy.s3).map(ProxyUri::reveal) {
        None => ProxyConfig::disabled(),
        Some(uri) => {
            let config = match scheme {
                Scheme::Http => ProxyConfig::http(uri),
                Scheme::Https => ProxyConfig::https(uri),
            };
            config
                .map_err(|error| failed(&error))?
                .no_proxy(proxy.no_proxy.as_deref().unwrap_or_default())
        }
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
pub(super) fn github_client(settings: &SourceSettings, plain: bool) -> Result<Client, FetchError> {
    let failed = setup("GitHub");
    let mut builder = Client::builder()
        .user_agent(&settings.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.timing.connect)
        .read_timeout(settings.timing.stall)
        .tcp_keepalive(Duration::from_secs(30))
        // Only what the settings say; they hold the environment's proxies too.
        .no_proxy();
    if settings.proxy.github {
        let no_proxy = settings
            .proxy
            .no_proxy
            .as_deref()
            .and_then(NoProxy::from_string);
        let add =
            |proxy: reqwest::Result<Proxy>| proxy.map(|proxy| proxy.no_proxy(no_proxy.clone()));
        if let Some(uri) = &settings.proxy.http {
            let proxy =
                add(Proxy::http(uri.reveal())).map_err(|error| failed(&error.without_url()))?;
            builder = builder.proxy(proxy);
        }
        if let Some(uri) = &settings.proxy.https {
            let proxy =
                add(Proxy::https(uri.reveal())).map_err(|error| failed(&error.without_url()))?;
            builder = builder.proxy(proxy);
        }
    }
    let certificates: Vec<_> = trusted(&settings.trust)?
        .iter()
        .filter_map(|pem| Certificate::from_pem(pem).ok())
        .collect();
    // A plain connection must not fail for want of system certificates.
    builder = if plain {
        builder.tls_certs_only(certificates)
    } else {
        builder.tls_certs_merge(certificates)
    };
    builder
        .build()
        .map_err(|error| failed(&error.without_url()))
}
