//! Bundles from S3, through the real SDK, from a server in this process.

use std::io::Write as _;
use std::sync::Arc;

use integration_tests::objects::{Object, ObjectServer, Pace};
use integration_tests::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use integration_tests::{Deployment, TestHost};

fn revision() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    for (name, content) in [
        (
            "appspec.yml",
            "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n  - location: s.sh\n",
        ),
        ("s.sh", "#!/bin/sh\nenv | grep ^BUNDLE_ | sort\n"),
    ] {
        writer.start_file(name, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A host with its S3 server, which has the object `bucket/dir/b.zip`.
fn setting() -> (TestHost, S3Server) {
    let server = S3Server::start();
    server.put("bucket", "dir/b.zip", &revision());
    let host =
        TestHost::with_configuration(&format!("s3_endpoint_override: {}", server.endpoint()));
    (host, server)
}

fn deploy(host: &TestHost, location: &str) -> Deployment {
    host.deploy_from(location)
        .variable("AWS_REGION", "eu-west-1")
        .variable("AWS_EC2_METADATA_DISABLED", "true")
}

fn with_credentials(deployment: Deployment) -> Deployment {
    deployment
        .variable("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .variable("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
}

#[test]
fn an_object_is_fetched_and_described_to_its_hooks() {
    let (host, _server) = setting();
    let outcome = with_credentials(deploy(&host, "s3://bucket/dir/b.zip")).run();
    outcome.assert_success();
    let log = outcome.script_log();
    assert!(
        log.contains(&"[stdout]BUNDLE_BUCKET=bucket".to_owned()),
        "{log:?}"
    );
    assert!(
        log.contains(&"[stdout]BUNDLE_KEY=dir/b.zip".to_owned()),
        "{log:?}"
    );
    assert!(
        !log.iter().any(|line| line.contains("BUNDLE_ETAG")),
        "{log:?}"
    );
}

#[test]
fn an_etag_that_is_not_the_objects_fails_and_the_download_is_discarded() {
    let (host, _server) = setting();
    let location = "s3://bucket/dir/b.zip?etag=0123456789abcdef0123456789abcdef";
    let outcome = with_credentials(deploy(&host, location)).run();
    let message = &outcome.assert_failure("DownloadBundle", 5).message;
    assert!(
        message.contains("0123456789abcdef0123456789abcdef"),
        "{message}"
    );
    assert!(!outcome.directory().join("bundle.tar").exists());
}

#[test]
fn a_bucket_or_key_that_is_not_there_is_named() {
    let (host, _server) = setting();
    for (location, said) in [
        ("s3://bucket/none.zip", "none.zip"),
        ("s3://no-bucket/b.zip", "no-bucket"),
    ] {
        let outcome = with_credentials(deploy(&host, location)).run();
        let message = &outcome.assert_failure("DownloadBundle", 5).message;
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn missing_and_wrong_credentials_are_told_apart() {
    let (host, _server) = setting();
    let outcome = deploy(&host, "s3://bucket/dir/b.zip").run();
    let message = &outcome.assert_failure("DownloadBundle", 5).message;
    assert!(message.contains("credentials"), "{message}");
    let outcome = deploy(&host, "s3://bucket/dir/b.zip")
        .variable("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .variable("AWS_SECRET_ACCESS_KEY", "wrong-secret-value")
        .run();
    let message = &outcome.assert_failure("DownloadBundle", 5).message;
    assert!(!message.contains("wrong-secret-value"), "{message}");
    assert!(!outcome.stderr.contains("wrong-secret-value"));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    // The port was free a moment ago; nobody answers there.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let host =
        TestHost::with_configuration(&format!("s3_endpoint_override: http://127.0.0.1:{port}"));
    let outcome = with_credentials(deploy(&host, "s3://bucket/dir/b.zip")).run();
    let message = &outcome.assert_failure("DownloadBundle", 5).message;
    assert!(message.contains("bucket"), "{message}");
}

#[test]
fn a_large_revision_comes_in_parts_and_only_its_archive_is_kept() {
    let mut noise = Vec::new();
    let mut state = 1_u64;
    while noise.len() < 24 << 20 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        noise.extend_from_slice(&state.to_le_bytes());
    }
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    for (name, content) in [
        ("appspec.yml", &b"version: 0.0\nos: linux\n"[..]),
        ("noise", &noise),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content).unwrap();
    }
    let object = Object {
        content: Arc::new(tar.into_inner().unwrap().finish().unwrap()),
        etag: "of-no-md5".into(),
        ..Object::default()
    };
    let server = ObjectServer::start(object, Pace::default());
    let host = TestHost::with_configuration(&format!(
        "s3_endpoint_override: {}\nkeep_bundle: false",
        server.endpoint()
    ));
    let outcome = with_credentials(deploy(&host, "s3://bucket/key"))
        .arguments(["-t", "tgz"])
        .run();
    outcome.assert_success();
    assert!(server.requests().len() > 1);
    let directory = outcome.directory();
    assert!(fs_err::read(directory.join("deployment-archive/noise")).unwrap() == noise);
    for gone in ["bundle.tar", "bundle.tar.partial", "bundle.tar.parts"] {
        assert!(!directory.join(gone).exists(), "{gone}");
    }
}
