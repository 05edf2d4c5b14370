//! The deployment that everything is tried on: an update of an application that is installed.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use integration_tests::fakes::Signer;
use integration_tests::fakes::command_service::{
    Again, DeploymentEnd, ScriptedDeployment, Specification,
};
use integration_tests::{Bundle, DaemonHost, Entry, Kind, RunningDaemon, eventually, snapshot};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::Pid;

use crate::journal_lines;

/// The commands of the update. ApplicationStop comes from the earlier revision.
const COMMANDS: [&str; 5] = [
    "ApplicationStop",
    "DownloadBundle",
    "BeforeInstall",
    "Install",
    "ApplicationStart",
];

/// A host with the earlier revision installed and the update published.
pub(crate) struct Scenario {
    pub(crate) daemon: DaemonHost,
    pub(crate) deployment: ScriptedDeployment,
}

/// A script waits while this is there.
pub(crate) struct Hold {
    path: PathBuf,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Gone with the host when a test fails.
        let _ = fs_err::remove_file(&self.path);
    }
}

/// What the first deployment has left on a host.
struct Installed {
    host: String,
    directories: Vec<(&'static str, std::collections::BTreeMap<PathBuf, Entry>)>,
}

/// Deployed once; each scenario gets a copy.
static INSTALLED: LazyLock<Installed> = LazyLock::new(|| {
    let daemon = host();
    let mut running = daemon.start();
    let first = deployment(&daemon, "d-OLD", "old.zip", &["DownloadBundle", "Install"]);
    let _ = daemon.service.deploy(DaemonHost::IDENTIFIER, &first);
    assert_eq!(
        daemon.service.wait_for_end(&first),
        DeploymentEnd::Succeeded
    );
    eventually("the agent to be idle", || is_idle(&daemon));
    running.stop();
    let older = daemon
        .host
        .root()
        .join("group-1/d-OLDER/deployment-archive");
    fs_err::create_dir_all(&older).unwrap();
    fs_err::write(older.join("file"), "").unwrap();
    let directories = ["deployment-root", "destination"];
    Installed {
        host: daemon.host.path("").to_str().unwrap().to_owned(),
        directories: directories
            .into_iter()
            .map(|name| (name, snapshot(&daemon.host.path(name))))
            .collect(),
    }
});

/// Hosts are kept in memory where that can be done: what is tested is the death of processes, which
/// no disk has to survive, and the many syncs would be most of the time.
static IN_MEMORY: LazyLock<()> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let usable = statvfs(memory).is_ok_and(|memory| {
        let refused = FsFlags::ST_NOEXEC | FsFlags::ST_RDONLY;
        !memory.flags().intersects(refused) && memory.blocks_available() > 100_000
    });
    if usable {
        // Somebody else may have chosen another place already.
        let _ = tempfile::env::override_temp_dir(memory);
    }
});

fn host() -> DaemonHost {
    let () = *IN_MEMORY;
    // Not to keep the bundle is one step more, as is the removal of the first revision.
    let daemon = DaemonHost::with_configuration("keep_bundle: false\nmax_revisions: 2\n");
    for label in ["old", "new"] {
        let bundle = bundle(&daemon, label);
        daemon.publish(&format!("{label}.zip"), bundle.path());
    }
    // As the service does: what was handed out may never have arrived.
    daemon
        .service
        .hand_out_again(Again::UntilAcknowledged(Duration::from_millis(300)));
    daemon
}

/// Files that stay, change, go and come; two scripts an event, each of which leaves a line outside
/// of the deployment.
fn bundle(daemon: &DaemonHost, label: &str) -> Bundle {
    let hooks: String = ["ApplicationStop", "BeforeInstall", "ApplicationStart"]
        .iter()
        .map(|event| format!("  {event}:\n  - location: one.sh\n  - location: two.sh\n"))
        .collect();
    let destination = daemon.host.destination();
    let destination = destination.display();
    // A directory that stays and gets another mode.
    let mode = if label == "old" { "0750" } else { "0700" };
    let appspec = format!(
        "files:\n- source: app\n  destination: {destination}\n\
         permissions:\n- object: {destination}/bin\n  mode: {mode}\n  type: [directory]\n\
         hooks:\n{hooks}"
    );
    let script = |name: &str| {
        let own = daemon.host.path("");
        let own = own.display();
        format!(
            "echo \"$LIFECYCLE_EVENT {name} {label}\"\n\
             echo \"$LIFECYCLE_EVENT {name} {label}\" >>{own}/ran\n\
             while [ -e \"{own}/hold-$LIFECYCLE_EVENT-{name}\" ]; do sleep 0.02; done"
        )
    };
    daemon
        .host
        .bundle()
        .appspec(&appspec)
        .file("app/same", "same")
        .file("app/label", label)
        .file(&format!("app/only-{label}/file"), label)
        .script("app/bin/program", &format!("echo {label}"))
        .script("one.sh", &script("one"))
        .script("two.sh", &script("two"))
}

