//! The script as a file: is it there, can it be executed, what does its first line ask for.

use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::AccessFlags;

use crate::account::Account;
use crate::outcome::ScriptResult;

/// What the kernel reads of a file to find an interpreter.
const HEAD_BYTES: u64 = 256;

/// A script that may be started.
#[derive(Debug)]
pub(crate) struct Script {
    path: PathBuf,
    head: Head,
    /// What the operator should know.
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// `#!interpreter`; the bytes are the interpreter's path.
    Shebang {
        interpreter: Vec<u8>,
        carriage_return: bool,
    },
    /// An ELF program.
    Binary,
    /// Anything else: for `/bin/sh`.
    Text,
}

impl Script {
    /// Looks at `path` and makes it executable when it is not.
    pub(crate) fn examine(path: &Path) -> Result<Self, ScriptResult> {
        let found = Found::look(path)?;
        let mut warnings = Vec::new();
        if !is_executable(path, &found.metadata) {
            let mode = (found.metadata.mode() & 0o7777) | 0o111;
            let permissions = PermissionsExt::from_mode(mode);
            let changed = match &found.file {
                Some(file) => file.set_permissions(permissions),
                None => fs::set_permissions(path, permissions),
            };
            if let Err(error) = changed {
                return Err(ScriptResult::NotExecutable {
                    reason: format!("it is not executable and cannot be made so: {error}"),
                });
            }
            warnings.push(format!(
                "{} was not executable; it was made so (+x)",
                path.display()
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            head: found.head()?,
            warnings,
        })
    }

    /// What [`Self::examine`] would come to; changes nothing. Where the script is a `copy` that
    /// the run makes for itself, its owner is whoever runs it.
    pub(crate) fn foresee(path: &Path, copy: bool) -> Result<Self, ScriptResult> {
        let found = Found::look(path)?;
        let mut warnings = Vec::new();
        let executable = if copy {
            found.metadata.mode() & 0o100 != 0
        } else {
            is_executable(path, &found.metadata)
        };
        if !executable {
            let own = nix::unistd::geteuid();
            let reason = if copy {
                None
            } else if !own.is_root() && found.metadata.uid() != own.as_raw() {
                Some(Errno::EPERM)
            } else {
                nix::unistd::access(path, AccessFlags::W_OK)
                    .err()
                    .filter(|error| *error == Errno::EROFS)
            };
            if let Some(error) = reason {
                return Err(ScriptResult::NotExecutable {
                    reason: format!(
                        "it is not executable and cannot be made so: {}",
                        error.desc()
                    ),
                });
            }
            warnings.push("it is not executable; it is made so (+x) before it runs".to_owned());
        }
        Ok(Self {
            path: path.to_owned(),
            head: found.head()?,
            warnings,
        })
    }

    /// Whether a file that the kernel does not know is handed to `/bin/sh`.
    pub(crate) fn shell_fallback(&self) -> bool {
        self.head == Head::Text
    }

    /// Why exec failed, for people.
    pub(crate) fn explain(&self, errno: Errno, account: Option<&Account>) -> String {
        match errno {
            Errno::EACCES => {
                let who = account.map_or_else(
                    || "the agent's user".to_owned(),
                    |account| format!("user {:?}", account.name),
                );
                match account.and_then(|account| first_refusal(&self.path, account)) {
                    Some((path, mode)) => format!(
                        "{who} may not execute it: {} has mode {mode:04o}",
                        path.display()
                    ),
                    None => format!(
                        "{who} may not execute it (permissions, a security module, or a file \
                         system that is mounted noexec)"
                    ),
                }
            }
            Errno::ENOENT if self.head == Head::Binary => {
                "the program loader that it was linked for is not on this host".to_owned()
            }
            Errno::ENOEXEC if self.head == Head::Binary => {
                "it is a program for another kind of machine".to_owned()
            }
            Errno::ETXTBSY => "another process has it open for writing".to_owned(),
            errno => errno.desc().to_owned(),
        }
    }

    /// Said after a failure, when the first line has what breaks many scripts.
    pub(crate) fn suspicion(&self) -> Option<String> {
        match &self.head {
            Head::Shebang {
                carriage_return: true,
                ..
            } => Some(format!(
                "line 1 of {} ends in CR (Windows line ends); interpreters take it for a part \
                 of a name or option",
                self.path.display()
            )),
            _ => None,
        }
    }
}

/// A regular file under the script's name.
struct Found {
    metadata: std::fs::Metadata,
    /// None when it cannot be read: it can still be a program.
    file: Option<fs::File>,
}

impl Found {
    fn look(path: &Path) -> Result<Self, ScriptResult> {
        let could_not_start = |reason| ScriptResult::CouldNotStart { reason };
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(ScriptResult::Missing);
            }
            Err(error) => return Err(could_not_start(format!("it cannot be examined: {error}"))),
        };
        if metadata.is_dir() {
            return Err(could_not_start(
                "it is a directory, not a script".to_owned(),
            ));
        }
        if !metadata.is_file() {
            return Err(could_not_start("it is not a regular file".to_owned()));
        }
        // Without O_NONBLOCK a pipe put in its place meanwhile would hold us up.
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits())
            .open(path)
            .ok();
        Ok(Self { metadata, file })
    }

    /// What the first line asks for, once its interpreter is there.
    fn head(self) -> Result<Head, ScriptResult> {
        let mut head = Vec::new();
        if let Some(file) = self.file {
            // A file that cannot be read can still be a program; the kernel has the last word.
            let _ = file.take(HEAD_BYTES).read_to_end(&mut head);
        }
        let head = parse_head(&head);
        if let Head::Shebang {
            interpreter,
            carriage_return,
        } = &head
        {
            check_interpreter(interpreter, *carriage_return)
                .map_err(|reason| ScriptResult::CouldNotStart { reason })?;
        }
        Ok(head)
    }
}

