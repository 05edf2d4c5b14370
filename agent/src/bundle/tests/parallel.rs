//! Large objects from S3: in parts, over several connections, from servers that do all that
//! servers and networks do (contract: deployment, DownloadBundle, "S3").

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use integration_tests::objects::{Object, ObjectServer, Pace, Reply, Request, answer, answer_in};
use md5::{Digest as _, Md5};

use super::fetch;
use super::s3::{revision, settings};
use crate::bundle::fetch_error::FetchError;
use crate::bundle::{Fetched, S3Refusal, SourceSettings, Sources};
use crate::error::chain;

const MIB: usize = 1 << 20;

/// Bytes that are nowhere the same: blocks of noise, each with its number.
fn bytes(length: usize, seed: u64) -> Arc<Vec<u8>> {
    let mut block = vec![0; 64 * 1024];
    fastrand::Rng::with_seed(seed).fill(&mut block);
    let mut bytes = Vec::with_capacity(length + block.len());
    for number in 0..length.div_ceil(block.len()) {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&block[8..]);
    }
    bytes.truncate(length);
    Arc::new(bytes)
}

fn md5(content: &[u8]) -> String {
    let digest = Md5::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Uploaded in one piece.
fn plain(content: Arc<Vec<u8>>) -> Object {
    Object {
        etag: md5(&content),
        content,
        ..Object::default()
    }
}

/// Uploaded in parts of these sizes, with a checksum of their checksums.
fn multipart(content: Arc<Vec<u8>>, parts: &[usize]) -> Object {
    let mut of_parts = Vec::new();
    let mut rest = &content[..];
    for part in parts {
        let (now, later) = rest.split_at(*part);
        of_parts.extend_from_slice(&sha256(now));
        rest = later;
    }
    assert!(rest.is_empty());
    let sum = BASE64_STANDARD.encode(sha256(&of_parts));
    Object {
        etag: format!("{}-{}", md5(&of_parts), parts.len()),
        content,
        headers: vec![
            (
                "x-amz-checksum-sha256".into(),
                format!("{sum}-{}", parts.len()),
            ),
            ("x-amz-checksum-type".into(), "COMPOSITE".into()),
        ],
        parts: parts.to_vec(),
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes)
        .as_ref()
        .to_vec()
}

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn bundle(&self) -> PathBuf {
        self.directory.path().join("bundle.tar")
    }

    /// Downloads from `server`; what is left on the disk fits how it ended.
    async fn download(&self, server: &ObjectServer) -> Result<Fetched, FetchError> {
        let sources = Sources::new(settings(&server.endpoint()));
        let result = fetch(&sources, &revision("key", None, None), &self.bundle()).await;
        let left: Vec<_> = names(self.directory.path());
        match &result {
            Ok(_) => assert!(left.contains(&"bundle.tar".to_owned()), "{left:?}"),
            Err(_) => assert_eq!(left, Vec::<String>::new()),
        }
        assert!(!left.contains(&"bundle.tar.partial".to_owned()), "{left:?}");
        result
    }

    fn content(&self) -> Vec<u8> {
        fs_err::read(self.bundle()).unwrap()
    }
}

fn names(directory: &Path) -> Vec<String> {
    fs_err::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

fn assert_refused(error: &FetchError, expected: &S3Refusal) {
    let FetchError::S3 { reason, .. } = error else {
        panic!("{}", chain(error))
    };
    assert_eq!(reason, expected, "{}", chain(error));
}

#[tokio::test]
async fn a_large_object_comes_over_several_connections_pinned_to_one_etag() {
    let object = plain(bytes(40 * MIB + 12345, 1));
    let server = ObjectServer::start(object.clone(), Pace::default());
    let place = Place::new();
    let fetched = place.download(&server).await.unwrap();
    assert_eq!(fetched.bytes, object.content.len() as u64);
    assert_eq!(fetched.etag.as_deref(), Some(object.etag.as_str()));
    assert!(place.content() == *object.content);
    let requests = server.requests();
    assert!(requests[0].range.is_none() && requests[0].header("if-match").is_none());
    assert_eq!(requests[0].header("x-amz-checksum-mode"), Some("ENABLED"));
    let signed = requests[0].header("authorization").unwrap();
    assert!(signed.contains("x-amz-checksum-mode"), "{signed}");
    for request in &requests[1..] {
        let pinned = format!("\"{}\"", object.etag);
        assert_eq!(request.header("if-match"), Some(pinned.as_str()));
        assert!(request.range.is_some());
        // That would take a permission that the revision does not ask for.
        assert!(!request.head.contains("versionId="));
    }
    assert!(server.most_connections() > 1);
}

#[tokio::test]
async fn a_small_object_costs_one_request() {
    for length in [0, 1, 16 * MIB] {
        let object = plain(bytes(length, 2));
        let server = ObjectServer::start(object.clone(), Pace::default());
        let place = Place::new();
        place.download(&server).await.unwrap();
        assert!(place.content() == *object.content);
        assert_eq!(server.requests().len(), 1);
        assert_eq!(names(place.directory.path()), ["bundle.tar"]);
    }
}

#[tokio::test]
async fn connections_that_break_after_some_bytes_only_cost_time() {
    let object = plain(bytes(40 * MIB, 3));
    let served = object.clone();
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        let mut reply = answer(&served, request);
        reply.cut_after = Some(3 * MIB + 7);
        reply
    });
    let place = Place::new();
    place.download(&server).await.unwrap();
    assert!(place.content() == *object.content);
}

