//! A plan changes nothing on the host, however it ends.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use integration_tests::objects::{Object, ObjectServer, Pace};
use integration_tests::s3::{ACCESS_KEY, S3Server, SECRET_KEY, zipped};
use integration_tests::{Bundle, Deployment, Entry, TestHost, eventually, snapshot};
use nix::sys::signal::Signal;
use rstest::rstest;

use crate::{bundles, plan, reasons};

/// Everything below `top`, with what tells that something has been made and removed: inode, and
/// the times of modification and of change.
type Trace = BTreeMap<PathBuf, (Entry, u64, [i64; 4])>;

/// The whole of a host. The temporary directory's own times are left out: things may be made there,
/// and none may stay.
fn trace(host: &TestHost) -> Trace {
    let top = host.path("");
    let with_times = |(path, entry): (PathBuf, Entry)| {
        let found = fs_err::symlink_metadata(top.join(&path)).unwrap();
        let mut times = [
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec(),
        ];
        if path == Path::new("tmp") {
            times = [0; 4];
        }
        (path, (entry, found.ino(), times))
    };
    snapshot(&top).into_iter().map(with_times).collect()
}

/// How a bundle reaches the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Directory,
    Tar,
    Tgz,
    Zip,
    S3,
    GitHub,
}

/// A host on which a revision is installed, and what serves the next one.
struct Scene {
    host: TestHost,
    s3: S3Server,
    github: Option<ObjectServer>,
}

impl Scene {
    fn new() -> Self {
        let s3 = S3Server::start();
        let host =
            TestHost::with_configuration(&format!("s3_endpoint_override: {}", s3.endpoint()));
        fs_err::create_dir(host.path("tmp")).unwrap();
        let scene = Self {
            host,
            s3,
            github: None,
        };
        let first = scene
            .content(scene.host.bundle(), "")
            .file("app/gone", "of the first")
            .script("stop.sh", "");
        scene.host.deploy(&first).run().assert_success();
        scene
    }

    fn content(&self, bundle: Bundle, more: &str) -> Bundle {
        let destination = self.host.destination();
        bundle
            .appspec(&format!(
                "files:\n- source: app\n  destination: {}\nhooks:\n  ApplicationStop:\n  - \
                 location: stop.sh\n{more}",
                destination.display()
            ))
            .file("app/f", "content")
    }

    /// A deployment of `bundle` that comes in this way.
    fn deploy(&mut self, bundle: &Bundle, from: From) -> Deployment {
        let host = &self.host;
        let gzipped = |tar: PathBuf| {
            use std::io::Write as _;
            let tar = fs_err::read(tar).unwrap();
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&tar).unwrap();
            let path = host.path("b.tgz");
            fs_err::write(&path, encoder.finish().unwrap()).unwrap();
            path
        };
        let deployment = match from {
            From::Directory => host.deploy(bundle),
            From::Tar => host.deploy_from(bundles::tar(bundle.path())),
            From::Tgz => host.deploy_from(gzipped(bundles::tar(bundle.path()))),
            From::Zip => {
                let path = host.path("b.zip");
                fs_err::write(&path, zipped(bundle.path())).unwrap();
                host.deploy_from(path)
            }
            From::S3 => {
                self.s3.put("bucket", "b.zip", &zipped(bundle.path()));
                host.deploy_from("s3://bucket/b.zip")
            }
            From::GitHub => {
                let object = Object {
                    content: Arc::new(zipped(bundle.path())),
                    ..Object::default()
                };
                let server = ObjectServer::start(object, Pace::default());
                let lines = fs_err::read_to_string(host.configuration()).unwrap();
                let lines = format!("{lines}github_api_endpoint: {}\n", server.endpoint());
                fs_err::write(host.configuration(), lines).unwrap();
                self.github = Some(server);
                host.deploy_from("https://github.com/owner/repo")
            }
        };
        deployment
            .variable("TMPDIR", host.path("tmp"))
            .variable("AWS_REGION", "eu-west-1")
            .variable("AWS_EC2_METADATA_DISABLED", "true")
            .variable("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .variable("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    }
}

#[rstest]
fn nothing_is_changed_whatever_the_bundle(
    #[values(
        From::Directory,
        From::Tar,
        From::Tgz,
        From::Zip,
        From::S3,
        From::GitHub
    )]
    from: From,
    #[values(true, false)] works: bool,
) {
    let mut scene = Scene::new();
    let more = if works {
        ""
    } else {
        "  AfterInstall:\n  - location: gone.sh\n"
    };
    let bundle = scene
        .content(scene.host.bundle(), more)
        .script("stop.sh", "");
    let deployment = scene.deploy(&bundle, from);
    let before = trace(&scene.host);
    let (outcome, json) = plan(deployment);
    let after = trace(&scene.host);
    assert_eq!(
        outcome.exit_code,
        Some(if works { 0 } else { 3 }),
        "{outcome:#?}"
    );
    assert!(before == after, "{before:#?}\n{after:#?}");
    let expected = usize::from(!works);
    assert_eq!(reasons(&json).len(), expected, "{json:#}");
    let scripts = &json["events"][2];
    assert_eq!(scripts["revision"], "earlier", "{json:#}");
}

