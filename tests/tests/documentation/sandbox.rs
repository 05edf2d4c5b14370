//! The machine that a page's commands run on: a temporary directory that stands for `/`, with a home
//! in it (which has the repository's examples), the programs under test first in the path, and no network but loopback.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use integration_tests::{agent, is_alive};

use super::page::repository;

/// The directories that pages write to; the sandbox has its own.
const DIRECTORIES: [&str; 6] = ["/home/you", "/srv", "/tmp", "/etc", "/opt", "/var"];

/// The port that pages use; the sandbox has one that is free.
const PORT: &str = "8080";

/// Marks the processes of a sandbox.
const MARK: &str = "DOCUMENTATION_SANDBOX";

/// The sandbox of one page.
pub(crate) struct Sandbox {
    root: tempfile::TempDir,
    working_directory: PathBuf,
    port: String,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    /// Both outputs, as the page would show them.
    pub(crate) output: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        // Scripts may become other users, who must be able to reach them.
        fs_err::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for directory in DIRECTORIES {
            fs_err::create_dir_all(root.path().join(&directory[1..])).unwrap();
        }
        let programs = root.path().join("bin");
        fs_err::create_dir(&programs).unwrap();
        for name in ["agent", "codedeploy-agent", "codedeploy-local"] {
            fs_err::os::unix::fs::symlink(agent(), programs.join(name)).unwrap();
        }
        let home = root.path().join("home/you");
        fs_err::os::unix::fs::symlink(repository().join("examples"), home.join("examples"))
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        Self {
            working_directory: home,
            port: listener.local_addr().unwrap().port().to_string(),
            root,
        }
    }

    fn root(&self) -> &str {
        self.root.path().to_str().unwrap()
    }

    /// The page's text for this machine: its directories and port.
    fn here(&self, text: &str) -> String {
        let mut here = String::new();
        let mut rest = text;
        while let Some(ch) = rest.chars().next() {
            let goes_on = here.ends_with(|ch: char| ch.is_alphanumeric() || "./_-~}".contains(ch));
            let begins = |word: &&str| {
                let after = rest.strip_prefix(*word);
                after.is_some_and(|after| !after.starts_with(|ch: char| ch.is_alphanumeric()))
            };
            let length = if goes_on && !here.ends_with(':') {
                0
            } else if let Some(directory) = DIRECTORIES.iter().find(|it| begins(it)) {
                here.push_str(self.root());
                here.push_str(directory);
                directory.len()
            } else if begins(&PORT) {
                here.push_str(&self.port);
                PORT.len()
            } else {
                0
            };
            if length == 0 {
                here.push(ch);
            }
            rest = rest.get(length.max(ch.len_utf8())..).unwrap_or_default();
        }
        here
    }

    /// Writes a file of the page; scripts are made executable.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.working_directory.join(self.here(path));
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, self.here(text)).unwrap();
        if text.starts_with("#!") {
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// Runs a command where the one before has left off.
    pub(crate) fn run(&mut self, command: &str) -> Ran {
        let output = self.root.path().join("output");
        let directory = self.root.path().join("directory");
        // A file and not a pipe: what goes on in the background does not hold the test.
        let file = fs_err::File::create(&output).unwrap();
        let script = format!(
            "umask 022\ntrap 'pwd >\"{}\"' EXIT\n{}\n",
            directory.display(),
            self.here(command)
        );
        let status = integration_tests::command("bash")
            .args(["-c", &script])
            .current_dir(&self.working_directory)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(file.file().try_clone().unwrap())
            .stderr(file.into_parts().0)
            .status()
            .unwrap();
        let left = fs_err::read_to_string(&directory).unwrap();
        self.working_directory = PathBuf::from(left.trim_end());
        let text = fs_err::read(&output).unwrap();
        Ran {
            status: status.code(),
            output: String::from_utf8_lossy(&text)
                .replace(self.root(), "")
                .replace(&self.port, PORT),
        }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let root = self.root();
        let nobody = "http://127.0.0.1:1".to_owned();
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        vec![
            ("PATH", format!("{root}/bin:{path}")),
            ("HOME", format!("{root}/home/you")),
            ("XDG_STATE_HOME", format!("{root}/home/you/.local/state")),
            ("LANG", "C.UTF-8".to_owned()),
            ("http_proxy", nobody.clone()),
            ("https_proxy", nobody.clone()),
            ("no_proxy", "127.0.0.1,localhost".to_owned()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", nobody),
            (MARK, root.to_owned()),
        ]
    }
}

impl Drop for Sandbox {
    /// Ends what the page's commands have left running.
    fn drop(&mut self) {
        let mark = format!("{MARK}={}", self.root());
        for entry in fs_err::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            if has_variable(&entry.path(), &mark) && is_alive(pid) {
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL);
            }
        }
    }
}

fn has_variable(process: &Path, variable: &str) -> bool {
    fs_err::read(process.join("environ")).is_ok_and(|environment| {
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == variable.as_bytes())
    })
}

#[test]
fn a_pages_paths_and_port_are_the_sandboxs() {
    let sandbox = Sandbox::new();
    let (root, port) = (sandbox.root(), &sandbox.port);
    for (page, here) in [
        ("cat /srv/app/x", format!("cat {root}/srv/app/x")),
        ("destination: /srv\n", format!("destination: {root}/srv\n")),
        ("a=/tmp/x:/var/y", format!("a={root}/tmp/x:{root}/var/y")),
        ("curl http://h:8080/", format!("curl http://h:{port}/")),
        (
            "$dir/srv ./srv /srvx https://h/srv 18080",
            "$dir/srv ./srv /srvx https://h/srv 18080".to_owned(),
        ),
    ] {
        assert_eq!(sandbox.here(page), here);
    }
}
