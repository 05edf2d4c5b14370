//! What a journal says of one change, and how it is written: a letter, then its fields, numbers
//! little-endian, texts with their length before them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use super::descriptors::Identity;
use super::metadata::DirectoryState;
use super::selinux::Context;
use super::tree::Existing;
use crate::appspec::SelinuxContext;

/// One thing to know for an undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// The contents of `-cleanup` that this Install may leave, by digest: another one is of an
    /// Install that came after. Empty: no record.
    Version(String),
    /// A staging area. They are numbered from 0 in this order.
    Area {
        path: PathBuf,
        /// Whether its file system ends with the host's uptime.
        in_memory: bool,
        /// The name of the directory in it where set aside things wait.
        old: OsString,
    },
    /// A directory that exists and in which names change, numbered likewise.
    Directory {
        path: PathBuf,
        area: u32,
        /// What goes into it, relative to the area.
        staged: PathBuf,
        /// Which one it is; none in a journal of version 1.
        identity: Option<Identity>,
    },
    /// A staged object takes a name.
    Placed {
        directory: u32,
        name: OsString,
        /// What is under the name before.
        existing: Existing,
        /// The staged object.
        staged: Identity,
        /// The name of what was there, in the area's `old`, when it was set aside.
        aside: u32,
    },
    /// A directory gets another state.
    Reshaped {
        path: PathBuf,
        /// Which one it is; none in a journal of version 1.
        identity: Option<Identity>,
        before: DirectoryState,
    },
    /// A file or link is moved to the area's `old`, under the name `aside`.
    SetAside {
        directory: u32,
        name: OsString,
        aside: u32,
    },
    /// A directory of the old revision, removed after the commit when it is empty.
    Stale {
        path: PathBuf,
        /// Which one it is; none in a journal of version 1.
        identity: Option<Identity>,
    },
    /// A record is replaced or made; its previous content is kept when there was one.
    Record { name: OsString, existed: bool },
    /// An SELinux rule that the policy has before (`old`), or has not.
    Context { old: bool, context: Context },
}

fn put_number(value: u32, output: &mut Vec<u8>) {
    output.extend(value.to_le_bytes());
}

fn put_bytes(bytes: &[u8], output: &mut Vec<u8>) {
    // No name, path or attribute comes near 4 GB.
    put_number(u32::try_from(bytes.len()).unwrap_or(u32::MAX), output);
    output.extend_from_slice(bytes);
}

fn put_text(text: &OsStr, output: &mut Vec<u8>) {
    put_bytes(text.as_bytes(), output);
}

fn put_optional(text: Option<&str>, output: &mut Vec<u8>) {
    output.push(u8::from(text.is_some()));
    put_bytes(text.unwrap_or_default().as_bytes(), output);
}

fn put_identity(identity: Identity, output: &mut Vec<u8>) {
    output.extend(identity.inode.to_le_bytes());
    output.extend(identity.time.0.to_le_bytes());
    put_number(identity.time.1, output);
}

fn put_known(identity: Option<Identity>, output: &mut Vec<u8>) {
    output.push(u8::from(identity.is_some()));
    if let Some(identity) = identity {
        put_identity(identity, output);
    }
}

fn put_state(state: &DirectoryState, output: &mut Vec<u8>) {
    for number in [state.mode, state.user, state.group] {
        put_number(number, output);
    }
    put_number(
        u32::try_from(state.attributes.len()).unwrap_or(u32::MAX),
        output,
    );
    for (name, value) in &state.attributes {
        put_text(name, output);
        put_bytes(value, output);
    }
}

