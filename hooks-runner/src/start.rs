//! Who runs the script and through what: the decision as pure data, made before the fork.
//!
//! | we are | runas | sudo | how |
//! |---|---|---|---|
//! | anybody | none or ourselves | no | directly |
//! | root | none | any | directly |
//! | root | another | any | identity by system calls, or `su` |
//! | not root | another | no | refused |
//! | not root | none | yes | `sudo -n` |
//! | not root | any | yes | `sudo -n su` |
//!
//! Invariant: the script's path and the account's name are arguments of their own everywhere;
//! neither ever becomes part of a command text or can be taken for an option.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::account::{self, Account, AccountError};
use crate::request::{Request, RunasVia};
use crate::sys::Switch;

/// What `su` has the account's shell do. `su` sets SHELL to what it was told to use; this puts
/// the account's own back.
const SU_COMMAND: &str = r#"SHELL=$1; export SHELL; exec "$0""#;

/// Where `su` and `sudo` may be. A fixed list: PATH is the script's, and may name any directory.
const PROGRAM_DIRECTORIES: [&str; 7] = [
    "/usr/bin",
    "/bin",
    "/usr/sbin",
    "/sbin",
    "/run/wrappers/bin",
    "/usr/local/bin",
    "/usr/local/sbin",
];

/// How a script is started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// The identity that the child takes before it execs.
    pub(crate) switch: Option<Switch>,
    /// Whose HOME, SHELL, USER and LOGNAME the environment gets.
    pub(crate) account: Option<Account>,
    /// The program is the script itself.
    pub(crate) direct: bool,
}

/// A script cannot be started as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("runas: {error}")]
    Account {
        error: AccountError,
        #[source]
        source: Option<nix::errno::Errno>,
    },
    #[error(
        "runas: only root can run a script as user {name:?}, and the agent runs as {own}; \
         run the agent as root, or set sudo: true"
    )]
    NotRoot { name: String, own: String },
    #[error("runas: user {name:?} has a name that {program} would take for an option")]
    Option { name: String, program: &'static str },
    #[error("{program} is needed for this script and is not installed on this host")]
    NoProgram { program: &'static str },
}

/// What the decision depends on besides the request.
pub(crate) struct Surroundings<'a> {
    pub(crate) uid: u32,
    pub(crate) account: &'a dyn Fn(&str) -> Result<Account, AccountError>,
    pub(crate) program: &'a dyn Fn(&str) -> Option<PathBuf>,
}

/// Decides how the script of `request` is started on this host.
pub(crate) fn plan(request: &Request) -> Result<Start, StartError> {
    plan_in(
        request,
        &Surroundings {
            uid: nix::unistd::geteuid().as_raw(),
            account: &account::by_name,
            program: &find_program,
        },
    )
}

/// The program called `name` of this host.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    PROGRAM_DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.is_file())
}

pub(crate) fn plan_in(request: &Request, host: &Surroundings<'_>) -> Result<Start, StartError> {
    let account = match &request.runas {
        Some(name) => Some((host.account)(name).map_err(|error| {
            let source = match &error {
                AccountError::Unknown { .. } => None,
                AccountError::Lookup { source, .. } | AccountError::Groups { source, .. } => {
                    Some(*source)
                }
            };
            StartError::Account { error, source }
        })?),
        None => None,
    };
    let root = host.uid == 0;
    let script = request.script.clone().into_os_string();
    if request.sudo && !root {
        return under_sudo(request, host, account);
    }
    let other = account.as_ref().filter(|account| account.uid != host.uid);
    let direct = |switch| Start {
        program: request.script.clone(),
        arguments: vec![script],
        switch,
        account: account.clone(),
        direct: true,
    };
    match other {
        None => Ok(direct(None)),
        Some(other) if !root => Err(StartError::NotRoot {
            name: other.name.clone(),
            own: account::display(host.uid),
        }),
        Some(other) => match request.runas_via {
            RunasVia::Native => Ok(direct(Some(Switch {
                uid: other.uid,
                gid: other.gid,
                groups: other.groups.clone(),
            }))),
            RunasVia::Su => {
                let su = find(host, "su")?;
                Ok(Start {
                    arguments: su_arguments(&su, other, &request.script)?,
                    program: su,
                    switch: None,
                    account: account.clone(),
                    direct: false,
                })
            }
        },
    }
}

fn under_sudo(
    request: &Request,
    host: &Surroundings<'_>,
    account: Option<Account>,
) -> Result<Start, StartError> {
    let sudo = find(host, "sudo")?;
    let mut arguments: Vec<OsString> = vec![sudo.clone().into_os_string(), "-n".into()];
    let names: Vec<&str> = request
        .keep_under_sudo
        .iter()
        .map(String::as_str)
        .filter(|name| is_variable_name(name))
        .collect();
    if !names.is_empty() {
        arguments.push(format!("--preserve-env={}", names.join(",")).into());
    }
    arguments.push("--".into());
    match &account {
        Some(account) => {
            let su = find(host, "su")?;
            arguments.extend(su_arguments(&su, account, &request.script)?);
        }
        None => arguments.push(request.script.clone().into_os_string()),
    }
    Ok(Start {
        program: sudo,
        arguments,
        switch: None,
        account,
        direct: false,
    })
}

fn su_arguments(su: &Path, account: &Account, script: &Path) -> Result<Vec<OsString>, StartError> {
    if account.name.starts_with('-') {
        return Err(StartError::Option {
            name: account.name.clone(),
            program: "su",
        });
    }
    // Options first and an absolute path last: every su (util-linux, shadow, busybox) agrees.
    Ok(vec![
        su.as_os_str().to_owned(),
        "-s".into(),
        "/bin/sh".into(),
        "-c".into(),
        SU_COMMAND.into(),
        account.name.clone().into(),
        script.as_os_str().to_owned(),
        account.shell.clone().into_os_string(),
    ])
}

