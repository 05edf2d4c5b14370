//! Fetching and unpacking at the same time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use integration_tests::objects::{Object, ObjectServer, Pace, Reply, answer};
use md5::{Digest as _, Md5};

use super::archives::{Raw, Zip, gzip, is_root, tar};
use super::s3::settings;
use super::{Places, unpack_until};
use crate::bundle::{
    BringError, Destination, FetchError, SourceSettings, Sources, UnpackError, UnpackOptions,
    Unpacked, bring,
};
use crate::deployment::{BundleType, GitHubToken, Revision};
use crate::error::chain;

const MIB: usize = 1 << 20;

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn destination(&self) -> Destination {
        destination(self.directory.path())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs_err::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    async fn bring(&self, server: &ObjectServer, kind: BundleType) -> Result<Unpacked, BringError> {
        let sources = Sources::new(settings(&server.endpoint()));
        let to = self.destination();
        let options = UnpackOptions::default();
        bring(&sources, &s3(kind), &to, &options, &Arc::default())
            .await
            .map(|(_, unpacked)| unpacked)
    }
}

fn destination(directory: &Path) -> Destination {
    Destination {
        bundle: directory.join("bundle.tar"),
        partial: directory.join("deployment-archive.partial"),
        archive: directory.join("deployment-archive"),
        keep_bundle: true,
    }
}

fn s3(bundle_type: BundleType) -> Revision {
    Revision::S3 {
        bucket: "bucket".into(),
        key: "key".into(),
        bundle_type,
        version: None,
        etag: None,
    }
}

/// Content that is nowhere the same, and that does not compress: deflate looks back 32 KiB.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut block = vec![0; 64 * 1024];
    fastrand::Rng::with_seed(seed).fill(&mut block);
    let mut bytes = Vec::with_capacity(length + block.len());
    for number in 0..length.div_ceil(block.len()) {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&block[8..]);
    }
    bytes.truncate(length);
    bytes
}

/// A revision with two files of which the first is small.
fn archive(seed: u64) -> Vec<u8> {
    tar(&[
        Raw::file("appspec.yml", "version: 0.0"),
        Raw::file("first", seed.to_string()),
        Raw::file("large", bytes(24 * MIB, seed)),
    ])
}

fn object(content: Vec<u8>) -> Object {
    let digest = Md5::digest(&content);
    Object {
        etag: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        content: Arc::new(content),
        ..Object::default()
    }
}

/// Waits for something that another thread does.
fn eventually(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !reached() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Serves `object`; what follows the first 8 MiB only when `seen` is there.
fn waiting_for(object: Object, seen: PathBuf) -> ObjectServer {
    ObjectServer::behaving(Pace::default(), move |request| {
        if request.range.is_some() {
            eventually("the first file to be unpacked", || seen.exists());
        }
        answer(&object, request)
    })
}

#[rstest::rstest]
#[case(BundleType::Tar, false)]
#[case(BundleType::Tar, true)]
#[case(BundleType::Tgz, true)]
#[tokio::test]
async fn a_tar_is_unpacked_while_it_arrives(#[case] kind: BundleType, #[case] compressed: bool) {
    let place = Place::new();
    let content = if compressed {
        gzip(&archive(1))
    } else {
        archive(1)
    };
    let seen = place.path("deployment-archive.partial/first");
    let server = waiting_for(object(content), seen);
    place.bring(&server, kind).await.unwrap();
    assert_eq!(place.names(), ["bundle.tar", "deployment-archive"]);
    let large = fs_err::read(place.path("deployment-archive/large")).unwrap();
    assert!(large == bytes(24 * MIB, 1));
}

/// Its directory comes first; what is in the middle comes only when the first file is there.
#[tokio::test]
async fn a_zip_is_unpacked_while_it_arrives() {
    let place = Place::new();
    let content = Zip::new()
        .file("appspec.yml", "version: 0.0", 0o644)
        .file("first", "1", 0o644)
        .file("large", bytes(24 * MIB, 1), 0o644)
        .finish();
    let seen = place.path("deployment-archive.partial/first");
    let object = object(content);
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        let mut reply = answer(&object, request);
        match &request.range {
            None => reply.cut_after = Some(8 * MIB),
            Some(range) if range.start < 16 * MIB => {
                eventually("the first file to be unpacked", || seen.exists());
            }
            Some(_) => {}
        }
        reply
    });
    place.bring(&server, BundleType::Zip).await.unwrap();
    assert_eq!(place.names(), ["bundle.tar", "deployment-archive"]);
    let large = fs_err::read(place.path("deployment-archive/large")).unwrap();
    assert!(large == bytes(24 * MIB, 1));
}

