//! What arrives is what was packed (contract: deployment, DownloadBundle, "Fidelity").

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::archives::{Place, Raw, RawZip, Zip, is_root, raw_zip, tar, tar_without_end};
use crate::bundle::{UnpackError, UnpackOptions};
use crate::deployment::BundleType;

#[test]
fn modes_links_and_times_of_a_tar() {
    let place = Place::new();
    let hard = Raw {
        // star writes the size of the file here, without content.
        size: Some(7),
        ..Raw::link(b'1', "hard", "dir/run.sh")
    };
    let bytes = tar(&[
        Raw::directory("dir/").mode(0o750),
        Raw::file("dir/run.sh", "#!/bin/sh").mode(0o755),
        Raw::file("secret", "x").mode(0o000),
        hard,
        Raw::link(b'2', "abs", "/opt/app"),
        Raw::link(b'2', "up", "../../../x"),
        Raw::link(b'1', "hard-to-link", "abs"),
        Raw::directory("empty").mode(0o1777),
    ]);
    let unpacked = place.unpack(&bytes, BundleType::Tar).unwrap();
    assert_eq!(unpacked.warnings, Vec::<String>::new());
    assert_eq!(unpacked.entries, 8);
    let at = |name: &str| fs_err::symlink_metadata(place.archive().join(name)).unwrap();
    assert_eq!(at("dir").mode() & 0o7777, 0o750);
    assert_eq!(at("dir").mtime(), 1_700_000_000);
    assert_eq!(at("dir/run.sh").mode() & 0o7777, 0o755);
    assert_eq!(at("dir/run.sh").mtime(), 1_700_000_000);
    assert_eq!(at("secret").mode() & 0o7777, 0);
    assert_eq!(at("empty").mode() & 0o7777, 0o1777);
    assert_eq!(at("hard").ino(), at("dir/run.sh").ino());
    assert_eq!(at("hard-to-link").ino(), at("abs").ino());
    assert_eq!(at("abs").mtime(), 1_700_000_000);
    let target = |name| fs_err::read_link(place.archive().join(name)).unwrap();
    assert_eq!(target("abs").as_os_str(), "/opt/app");
    assert_eq!(target("up").as_os_str(), "../../../x");
    assert_eq!(
        at("").mode() & 0o7777,
        0o755,
        "the archive itself is always passable"
    );
}

#[test]
fn odd_names_in_a_tar() {
    let long = [b"d/".as_slice(), &b"n".repeat(200), b"\n\xff end "].concat();
    let gnu = Raw {
        content: [long.as_slice(), b"-gnu\0"].concat(),
        ..Raw::new(b'L', "././@LongLink")
    };
    let gnu_link = Raw {
        content: [b"t".repeat(300).as_slice(), b"\0"].concat(),
        ..Raw::new(b'K', "././@LongLink")
    };
    let pax_name = [long.as_slice(), b"-pax"].concat();
    let place = Place::new();
    let bytes = tar(&[
        Raw::file(b"tab\t\xfe", "1"),
        gnu,
        Raw::file("cut", "2"),
        Raw::pax(&[("path", pax_name.as_slice())]),
        Raw::file("cut", "3"),
        gnu_link,
        Raw::link(b'2', "link", "cut"),
        Raw::pax(&[("linkpath", b"pax\ntarget")]),
        Raw::link(b'2', "link2", "cut"),
    ]);
    place.unpack(&bytes, BundleType::Tar).unwrap();
    let read = |name: &[u8]| place.read(OsStr::from_bytes(name));
    assert_eq!(read(b"tab\t\xfe"), b"1");
    assert_eq!(read(&[long.as_slice(), b"-gnu"].concat()), b"2");
    assert_eq!(read(&pax_name), b"3");
    let target = |name| fs_err::read_link(place.archive().join(name)).unwrap();
    assert_eq!(target("link").as_os_str().len(), 300);
    assert_eq!(target("link2").as_os_str(), "pax\ntarget");
}

