//! A fault for every check of the host itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use integration_tests::{DaemonHost, agent, running_as_root};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rstest::rstest;

use crate::examined::Examination;

/// A small file system; unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn at(path: &Path, options: &str, flags: MsFlags) -> Self {
        fs_err::create_dir_all(path).unwrap();
        mount(Some("small"), path, Some("tmpfs"), flags, Some(options)).unwrap();
        Self(path.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

#[rstest]
#[case::space("size=1m", "disk space", " MB free", "make room")]
#[case::inodes("size=2g,nr_inodes=50", "inodes", "free under", "small files")]
fn a_full_disk(
    #[case] options: &str,
    #[case] name: &str,
    #[case] says: &str,
    #[case] advises: &str,
) {
    if !running_as_root("mounting") {
        return;
    }
    let daemon = DaemonHost::default();
    let _small = Small::at(&daemon.host.root(), options, MsFlags::empty());
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&[name], says, advises);
}

#[test]
fn a_read_only_disk_and_one_without_programs() {
    if !running_as_root("mounting") {
        return;
    }
    let daemon = DaemonHost::default();
    let small = Small::at(&daemon.host.root(), "size=2g", MsFlags::MS_RDONLY);
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["directories"], "root_dir", "change the setting");
    drop(small);
    let _small = Small::at(&daemon.host.root(), "size=2g", MsFlags::MS_NOEXEC);
    let examined = Examination::of(&daemon).run();
    examined.assert_healthy();
    let detail = examined.check("directories")["detail"].to_string();
    assert!(detail.contains("noexec"), "{detail}");
}

#[rstest]
#[case("root_dir")]
#[case("log_dir")]
#[case("pid_dir")]
fn a_directory_that_is_none(#[case] key: &str) {
    let daemon = DaemonHost::default();
    let file = daemon.host.path("file");
    fs_err::write(&file, "").unwrap();
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    let line = format!("{key}: {}/below", file.display());
    fs_err::write(daemon.host.configuration(), format!("{text}{line}\n")).unwrap();
    let examined = Examination::of(&daemon).run();
    let failed = examined.names_with("failed");
    assert!(failed.contains(&"directories"), "{:#}", examined.said);
    let check = examined.check("directories");
    assert!(check["detail"].as_str().unwrap().contains(key), "{check:#}");
    assert!(
        check["remedy"]
            .as_str()
            .unwrap()
            .contains("change the setting")
    );
}

/// This test holds the lock, as AWS's agent would.
#[test]
fn another_agent() {
    let daemon = DaemonHost::default();
    let directory = daemon.host.path("pid");
    fs_err::create_dir_all(&directory).unwrap();
    let file = fs_err::File::create(directory.join("codedeploy-agent.pid.lock")).unwrap();
    let _held = Flock::lock(file.into_file(), FlockArg::LockExclusive).unwrap();
    let pid = directory.join("codedeploy-agent.pid");
    fs_err::write(&pid, format!("{}\n", std::process::id())).unwrap();
    let own = format!("process {}", std::process::id());
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["other agent"], &own, "stop it");
    fs_err::remove_file(&pid).unwrap();
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["other agent"], "does not tell which process", "stop it");
}

/// What this thread starts finds `content` in /etc/profile.
fn with_profile(host: &DaemonHost, content: &str) {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).unwrap();
    let file = host.host.path("profile");
    fs_err::write(&file, content).unwrap();
    mount(Some(&file), "/etc/profile", NONE, MsFlags::MS_BIND, NONE).unwrap();
}

#[test]
fn proxies_and_certificates_of_the_profile_that_the_agent_does_not_have() {
    if !running_as_root("mounting") {
        return;
    }
    let daemon = DaemonHost::default();
    let text = fs_err::read_to_string(daemon.host.configuration()).unwrap();
    let text = text.replace("profile_environment: false", "profile_environment: true");
    fs_err::write(daemon.host.configuration(), text).unwrap();
    with_profile(
        &daemon,
        "https_proxy=http://user:hush-hush@proxy.invalid:3128\nexport AWS_CA_BUNDLE=/no/such/file\n",
    );
    let mut running = daemon.start();
    daemon.service.wait_for("a poll", |calls| !calls.is_empty());
    let examined = Examination::of(&daemon).run();
    examined.assert_healthy();
    let check = examined.check("profile");
    assert_eq!(check["status"], "warning", "{check:#}");
    let log = daemon.log();
    for said in [check["detail"].as_str().unwrap(), log.as_str()] {
        assert!(
            said.contains("/etc/profile sets https_proxy, AWS_CA_BUNDLE"),
            "{said}"
        );
        assert!(!said.contains("hush"), "{said}");
    }
    assert!(check["remedy"].as_str().unwrap().contains("proxy_uri"));
    running.stop();
    // Nobody is started whose environment could be another.
    let examined = Examination::of(&daemon).run();
    assert_eq!(examined.status("profile"), "skipped");
}

#[test]
fn a_runner_that_cannot_be_run() {
    let daemon = DaemonHost::default();
    let program = daemon.host.path("agent");
    fs_err::copy(agent(), &program).unwrap();
    let runner = daemon.host.path("hooks-runner");
    fs_err::write(&runner, "").unwrap();
    fs_err::set_permissions(&runner, std::fs::Permissions::from_mode(0o644)).unwrap();
    let examined = Examination::of(&daemon).program(program).run();
    examined.assert_failed(&["hooks-runner"], "cannot be run", "package");
}

/// As root the doctor sees with the eyes of the user that the daemon becomes.
#[test]
fn what_the_configured_user_may_not_do() {
    if !running_as_root("becoming another user") {
        return;
    }
    let daemon = DaemonHost::with_configuration("user: daemon");
    let examined = Examination::of(&daemon).run();
    examined.assert_failed(&["directories", "identity"], "root_dir", "agent's user");
    let check = examined.check("identity");
    assert!(
        check["remedy"].as_str().unwrap().contains("give the file"),
        "{check:#}"
    );
    for name in ["", "codedeploy.onpremises.yml"] {
        let user = nix::unistd::User::from_name("daemon").unwrap().unwrap().uid;
        fs_err::os::unix::fs::chown(daemon.host.path(name), Some(user.as_raw()), None).unwrap();
    }
    Examination::of(&daemon).run().assert_healthy();
}
