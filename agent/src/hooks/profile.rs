//! What /etc/profile gives to hooks (`profile_environment`).
//!
//! AWS's units start their agent through a shell that has sourced /etc/profile with auto-export,
//! so hooks rely on what profile.d sets: PATH, JAVA_HOME, proxies, a umask. It is evaluated once,
//! with a time limit, and used for hooks only.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// How long /etc/profile may take. It runs once, at start.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The most that the environment may amount to; the kernel's own limit for a new process is of
/// this order.
const SIZE_LIMIT: u64 = 2 * 1024 * 1024;

/// Prints the umask and, separated by NULs, the environment that `$1` leaves. The file's own
/// output is dropped, and its failure is not ours.
const SCRIPT: &str = r#"set -a; if [ -r "$1" ]; then . "$1"; fi >/dev/null 2>&1 </dev/null
set +a; umask; exec env -0"#;

/// What hooks start from: the agent's own environment, or what /etc/profile makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookBase {
    /// Every variable.
    pub variables: Vec<(OsString, OsString)>,
    /// File mode bits that hooks do not set.
    pub umask: u32,
}

/// /etc/profile could not be evaluated; hooks then get the agent's own environment.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No shell could be run.
    #[error("cannot run a shell to evaluate {path}")]
    Shell {
        /// The profile.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It did not come to an end.
    #[error(
        "{path} took longer than {} seconds; find out what it waits for, or set \
         profile_environment to false",
        TIME_LIMIT.as_secs()
    )]
    TooSlow {
        /// The profile.
        path: String,
    },
    /// What came out is no environment.
    #[error("{path} ended the shell, or what it left is no environment")]
    Unusable {
        /// The profile.
        path: String,
    },
}

/// Evaluates `profile` (normally `/etc/profile`) on top of `inherited`.
///
/// # Errors
/// When it cannot be evaluated in time.
pub async fn profile_environment(
    profile: &Path,
    inherited: &[(OsString, OsString)],
) -> Result<HookBase, ProfileError> {
    let path = profile.display().to_string();
    // profile.d is written for bash where there is one.
    let shell = if Path::new("/bin/bash").exists() {
        "/bin/bash"
    } else {
        "/bin/sh"
    };
    let failed = |source| ProfileError::Shell {
        path: path.clone(),
        source,
    };
    let mut child = Command::new(shell)
        .arg("-c")
        .arg(SCRIPT)
        .arg("profile")
        .arg(profile)
        .env_clear()
        .envs(inherited.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let mut limited = stdout.take(SIZE_LIMIT);
        match tokio::time::timeout(TIME_LIMIT, limited.read_to_end(&mut output)).await {
            Ok(read) => drop(read.map_err(failed)?),
            Err(_) => return Err(ProfileError::TooSlow { path }),
        }
    }
    parse(&output).ok_or(ProfileError::Unusable { path })
}

fn parse(output: &[u8]) -> Option<HookBase> {
    let end = output.iter().position(|byte| *byte == b'\n')?;
    let umask = std::str::from_utf8(&output[..end]).ok()?;
    let umask = u32::from_str_radix(umask, 8)
        .ok()
        .filter(|umask| *umask <= 0o777)?;
    // Without its last NUL the output was cut off.
    let variables = output[end + 1..].strip_suffix(b"\0")?;
    let variables = variables
        .split(|byte| *byte == 0)
        .filter_map(|variable| {
            let equals = variable.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&variable[..equals], &variable[equals + 1..]);
            // What the evaluating shell sets for itself is nobody's wish.
            let own = matches!(name, b"_" | b"SHLVL" | b"PWD" | b"OLDPWD");
            (!own).then(|| {
                (
                    OsString::from_vec(name.into()),
                    OsString::from_vec(value.into()),
                )
            })
        })
        .collect();
    Some(HookBase { variables, umask })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(content: &str) -> Result<HookBase, ProfileError> {
        let directory = tempfile::tempdir().unwrap();
        let profile = directory.path().join("profile");
        fs_err::write(&profile, content).unwrap();
        let inherited = [
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("KEPT".into(), "1".into()),
        ];
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(profile_environment(&profile, &inherited))
    }

    fn value(environment: &HookBase, name: &str) -> Option<String> {
        environment
            .variables
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_the_profile_sets_is_exported_whether_it_says_so_or_not() {
        let environment =
            evaluate("echo noise\nJAVA_HOME='/opt/my java\n2'\nPATH=$PATH:/x\numask 027\n")
                .unwrap();
        assert_eq!(value(&environment, "JAVA_HOME").unwrap(), "/opt/my java\n2");
        assert_eq!(value(&environment, "PATH").unwrap(), "/usr/bin:/bin:/x");
        assert_eq!(value(&environment, "KEPT").unwrap(), "1");
        assert_eq!(environment.umask, 0o027);
        assert_eq!(value(&environment, "SHLVL"), None);
    }

    #[test]
    fn a_profile_that_ends_the_shell_is_an_error() {
        assert!(matches!(
            evaluate("exit 0\n"),
            Err(ProfileError::Unusable { .. })
        ));
    }

    #[test]
    fn a_missing_profile_changes_nothing() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let inherited = [("PATH".into(), "/usr/bin:/bin".into())];
        let environment = runtime
            .block_on(profile_environment(
                Path::new("/nonexistent/profile"),
                &inherited,
            ))
            .unwrap();
        assert_eq!(environment.variables, inherited);
    }
}
