//! The explicit environment of a script: the runner's own, with the account's four variables.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use crate::account::Account;

/// Variables as a C program gets them.
pub(crate) fn build(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    account: Option<&Account>,
) -> Vec<CString> {
    let own: Vec<(OsString, OsString)> = account
        .map(|account| {
            vec![
                ("HOME".into(), account.home.clone().into_os_string()),
                ("SHELL".into(), account.shell.clone().into_os_string()),
                ("USER".into(), account.name.clone().into()),
                ("LOGNAME".into(), account.name.clone().into()),
            ]
        })
        .unwrap_or_default();
    variables
        .into_iter()
        .filter(|(name, _)| own.iter().all(|(other, _)| other != name))
        .chain(own.iter().cloned())
        .filter_map(|(name, value)| {
            let mut entry = name.into_vec();
            entry.push(b'=');
            entry.extend(value.into_vec());
            // What has a NUL cannot have come from an environment.
            CString::new(entry).ok()
        })
        .collect()
}

/// The variables that tell the processes of one hook from all others (contract: hooks).
const MARKS: [&str; 2] = ["DEPLOYMENT_ID", "LIFECYCLE_EVENT"];

/// The entries of an environment that mark a script's processes: all, or none at all.
pub(crate) fn marks(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    MARKS
        .iter()
        .map(|name| Some(format!("{name}={}", variable(name)?)))
        .collect::<Option<Vec<String>>>()
        .unwrap_or_default()
}

/// A word as a C program gets it.
pub(crate) fn argument(word: &OsStr) -> io::Result<CString> {
    CString::new(word.as_bytes()).map_err(io::Error::from)
}

/// Words as a C program gets them.
pub(crate) fn arguments(words: &[OsString]) -> io::Result<Vec<CString>> {
    words.iter().map(|word| argument(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, value: &[u8]) -> (OsString, OsString) {
        (name.into(), OsString::from_vec(value.to_vec()))
    }

    #[test]
    fn the_account_replaces_four_variables_and_keeps_the_rest() {
        let account = Account {
            name: "app".to_owned(),
            uid: 5,
            gid: 5,
            groups: vec![5],
            home: "/srv/app".into(),
            shell: "/bin/false".into(),
        };
        let built = build(
            [
                variable("PATH", b"/bin"),
                variable("HOME", b"/root"),
                variable("RAW", b"\xff"),
            ],
            Some(&account),
        );
        let expected = [
            &b"PATH=/bin"[..],
            b"RAW=\xff",
            b"HOME=/srv/app",
            b"SHELL=/bin/false",
            b"USER=app",
            b"LOGNAME=app",
        ];
        assert!(built.iter().map(CString::as_bytes).eq(expected));
    }

    #[test]
    fn marks_are_all_there_or_none_is_used() {
        let both = marks(|name| Some(name.to_lowercase()));
        assert_eq!(
            both,
            [
                "DEPLOYMENT_ID=deployment_id",
                "LIFECYCLE_EVENT=lifecycle_event"
            ]
        );
        let one = marks(|name| (name == "DEPLOYMENT_ID").then(|| "d-1".to_owned()));
        assert_eq!(one, Vec::<String>::new());
    }

    #[test]
    fn without_an_account_nothing_is_added() {
        let built = build([variable("A", b"")], None);
        assert_eq!(built, [CString::new("A=").unwrap()]);
    }
}
