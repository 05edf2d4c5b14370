//! Archives made entry by entry, also such as no honest program writes.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::unpack;
use crate::bundle::{UnpackError, UnpackOptions, Unpacked};
use crate::deployment::BundleType;

/// A directory with a bundle and the places that it is unpacked to.
pub(super) struct Place {
    pub(super) directory: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn bundle(&self) -> PathBuf {
        self.directory.path().join("bundle.tar")
    }

    pub(super) fn archive(&self) -> PathBuf {
        self.directory.path().join("deployment-archive")
    }

    pub(super) fn partial(&self) -> PathBuf {
        self.directory.path().join("deployment-archive.partial")
    }

    pub(super) fn unpack_with(
        &self,
        bytes: &[u8],
        kind: BundleType,
        options: &UnpackOptions,
    ) -> Result<Unpacked, UnpackError> {
        fs_err::write(self.bundle(), bytes).unwrap();
        let result = unpack(
            &self.bundle(),
            kind,
            &self.partial(),
            &self.archive(),
            options,
        );
        assert!(!self.partial().exists(), "the partial archive was left");
        assert!(
            !self
                .directory
                .path()
                .join("deployment-archive.replaced")
                .exists()
        );
        if result.is_err() {
            let names: Vec<_> = self.outside();
            assert!(
                names
                    .iter()
                    .all(|name| name == "bundle.tar" || name == "deployment-archive"),
                "{names:?}"
            );
        }
        result
    }

    pub(super) fn unpack(&self, bytes: &[u8], kind: BundleType) -> Result<Unpacked, UnpackError> {
        self.unpack_with(bytes, kind, &UnpackOptions::default())
    }

    /// What lies beside the archive.
    pub(super) fn outside(&self) -> Vec<String> {
        fs_err::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }

    pub(super) fn read(&self, path: impl AsRef<Path>) -> Vec<u8> {
        fs_err::read(self.archive().join(path)).unwrap()
    }
}

/// An entry that is written into a tar byte by byte.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) name: Vec<u8>,
    pub(super) kind: u8,
    pub(super) link: Vec<u8>,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) modified: u64,
    pub(super) content: Vec<u8>,
    /// Overrides the size in the header.
    pub(super) size: Option<u64>,
}

impl Raw {
    pub(super) fn new(kind: u8, name: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            kind,
            link: Vec::new(),
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            owner: (0, 0),
            modified: 1_700_000_000,
            content: Vec::new(),
            size: None,
        }
    }

    pub(super) fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::new(b'0', name);
        raw.content = content.as_ref().to_vec();
        raw
    }

    pub(super) fn directory(name: impl AsRef<[u8]>) -> Self {
        Self::new(b'5', name)
    }

    pub(super) fn link(kind: u8, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::new(kind, name);
        raw.link = target.as_ref().to_vec();
        raw
    }

    pub(super) fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// A pax header for the next entry.
    pub(super) fn pax(records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            let mut head = String::new();
            write!(head, "{length} {key}=").unwrap();
            content.extend_from_slice(head.as_bytes());
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        let mut raw = Self::new(b'x', "pax");
        raw.content = content;
        raw
    }

    fn bytes(&self) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        {
            let old = header.as_old_mut();
            assert!(self.name.len() <= 100 && self.link.len() <= 100);
            old.name[..self.name.len()].copy_from_slice(&self.name);
            old.linkname[..self.link.len()].copy_from_slice(&self.link);
            old.linkflag[0] = self.kind;
        }
        header.set_mode(self.mode);
        header.set_uid(u64::from(self.owner.0));
        header.set_gid(u64::from(self.owner.1));
        header.set_mtime(self.modified);
        header.set_size(self.size.unwrap_or(self.content.len() as u64));
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(&self.content);
        bytes.resize(bytes.len().div_ceil(512) * 512, 0);
        bytes
    }
}

