//! The real chain. The AWS crates read the environment of the process, so each case is this test
//! program once more, in an environment of its own.

use aws_credential_types::provider::ProvideCredentials as _;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector};
use axum::Router;
use axum::routing::post;
use integration_tests::fakes::FakeImds;
use rstest::rstest;
use serde_json::json;

use super::super::*;
use crate::error::chain;
use crate::identity::{Imds, ImdsSettings, Region};

const STS_ANSWER: &str = "\
<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIASTS</AccessKeyId>\
<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
</AssumeRoleWithWebIdentityResponse>";

const CHILD: &str = "CREDENTIALS_TEST_CHILD";

/// The other process: says on one line what it has found.
#[tokio::test]
#[ignore = "run by the tests below in an environment of its own"]
async fn child() {
    // Run by hand, it must not look for credentials on the network.
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let variable = |name: &str| std::env::var(name).ok();
    let imds = Imds::new(ImdsSettings::new(variable, false).unwrap()).unwrap();
    // As the agent's own client, it goes through the proxy if there is one.
    let https = Builder::new().build_with_connector_fn(|_, _| {
        let connector = Connector::builder();
        connector.proxy_config(ProxyConfig::from_env()).build_http()
    });
    let region = Region::new("eu-west-1").unwrap();
    let settings = ChainSettings::new(variable, region, false, https, imds);
    println!("IGNORED {}", settings.ignored.join(" "));
    let credentials = HostCredentials::chain(settings);
    match credentials.provide_credentials().await {
        Ok(found) => {
            println!(
                "FOUND {} {:?}",
                found.access_key_id(),
                credentials.source().unwrap()
            );
        }
        Err(error) => println!("ERROR {}", chain(&error)),
    }
}

/// What the chain finds in an environment of these variables and nothing else.
#[expect(
    clippy::disallowed_methods,
    reason = "an environment of its own needs a process"
)]
async fn chain_in(environment: &[(&str, &str)]) -> String {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let name = "identity::host_credentials::tests::real_chain::child";
    command
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env_clear();
    // No home directory has files of the AWS tools.
    command
        .env(CHILD, "1")
        .env("HOME", "/nonexistent")
        .envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| {
        ["IGNORED ", "FOUND ", "ERROR "]
            .iter()
            .any(|kind| line.starts_with(kind))
    });
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 2, "{text}");
    lines.join("\n")
}

const IMDS: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// Through which nothing passes.
const DEAD_PROXY: [(&str, &str); 4] = [
    ("http_proxy", "http://127.0.0.1:9"),
    ("HTTP_PROXY", "http://127.0.0.1:9"),
    ("https_proxy", "http://127.0.0.1:9"),
    ("all_proxy", "http://127.0.0.1:9"),
];

#[tokio::test]
async fn keys_in_the_environment_are_not_used_and_the_instance_profile_needs_no_proxy() {
    let imds = FakeImds::start("eu-west-1");
    let endpoint = imds.endpoint();
    let mut environment = vec![
        ("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_CREDENTIAL_FILE", "/nonexistent"),
        (IMDS, &endpoint),
    ];
    environment.extend(DEAD_PROXY);
    assert_eq!(
        chain_in(&environment).await,
        "IGNORED AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_CREDENTIAL_FILE\n\
         FOUND ASIAINSTANCE InstanceProfile"
    );
    // As to an origin, not as to a proxy.
    assert!(
        imds.requests()
            .iter()
            .all(|request| request.path.starts_with('/'))
    );
}

#[rstest]
#[case::keys(
    "aws_access_key_id=AKIDPROFILE\naws_secret_access_key=s\n",
    "AKIDPROFILE"
)]
#[case::process(
    "credential_process = printf '{\"Version\":1,\"AccessKeyId\":\"AKIDPROCESS\",\"SecretAccessKey\":\"s\"}'\n",
    "AKIDPROCESS"
)]
#[tokio::test]
async fn a_profile_goes_first(#[case] profile: &str, #[case] expected: &str) {
    let imds = FakeImds::start("eu-west-1");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials");
    fs_err::write(&file, format!("[default]\n{profile}")).unwrap();
    let environment = [
        ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
        ("PATH", "/usr/bin:/bin"),
        (IMDS, &imds.endpoint()),
    ];
    let found = chain_in(&environment).await;
    assert_eq!(found, format!("IGNORED \nFOUND {expected} Profile"));
    assert!(imds.requests().is_empty());
}

#[tokio::test]
async fn a_profile_does_not_reach_the_keys_in_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config");
    let profile = "[default]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n";
    fs_err::write(&file, profile).unwrap();
    let environment = [
        ("AWS_CONFIG_FILE", file.to_str().unwrap()),
        ("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
    ];
    let found = chain_in(&environment).await;
    assert!(
        found.contains("no credentials from the AWS profile: "),
        "{found}"
    );
    assert!(
        found.contains("does not use the keys in its environment"),
        "{found}"
    );
}

#[tokio::test]
async fn web_identity_asks_sts() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sts = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route(
        "/",
        post(async || ([("content-type", "text/xml")], STS_ANSWER)),
    );
    tokio::spawn(async { axum::serve(listener, router).await });
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    fs_err::write(&token, "TOKEN").unwrap();
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/web"),
        ("AWS_ENDPOINT_URL_STS", &sts),
    ];
    assert_eq!(
        chain_in(&environment).await,
        "IGNORED \nFOUND ASIASTS WebIdentity"
    );
}

#[tokio::test]
async fn the_container_s_endpoint_needs_no_proxy() {
    let server = FakeImds::start("eu-west-1");
    let document = json!({
        "AccessKeyId": "ASIACONTAINER", "SecretAccessKey": "s", "Token": "t",
        "Expiration": "2099-01-01T00:00:00Z",
    });
    server.set("container", &document.to_string());
    let uri = format!("{}/latest/container", server.endpoint());
    let mut environment = vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str())];
    environment.extend(DEAD_PROXY);
    assert_eq!(
        chain_in(&environment).await,
        "IGNORED \nFOUND ASIACONTAINER Container"
    );
}

#[tokio::test]
async fn without_any_each_says_why() {
    let imds = FakeImds::start("eu-west-1");
    imds.remove_role();
    let found = chain_in(&[(IMDS, &imds.endpoint())]).await;
    assert!(
        found.contains("the AWS profile: not configured; web identity: "),
        "{found}"
    );
    assert!(
        found.contains("the instance has no IAM role; attach"),
        "{found}"
    );
}