#[tokio::test]
async fn a_server_that_never_brings_anything_is_given_up() {
    let object = plain(bytes(40 * MIB, 4));
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        let mut reply = answer(&object, request);
        reply.cut_after = Some(1000);
        reply
    });
    let error = Place::new().download(&server).await.unwrap_err();
    assert!(
        chain(&error).contains("connection broke"),
        "{}",
        chain(&error)
    );
}

/// Serves `old` to the first requests and `new` after, with or without an eye on If-Match.
fn changing(old: Object, new: Object, heeds: bool) -> ObjectServer {
    ObjectServer::behaving(Pace::default(), move |request| {
        let object = if request.number < 3 { &old } else { &new };
        if heeds {
            return answer(object, request);
        }
        let mut blind = request.clone();
        blind.head = blind.head.replace("if-match", "x").replace("If-Match", "x");
        answer(object, &blind)
    })
}

#[rstest::rstest]
#[case::if_match_is_heeded(true)]
#[case::if_match_is_ignored(false)]
#[tokio::test]
async fn an_object_that_changes_in_the_middle_is_never_mixed(#[case] heeds: bool) {
    for length in [40 * MIB, 33 * MIB, 50 * MIB] {
        let new = plain(bytes(length, 6));
        let server = changing(plain(bytes(40 * MIB, 5)), new.clone(), heeds);
        let place = Place::new();
        let fetched = place.download(&server).await.unwrap();
        assert_eq!(fetched.etag, Some(new.etag));
        assert!(place.content() == *new.content);
    }
}

#[tokio::test]
async fn a_server_without_ranges_serves_over_one_connection() {
    let object = plain(bytes(40 * MIB, 7));
    let served = object.clone();
    let cuts = AtomicUsize::new(0);
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        let mut without = request.clone();
        without.range = None;
        let mut reply = answer(&served, &without);
        // Also when it breaks off; what is there is kept.
        if cuts.fetch_add(1, Ordering::SeqCst) < 4 {
            reply.cut_after = Some(20 * MIB);
        }
        reply
    });
    let place = Place::new();
    place.download(&server).await.unwrap();
    assert!(place.content() == *object.content);
}

#[tokio::test]
async fn a_busy_service_gets_fewer_connections() {
    let object = plain(bytes(40 * MIB, 8));
    let served = object.clone();
    let server = ObjectServer::behaving(Pace::default(), move |request| match request.number {
        // More than the connections together try: the last goes on alone.
        1..12 => Reply::refusal("503 Slow Down", "SlowDown"),
        _ => answer(&served, request),
    });
    let place = Place::new();
    place.download(&server).await.unwrap();
    assert!(place.content() == *object.content);
}

#[rstest::rstest]
#[case::too_long(45 * MIB, S3Refusal::Changed)]
#[case::too_short(30 * MIB, S3Refusal::Checksum)]
#[tokio::test]
async fn a_length_that_is_a_lie_is_found_out(#[case] said: usize, #[case] expected: S3Refusal) {
    let object = plain(bytes(40 * MIB, 9));
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        let mut reply = answer(&object, request);
        if request.range.is_none() {
            reply.body.end = reply.body.end.min(said);
            return reply.with("Content-Length", &said.to_string());
        }
        // The same lie throughout.
        let range = reply
            .headers
            .iter()
            .find(|(name, _)| name == "Content-Range")
            .map(|(_, range)| range.replace(&format!("/{}", 40 * MIB), &format!("/{said}")));
        match range {
            Some(range) => reply.with("Content-Range", &range),
            None => reply,
        }
    });
    let error = Place::new().download(&server).await.unwrap_err();
    assert_refused(&error, &expected);
}