/// A tar with these entries and an end mark.
pub(super) fn tar(entries: &[Raw]) -> Vec<u8> {
    let mut bytes = tar_without_end(entries);
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

pub(super) fn tar_without_end(entries: &[Raw]) -> Vec<u8> {
    entries.iter().flat_map(Raw::bytes).collect()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip, entry by entry.
pub(super) struct Zip {
    writer: ZipWriter<Cursor<Vec<u8>>>,
}

impl Zip {
    pub(super) fn new() -> Self {
        Self {
            writer: ZipWriter::new(Cursor::new(Vec::new())),
        }
    }

    pub(super) fn options() -> SimpleFileOptions {
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
    }

    pub(super) fn file(mut self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.writer
            .start_file(name, Self::options().unix_permissions(mode))
            .unwrap();
        self.writer.write_all(content.as_ref()).unwrap();
        self
    }

    pub(super) fn directory(mut self, name: &str, mode: u32) -> Self {
        self.writer
            .add_directory(name, Self::options().unix_permissions(mode))
            .unwrap();
        self
    }

    pub(super) fn link(mut self, name: &str, target: &str) -> Self {
        self.writer
            .add_symlink(name, target, Self::options())
            .unwrap();
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.writer.finish().unwrap().into_inner()
    }
}

/// An entry of a zip written byte by byte, stored without compression.
#[derive(Clone)]
pub(super) struct RawZip {
    pub(super) name: Vec<u8>,
    /// The system in the upper byte of "version made by": 0 DOS, 3 Unix.
    pub(super) system: u8,
    pub(super) flags: u16,
    pub(super) method: u16,
    /// Mode in the upper half for Unix.
    pub(super) attributes: u32,
    pub(super) content: Vec<u8>,
    /// Overrides the uncompressed size in both headers.
    pub(super) size: Option<u32>,
    pub(super) central_extra: Vec<u8>,
}

impl RawZip {
    pub(super) fn new(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            system: 3,
            flags: 0,
            method: 0,
            attributes: 0o100_644 << 16,
            content: content.as_ref().to_vec(),
            size: None,
            central_extra: Vec::new(),
        }
    }
}

pub(super) fn raw_zip(entries: &[RawZip]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut central = Vec::new();
    for entry in entries {
        let offset = bytes.len() as u32;
        let crc = {
            let mut crc = flate2::Crc::new();
            crc.update(&entry.content);
            crc.sum()
        };
        let mut common = Vec::new();
        for value in [20, entry.flags, entry.method, 0x6000, 0x5845] {
            common.extend_from_slice(&u16::to_le_bytes(value));
        }
        let length = entry.content.len() as u32;
        for value in [crc, length, entry.size.unwrap_or(length)] {
            common.extend_from_slice(&value.to_le_bytes());
        }
        common.extend_from_slice(&(entry.name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(b"PK\x03\x04");
        bytes.extend_from_slice(&common);
        bytes.extend_from_slice(&0_u16.to_le_bytes());
        bytes.extend_from_slice(&entry.name);
        bytes.extend_from_slice(&entry.content);
        central.extend_from_slice(b"PK\x01\x02");
        central.extend_from_slice(&[20, entry.system]);
        central.extend_from_slice(&common);
        central.extend_from_slice(&(entry.central_extra.len() as u16).to_le_bytes());
        // Comment length, disk, internal attributes.
        central.extend_from_slice(&[0; 6]);
        central.extend_from_slice(&entry.attributes.to_le_bytes());
        central.extend_from_slice(&offset.to_le_bytes());
        central.extend_from_slice(&entry.name);
        central.extend_from_slice(&entry.central_extra);
    }
    let start = bytes.len() as u32;
    bytes.extend_from_slice(&central);
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    let count = entries.len() as u16;
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&(central.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&start.to_le_bytes());
    bytes.extend_from_slice(&0_u16.to_le_bytes());
    bytes
}

/// Whether the test runs as root; without, it is skipped, or fails where that is not allowed.
pub(super) fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        assert!(
            std::env::var_os("REQUIRE_ROOT_TESTS").is_none(),
            "needs root, and REQUIRE_ROOT_TESTS is set"
        );
        eprintln!("skipped: needs root");
    }
    root
}