/// Writes an entry to the end of `output`.
pub(super) fn encode(entry: &Entry, output: &mut Vec<u8>) {
    match entry {
        Entry::Version(digest) => {
            output.push(b'V');
            put_bytes(digest.as_bytes(), output);
        }
        Entry::Area {
            path,
            in_memory,
            old,
        } => {
            output.push(if *in_memory { b'T' } else { b'A' });
            put_text(path.as_os_str(), output);
            put_text(old, output);
        }
        Entry::Directory {
            path,
            area,
            staged,
            identity,
        } => {
            output.push(b'D');
            put_text(path.as_os_str(), output);
            put_number(*area, output);
            put_text(staged.as_os_str(), output);
            put_known(*identity, output);
        }
        Entry::Placed {
            directory,
            name,
            existing,
            staged,
            aside,
        } => {
            output.push(b'P');
            put_number(*directory, output);
            put_text(name, output);
            output.push(match existing {
                Existing::Unknown | Existing::Absent => 0,
                Existing::File => 1,
                Existing::Directory => 2,
                Existing::Link => 3,
                Existing::Other => 4,
            });
            put_identity(*staged, output);
            put_number(*aside, output);
        }
        Entry::Reshaped {
            path,
            identity,
            before,
        } => {
            output.push(b'M');
            put_text(path.as_os_str(), output);
            put_known(*identity, output);
            put_state(before, output);
        }
        Entry::SetAside {
            directory,
            name,
            aside,
        } => {
            output.push(b'S');
            put_number(*directory, output);
            put_text(name, output);
            put_number(*aside, output);
        }
        Entry::Stale { path, identity } => {
            output.push(b'R');
            put_text(path.as_os_str(), output);
            put_known(*identity, output);
        }
        Entry::Record { name, existed } => {
            output.push(b'L');
            put_text(name, output);
            output.push(u8::from(*existed));
        }
        Entry::Context { old, context } => {
            output.push(b'C');
            output.push(u8::from(*old));
            put_bytes(context.spec.as_bytes(), output);
            put_text(context.path.as_os_str(), output);
            output.push(u8::from(context.context.is_some()));
            let known = context.context.as_ref();
            put_optional(known.and_then(|c| c.user.as_deref()), output);
            put_optional(known.map(|c| c.kind.as_str()), output);
            put_optional(known.and_then(|c| c.range.as_deref()), output);
        }
    }
}

