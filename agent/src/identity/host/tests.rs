//! Who the host is, from each source, against a service that works and fails.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use backon::ExponentialBuilder;
use integration_tests::fakes::FakeImds;
use integration_tests::fakes::imds::Mode;
use rstest::rstest;

use super::*;
use crate::error::chain;
use crate::identity::{Imds, ImdsError, ImdsSettings, OnPremises, OnPremisesCredentials, Region};

const USER: &str = "arn:aws:iam::123456789012:user/web-1";
const INSTANCE: &str = "arn:aws:ec2:eu-west-1:123456789012:instance/i-0123456789abcdef0";

fn client(imds: &FakeImds) -> Imds {
    let variable =
        |name: &str| (name == "AWS_EC2_METADATA_SERVICE_ENDPOINT").then(|| imds.endpoint());
    Imds::new(ImdsSettings::new(variable, false).unwrap()).unwrap()
}

fn on_premises(region: &str) -> OnPremises {
    OnPremises {
        region: Region::new(region).unwrap(),
        host_identifier: USER.to_owned(),
        credentials: OnPremisesCredentials::Session {
            credentials_file: PathBuf::from("/c"),
        },
    }
}

fn environment(region: &str, host_identifier: &str) -> HostEnvironment {
    HostEnvironment::new(|name| match name {
        "AWS_REGION" => Some(region.to_owned()),
        "AWS_HOST_IDENTIFIER" => Some(host_identifier.to_owned()),
        _ => None,
    })
    .unwrap()
}

/// As the product does it, but with more patience than a busy machine needs.
async fn resolve(
    on_premises: Option<&OnPremises>,
    environment: &HostEnvironment,
    imds: &Imds,
) -> Result<HostIdentity, ImdsError> {
    let patience = Duration::from_secs(60);
    HostIdentity::resolve_within(patience, on_premises, environment, imds).await
}

/// What a host is: region, host identifier, domain, partition.
fn parts(identity: &HostIdentity) -> [&str; 4] {
    let HostIdentity {
        region,
        host_identifier,
        domain,
        partition,
        ..
    } = identity;
    [
        region.as_str(),
        host_identifier,
        domain.as_str(),
        partition.as_str(),
    ]
}

#[tokio::test]
async fn ec2_from_instance_metadata() {
    let imds = FakeImds::start("cn-north-1");
    imds.set("meta-data/services/domain", "amazonaws.com.cn");
    imds.set("meta-data/services/partition", "aws-cn");
    let nothing = HostEnvironment::default();
    let identity = resolve(None, &nothing, &client(&imds)).await.unwrap();
    let arn = "arn:aws-cn:ec2:cn-north-1:123456789012:instance/i-0123456789abcdef0";
    assert_eq!(
        parts(&identity),
        ["cn-north-1", arn, "amazonaws.com.cn", "aws-cn"]
    );
    assert_eq!(identity.source, IdentitySource::InstanceMetadata);
    assert_eq!(identity.region_source, IdentitySource::InstanceMetadata);
}

#[tokio::test]
async fn an_isolated_partition_has_the_domain_that_it_names() {
    let imds = FakeImds::start("us-iso-east-1");
    imds.set("meta-data/services/domain", "c2s.ic.gov");
    imds.set("meta-data/services/partition", "aws-iso");
    let nothing = HostEnvironment::default();
    let identity = resolve(None, &nothing, &client(&imds)).await.unwrap();
    assert_eq!(identity.domain.as_str(), "c2s.ic.gov");
}

#[rstest]
#[case("eu-west-1", "amazonaws.com", "aws")]
#[case("cn-north-1", "amazonaws.com.cn", "aws-cn")]
#[case("eusc-de-east-1", "amazonaws.eu", "aws-eusc")]
#[tokio::test]
async fn what_instance_metadata_does_not_name_follows_from_the_region(
    #[case] region: &str,
    #[case] domain: &str,
    #[case] partition: &str,
) {
    let imds = FakeImds::start(region);
    imds.remove("meta-data/services/domain");
    imds.remove("meta-data/services/partition");
    let nothing = HostEnvironment::default();
    let identity = resolve(None, &nothing, &client(&imds)).await.unwrap();
    assert_eq!(identity.domain.as_str(), domain);
    assert_eq!(identity.partition.as_str(), partition);
    assert!(
        identity
            .host_identifier
            .starts_with(&format!("arn:{partition}:ec2:{region}:"))
    );
}

#[rstest]
#[case::nothing("", "", "eu-west-1", INSTANCE)]
#[case::region("us-east-2", "", "us-east-2", INSTANCE)]
#[case::host("", "arn:x", "eu-west-1", "arn:x")]
#[case::both("us-east-2", "arn:x", "us-east-2", "arn:x")]
#[tokio::test]
async fn the_environment_goes_before_instance_metadata(
    #[case] region: &str,
    #[case] host_identifier: &str,
    #[case] expected_region: &str,
    #[case] expected_host: &str,
) {
    let imds = FakeImds::start("eu-west-1");
    let environment = environment(region, host_identifier);
    let identity = resolve(None, &environment, &client(&imds)).await.unwrap();
    assert_eq!(parts(&identity)[..2], [expected_region, expected_host]);
    let expected = |text: &str| match text {
        "" => IdentitySource::InstanceMetadata,
        _ => IdentitySource::Environment,
    };
    assert_eq!(identity.region_source, expected(region));
    assert_eq!(identity.source, expected(host_identifier));
}