#[tokio::test]
async fn a_download_that_is_not_what_it_should_be_never_becomes_the_archive() {
    let place = Place::new();
    fs_err::create_dir(place.path("deployment-archive")).unwrap();
    fs_err::write(place.path("deployment-archive/old"), "").unwrap();
    let mut wrong = object(archive(2));
    wrong.etag = "0123456789abcdef0123456789abcdef".into();
    let server = ObjectServer::start(wrong, Pace::default());
    let error = place.bring(&server, BundleType::Tar).await.unwrap_err();
    assert!(matches!(error, BringError::Fetch(_)), "{}", chain(&error));
    assert_eq!(place.names(), ["deployment-archive"]);
    assert!(place.path("deployment-archive/old").exists());
}

#[tokio::test]
async fn of_an_object_that_changes_only_the_new_one_is_unpacked() {
    let place = Place::new();
    let seen = place.path("deployment-archive.partial/first");
    let (old, new) = (object(archive(3)), object(gzip(&archive(4))));
    let changed = AtomicBool::new(false);
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        if request.range.is_some() && !changed.load(Ordering::SeqCst) {
            eventually("the first file to be unpacked", || seen.exists());
            changed.store(true, Ordering::SeqCst);
        }
        let object = if changed.load(Ordering::SeqCst) {
            &new
        } else {
            &old
        };
        answer(object, request)
    });
    place.bring(&server, BundleType::Tar).await.unwrap();
    assert_eq!(place.names(), ["bundle.tar", "deployment-archive"]);
    let first = fs_err::read_to_string(place.path("deployment-archive/first")).unwrap();
    assert_eq!(first, "4");
}

#[tokio::test]
async fn what_is_wrong_with_an_archive_is_told_once_it_has_arrived() {
    for (content, kind) in [
        (archive(5)[..20 * MIB].to_vec(), BundleType::Tar),
        (gzip(&archive(5))[..20 * MIB].to_vec(), BundleType::Tgz),
        (archive(5), BundleType::Tgz),
        (archive(5), BundleType::Zip),
        (
            tar(&[
                Raw::file("../out", "x"),
                Raw::file("large", bytes(20 * MIB, 5)),
            ]),
            BundleType::Tar,
        ),
    ] {
        let place = Place::new();
        let server = ObjectServer::start(object(content), Pace::default());
        let error = place.bring(&server, kind).await.unwrap_err();
        assert!(matches!(error, BringError::Unpack(_)), "{}", chain(&error));
        assert_eq!(place.names(), ["bundle.tar"]);
    }
}