#[tokio::test]
async fn content_that_is_not_what_its_etag_says_is_refused() {
    for length in [1000, 40 * MIB] {
        let mut object = plain(bytes(length, 10));
        object.etag = md5(b"something else");
        let server = ObjectServer::start(object.clone(), Pace::default());
        let error = Place::new().download(&server).await.unwrap_err();
        assert_refused(&error, &S3Refusal::Checksum);
        assert!(chain(&error).contains(&object.etag), "{}", chain(&error));
        // With a key of the customer's, the ETag is something else.
        object
            .headers
            .push(("x-amz-server-side-encryption".into(), "aws:kms".into()));
        let server = ObjectServer::start(object, Pace::default());
        Place::new().download(&server).await.unwrap();
    }
}

#[tokio::test]
async fn a_checksum_of_the_whole_is_compared() {
    let content = bytes(40 * MIB, 11);
    let sum = BASE64_STANDARD.encode(sha256(&content));
    for (sum, good) in [(sum.as_str(), true), ("AAAA", false)] {
        let object = Object {
            etag: "no-md5".into(),
            content: Arc::clone(&content),
            headers: vec![("x-amz-checksum-sha256".into(), sum.into())],
            parts: Vec::new(),
        };
        let server = ObjectServer::start(object, Pace::default());
        let result = Place::new().download(&server).await;
        match good {
            true => drop(result.unwrap()),
            false => assert_refused(&result.unwrap_err(), &S3Refusal::Checksum),
        }
    }
}

#[rstest::rstest]
#[case::of_one_size(&[16 * MIB, 16 * MIB, 8 * MIB])]
#[case::of_one_size_it_seems(&[16 * MIB, 20 * MIB, 4 * MIB])]
#[case::of_any_size(&[5 * MIB, 30 * MIB, 5 * MIB])]
#[case::one(&[40 * MIB])]
#[tokio::test]
async fn a_checksum_of_checksums_is_compared(#[case] parts: &[usize]) {
    let object = multipart(bytes(40 * MIB, 12), parts);
    let server = ObjectServer::start(object.clone(), Pace::default());
    let place = Place::new();
    place.download(&server).await.unwrap();
    assert!(place.content() == *object.content);
    let mut wrong = object;
    let mut content = wrong.content.to_vec();
    content[33 * MIB] ^= 1;
    wrong.content = Arc::new(content);
    let server = ObjectServer::start(wrong, Pace::default());
    let error = Place::new().download(&server).await.unwrap_err();
    assert_refused(&error, &S3Refusal::Checksum);
}

#[tokio::test]
async fn parts_whose_sizes_nobody_tells_are_no_failure() {
    let object = multipart(bytes(40 * MIB, 13), &[16 * MIB, 16 * MIB, 8 * MIB]);
    let served = object.clone();
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        if request.head.starts_with("HEAD ") {
            return Reply::refusal("403 Forbidden", "AccessDenied");
        }
        answer(&served, request)
    });
    let place = Place::new();
    place.download(&server).await.unwrap();
    assert!(place.content() == *object.content);
}

/// How many bytes were asked for.
fn asked(requests: &[Request], length: usize) -> usize {
    let range = |request: &Request| request.range.clone().unwrap_or(0..length);
    requests.iter().map(|request| range(request).len()).sum()
}

/// Waits so long after what fails that an interruption comes first.
fn patient(server: &ObjectServer) -> SourceSettings {
    let mut settings = settings(&server.endpoint());
    settings.timing.s3_delays = vec![std::time::Duration::from_secs(60); 3];
    settings
}

/// Downloads 64 MiB into `place` from a server that answers as `answer` says, and is interrupted.
async fn be_interrupted(place: &Place, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
    let interrupted = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&interrupted);
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        let mut reply = answer(request);
        // The first parts arrive whole; the later ones never do.
        if request
            .range
            .as_ref()
            .is_some_and(|range| range.start >= 40 * MIB)
        {
            stop.store(true, Ordering::SeqCst);
            reply.cut_after = Some(MIB);
        }
        reply
    });
    let bundle = place.bundle();
    let sources = Sources::new(patient(&server));
    let revision = revision("key", None, None);
    let result = super::fetch_until(&sources, &revision, &bundle, &interrupted);
    assert!(matches!(result.await, Err(FetchError::Interrupted)));
}

#[tokio::test]
async fn an_interrupted_download_is_gone_on_with() {
    let object = plain(bytes(64 * MIB, 14));
    let place = Place::new();
    let served = object.clone();
    be_interrupted(&place, move |request| answer(&served, request)).await;
    let mut left = names(place.directory.path());
    left.sort();
    assert_eq!(left, ["bundle.tar.partial", "bundle.tar.parts"]);
    let server = ObjectServer::start(object.clone(), Pace::default());
    place.download(&server).await.unwrap();
    assert!(place.content() == *object.content);
    let requests = server.requests();
    assert!(asked(&requests, 64 * MIB) <= 56 * MIB, "{requests:?}");
    assert!(requests.iter().all(|request| request.range.is_some()));
}

