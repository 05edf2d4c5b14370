//! The client against servers on the loopback that speak the protocol, or break it.

mod fake;
mod faults;
mod operations;
mod proxy;
mod signature;
mod tls;
mod wire;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use reqwest::Url;

use self::fake::{Fake, Received, Reply};
use super::{Client, Settings};
use crate::http::{Proxies, TrustRoots};
use crate::identity::Region;

const HOST: &str = "arn:aws:ec2:eu-west-1:123456789012:instance/i-0123";
const ACCESS_KEY: &str = "AKIDEXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "FwoGZXIvYXdzEBYaD+session/token==";

fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY, SECRET_KEY, Some(TOKEN.to_owned()), None, "test")
}

fn settings(url: &str) -> Settings {
    Settings {
        url: Url::parse(url).unwrap(),
        region: Region::new("eu-west-1").unwrap(),
        secure: false,
        compatible_version: "2.1.0".to_owned(),
        read_timeout: Duration::from_secs(20),
        proxies: Proxies::none(),
        wire_log: None,
    }
}

fn client_with(settings: Settings) -> Client {
    let provider = SharedCredentialsProvider::new(credentials());
    Client::new(settings, &TrustRoots::default(), provider).unwrap()
}

fn client(url: &str) -> Client {
    client_with(settings(url))
}

/// Everything that an error shows, to look for what it must not.
fn shown(error: &super::Error) -> String {
    let text = crate::error::chain(error);
    let debug = format!("{error:?}");
    for secret in [SECRET_KEY, TOKEN, "proxy-password"] {
        assert!(
            !text.contains(secret) && !debug.contains(secret),
            "{text} {debug}"
        );
    }
    text
}
