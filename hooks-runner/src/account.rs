//! User name to identity, through the C library so that LDAP and SSSD accounts are found.
//!
//! Everything is looked up before the fork: name services are not safe after it.

use std::ffi::CString;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{Uid, User, getgrouplist};

/// An account of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups, the primary one among them.
    pub(crate) groups: Vec<u32>,
    pub(crate) home: PathBuf,
    pub(crate) shell: PathBuf,
}

/// An account cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("user {name:?} does not exist on this host")]
    Unknown { name: String },
    #[error("user {name:?} cannot be looked up")]
    Lookup {
        name: String,
        #[source]
        source: Errno,
    },
    #[error("the groups of user {name:?} cannot be looked up")]
    Groups {
        name: String,
        #[source]
        source: Errno,
    },
}

/// The account called `name`.
pub(crate) fn by_name(name: &str) -> Result<Account, AccountError> {
    let unknown = || AccountError::Unknown {
        name: name.to_owned(),
    };
    if name.is_empty() {
        return Err(unknown());
    }
    let user = match User::from_name(name) {
        Ok(Some(user)) => user,
        // Name services answer these, too, when there is no such account.
        Ok(None) | Err(Errno::ENOENT | Errno::ESRCH) => return Err(unknown()),
        Err(source) => {
            return Err(AccountError::Lookup {
                name: name.to_owned(),
                source,
            });
        }
    };
    let c_name = CString::new(user.name.as_str()).map_err(|_| unknown())?;
    let groups = getgrouplist(&c_name, user.gid).map_err(|source| AccountError::Groups {
        name: name.to_owned(),
        source,
    })?;
    Ok(Account {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
        home: user.dir,
        shell: if user.shell.as_os_str().is_empty() {
            // passwd(5): an empty field means this one.
            PathBuf::from("/bin/sh")
        } else {
            user.shell
        },
    })
}

/// A name for `uid` in messages: the account's, or the number.
pub(crate) fn display(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_with_its_groups() {
        let root = by_name("root").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert!(root.home.is_absolute());
    }

    #[test]
    fn an_unknown_account_is_named() {
        for name in ["no-such-user", "", "-c", "a\0b", "root; id"] {
            let error = by_name(name).unwrap_err();
            assert!(matches!(error, AccountError::Unknown { .. }), "{error}");
            assert!(error.to_string().contains("does not exist"));
        }
    }
}
