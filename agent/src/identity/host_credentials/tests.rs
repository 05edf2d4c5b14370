//! The cache in front of providers that fail, and the real chain in an environment of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use rstest::rstest;

use super::chain::Link;
use super::*;
use crate::error::chain;
use crate::identity::{OnPremisesCredentials, Secret};

mod real_chain;

type Results = VecDeque<Result<Credentials, CredentialsError>>;

/// A provider that gives what it has been told, and fails the test when asked once more.
#[derive(Debug, Clone, Default)]
struct Scripted(Arc<Mutex<Results>>);

impl Scripted {
    fn then(self, result: Result<Credentials, CredentialsError>) -> Self {
        self.0.lock().unwrap().push_back(result);
        self
    }

    fn gives(self, id: &str, expiry: Option<SystemTime>) -> Self {
        self.then(Ok(Credentials::new(id, "HUSH", None, expiry, "test")))
    }

    fn fails(self) -> Self {
        self.then(Err(CredentialsError::provider_error("out of order")))
    }

    fn link(&self, source: CredentialSource) -> Link {
        Link {
            source,
            provider: SharedCredentialsProvider::new(self.clone()),
        }
    }

    fn alone(&self) -> HostCredentials {
        HostCredentials::from_links(vec![self.link(CredentialSource::InstanceProfile)])
    }
}

impl ProvideCredentials for Scripted {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let result = self.0.lock().unwrap().pop_front();
        future::ProvideCredentials::ready(result.expect("asked more often than expected"))
    }
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn after(seconds: u64) -> SystemTime {
    start() + Duration::from_secs(seconds)
}

/// The public part of the key at a time.
async fn key(credentials: &HostCredentials, now: SystemTime) -> String {
    credentials
        .at(now)
        .await
        .unwrap()
        .access_key_id()
        .to_owned()
}