#[rstest]
#[case::no_appspec(From::Directory, "appspec.yml", None)]
#[case::no_appspec_in_a_tar(From::Tar, "appspec.yml", None)]
#[case::broken(From::Zip, "app/f", Some("appspec.yml"))]
fn a_revision_that_is_refused_leaves_no_trace(
    #[case] from: From,
    #[case] removed: &str,
    #[case] broken: Option<&str>,
) {
    let mut scene = Scene::new();
    let bundle = scene.content(scene.host.bundle(), "");
    fs_err::remove_file(bundle.path().join(removed)).unwrap();
    if let Some(broken) = broken {
        fs_err::write(bundle.path().join(broken), "version: 7\n").unwrap();
    }
    let deployment = scene.deploy(&bundle, from);
    let before = trace(&scene.host);
    let (outcome, json) = plan(deployment);
    assert_eq!(outcome.exit_code, Some(3), "{outcome:#?}");
    assert!(
        reasons(&json)[0].starts_with("DownloadBundle: "),
        "{json:#}"
    );
    assert!(before == trace(&scene.host));
}

#[test]
fn on_a_host_where_nothing_was_ever_deployed_nothing_is_made() {
    let host = TestHost::new();
    fs_err::create_dir(host.path("tmp")).unwrap();
    let bundle = host.bundle().appspec("").file("f", "");
    let before = trace(&host);
    let (outcome, _) = plan(host.deploy(&bundle).variable("TMPDIR", host.path("tmp")));
    assert_eq!(outcome.exit_code, Some(0), "{outcome:#?}");
    assert!(before == trace(&host));
    assert!(!host.root().exists() && !host.path("log").exists());
}

#[test]
fn bad_usage_and_a_bad_configuration_end_as_those_of_run_bundle() {
    let host = TestHost::new();
    let (outcome, _) = plan(host.deploy_from("/no/such/bundle"));
    assert_eq!(outcome.exit_code, Some(2), "{outcome:#?}");
    let bundle = host.bundle().appspec("");
    fs_err::write(host.configuration(), "max_revisions: none\n").unwrap();
    let (outcome, _) = plan(host.deploy(&bundle));
    assert_eq!(outcome.exit_code, Some(78), "{outcome:#?}");
}

fn workspaces(host: &TestHost) -> Vec<PathBuf> {
    let listed = fs_err::read_dir(host.path("tmp")).unwrap();
    listed.map(|entry| entry.unwrap().path()).collect()
}

#[rstest]
#[case(From::Tar, "ArchiveRename@1=kill")]
#[case(From::S3, "DownloadRename@1=kill")]
fn what_a_killed_plan_leaves_is_private_and_goes_with_the_next(
    #[case] from: From,
    #[case] point: &str,
) {
    let mut scene = Scene::new();
    let bundle = scene.content(scene.host.bundle(), "").script("stop.sh", "");
    let deployment = scene.deploy(&bundle, from);
    let before = trace(&scene.host);
    let killed = deployment
        .planned()
        .variable("CODEDEPLOY_FAILPOINT", point)
        .run();
    assert_eq!(killed.exit_code, None, "{killed:#?}");
    let left = workspaces(&scene.host);
    assert_eq!(left.len(), 1);
    let mode = fs_err::metadata(&left[0]).unwrap().mode();
    assert_eq!(mode & 0o7777, 0o700);
    let (mut left, kept) = (trace(&scene.host), before.clone());
    left.retain(|path, _| path == Path::new("tmp") || !path.starts_with("tmp"));
    assert!(left == kept);
    // Also one that fetches nothing.
    let (outcome, _) = plan(scene.deploy(&bundle, From::Directory));
    assert_eq!(outcome.exit_code, Some(0), "{outcome:#?}");
    assert!(before == trace(&scene.host));
}

#[rstest]
#[case(Signal::SIGINT, 130)]
#[case(Signal::SIGTERM, 143)]
#[case(Signal::SIGHUP, 129)]
fn a_signal_ends_it_and_nothing_stays(#[case] signal: Signal, #[case] status: i32) {
    let mut scene = Scene::new();
    let bundle = scene.content(scene.host.bundle(), "").script("stop.sh", "");
    let deployment = scene.deploy(&bundle, From::Tar);
    let before = trace(&scene.host);
    let started = deployment
        .planned()
        .variable("CODEDEPLOY_FAILPOINT", "ArchiveRename@1=stop")
        .start();
    let stat = format!("/proc/{}/stat", started.pid());
    eventually("the plan to stand still", || {
        let stat = fs_err::read_to_string(&stat).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" T"))
    });
    assert_eq!(workspaces(&scene.host).len(), 1);
    started.signal(signal);
    started.signal(Signal::SIGCONT);
    let outcome = started.wait();
    assert_eq!(outcome.exit_code, Some(status), "{outcome:#?}");
    assert!(before == trace(&scene.host));
}

#[test]
fn an_install_that_was_killed_is_told_of_and_left_to_the_next_one() {
    let mut scene = Scene::new();
    let bundle = scene.content(scene.host.bundle(), "").script("stop.sh", "");
    let deployment = scene.deploy(&bundle, From::Directory);
    let killed = deployment
        .variable("CODEDEPLOY_FAILPOINT", "InstallPlace@1=kill")
        .run();
    assert_eq!(killed.exit_code, None, "{killed:#?}");
    let before = trace(&scene.host);
    let (outcome, json) = plan(scene.deploy(&bundle, From::Directory));
    assert_eq!(outcome.exit_code, Some(0), "{outcome:#?}");
    assert_eq!(json["unfinished_install"], "rolled_back", "{json:#}");
    assert!(before == trace(&scene.host));
}