#[tokio::test]
async fn the_on_premises_file_goes_before_all() {
    let imds = FakeImds::start("us-east-2");
    let file = on_premises("eu-west-1");
    let environment = environment("us-west-2", "arn:x");
    let identity = resolve(Some(&file), &environment, &client(&imds))
        .await
        .unwrap();
    assert_eq!(
        parts(&identity),
        ["eu-west-1", USER, "amazonaws.com", "aws"]
    );
    assert_eq!(identity.source, IdentitySource::OnPremisesFile);
    assert_eq!(identity.region_source, IdentitySource::OnPremisesFile);
}

/// Contract, protocol: the domain must be one of three on premises.
#[rstest]
#[case::public("amazonaws.com.cn", "amazonaws.com.cn")]
#[case::european("amazonaws.eu", "amazonaws.eu")]
#[case::strange("evil.example", "amazonaws.com")]
#[case::isolated("c2s.ic.gov", "amazonaws.com")]
#[case::garbage("<html>", "amazonaws.com")]
#[tokio::test]
async fn on_premises_the_domain_is_one_of_three(#[case] named: &str, #[case] expected: &str) {
    let imds = FakeImds::start("us-east-2");
    imds.set("meta-data/services/domain", named);
    let file = on_premises("eu-west-1");
    let nothing = HostEnvironment::default();
    let identity = resolve(Some(&file), &nothing, &client(&imds))
        .await
        .unwrap();
    assert_eq!(identity.domain.as_str(), expected);
    assert_eq!(identity.region.as_str(), "eu-west-1");
}

#[rstest]
#[case::an_instance(
    "arn:aws-iso:ec2:us-iso-east-1:123456789012:instance/i-0",
    "c2s.ic.gov"
)]
#[case::anybody("arn:aws-iso:iam::123456789012:user/web", "amazonaws.com")]
#[tokio::test]
async fn by_the_environment_only_an_instance_believes_any_domain(
    #[case] host_identifier: &str,
    #[case] expected: &str,
) {
    let imds = FakeImds::start("us-iso-east-1");
    imds.set("meta-data/services/domain", "c2s.ic.gov");
    let environment = environment("us-iso-east-1", host_identifier);
    let identity = resolve(None, &environment, &client(&imds)).await.unwrap();
    assert_eq!(identity.domain.as_str(), expected);
    assert_eq!(identity.partition.as_str(), "aws-iso");
}

#[rstest]
#[case(Mode::Absent)]
#[case(Mode::Silent)]
#[case(Mode::Garbage)]
#[case(Mode::Status(404))]
#[tokio::test]
async fn on_premises_nothing_waits_for_instance_metadata(#[case] mode: Mode) {
    let imds = FakeImds::start("us-east-2");
    imds.behave(mode);
    let file = on_premises("cn-north-1");
    let nothing = HostEnvironment::default();
    let started = Instant::now();
    let identity = HostIdentity::resolve(Some(&file), &nothing, &client(&imds))
        .await
        .unwrap();
    assert_eq!(
        parts(&identity),
        ["cn-north-1", USER, "amazonaws.com.cn", "aws"]
    );
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
}

fn without_pauses() -> ExponentialBuilder {
    let short = Duration::from_millis(1);
    ExponentialBuilder::default()
        .with_min_delay(short)
        .with_max_delay(short)
        .without_max_times()
}

#[tokio::test]
async fn imds_not_answering_at_boot_is_tried_again() {
    let imds = FakeImds::start("eu-west-1");
    imds.behave(Mode::Absent);
    let mut failures = Vec::new();
    let failed = |error: &ImdsError, _| {
        failures.push(chain(error));
        match failures.len() {
            3 => imds.behave(Mode::Garbage),
            5 => imds.behave(Mode::Answering),
            _ => {}
        }
    };
    let nothing = HostEnvironment::default();
    let client = client(&imds);
    let pauses = without_pauses();
    let identity = HostIdentity::wait_with(None, &nothing, &client, pauses, failed)
        .await
        .unwrap();
    assert_eq!(identity.host_identifier, INSTANCE);
    assert_eq!(failures.len(), 5);
    assert!(failures[0].contains("did not answer"), "{failures:?}");
    assert!(failures[4].contains("is not text"), "{failures:?}");
}

#[tokio::test]
async fn a_wrong_document_is_tried_again() {
    let imds = FakeImds::start("eu-west-1");
    imds.set("meta-data/services/domain", "127.0.0.1");
    let failed = |error: &ImdsError, _| {
        assert!(chain(error).contains("127.0.0.1"), "{}", chain(error));
        imds.set("meta-data/services/domain", "amazonaws.com");
    };
    let nothing = HostEnvironment::default();
    let client = client(&imds);
    let pauses = without_pauses();
    let identity = HostIdentity::wait_with(None, &nothing, &client, pauses, failed)
        .await
        .unwrap();
    assert_eq!(identity.domain.as_str(), "amazonaws.com");
}

#[tokio::test]
async fn what_waiting_cannot_mend_is_told_at_once() {
    let variable = |name: &str| (name == "AWS_EC2_METADATA_DISABLED").then(|| "true".to_owned());
    let imds = Imds::new(ImdsSettings::new(variable, false).unwrap()).unwrap();
    let nothing = HostEnvironment::default();
    let waiting = HostIdentity::wait(None, &nothing, &imds, |_, _| panic!("tried again"));
    assert!(matches!(waiting.await, Err(ImdsError::Disabled)));
}
