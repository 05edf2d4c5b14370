//! What an operator should know about a configuration that is used nevertheless.

use std::fmt;
use std::path::PathBuf;

/// One remark about the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    /// The key that it is about, when it is about one.
    pub key: Option<String>,
    /// Its line, counted from 1.
    pub line: Option<u32>,
    /// The remark.
    pub kind: WarningKind,
}

/// The kinds of remarks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarningKind {
    /// No such setting; ignored.
    Unknown {
        /// The setting that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// A setting of AWS's first agent without a meaning here; ignored.
    Retired {
        /// Why it is not needed.
        reason: &'static str,
    },
    /// A setting whose purpose is served without it; what it says is not used.
    WithoutEffect {
        /// What happens instead.
        reason: &'static str,
    },
    /// The key occurs before; this one counts.
    Duplicate {
        /// The line of the one that does not count.
        earlier_line: u32,
    },
    /// A value in a form that the setting does not have, such as a quoted number.
    ReadAs {
        /// What it was taken for.
        value: String,
    },
    /// A number out of range; the nearest allowed one is used.
    Clamped {
        /// What the file has.
        value: String,
        /// What is used.
        used: String,
        /// What is allowed.
        allowed: String,
    },
    /// No value for a setting that has a default.
    Unset {
        /// The default.
        used: String,
    },
    /// A protection that is always on and cannot be turned off.
    AlwaysOn,
    /// What is sent there can be read and changed on the way.
    PlainHttp,
    /// The file has more than one YAML document; only the first is read.
    MoreDocuments,
    /// Any user can change the file, and with it what the agent does as root.
    WorldWritable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The agent runs as root, but another user can change the file.
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
}

impl ConfigWarning {
    /// A warning about the file as a whole.
    pub(super) fn of_file(kind: WarningKind) -> Self {
        Self {
            key: None,
            line: None,
            kind,
        }
    }

    /// A warning about one key. A key that is no plain name may be anything, a secret after a
    /// slip of the keyboard included, and is not shown.
    pub(super) fn of_key(key: &str, line: u32, kind: WarningKind) -> Self {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let showable = !key.is_empty() && key.len() <= 64 && key.bytes().all(plain);
        Self {
            key: showable.then(|| key.to_owned()),
            line: Some(line),
            kind,
        }
    }

    /// Whether this only informs: nothing is wrong, and nothing needs to be done.
    #[must_use]
    pub fn is_note(&self) -> bool {
        matches!(
            self.kind,
            WarningKind::Retired { .. } | WarningKind::WithoutEffect { .. }
        )
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        let key = self.key.as_deref().unwrap_or("a key that is no plain name");
        match &self.kind {
            WarningKind::Unknown { suggestion } => {
                write!(f, "{key} is no setting of this agent and is ignored")?;
                match suggestion {
                    Some(suggestion) => write!(f, "; did you mean {suggestion}?"),
                    None => Ok(()),
                }
            }
            WarningKind::Retired { reason } => {
                write!(f, "{key} is no longer needed and is ignored: {reason}")
            }
            WarningKind::WithoutEffect { reason } => write!(f, "{key} has no effect: {reason}"),
            WarningKind::Duplicate { earlier_line } => write!(
                f,
                "{key} is also on line {earlier_line}; this one counts, remove the other"
            ),
            WarningKind::ReadAs { value } => {
                write!(f, "{key} is read as {value}; write {value}, without quotes")
            }
            WarningKind::Clamped {
                value,
                used,
                allowed,
            } => write!(f, "{key} is {value}; {used} is used (allowed: {allowed})"),
            WarningKind::Unset { used } => {
                write!(f, "{key} has no value; the default {used} is used")
            }
            WarningKind::AlwaysOn => write!(
                f,
                "{key}: false has no effect; this protection is always on"
            ),
            WarningKind::PlainHttp => write!(
                f,
                "{key} is an http:// address: what is sent there can be read and changed on the \
                 way; use https://"
            ),
            WarningKind::MoreDocuments => f.write_str(
                "what follows here is a second YAML document and is ignored; remove the line \
                 with ---",
            ),
            WarningKind::WorldWritable { path, mode } => write!(
                f,
                "{} (mode {mode:04o}) can be changed by any user; run chmod o-w on it",
                path.display()
            ),
            WarningKind::ForeignOwner { path, owner } => write!(
                f,
                "{} belongs to user id {owner}, who can change what the agent does as root; run \
                 chown root on it",
                path.display()
            ),
        }
    }
}