#[rstest]
#[case::hours(Some(6 * 3600), 1800)]
#[case::half_an_hour(Some(1800), 1500)]
#[case::minutes(Some(400), 200)]
#[case::none(None, 1800)]
#[tokio::test]
async fn credentials_are_renewed_in_time(#[case] life: Option<u64>, #[case] used_for: u64) {
    let provider = Scripted::default()
        .gives("A", life.map(after))
        .gives("B", None);
    let credentials = provider.alone();
    assert_eq!(key(&credentials, start()).await, "A");
    assert_eq!(key(&credentials, after(used_for - 1)).await, "A");
    assert_eq!(key(&credentials, after(used_for)).await, "B");
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_old_ones() {
    let provider = Scripted::default()
        .gives("A", Some(after(1000)))
        .fails()
        .fails();
    let credentials = provider.clone().gives("B", None).alone();
    assert_eq!(key(&credentials, start()).await, "A");
    assert_eq!(key(&credentials, after(700)).await, "A");
    assert_eq!(key(&credentials, after(729)).await, "A");
    // Past their end, too: it is for the service to refuse them.
    assert_eq!(key(&credentials, after(1001)).await, "A");
    assert_eq!(key(&credentials, after(1031)).await, "B");
    assert!(provider.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn refused_credentials_are_looked_up_at_once_and_not_used_again() {
    let provider = Scripted::default()
        .gives("A", None)
        .fails()
        .gives("B", None);
    let credentials = provider.alone();
    assert_eq!(key(&credentials, start()).await, "A");
    credentials.refuse("A").await;
    let error = credentials.at(after(1)).await.unwrap_err();
    assert!(chain(&error).ends_with("out of order"), "{}", chain(&error));
    assert_eq!(key(&credentials, after(2)).await, "B");
    // Late news of the old ones.
    credentials.refuse("A").await;
    assert_eq!(key(&credentials, after(3)).await, "B");
}

#[tokio::test]
async fn the_first_provider_that_is_configured_counts() {
    let none = || Scripted::default().then(Err(CredentialsError::not_loaded_no_source()));
    let credentials = HostCredentials::from_links(vec![
        none().link(CredentialSource::Profile),
        none().link(CredentialSource::WebIdentity),
        Scripted::default()
            .gives("C", None)
            .link(CredentialSource::Container),
        Scripted::default().link(CredentialSource::InstanceProfile),
    ]);
    assert_eq!(credentials.source(), None);
    assert_eq!(key(&credentials, start()).await, "C");
    assert_eq!(credentials.source(), Some(CredentialSource::Container));
}

#[tokio::test]
async fn a_configured_provider_that_fails_ends_the_search() {
    let credentials = HostCredentials::from_links(vec![
        Scripted::default().fails().link(CredentialSource::Profile),
        Scripted::default().link(CredentialSource::InstanceProfile),
    ]);
    let error = credentials.at(start()).await.unwrap_err();
    assert!(
        chain(&error).contains("no credentials from the AWS profile: "),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn when_none_is_configured_each_says_why() {
    let not_loaded =
        |why: &'static str| Scripted::default().then(Err(CredentialsError::not_loaded(why)));
    let nothing = Scripted::default().then(Err(CredentialsError::not_loaded_no_source()));
    let credentials = HostCredentials::from_links(vec![
        nothing.link(CredentialSource::Profile),
        not_loaded("no role").link(CredentialSource::InstanceProfile),
    ]);
    let error = credentials.at(start()).await.unwrap_err();
    assert!(
        chain(&error).ends_with(
            "no provider has credentials for this host (the AWS profile: not configured; the \
             instance profile (instance metadata): no role)"
        ),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn on_premises_the_file_is_the_only_source() {
    let user = OnPremisesCredentials::User {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("HUSH".to_owned()),
    };
    let credentials = HostCredentials::on_premises(&user);
    assert_eq!(key(&credentials, start()).await, "AKIDEXAMPLE");
    assert_eq!(credentials.source(), Some(CredentialSource::OnPremisesUser));
    assert!(!format!("{credentials:?}").contains("HUSH"));
}

#[tokio::test]
async fn a_rotated_credentials_file_is_read_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("credentials");
    let write = |id: &str| {
        let text = format!(
            "[default]\naws_access_key_id={id}\naws_secret_access_key=s\naws_session_token=t\n"
        );
        fs_err::write(&path, text).unwrap();
    };
    let session = OnPremisesCredentials::Session {
        credentials_file: path.clone(),
    };
    let credentials = HostCredentials::on_premises(&session);
    let now = SystemTime::now();
    write("ASIAONE");
    assert_eq!(key(&credentials, now).await, "ASIAONE");
    assert_eq!(
        credentials.source(),
        Some(CredentialSource::OnPremisesSession)
    );
    write("ASIATWO");
    assert_eq!(key(&credentials, now).await, "ASIAONE");
    assert_eq!(
        key(&credentials, now + Duration::from_secs(1800)).await,
        "ASIATWO"
    );
    // Deleted: the ones at hand go on. Refused: there are none.
    fs_err::remove_file(&path).unwrap();
    assert_eq!(
        key(&credentials, now + Duration::from_secs(3600)).await,
        "ASIATWO"
    );
    credentials.refuse("ASIATWO").await;
    assert!(
        credentials
            .at(now + Duration::from_secs(3601))
            .await
            .is_err()
    );
    write("ASIATHREE");
    assert_eq!(
        key(&credentials, now + Duration::from_secs(3602)).await,
        "ASIATHREE"
    );
}

#[tokio::test]
async fn all_clients_share_one_look_up() {
    let provider = Scripted::default().gives("A", None);
    let credentials = provider.alone();
    let other = credentials.clone();
    let (one, two) = tokio::join!(key(&credentials, start()), key(&other, start()));
    assert_eq!((one.as_str(), two.as_str()), ("A", "A"));
    assert!(!format!("{credentials:?}").contains("HUSH"));
}
