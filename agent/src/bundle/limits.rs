//! What an archive may be: options of one unpacking, and the account kept against them.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::unpack_error::{EntryName, UnpackError};

/// How an archive is unpacked (contract: host, hardening keys).
#[derive(Debug, Clone, Default)]
pub struct UnpackOptions {
    /// Any symbolic or hard link in the archive fails (`reject_symlinks_in_bundle`).
    pub reject_links: bool,
    /// A setuid or setgid bit in the archive fails (`reject_unsafe_permissions_in_bundle`);
    /// otherwise it is cleared with a warning.
    pub reject_unsafe_permissions: bool,
    /// The owner in a tar is not applied (`ignore_ownership_in_bundle`).
    pub ignore_ownership: bool,
    /// The most bytes of file content, declared or actual (`archive_max_extraction_size`).
    pub max_extracted_bytes: Option<u64>,
    /// Limits that no honest bundle meets.
    pub limits: Limits,
}

/// Limits on the shape of an archive. Passing one is an error, never a truncation.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries in the archive (`archive_max_entries`).
    pub entries: u64,
    /// Bytes in one path inside the archive (`archive_max_path_length`).
    pub path_bytes: usize,
    /// Names in one path inside the archive (`archive_max_depth`). Each open level costs a
    /// descriptor.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 2_000_000,
            path_bytes: 4096,
            depth: 256,
        }
    }
}

/// What unpacking or copying made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// What was changed or left out on purpose, for the log.
    pub warnings: Vec<String>,
    /// Entries of the archive, or files, directories and links copied.
    pub entries: u64,
    /// Bytes of file content.
    pub bytes: u64,
}

/// Warnings beyond this number are only counted: a hostile archive must not fill the log.
const WARNINGS_KEPT: usize = 20;

/// The running account of one unpacking.
#[derive(Debug)]
pub(super) struct Account<'a> {
    pub(super) options: &'a UnpackOptions,
    /// Turns true when the unpacking is to end.
    pub(super) interrupted: &'a AtomicBool,
    entries: u64,
    bytes: u64,
    warnings: Vec<String>,
    warnings_left_out: u64,
}

impl<'a> Account<'a> {
    pub(super) fn new(options: &'a UnpackOptions, interrupted: &'a AtomicBool) -> Self {
        Self {
            options,
            interrupted,
            entries: 0,
            bytes: 0,
            warnings: Vec::new(),
            warnings_left_out: 0,
        }
    }

    pub(super) fn warn(&mut self, text: impl Into<Cow<'static, str>>) {
        if self.warnings.len() < WARNINGS_KEPT {
            self.warnings.push(text.into().into_owned());
        } else {
            self.warnings_left_out += 1;
        }
    }

    fn go_on(&self) -> Result<(), UnpackError> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(UnpackError::Interrupted);
        }
        Ok(())
    }

    /// Counts one more entry.
    pub(super) fn entry(&mut self) -> Result<(), UnpackError> {
        self.go_on()?;
        self.entries += 1;
        if self.entries > self.options.limits.entries {
            return Err(UnpackError::Limit {
                what: "entries",
                limit: self.options.limits.entries,
                key: Some("archive_max_entries"),
            });
        }
        Ok(())
    }

    /// Takes over what another account of the same unpacking has counted.
    pub(super) fn absorb(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.warnings_left_out += other.warnings_left_out;
        for warning in other.warnings {
            self.warn(warning);
        }
    }

    /// Fails when `more` bytes beyond those counted would pass the limit; counts nothing.
    pub(super) fn announce(&self, more: u64) -> Result<(), UnpackError> {
        match self.options.max_extracted_bytes {
            Some(limit) if self.bytes.saturating_add(more) > limit => Err(UnpackError::Limit {
                what: "bytes of content",
                limit,
                key: Some("archive_max_extraction_size"),
            }),
            _ => Ok(()),
        }
    }

    /// Counts bytes that were produced.
    pub(super) fn bytes(&mut self, count: u64) -> Result<(), UnpackError> {
        self.go_on()?;
        self.announce(count)?;
        self.bytes = self.bytes.saturating_add(count);
        Ok(())
    }

    /// The permission bits to apply for `mode`, without setuid and setgid: a bundle does not
    /// hand out identities, only the AppSpec's `permissions` section does.
    pub(super) fn permissions(&mut self, name: &[u8], mode: u32) -> Result<u32, UnpackError> {
        let unsafe_bits = mode & 0o6000;
        if unsafe_bits != 0 {
            if self.options.reject_unsafe_permissions {
                return Err(UnpackError::UnsafePermissions {
                    name: EntryName::new(name),
                    mode: mode & 0o7777,
                });
            }
            self.warn(format!(
                "{} had mode {:04o}; setuid and setgid are cleared (the AppSpec's permissions \
                 section can set them)",
                EntryName::new(name),
                mode & 0o7777
            ));
        }
        Ok(mode & 0o1777)
    }

    /// Fails for a link when links are rejected.
    pub(super) fn link(&self, name: &[u8]) -> Result<(), UnpackError> {
        if self.options.reject_links {
            return Err(UnpackError::LinkRejected {
                name: EntryName::new(name),
            });
        }
        Ok(())
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn finish(mut self) -> Unpacked {
        if self.warnings_left_out > 0 {
            self.warnings.push(format!(
                "{} more warnings of this kind are left out",
                self.warnings_left_out
            ));
        }
        Unpacked {
            warnings: self.warnings,
            entries: self.entries,
            bytes: self.bytes,
        }
    }
}