#[test]
fn pax_times_sizes_and_global_headers() {
    let place = Place::new();
    let global = Raw {
        kind: b'g',
        ..Raw::pax(&[("comment", b"0123abcd"), ("mtime", b"5")])
    };
    let sized = Raw {
        size: Some(0),
        ..Raw::file("sized", "four")
    };
    let bytes = tar(&[
        Raw {
            name: b"pax_global_header".to_vec(),
            ..global
        },
        Raw::pax(&[("mtime", b"1234567890.123456789")]),
        Raw::file("nanoseconds", "x"),
        Raw::pax(&[("size", b"4")]),
        sized,
    ]);
    let unpacked = place.unpack(&bytes, BundleType::Tar).unwrap();
    assert_eq!(unpacked.entries, 2);
    let at = |name| fs_err::metadata(place.archive().join(name)).unwrap();
    let time = (at("nanoseconds").mtime(), at("nanoseconds").mtime_nsec());
    assert_eq!(time, (1_234_567_890, 123_456_789));
    assert_eq!(at("sized").mtime(), 5);
    assert_eq!(place.read("sized"), b"four");
    assert!(!place.archive().join("pax_global_header").exists());
}

#[test]
fn sparse_files_of_all_four_formats() {
    let mut expected = vec![0; 200_000];
    expected[100_000..100_004].copy_from_slice(b"data");
    let old = {
        let mut bytes = tar_without_end(&[Raw {
            kind: b'S',
            ..Raw::file("old", "data")
        }]);
        bytes[386..398].copy_from_slice(b"00000303240\0");
        bytes[398..410].copy_from_slice(b"00000000004\0");
        bytes[410..422].copy_from_slice(b"00000606500\0");
        bytes[422..434].copy_from_slice(b"00000000000\0");
        bytes[483..495].copy_from_slice(b"00000606500\0");
        let header: &mut [u8; 512] = bytes.first_chunk_mut().unwrap();
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes
    };
    let real_size = ("GNU.sparse.realsize", b"200000".as_slice());
    let size = ("GNU.sparse.size", b"200000".as_slice());
    let mut one = b"1\n100000\n4\n".to_vec();
    one.resize(512, 0);
    one.extend_from_slice(b"data");
    let rest = tar(&[
        Raw::pax(&[
            size,
            ("GNU.sparse.numblocks", b"1"),
            ("GNU.sparse.offset", b"100000"),
            ("GNU.sparse.numbytes", b"4"),
        ]),
        Raw::file("pax00", "data"),
        Raw::pax(&[
            size,
            ("GNU.sparse.map", b"100000,4"),
            ("GNU.sparse.name", b"pax01"),
        ]),
        Raw::file("GNUSparseFile.1/pax01", "data"),
        Raw::pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"pax10"),
            real_size,
        ]),
        Raw::file("GNUSparseFile.1/pax10", one),
    ]);
    let place = Place::new();
    place
        .unpack(&[old, rest].concat(), BundleType::Tar)
        .unwrap();
    for name in ["old", "pax00", "pax01", "pax10"] {
        assert!(place.read(name) == expected, "{name}");
        let blocks = fs_err::metadata(place.archive().join(name))
            .unwrap()
            .blocks();
        assert!(
            blocks * 512 < 100_000,
            "{name} has no hole: {blocks} blocks"
        );
    }
}

#[test]
fn user_attributes_are_restored_and_capabilities_are_not() {
    let place = Place::new();
    let bytes = tar(&[
        Raw::pax(&[
            ("SCHILY.xattr.user.colour", b"blue\n\xff"),
            ("SCHILY.xattr.security.capability", b"\x01\0\0\x02"),
            ("SCHILY.xattr.trusted.x", b"1"),
        ]),
        Raw::file("f", "x"),
    ]);
    let unpacked = place.unpack(&bytes, BundleType::Tar).unwrap();
    assert!(
        unpacked.warnings[0].contains("capability"),
        "{:?}",
        unpacked.warnings
    );
    let file = place.archive().join("f");
    match xattr::get(&file, "user.colour") {
        Ok(value) => {
            assert_eq!(value.as_deref(), Some(b"blue\n\xff".as_slice()));
            let names: Vec<_> = xattr::list(&file).unwrap().collect();
            assert!(
                names
                    .iter()
                    .all(|name| name != "security.capability" && name != "trusted.x")
            );
        }
        Err(error) => assert_eq!(
            error.raw_os_error(),
            Some(nix::errno::Errno::EOPNOTSUPP as i32)
        ),
    }
}