fn is_executable(path: &Path, metadata: &std::fs::Metadata) -> bool {
    // access(2) also answers "no" on a file system mounted noexec, which no chmod can change.
    metadata.mode() & 0o111 == 0o111 || nix::unistd::access(path, AccessFlags::X_OK).is_ok()
}

fn parse_head(head: &[u8]) -> Head {
    if head.starts_with(b"\x7fELF") {
        return Head::Binary;
    }
    let Some(line) = head.strip_prefix(b"#!") else {
        return Head::Text;
    };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or(line);
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = line.iter().position(|byte| !blank(byte)).unwrap_or(0);
    let interpreter = line
        .get(start..)
        .and_then(|rest| rest.split(blank).next())
        .unwrap_or_default();
    if interpreter.is_empty() {
        // The kernel knows no such thing; to a shell it is a comment.
        return Head::Text;
    }
    Head::Shebang {
        interpreter: interpreter.to_vec(),
        carriage_return: line.ends_with(b"\r"),
    }
}

/// Whether the interpreter is there; the kernel would only say that the script is not.
fn check_interpreter(interpreter: &[u8], carriage_return: bool) -> Result<(), String> {
    // The kernel resolves it in the working directory, which is `/`.
    let exists =
        |name: &[u8]| fs::metadata(Path::new("/").join(std::ffi::OsStr::from_bytes(name))).is_ok();
    if exists(interpreter) {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(interpreter);
    let shown = shown.trim_end_matches('\r');
    if carriage_return && interpreter.ends_with(b"\r") {
        let found = if exists(shown.as_bytes()) {
            ""
        } else {
            ", which does not exist either"
        };
        return Err(format!(
            "line 1 ends in CR (Windows line ends), so the system looks for an interpreter \
             named \"{shown}\\r\" instead of {shown}{found}; save the script with LF line ends"
        ));
    }
    Err(format!(
        "its interpreter {shown} (line 1) does not exist on this host"
    ))
}

/// The first directory on the way to `path`, or the file, that the mode bits close to `account`.
fn first_refusal(path: &Path, account: &Account) -> Option<(PathBuf, u32)> {
    let path = fs::canonicalize(path).ok()?;
    let mut steps: Vec<&Path> = path.ancestors().collect();
    steps.reverse();
    steps.into_iter().find_map(|step| {
        let metadata = fs::metadata(step).ok()?;
        let bit = if metadata.uid() == account.uid {
            0o100
        } else if account.groups.contains(&metadata.gid()) {
            0o010
        } else {
            0o001
        };
        (metadata.mode() & bit == 0).then(|| (step.to_owned(), metadata.mode() & 0o7777))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"#!/bin/sh\nexit", b"/bin/sh", false)]
    #[case(b"#! /bin/bash -e\n", b"/bin/bash", false)]
    #[case(b"#!/bin/bash\r\n", b"/bin/bash\r", true)]
    #[case(b"#!/usr/bin/env python\r\nx", b"/usr/bin/env", true)]
    #[case(b"#!\r\n", b"\r", true)]
    fn shebangs(#[case] head: &[u8], #[case] interpreter: &[u8], #[case] carriage_return: bool) {
        assert_eq!(
            parse_head(head),
            Head::Shebang {
                interpreter: interpreter.to_vec(),
                carriage_return
            }
        );
    }

    #[test]
    fn other_heads() {
        assert_eq!(parse_head(b"\x7fELF\x02"), Head::Binary);
        assert_eq!(parse_head(b"echo hello"), Head::Text);
        assert_eq!(parse_head(b"#!"), Head::Text);
        assert_eq!(parse_head(b"#!   \n"), Head::Text);
        assert_eq!(parse_head(b""), Head::Text);
    }

    #[test]
    fn a_missing_interpreter_and_a_carriage_return_are_told_apart() {
        let text = check_interpreter(b"/no/such/python", false).unwrap_err();
        assert!(text.contains("/no/such/python"), "{text}");
        let text = check_interpreter(b"/bin/sh\r", true).unwrap_err();
        assert!(text.contains("ends in CR") && text.contains("LF"), "{text}");
        assert!(!text.contains("either"), "{text}");
        check_interpreter(b"/bin/sh", false).unwrap();
    }

    #[test]
    fn what_is_no_regular_file_is_never_opened() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [directory.path(), &pipe] {
            assert!(matches!(
                Script::examine(path),
                Err(ScriptResult::CouldNotStart { .. })
            ));
        }
        let missing = directory.path().join("missing");
        assert_eq!(
            Script::examine(&missing).unwrap_err(),
            ScriptResult::Missing
        );
        let dangling = directory.path().join("dangling");
        fs_err::os::unix::fs::symlink(&missing, &dangling).unwrap();
        assert_eq!(
            Script::examine(&dangling).unwrap_err(),
            ScriptResult::Missing
        );
    }
}
