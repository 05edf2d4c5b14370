//! `user` and `group` of the configuration: whom the daemon becomes at start, as v1 does.

use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, User, geteuid, initgroups, setgid, setgroups, setuid};

use crate::config::Config;

/// The daemon cannot become whom the configuration names.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// There is no such user.
    #[error(
        "user is {name:?}, and there is no such user on this host; create it or correct the name"
    )]
    NoUser {
        /// The name.
        name: String,
    },
    /// There is no such group.
    #[error(
        "group is {name:?}, and there is no such group on this host; create it or correct the name"
    )]
    NoGroup {
        /// The name.
        name: String,
    },
    /// Only root may become somebody else.
    #[error("user is {name:?}, and only root can become another user; start the agent as root")]
    NotRoot {
        /// The name.
        name: String,
    },
    /// The names cannot be looked up, or the identity cannot be changed.
    #[error("cannot become the user and group of the configuration")]
    System(#[source] Errno),
}

/// Looks up the configured user and group.
///
/// # Errors
/// When there is no such user or group.
pub fn configured_user(config: &Config) -> Result<(Option<User>, Option<Gid>), PrivilegeError> {
    let user = match &config.user {
        Some(name) => Some(
            User::from_name(name)
                .map_err(PrivilegeError::System)?
                .ok_or_else(|| PrivilegeError::NoUser { name: name.clone() })?,
        ),
        None => None,
    };
    let group = match &config.group {
        Some(name) => Some(
            Group::from_name(name)
                .map_err(PrivilegeError::System)?
                .ok_or_else(|| PrivilegeError::NoGroup { name: name.clone() })?
                .gid,
        ),
        None => None,
    };
    Ok((user, group))
}

/// Becomes the configured user and group, for good. Before any file is opened, so that all belong
/// to them. Without the settings nothing happens.
///
/// # Errors
/// When there is no such user or group, or this process is not allowed to.
pub fn become_configured_user(config: &Config) -> Result<(), PrivilegeError> {
    let (user, group) = configured_user(config)?;
    let is_own = user.as_ref().is_none_or(|user| user.uid == geteuid());
    match (&user, group) {
        (None, None) => Ok(()),
        (Some(user), _) if !is_own && !geteuid().is_root() => Err(PrivilegeError::NotRoot {
            name: user.name.clone(),
        }),
        // Somebody else's unit file has seen to it already.
        (_, _) if !geteuid().is_root() => Ok(()),
        (user, group) => switch(user.as_ref(), group).map_err(PrivilegeError::System),
    }
}

/// What a daemon that is not root cannot do, for its log.
pub fn limits_without_root() -> Option<String> {
    let own = geteuid();
    (!own.is_root()).then(|| {
        format!(
            "this agent is not root but user id {own}: it cannot set owners, cannot run hooks as \
             other users except through sudo, and writes only where this user may; start it as \
             root if deployments need more"
        )
    })
}

/// Groups first: afterwards there is no right to change them.
fn switch(user: Option<&User>, group: Option<Gid>) -> Result<(), Errno> {
    let gid = group.or(user.map(|user| user.gid));
    match (user, gid) {
        (Some(user), Some(gid)) => {
            let name = CString::new(user.name.as_str()).map_err(|_| Errno::EINVAL)?;
            initgroups(&name, gid)?;
        }
        (None, Some(gid)) => setgroups(&[gid])?,
        (_, None) => {}
    }
    if let Some(gid) = gid {
        setgid(gid)?;
    }
    if let Some(user) = user {
        setuid(user.uid)?;
    }
    Ok(())
}