fn deployment(daemon: &DaemonHost, id: &str, key: &str, commands: &[&str]) -> ScriptedDeployment {
    let content = daemon.specification(id, key);
    let signed = Specification::signed(&Signer::new(), &content);
    ScriptedDeployment::new(id, signed, commands)
}

/// Whether every command is settled and forgotten.
pub(crate) fn is_idle(daemon: &DaemonHost) -> bool {
    let root = daemon.host.root();
    let tracked = fs_err::read_dir(root.join("ongoing-deployment"))
        .map(Iterator::count)
        .unwrap_or_default();
    tracked == 0 && journal_lines::live(&root.join("commands.journal")).is_empty()
}

impl Scenario {
    pub(crate) fn new() -> Self {
        let installed = &*INSTALLED;
        let daemon = host();
        let own = daemon.host.path("").to_str().unwrap().to_owned();
        for (name, entries) in &installed.directories {
            let top = daemon.host.path(name);
            fs_err::create_dir_all(&top).unwrap();
            for (path, entry) in entries {
                put(&top.join(path), entry, &installed.host, &own);
            }
        }
        let deployment = deployment(&daemon, "d-NEW", "new.zip", &COMMANDS);
        Self { daemon, deployment }
    }

    /// Hands the deployment to the service.
    pub(crate) fn begin(&self) {
        let _ = self
            .daemon
            .service
            .deploy(DaemonHost::IDENTIFIER, &self.deployment);
    }

    /// Starts the agent with failpoints: what is armed, and the trace.
    pub(crate) fn start(&self, armed: Option<&str>) -> RunningDaemon {
        let mut environment = vec![(
            "CODEDEPLOY_FAILPOINT_TRACE",
            self.trace().to_str().unwrap().to_owned(),
        )];
        environment.extend(armed.map(|armed| ("CODEDEPLOY_FAILPOINT", armed.to_owned())));
        self.daemon
            .start_program(&integration_tests::agent(), &environment)
    }

    pub(crate) fn trace(&self) -> PathBuf {
        self.daemon.host.path("trace")
    }

    /// Lets the script `name` of `event` wait until the guard is dropped.
    pub(crate) fn hold(&self, event: &str, name: &str) -> Hold {
        let path = self.daemon.host.path(&format!("hold-{event}-{name}"));
        fs_err::write(&path, "").unwrap();
        Hold { path }
    }

    /// Waits until a script has left its line.
    pub(crate) fn until_ran(&self, line: &str) {
        eventually(line, || self.ran().iter().any(|ran| ran == line));
    }

    /// The lines that scripts have left, in order.
    pub(crate) fn ran(&self) -> Vec<String> {
        let text = fs_err::read_to_string(self.daemon.host.path("ran")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Whether the deployment has ended and the agent has nothing left to do for it.
    pub(crate) fn is_over(&self) -> bool {
        self.daemon.service.end(&self.deployment).is_some() && is_idle(&self.daemon)
    }

    /// What a failed case should show.
    pub(crate) fn story(&self) -> String {
        let read = |path: &Path| fs_err::read_to_string(path).unwrap_or_default();
        let host = &self.daemon.host;
        format!(
            "--- log\n{}--- standard error\n{}--- journal\n{}--- trace\n{}--- ran\n{:?}\n",
            self.daemon.log(),
            read(&host.path("standard-error")),
            read(&host.root().join("commands.journal")),
            read(&self.trace()),
            self.ran(),
        )
    }
}

/// Whether the process is stopped.
pub(crate) fn is_stopped(pid: Pid) -> bool {
    fs_err::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ")?.1.chars().next())
        .is_some_and(|state| state == 'T')
}

fn put(path: &Path, entry: &Entry, from: &str, to: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    match &entry.kind {
        Kind::Directory => fs_err::create_dir(path).unwrap(),
        Kind::File(content) => {
            // Paths in pointers and records are absolute, and all hosts' are equally long.
            let moved = replace(content, from.as_bytes(), to.as_bytes());
            fs_err::write(path, moved).unwrap();
        }
        Kind::Link(target) => return fs_err::os::unix::fs::symlink(target, path).unwrap(),
        Kind::Other => panic!("{}", path.display()),
    }
    let mode = std::fs::Permissions::from_mode(entry.mode);
    fs_err::set_permissions(path, mode).unwrap();
}

/// `content` with each `from` replaced by `to`.
pub(crate) fn replace(content: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(content.len());
    let mut rest = content;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(from) {
            replaced.extend_from_slice(to);
            rest = after;
        } else {
            replaced.push(rest[0]);
            rest = &rest[1..];
        }
    }
    replaced
}