/// Reads what [`encode`] writes; none for anything else.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Of version 1, which told directories by their paths alone.
    told_by_paths: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(content: &'a [u8], told_by_paths: bool) -> Self {
        Self {
            rest: content,
            told_by_paths,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<OsString> {
        Some(OsString::from_vec(self.bytes()?.to_vec()))
    }

    fn path(&mut self) -> Option<PathBuf> {
        Some(PathBuf::from(self.text()?))
    }

    fn string(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn optional(&mut self) -> Option<Option<String>> {
        let given = self.flag()?;
        let text = self.string()?;
        Some(given.then_some(text))
    }

    fn identity(&mut self) -> Option<Identity> {
        Some(Identity {
            inode: u64::from_le_bytes(self.take(8)?.try_into().ok()?),
            time: (
                i64::from_le_bytes(self.take(8)?.try_into().ok()?),
                self.number()?,
            ),
        })
    }

    fn known(&mut self) -> Option<Option<Identity>> {
        if self.told_by_paths || !self.flag()? {
            return Some(None);
        }
        self.identity().map(Some)
    }

    fn state(&mut self) -> Option<DirectoryState> {
        let (mode, user, group) = (self.number()?, self.number()?, self.number()?);
        let mut attributes = Vec::new();
        for _ in 0..self.number()? {
            attributes.push((self.text()?, self.bytes()?.to_vec()));
        }
        Some(DirectoryState {
            mode,
            user,
            group,
            attributes,
        })
    }

    /// A plain name: what is opened in a directory must not lead out of it.
    fn name(&mut self) -> Option<OsString> {
        let name = self.text()?;
        let bytes = name.as_bytes();
        let is_plain =
            !bytes.is_empty() && !bytes.contains(&b'/') && bytes != b"." && bytes != b"..";
        is_plain.then_some(name)
    }

    pub(super) fn entry(&mut self) -> Option<Entry> {
        Some(match self.byte()? {
            b'V' => Entry::Version(self.string()?),
            letter @ (b'A' | b'T') => Entry::Area {
                path: self.path().filter(|path| path.is_absolute())?,
                in_memory: letter == b'T',
                old: match self.told_by_paths {
                    true => OsString::from("old"),
                    false => self.name()?,
                },
            },
            b'D' => Entry::Directory {
                path: self.path().filter(|path| path.is_absolute())?,
                area: self.number()?,
                staged: self.path().filter(|path| path.is_relative())?,
                identity: self.known()?,
            },
            b'P' => Entry::Placed {
                directory: self.number()?,
                name: self.name()?,
                existing: match self.byte()? {
                    0 => Existing::Absent,
                    1 => Existing::File,
                    2 => Existing::Directory,
                    3 => Existing::Link,
                    4 => Existing::Other,
                    _ => return None,
                },
                staged: self.identity()?,
                aside: self.number()?,
            },
            b'M' => Entry::Reshaped {
                path: self.path().filter(|path| path.is_absolute())?,
                identity: self.known()?,
                before: self.state()?,
            },
            b'S' => Entry::SetAside {
                directory: self.number()?,
                name: self.name()?,
                aside: self.number()?,
            },
            b'R' => Entry::Stale {
                path: self.path().filter(|path| path.is_absolute())?,
                identity: self.known()?,
            },
            b'L' => Entry::Record {
                name: self.name()?,
                existed: self.flag()?,
            },
            b'C' => {
                let old = self.flag()?;
                let (spec, path, known) = (self.string()?, self.path()?, self.flag()?);
                let (user, kind, range) = (self.optional()?, self.optional()?, self.optional()?);
                let context = known.then_some(SelinuxContext {
                    user,
                    kind: kind.unwrap_or_default(),
                    range,
                });
                Entry::Context {
                    old,
                    context: Context {
                        spec,
                        path,
                        context,
                    },
                }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn one_of_each() -> Vec<Entry> {
        let state = DirectoryState {
            mode: 0o2770,
            user: 1,
            group: u32::MAX,
            attributes: vec![("user.x".into(), vec![0, 255]), ("a".into(), Vec::new())],
        };
        let identity = Identity {
            inode: u64::MAX - 1,
            time: (-1, 999_999_999),
        };
        let context = |context| Context {
            spec: "/srv/x".into(),
            path: "/srv/x".into(),
            context,
        };
        vec![
            Entry::Version("12:ab".into()),
            Entry::Area {
                path: "/srv/.codedeploy-1".into(),
                in_memory: false,
                old: "1".into(),
            },
            Entry::Area {
                path: "/run/.codedeploy-1".into(),
                in_memory: true,
                old: "old".into(),
            },
            Entry::Directory {
                path: OsString::from_vec(b"/srv/\xff\n".to_vec()).into(),
                area: 0,
                staged: "4/x".into(),
                identity: Some(identity),
            },
            Entry::Placed {
                directory: 0,
                name: "x".into(),
                existing: Existing::Link,
                staged: identity,
                aside: 9,
            },
            Entry::Reshaped {
                path: "/srv/d".into(),
                identity: None,
                before: state,
            },
            Entry::SetAside {
                directory: 0,
                name: "y ".into(),
                aside: 8,
            },
            Entry::Stale {
                path: "/srv/z".into(),
                identity: Some(identity),
            },
            Entry::Record {
                name: "g-cleanup".into(),
                existed: true,
            },
            Entry::Context {
                old: true,
                context: context(None),
            },
            Entry::Context {
                old: false,
                context: context(Some(SelinuxContext {
                    user: None,
                    kind: "t".into(),
                    range: Some("s0".into()),
                })),
            },
        ]
    }

    /// What version 1 wrote, which told directories by their paths alone.
    pub(in super::super) fn encode_as_version_1(entry: &Entry, output: &mut Vec<u8>) {
        match entry {
            Entry::Area {
                path, in_memory, ..
            } => {
                output.push(if *in_memory { b'T' } else { b'A' });
                put_text(path.as_os_str(), output);
            }
            Entry::Directory {
                path, area, staged, ..
            } => {
                output.push(b'D');
                put_text(path.as_os_str(), output);
                put_number(*area, output);
                put_text(staged.as_os_str(), output);
            }
            Entry::Reshaped { path, before, .. } => {
                output.push(b'M');
                put_text(path.as_os_str(), output);
                put_state(before, output);
            }
            Entry::Stale { path, .. } => {
                output.push(b'R');
                put_text(path.as_os_str(), output);
            }
            other => encode(other, output),
        }
    }

    proptest! {
        #[test]
        fn no_content_makes_reading_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            for told_by_paths in [true, false] {
                let mut reader = Reader::new(&body, told_by_paths);
                while reader.entry().is_some() {}
            }
        }
    }
}