#[tokio::test]
async fn a_download_that_fails_leaves_nothing() {
    for kind in [BundleType::Tar, BundleType::Tgz, BundleType::Zip] {
        let place = Place::new();
        let object = object(archive(6));
        let server = ObjectServer::behaving(Pace::default(), move |request| {
            match request.range.is_some() {
                true => Reply::refusal("403 Forbidden", "AccessDenied"),
                false => answer(&object, request),
            }
        });
        let error = place.bring(&server, kind).await.unwrap_err();
        assert!(chain(&error).contains("access denied"), "{}", chain(&error));
        assert_eq!(place.names(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_bundle_goes_where_it_is_not_kept() {
    let place = Place::new();
    let server = ObjectServer::start(object(archive(7)), Pace::default());
    let sources = Sources::new(settings(&server.endpoint()));
    let to = Destination {
        keep_bundle: false,
        ..place.destination()
    };
    let (revision, options) = (s3(BundleType::Tar), UnpackOptions::default());
    bring(&sources, &revision, &to, &options, &Arc::default())
        .await
        .unwrap();
    assert_eq!(place.names(), ["deployment-archive"]);
}

#[tokio::test]
async fn an_archive_from_github_is_unpacked_while_it_arrives() {
    let place = Place::new();
    let content = gzip(&archive(8));
    let object = Object {
        content: Arc::new(content),
        ..Object::default()
    };
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let served = object.clone();
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        let mut reply = answer(&served, request);
        if tries.fetch_add(1, Ordering::SeqCst) == 0 {
            reply.cut_after = Some(10 * MIB);
        }
        reply
    });
    let sources = Sources::new(SourceSettings {
        github_api: Some(server.endpoint()),
        timing: crate::bundle::Timing {
            github_delays: vec![Duration::from_millis(1)],
            ..crate::bundle::Timing::default()
        },
        ..SourceSettings::default()
    });
    let revision = Revision::GitHub {
        account: "owner".into(),
        repository: "repo".into(),
        commit: "c".into(),
        bundle_type: BundleType::Tar,
        token: GitHubToken::new("ghp_x".into()),
    };
    let options = UnpackOptions::default();
    bring(
        &sources,
        &revision,
        &place.destination(),
        &options,
        &Arc::default(),
    )
    .await
    .unwrap();
    assert_eq!(place.names(), ["bundle.tar", "deployment-archive"]);
    let large = fs_err::read(place.path("deployment-archive/large")).unwrap();
    assert!(large == bytes(24 * MIB, 8));
}

#[tokio::test]
async fn an_interruption_ends_download_and_unpacking_and_the_next_run_goes_on() {
    let place = Place::new();
    let object = object(gzip(&archive(9)));
    let interrupted = Arc::new(AtomicBool::new(false));
    let (served, stop) = (object.clone(), Arc::clone(&interrupted));
    let seen = place.path("deployment-archive.partial/first");
    let server = ObjectServer::behaving(Pace::default(), move |request| {
        if request
            .range
            .as_ref()
            .is_some_and(|range| range.start >= 16 * MIB)
        {
            eventually("the first file to be unpacked", || seen.exists());
            stop.store(true, Ordering::SeqCst);
        }
        answer(&served, request)
    });
    let sources = Sources::new(settings(&server.endpoint()));
    let (revision, options) = (s3(BundleType::Tgz), UnpackOptions::default());
    let to = place.destination();
    let result = bring(&sources, &revision, &to, &options, &interrupted).await;
    // All may have arrived in the same moment; then it is the unpacking that was interrupted.
    assert!(matches!(
        result,
        Err(BringError::Fetch(FetchError::Interrupted)
            | BringError::Unpack(UnpackError::Interrupted))
    ));
    assert!(!place.path("deployment-archive").exists());
    place.bring(&server, BundleType::Tgz).await.unwrap();
    assert_eq!(place.names(), ["bundle.tar", "deployment-archive"]);
}

#[test]
fn unpacking_ends_soon_when_it_is_interrupted() {
    let files: Vec<Raw> = (0..100)
        .map(|at| Raw::file(format!("f{at}"), "x"))
        .collect();
    let zip = (0..100).fold(Zip::new(), |zip, at| {
        zip.file(&format!("f{at}"), "x", 0o644)
    });
    for (content, kind) in [
        (tar(&files), BundleType::Tar),
        (gzip(&tar(&files)), BundleType::Tgz),
        (zip.finish(), BundleType::Zip),
    ] {
        let place = Place::new();
        fs_err::write(place.path("bundle.tar"), content).unwrap();
        let to = place.destination();
        let unpack = |interrupted: bool| {
            let (partial, archive) = (to.partial.as_path(), to.archive.as_path());
            unpack_until(
                &to.bundle,
                kind,
                Places { partial, archive },
                &UnpackOptions::default(),
                &Arc::new(AtomicBool::new(interrupted)),
            )
        };
        assert!(matches!(unpack(true), Err(UnpackError::Interrupted)));
        assert!(!to.archive.exists());
        assert_eq!(unpack(false).unwrap().entries, 100);
        assert_eq!(place.names(), ["bundle.tar", "deployment-archive"]);
    }
}

/// A file system of `size` in memory.
struct Small(tempfile::TempDir);

impl Small {
    fn new(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let nothing = nix::mount::MsFlags::empty();
        let options = format!("size={size}");
        nix::mount::mount(
            Some("tmpfs"),
            directory.path(),
            Some("tmpfs"),
            nothing,
            Some(options.as_str()),
        )
        .unwrap();
        Self(directory)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        nix::mount::umount2(self.0.path(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_at_every_step_and_nothing_is_left() {
    if !is_root() {
        return;
    }
    let content = gzip(&archive(10));
    // The download does not fit; it fits and the archive does not; zip and tar alike.
    for (size, kind, expected) in [
        ("10m", BundleType::Tgz, "needs"),
        ("30m", BundleType::Tgz, "No space left"),
        ("30m", BundleType::Tar, "No space left"),
    ] {
        let small = Small::new(size);
        let server = ObjectServer::start(object(content.clone()), Pace::default());
        let sources = Sources::new(settings(&server.endpoint()));
        let to = destination(small.0.path());
        let options = UnpackOptions::default();
        let error = bring(&sources, &s3(kind), &to, &options, &Arc::default())
            .await
            .unwrap_err();
        assert!(chain(&error).contains(expected), "{}", chain(&error));
        assert!(!to.archive.exists() && !to.partial.exists());
        let left = fs_err::read_dir(small.0.path()).unwrap().count();
        assert!(left <= usize::from(to.bundle.exists()), "{left}");
        if expected == "needs" {
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_during_the_download_is_told() {
    if !is_root() {
        return;
    }
    let small = Small::new("12m");
    // Nobody knows the length in advance.
    let server = {
        let object = object(bytes(20 * MIB, 11));
        ObjectServer::behaving(Pace::default(), move |request| {
            let mut reply = answer(&object, request);
            reply.headers.retain(|(name, _)| name != "Content-Length");
            reply.cut_after = Some(20 * MIB);
            reply
        })
    };
    let sources = Sources::new(settings(&server.endpoint()));
    let to = destination(small.0.path());
    let options = UnpackOptions::default();
    let error = bring(
        &sources,
        &s3(BundleType::Zip),
        &to,
        &options,
        &Arc::default(),
    )
    .await
    .unwrap_err();
    assert!(chain(&error).contains("No space left"), "{}", chain(&error));
    assert_eq!(fs_err::read_dir(small.0.path()).unwrap().count(), 0);
}