fn find(host: &Surroundings<'_>, program: &'static str) -> Result<PathBuf, StartError> {
    (host.program)(program).ok_or(StartError::NoProgram { program })
}

/// What may stand in sudo's comma-separated list.
fn is_variable_name(name: &str) -> bool {
    name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request;

    fn account(name: &str) -> Result<Account, AccountError> {
        let uid = match name {
            "root" => 0,
            "me" => 1000,
            "app" | "-app" => 1001,
            _ => {
                return Err(AccountError::Unknown {
                    name: name.to_owned(),
                });
            }
        };
        Ok(Account {
            name: name.to_owned(),
            uid,
            gid: uid,
            groups: vec![uid, 4],
            home: "/home/x".into(),
            shell: "/bin/zsh".into(),
        })
    }

    fn decide(uid: u32, change: impl FnOnce(&mut Request)) -> Result<Start, StartError> {
        let mut request = request();
        change(&mut request);
        plan_in(
            &request,
            &Surroundings {
                uid,
                account: &account,
                program: &|name| Some(Path::new("/usr/bin").join(name)),
            },
        )
    }

    #[test]
    fn root_without_runas_is_direct_and_sudo_changes_nothing() {
        for sudo in [false, true] {
            let start = decide(0, |request| request.sudo = sudo).unwrap();
            assert!(start.direct);
            assert_eq!(start.switch, None);
            assert_eq!(start.account, None);
            assert_eq!(start.arguments, ["/archive/run me.sh"]);
        }
    }

    #[test]
    fn root_with_runas_takes_the_identity_natively() {
        for sudo in [false, true] {
            let start = decide(0, |request| {
                request.runas = Some("app".to_owned());
                request.sudo = sudo;
            })
            .unwrap();
            assert!(start.direct);
            assert_eq!(
                start.switch,
                Some(Switch {
                    uid: 1001,
                    gid: 1001,
                    groups: vec![1001, 4]
                })
            );
            assert_eq!(start.account.unwrap().name, "app");
        }
    }

    #[test]
    fn ones_own_account_needs_no_switch_but_sets_the_environment() {
        for (uid, name) in [(0, "root"), (1000, "me")] {
            for via in [RunasVia::Native, RunasVia::Su] {
                let start = decide(uid, |request| {
                    request.runas = Some(name.to_owned());
                    request.runas_via = via;
                })
                .unwrap();
                assert!(start.direct);
                assert_eq!(start.switch, None);
                assert_eq!(start.account.unwrap().name, name);
            }
        }
    }

    #[test]
    fn su_gets_the_path_as_an_argument() {
        let start = decide(0, |request| {
            request.runas = Some("app".to_owned());
            request.runas_via = RunasVia::Su;
            request.script = "/archive/$(id) 'x'".into();
        })
        .unwrap();
        assert_eq!(start.program, Path::new("/usr/bin/su"));
        assert_eq!(
            start.arguments,
            [
                "/usr/bin/su",
                "-s",
                "/bin/sh",
                "-c",
                SU_COMMAND,
                "app",
                "/archive/$(id) 'x'",
                "/bin/zsh"
            ]
        );
        assert!(!start.direct);
    }

    #[test]
    fn an_account_name_never_becomes_an_option() {
        let error = decide(0, |request| {
            request.runas = Some("-app".to_owned());
            request.runas_via = RunasVia::Su;
        })
        .unwrap_err();
        assert!(matches!(error, StartError::Option { .. }), "{error}");
        let error = decide(1000, |request| {
            request.runas = Some("-app".to_owned());
            request.sudo = true;
        })
        .unwrap_err();
        assert!(matches!(error, StartError::Option { .. }), "{error}");
    }

    #[test]
    fn sudo_without_root_preserves_only_proper_names() {
        let start = decide(1000, |request| {
            request.sudo = true;
            request.keep_under_sudo = ["DEPLOYMENT_ID", "A,B", "", "1X", "BUNDLE_KEY", "A=B"]
                .map(Into::into)
                .to_vec();
        })
        .unwrap();
        assert_eq!(
            start.arguments,
            [
                "/usr/bin/sudo",
                "-n",
                "--preserve-env=DEPLOYMENT_ID,BUNDLE_KEY",
                "--",
                "/archive/run me.sh"
            ]
        );
    }

    #[test]
    fn sudo_and_runas_without_root_is_su_under_sudo() {
        let start = decide(1000, |request| {
            request.sudo = true;
            request.runas = Some("app".to_owned());
            request.keep_under_sudo.clear();
        })
        .unwrap();
        assert_eq!(
            start.arguments,
            [
                "/usr/bin/sudo",
                "-n",
                "--",
                "/usr/bin/su",
                "-s",
                "/bin/sh",
                "-c",
                SU_COMMAND,
                "app",
                "/archive/run me.sh",
                "/bin/zsh"
            ]
        );
    }

    #[test]
    fn what_cannot_be_done_names_the_user_and_the_remedy() {
        let text = decide(1000, |request| request.runas = Some("app".to_owned()))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("app") && text.contains("sudo: true"),
            "{text}"
        );
        let text = decide(0, |request| request.runas = Some("ghost".to_owned()))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("ghost") && text.contains("does not exist"),
            "{text}"
        );
    }

    #[test]
    fn a_host_without_sudo_says_so() {
        let mut request = request();
        request.sudo = true;
        let error = plan_in(
            &request,
            &Surroundings {
                uid: 1000,
                account: &account,
                program: &|_| None,
            },
        )
        .unwrap_err();
        assert!(error.to_string().contains("sudo"), "{error}");
    }
}