#[test]
fn a_tar_keeps_numeric_owners_as_root_unless_told_otherwise() {
    let owned = |raw: Raw| Raw {
        owner: (1234, 5678),
        ..raw
    };
    let bytes = tar(&[
        owned(Raw::directory("d")),
        owned(Raw::file("d/f", "x")),
        owned(Raw::link(b'2', "l", "f")),
        Raw::pax(&[("uid", b"70000"), ("gid", b"70001")]),
        Raw::file("p", "x"),
    ]);
    let ours = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    let owners = |place: &Place| {
        ["d", "d/f", "l", "p"].map(|name| {
            let at = fs_err::symlink_metadata(place.archive().join(name)).unwrap();
            (at.uid(), at.gid())
        })
    };
    let options = UnpackOptions {
        ignore_ownership: true,
        ..UnpackOptions::default()
    };
    let place = Place::new();
    place
        .unpack_with(&bytes, BundleType::Tar, &options)
        .unwrap();
    assert_eq!(owners(&place), [ours; 4]);
    let place = Place::new();
    place.unpack(&bytes, BundleType::Tar).unwrap();
    if !is_root() {
        assert_eq!(owners(&place), [ours; 4]);
        return;
    }
    let packed = (1234, 5678);
    assert_eq!(owners(&place), [packed, packed, packed, (70_000, 70_001)]);
}

