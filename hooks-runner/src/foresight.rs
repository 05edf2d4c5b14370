//! What a script would come to before its first instruction, told without running it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::account::Account;
use crate::error::chain;
use crate::outcome::ScriptResult;
use crate::request::Request;
use crate::script::Script;
use crate::start;

/// What can be told of a script beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foresight {
    /// Each reason for which it would not be started; the runner would tell the first one.
    pub refusals: Vec<ScriptResult>,
    /// What the operator should know although it stops nothing.
    pub warnings: Vec<String>,
}

/// Where the script lies when it is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// Where it is run.
    Final,
    /// In an archive that the run would make again elsewhere, as whoever runs it.
    Archive {
        /// Where the archive is now.
        archive: &'a Path,
        /// The nearest directory above its final place that is there already.
        under: &'a Path,
        /// The archive would be a copy, with modes less this umask, that belongs to whoever runs it.
        umask: Option<u32>,
    },
}

/// Looks at the script of `request` and at the account that it is to run as. Changes nothing and
/// starts nothing.
#[must_use]
pub fn foresee(request: &Request, place: Place<'_>) -> Foresight {
    let mut foresight = Foresight::default();
    let is_copy = matches!(place, Place::Archive { .. });
    let found = Script::foresee(&request.script, is_copy);
    let there = found.is_ok();
    match found {
        Ok(script) => foresight.warnings.extend(script.warnings),
        Err(result) => foresight.refusals.push(result),
    }
    match start::plan(request) {
        Err(error) => {
            let reason = chain(&error);
            foresight
                .refusals
                .push(ScriptResult::CouldNotStart { reason });
        }
        Ok(start) => {
            let account = start.account.filter(|account| account.uid != 0);
            if let Some(account) = account.filter(|_| there) {
                foresight.reach(&account, &steps(&request.script, place));
            }
        }
    }
    foresight
}

/// One directory on the way to a script, or the script.
struct Step {
    path: PathBuf,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Step {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
        })
    }
}

/// What an account has to pass to execute a script, and the script.
fn steps(script: &Path, place: Place<'_>) -> Vec<Step> {
    let on_the_way = |path: &Path| {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut steps: Vec<Step> = path.ancestors().filter_map(Step::of).collect();
        steps.reverse();
        steps
    };
    let mut steps = match place {
        Place::Final => on_the_way(script),
        Place::Archive { archive, under, .. } => {
            let mut steps = on_the_way(under);
            let within = script.ancestors().take_while(|path| *path != archive);
            let mut within: Vec<Step> = within.filter_map(Step::of).collect();
            within.reverse();
            if let Place::Archive {
                umask: Some(umask), ..
            } = place
            {
                for step in &mut within {
                    step.mode = if step.path == script {
                        step.mode & !umask
                    } else {
                        0o777 & !umask
                    };
                    step.uid = nix::unistd::geteuid().as_raw();
                    step.gid = nix::unistd::getegid().as_raw();
                }
            }
            steps.extend(within);
            steps
        }
    };
    // One that is not executable is made so.
    if let Some(script) = steps.last_mut()
        && script.mode & 0o100 == 0
    {
        script.mode |= 0o111;
    }
    steps
}

impl Foresight {
    /// Whether the account can execute what the steps lead to. An ACL that lets somebody pass
    /// shows in the group's bits: where these are clear, there is none.
    fn reach(&mut self, account: &Account, steps: &[Step]) {
        let closed = steps.iter().find(|step| {
            let bit = if step.uid == account.uid {
                0o100
            } else if account.groups.contains(&step.gid) {
                0o010
            } else {
                0o001
            };
            step.mode & bit == 0
        });
        let Some(closed) = closed else { return };
        let reason = format!(
            "user {:?} may not execute it: {} has mode {:04o}",
            account.name,
            closed.path.display(),
            closed.mode
        );
        if closed.mode & 0o010 == 0 {
            self.refusals.push(ScriptResult::CouldNotStart { reason });
        } else {
            self.warnings
                .push(format!("{reason}, unless an ACL lets it"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::request::tests::request;

    fn script(directory: &Path, mode: u32) -> Request {
        let mut request = request();
        request.runas = None;
        request.sudo = false;
        request.script = directory.join("s.sh");
        fs::write(&request.script, "#!/bin/sh\n").unwrap();
        let mode = PermissionsExt::from_mode(mode);
        fs::set_permissions(&request.script, mode).unwrap();
        request
    }

    #[test]
    fn a_script_without_x_is_told_of_and_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let request = script(directory.path(), 0o644);
        let copy = Place::Archive {
            archive: directory.path(),
            under: Path::new("/"),
            umask: None,
        };
        for place in [Place::Final, copy] {
            let found = foresee(&request, place);
            assert_eq!(found.refusals, [], "{found:?}");
            assert!(found.warnings[0].contains("(+x)"), "{found:?}");
        }
        let mode = fs::metadata(&request.script).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn everything_that_stands_against_it_is_told() {
        let mut request = request();
        request.script = "/no/such/script".into();
        request.runas = Some("no-such-user".into());
        let found = foresee(&request, Place::Final);
        assert_eq!(found.refusals.len(), 2, "{found:?}");
        assert_eq!(found.refusals[0], ScriptResult::Missing);
        assert!(format!("{found:?}").contains("no-such-user"));
    }

    #[test]
    fn an_account_that_cannot_execute_it_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let request = script(directory.path(), 0o700);
        let place = Place::Archive {
            archive: directory.path(),
            under: Path::new("/"),
            umask: None,
        };
        let stranger = Account {
            name: "stranger".into(),
            uid: u32::MAX - 7,
            gid: u32::MAX - 7,
            groups: Vec::new(),
            home: "/".into(),
            shell: "/bin/sh".into(),
        };
        let judge = |place| {
            let mut found = Foresight::default();
            found.reach(&stranger, &steps(&request.script, place));
            found
        };
        let found = judge(place);
        assert!(
            format!("{:?}", found.refusals).contains("0700"),
            "{found:?}"
        );
        let open = PermissionsExt::from_mode(0o755);
        fs::set_permissions(&request.script, open).unwrap();
        assert_eq!(judge(place), Foresight::default());
    }
}