#[rstest::rstest]
#[case::where_it_began("ap-south-1", 56 * MIB)]
#[case::anew_where_the_bucket_is_now("us-west-2", usize::MAX)]
#[tokio::test]
async fn an_interrupted_download_from_another_region_is_gone_on_with(
    #[case] region: &'static str,
    #[case] most: usize,
) {
    let object = plain(bytes(64 * MIB, 19));
    let place = Place::new();
    let served = object.clone();
    be_interrupted(&place, move |request| {
        answer_in("ap-south-1", &served, request)
    })
    .await;
    let served = object.clone();
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        answer_in(region, &served, request)
    });
    place.download(&server).await.unwrap();
    assert!(place.content() == *object.content);
    let asked = asked(&server.requests(), 64 * MIB);
    assert!(asked <= most, "{asked}");
}

#[tokio::test]
async fn what_is_left_of_another_object_is_not_used() {
    let place = Place::new();
    let (old, new) = (plain(bytes(40 * MIB, 15)), plain(bytes(40 * MIB, 16)));
    let interrupted = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&interrupted);
    let served = old.clone();
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        let mut reply = answer(&served, request);
        if request
            .range
            .as_ref()
            .is_some_and(|range| range.start >= 16 * MIB)
        {
            stop.store(true, Ordering::SeqCst);
            reply.cut_after = Some(MIB);
        }
        reply
    });
    let (sources, bundle) = (Sources::new(settings(&server.endpoint())), place.bundle());
    let asked_for = revision("key", None, None);
    let result = super::fetch_until(&sources, &asked_for, &bundle, &interrupted);
    assert!(matches!(result.await, Err(FetchError::Interrupted)));
    // The object has changed meanwhile.
    let server = ObjectServer::start(new.clone(), Pace::default());
    place.download(&server).await.unwrap();
    assert!(place.content() == *new.content);
}

/// The program for the test below: downloads, as far as it comes.
#[tokio::test]
async fn download_in_a_process_of_its_own() {
    let Some(endpoint) = std::env::var_os("DOWNLOAD_FROM") else {
        return;
    };
    let bundle = PathBuf::from(std::env::var_os("DOWNLOAD_TO").unwrap());
    let sources = Sources::new(settings(endpoint.to_str().unwrap()));
    let _ = fetch(&sources, &revision("key", None, None), &bundle).await;
}

#[tokio::test]
async fn a_killed_agents_download_is_gone_on_with() {
    let object = plain(bytes(64 * MIB, 17));
    // Before a part is recorded, and when all is there and has its name or not.
    for (armed, most) in [
        ("DownloadPart@1=kill", 64 * MIB),
        ("DownloadPart@5=kill", 32 * MIB),
        ("DownloadRename@1=kill", 0),
    ] {
        let place = Place::new();
        let server = ObjectServer::start(object.clone(), Pace::default());
        #[expect(
            clippy::disallowed_methods,
            reason = "the test kills a process of its own"
        )]
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = child
            .args([
                "--exact",
                "bundle::tests::parallel::download_in_a_process_of_its_own",
            ])
            .env("DOWNLOAD_FROM", server.endpoint())
            .env("DOWNLOAD_TO", place.bundle())
            .env("CODEDEPLOY_FAILPOINT", armed)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&ended),
            Some(9)
        );
        let server = ObjectServer::start(object.clone(), Pace::default());
        place.download(&server).await.unwrap();
        assert!(place.content() == *object.content);
        let asked = asked(&server.requests(), 64 * MIB);
        assert!(asked <= most, "{armed}: {asked}");
    }
}

#[tokio::test]
async fn a_bundle_that_was_never_unpacked_is_compared_and_used_again() {
    let object = plain(bytes(40 * MIB, 18));
    let place = Place::new();
    let server = ObjectServer::start(object.clone(), Pace::default());
    place.download(&server).await.unwrap();
    // A power cut took some of it.
    let file = fs_err::OpenOptions::new()
        .write(true)
        .open(place.bundle())
        .unwrap();
    std::os::unix::fs::FileExt::write_all_at(file.file(), &[0; 4096], 20 << 20).unwrap();
    let server = ObjectServer::start(object.clone(), Pace::default());
    place.download(&server).await.unwrap();
    assert!(place.content() == *object.content);
    assert_eq!(asked(&server.requests(), 40 * MIB), 8 * MIB);
}