#[test]
fn a_tar_that_was_appended_to_gives_the_last_version() {
    let place = Place::new();
    let bytes = tar(&[
        Raw::file("f", "old and long").mode(0o600),
        Raw::link(b'1', "h", "f"),
        Raw::link(b'2', "l", "one"),
        Raw::directory("d").mode(0o700),
        Raw::file("f", "new").mode(0o640),
        Raw::link(b'2', "l", "two"),
        Raw::directory("d").mode(0o711),
        Raw::link(b'1', "f", "f"),
    ]);
    place.unpack(&bytes, BundleType::Tar).unwrap();
    assert_eq!(place.read("f"), b"new");
    assert_eq!(place.read("h"), b"old and long");
    let mode = |name| {
        fs_err::metadata(place.archive().join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("f") & 0o777, 0o640);
    assert_eq!(mode("d") & 0o777, 0o711);
    assert_eq!(
        fs_err::read_link(place.archive().join("l"))
            .unwrap()
            .as_os_str(),
        "two"
    );
}

#[test]
fn directories_that_cannot_be_written_or_searched_are_filled() {
    let place = Place::new();
    let bytes = tar(&[
        Raw::directory("ro").mode(0o555),
        Raw::directory("ro/none").mode(0o000),
        Raw::file("ro/none/f", "x").mode(0o400),
        Raw::file("ro/g", "x"),
    ]);
    place.unpack(&bytes, BundleType::Tar).unwrap();
    let mode = |name| {
        fs_err::metadata(place.archive().join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("ro") & 0o777, 0o555);
    assert_eq!(mode("ro/none") & 0o777, 0o000);
    assert_eq!(
        fs_err::metadata(place.archive().join("ro"))
            .unwrap()
            .mtime(),
        1_700_000_000
    );
    // And replaced by the next deployment of the same id.
    place
        .unpack(&tar(&[Raw::file("f", "x")]), BundleType::Tar)
        .unwrap();
    assert!(!place.archive().join("ro").exists());
}

#[test]
fn modes_links_and_directories_of_a_zip() {
    let place = Place::new();
    let bytes = Zip::new()
        .directory("dir/", 0o750)
        .file("dir/run.sh", "#!/bin/sh", 0o755)
        .file("implied/by/name", "x", 0o600)
        .link("link", "/opt/app")
        .finish();
    let unpacked = place.unpack(&bytes, BundleType::Zip).unwrap();
    assert_eq!(unpacked.warnings, Vec::<String>::new());
    let mode = |name| {
        fs_err::metadata(place.archive().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!(mode("dir"), 0o750);
    assert_eq!(mode("dir/run.sh"), 0o755);
    assert_eq!(mode("implied/by/name"), 0o600);
    assert_eq!(place.read("dir/run.sh"), b"#!/bin/sh");
    assert_eq!(
        fs_err::read_link(place.archive().join("link"))
            .unwrap()
            .as_os_str(),
        "/opt/app"
    );
}

#[test]
fn zip_entries_without_unix_modes_are_0644_and_0755() {
    let dos = |name: &str, content: &str| RawZip {
        system: 0,
        attributes: 0x20,
        ..RawZip::new(name, content)
    };
    let place = Place::new();
    let entries = [dos("f", "x"), dos("d/", ""), dos("w\\in\\file", "y")];
    let unpacked = place.unpack(&raw_zip(&entries), BundleType::Zip).unwrap();
    assert!(
        unpacked.warnings[0].contains("backslashes"),
        "{:?}",
        unpacked.warnings
    );
    let mode = |name| {
        fs_err::metadata(place.archive().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    assert_eq!((mode("f"), mode("d")), (0o644, 0o755));
    assert_eq!(place.read("w/in/file"), b"y");
}

#[test]
fn zip_names_that_are_not_utf_8() {
    let unix = RawZip::new(b"caf\xe9 \n", "unix");
    let dos = RawZip {
        system: 0,
        attributes: 0,
        ..RawZip::new(b"caf\x82", "dos")
    };
    let utf8 = RawZip {
        flags: 1 << 11,
        ..RawZip::new("naïve", "utf-8")
    };
    let back = RawZip::new("back\\slash", "kept");
    let place = Place::new();
    place
        .unpack(&raw_zip(&[unix, dos, utf8, back]), BundleType::Zip)
        .unwrap();
    assert_eq!(place.read(OsStr::from_bytes(b"caf\xe9 \n")), b"unix");
    assert_eq!(place.read("café"), b"dos");
    assert_eq!(place.read("naïve"), b"utf-8");
    assert_eq!(place.read("back\\slash"), b"kept");
}

#[test]
fn zip_times_come_from_the_extended_field() {
    let mut extended = b"UT\x05\x00\x01".to_vec();
    extended.extend_from_slice(&1_600_000_001_u32.to_le_bytes());
    let mut before_1970 = b"UT\x05\x00\x01".to_vec();
    before_1970.extend_from_slice(&(-5_i32).to_le_bytes());
    let ntfs = {
        let mut field = b"\x0a\x00\x20\x00\0\0\0\0\x01\x00\x18\x00".to_vec();
        let time = (1_600_000_002_u64 + 11_644_473_600) * 10_000_000 + 5;
        for _ in 0..3 {
            field.extend_from_slice(&time.to_le_bytes());
        }
        field
    };
    let with = |name: &str, central_extra| RawZip {
        central_extra,
        ..RawZip::new(name, "x")
    };
    let place = Place::new();
    let bytes = raw_zip(&[
        with("unix", extended),
        with("before", before_1970),
        with("ntfs", ntfs),
        with("dos", Vec::new()),
    ]);
    place.unpack(&bytes, BundleType::Zip).unwrap();
    let at = |name| fs_err::metadata(place.archive().join(name)).unwrap();
    assert_eq!(at("unix").mtime(), 1_600_000_001);
    assert_eq!(at("before").mtime(), -5);
    assert_eq!(
        (at("ntfs").mtime(), at("ntfs").mtime_nsec()),
        (1_600_000_002, 500)
    );
    // 2024-02-05 12:00:00, local time.
    let local = jiff::civil::date(2024, 2, 5).at(12, 0, 0, 0);
    let expected = local
        .to_zoned(jiff::tz::TimeZone::system())
        .unwrap()
        .timestamp();
    assert_eq!(at("dos").mtime(), expected.as_second());
}

#[test]
fn zip64_and_stored_entries() {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .large_file(true)
        .compression_method(zip::CompressionMethod::Stored);
    writer.start_file("big", options).unwrap();
    std::io::Write::write_all(&mut writer, &[7; 70_000]).unwrap();
    let place = Place::new();
    place
        .unpack(&writer.finish().unwrap().into_inner(), BundleType::Zip)
        .unwrap();
    assert_eq!(place.read("big"), [7; 70_000]);
}

#[test]
fn a_name_longer_than_the_file_system_takes_is_an_error() {
    let long = "n".repeat(256);
    let bytes = tar(&[Raw::pax(&[("path", long.as_bytes())]), Raw::file("x", "")]);
    let error = Place::new().unpack(&bytes, BundleType::Tar).unwrap_err();
    assert!(matches!(error, UnpackError::UnsafeName { .. }));
}
