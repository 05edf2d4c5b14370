//! Archives that lead outside, lie, or hold what a bundle may not hold (contract: differences,
//! "archive entries that leave the archive").

use std::os::unix::fs::PermissionsExt as _;

use super::archives::{Place, Raw, RawZip, Zip, gzip, raw_zip, tar, tar_without_end};
use crate::bundle::{Limits, UnpackError, UnpackOptions};
use crate::deployment::BundleType;
use crate::error::chain;

fn refused(bytes: &[u8], kind: BundleType) -> UnpackError {
    let place = Place::new();
    // An archive of before must survive.
    fs_err::create_dir(place.archive()).unwrap();
    fs_err::write(place.archive().join("old"), "old").unwrap();
    let error = place.unpack(bytes, kind).unwrap_err();
    assert_eq!(place.read("old"), b"old");
    assert_eq!(fs_err::read_dir(place.archive()).unwrap().count(), 1);
    error
}

#[rstest::rstest]
#[case("/etc/evil")]
#[case("../evil")]
#[case("a/../../evil")]
#[case("a/..")]
#[case("..")]
#[case("")]
fn names_that_leave_the_archive_are_refused(#[case] name: &str) {
    let good = Raw::file("good", "x");
    let error = refused(&tar(&[good, Raw::file(name, "x")]), BundleType::Tar);
    assert!(
        matches!(error, UnpackError::UnsafeName { .. }),
        "{}",
        chain(&error)
    );
    let error = refused(&raw_zip(&[RawZip::new(name, "x")]), BundleType::Zip);
    assert!(
        matches!(
            error,
            UnpackError::UnsafeName { .. } | UnpackError::Corrupt { .. }
        ),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_pax_path_and_a_gnu_long_name_are_checked_alike() {
    let long = Raw {
        content: b"../../evil\0".to_vec(),
        ..Raw::new(b'L', "././@LongLink")
    };
    for head in [
        Raw::pax(&[("path", b"../evil")]),
        Raw::pax(&[("path", b"a\0b")]),
        long,
    ] {
        let error = refused(&tar(&[head, Raw::file("good", "x")]), BundleType::Tar);
        assert!(
            matches!(error, UnpackError::UnsafeName { .. }),
            "{}",
            chain(&error)
        );
    }
}

#[test]
fn entries_through_links_are_refused() {
    for target in ["/tmp", "..", ".", "dir"] {
        let bytes = tar(&[
            Raw::directory("dir"),
            Raw::link(b'2', "link", target),
            Raw::file("link/evil", "x"),
        ]);
        let error = refused(&bytes, BundleType::Tar);
        assert!(
            matches!(error, UnpackError::ThroughLink { .. }),
            "{}",
            chain(&error)
        );
        let bytes = Zip::new().directory("dir", 0o755).link("link", target);
        let error = refused(
            &bytes.file("link/evil", "x", 0o644).finish(),
            BundleType::Zip,
        );
        assert!(
            matches!(error, UnpackError::ThroughLink { .. }),
            "{}",
            chain(&error)
        );
    }
}

#[test]
fn a_directory_entry_does_not_follow_a_link() {
    let place = Place::new();
    let outside = place.directory.path().join("outside");
    fs_err::create_dir(&outside).unwrap();
    fs_err::set_permissions(&outside, std::fs::Permissions::from_mode(0o700)).unwrap();
    let link = Raw::link(b'2', "link", outside.to_str().unwrap());
    let bytes = tar(&[link, Raw::directory("link").mode(0o777)]);
    fs_err::write(place.bundle(), &bytes).unwrap();
    let error = super::unpack(
        &place.bundle(),
        BundleType::Tar,
        &place.partial(),
        &place.archive(),
        &UnpackOptions::default(),
    )
    .unwrap_err();
    assert!(
        matches!(error, UnpackError::Duplicate { .. }),
        "{}",
        chain(&error)
    );
    let mode = fs_err::metadata(&outside).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn hard_links_reach_only_files_of_the_archive() {
    let cases: [(&str, Vec<Raw>); 5] = [
        ("absolute", vec![Raw::link(b'1', "h", "/etc/passwd")]),
        ("up", vec![Raw::link(b'1', "h", "../bundle.tar")]),
        ("missing", vec![Raw::link(b'1', "h", "nothing/here")]),
        (
            "a directory",
            vec![Raw::directory("d"), Raw::link(b'1', "h", "d")],
        ),
        (
            "through a link",
            vec![
                Raw::link(b'2', "l", "/etc"),
                Raw::link(b'1', "h", "l/passwd"),
            ],
        ),
    ];
    for (case, entries) in cases {
        let error = refused(&tar(&entries), BundleType::Tar);
        assert!(
            matches!(
                error,
                UnpackError::UnsafeName { .. }
                    | UnpackError::HardLinkTarget { .. }
                    | UnpackError::ThroughLink { .. }
            ),
            "{case}: {}",
            chain(&error)
        );
    }
}

#[rstest::rstest]
#[case(b'3', "a character device")]
#[case(b'4', "a block device")]
#[case(b'6', "a fifo")]
fn devices_and_fifos_are_errors(#[case] kind: u8, #[case] what: &str) {
    let error = refused(&tar(&[Raw::new(kind, "dev")]), BundleType::Tar);
    assert!(chain(&error).contains(what), "{}", chain(&error));
}

#[rstest::rstest]
#[case(0o010_644)]
#[case(0o140_644)]
#[case(0o020_644)]
#[case(0o060_644)]
fn devices_fifos_and_sockets_in_a_zip_are_errors(#[case] mode: u32) {
    let entry = RawZip {
        attributes: mode << 16,
        ..RawZip::new("dev", "")
    };
    let error = refused(&raw_zip(&[entry]), BundleType::Zip);
    assert!(
        matches!(error, UnpackError::SpecialFile { .. }),
        "{}",
        chain(&error)
    );
}

#[test]
fn duplicates_of_another_type_are_errors() {
    let file = || Raw::file("x", "1");
    let link = || Raw::link(b'2', "x", "/tmp");
    let directory = || Raw::directory("x");
    for pair in [
        [file(), link()],
        [link(), file()],
        [file(), directory()],
        [directory(), file()],
        [directory(), link()],
        [link(), directory()],
    ] {
        let error = refused(&tar(&pair), BundleType::Tar);
        assert!(
            matches!(error, UnpackError::Duplicate { .. }),
            "{}",
            chain(&error)
        );
    }
}

#[test]
fn duplicates_in_a_zip_are_errors() {
    let bytes = raw_zip(&[RawZip::new("x", "1"), RawZip::new("x", "2")]);
    let error = refused(&bytes, BundleType::Zip);
    assert!(chain(&error).contains("one name"), "{}", chain(&error));
    // Also when only the normalised names are the same.
    let bytes = raw_zip(&[RawZip::new("x", "1"), RawZip::new("./x", "2")]);
    let error = refused(&bytes, BundleType::Zip);
    assert!(
        matches!(error, UnpackError::Duplicate { .. }),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_file_that_is_not_a_directory_is_not_passed() {
    let error = refused(
        &tar(&[Raw::file("f", "x"), Raw::file("f/g", "x")]),
        BundleType::Tar,
    );
    assert!(
        matches!(error, UnpackError::ThroughLink { .. }),
        "{}",
        chain(&error)
    );
}

#[test]
fn setuid_and_setgid_are_cleared_with_a_warning_or_refused() {
    let tar = tar(&[
        Raw::file("suid", "x").mode(0o6755),
        Raw::directory("d").mode(0o3777),
    ]);
    let place = Place::new();
    let unpacked = place.unpack(&tar, BundleType::Tar).unwrap();
    let mode = |name| {
        fs_err::metadata(place.archive().join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("suid") & 0o7777, 0o755);
    assert_eq!(mode("d") & 0o7777, 0o1777);
    assert_eq!(unpacked.warnings.len(), 2, "{:?}", unpacked.warnings);
    assert!(
        unpacked.warnings[0].contains("6755"),
        "{:?}",
        unpacked.warnings
    );

    let zip = Zip::new().file("suid", "x", 0o644).finish();
    // The writer of the crate drops these bits, so they are put in by hand.
    let at = zip.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap() + 38;
    let mut zip_with_bits = zip;
    zip_with_bits[at..at + 4].copy_from_slice(&(0o104_755_u32 << 16).to_le_bytes());
    let place = Place::new();
    let unpacked = place.unpack(&zip_with_bits, BundleType::Zip).unwrap();
    assert_eq!(unpacked.warnings.len(), 1);

    let options = UnpackOptions {
        reject_unsafe_permissions: true,
        ..UnpackOptions::default()
    };
    for (bytes, kind) in [(tar, BundleType::Tar), (zip_with_bits, BundleType::Zip)] {
        let error = Place::new()
            .unpack_with(&bytes, kind, &options)
            .unwrap_err();
        assert!(
            matches!(error, UnpackError::UnsafePermissions { .. }),
            "{}",
            chain(&error)
        );
    }
}

#[test]
fn links_are_refused_when_the_configuration_says_so() {
    let options = UnpackOptions {
        reject_links: true,
        ..UnpackOptions::default()
    };
    let symbolic = tar(&[Raw::link(b'2', "l", "x")]);
    let hard = tar(&[Raw::file("f", "x"), Raw::link(b'1', "l", "f")]);
    let zip = Zip::new().link("l", "x").finish();
    for (bytes, kind) in [
        (symbolic, BundleType::Tar),
        (hard, BundleType::Tar),
        (zip, BundleType::Zip),
    ] {
        let error = Place::new()
            .unpack_with(&bytes, kind, &options)
            .unwrap_err();
        assert!(
            matches!(error, UnpackError::LinkRejected { .. }),
            "{}",
            chain(&error)
        );
    }
}

#[test]
fn archive_max_extraction_size_holds_for_declared_and_actual_sizes() {
    let options = |bytes| UnpackOptions {
        max_extracted_bytes: Some(bytes),
        ..UnpackOptions::default()
    };
    let content = vec![0; 100_000];
    let plain = tar(&[Raw::file("a", &content), Raw::file("b", &content)]);
    let zip = Zip::new()
        .file("a", &content, 0o644)
        .file("b", &content, 0o644)
        .finish();
    let bomb = gzip(&[tar(&[Raw::file("a", "x")]), vec![0; 1_000_000]].concat());
    let sparse = tar(&[
        Raw::pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"holes"),
            ("GNU.sparse.realsize", b"900000000000"),
        ]),
        Raw::file("x", {
            let mut map = b"0\n".to_vec();
            map.resize(512, 0);
            map
        }),
    ]);
    for (bytes, kind) in [
        (&plain, BundleType::Tar),
        (&gzip(&plain), BundleType::Tgz),
        (&zip, BundleType::Zip),
        (&bomb, BundleType::Tgz),
        (&sparse, BundleType::Tar),
    ] {
        let error = Place::new()
            .unpack_with(bytes, kind, &options(199_999))
            .unwrap_err();
        assert!(
            chain(&error).contains("archive_max_extraction_size"),
            "{}",
            chain(&error)
        );
    }
    for (bytes, kind) in [(&plain, BundleType::Tar), (&zip, BundleType::Zip)] {
        let unpacked = Place::new()
            .unpack_with(bytes, kind, &options(200_000))
            .unwrap();
        assert_eq!((unpacked.entries, unpacked.bytes), (2, 200_000));
    }
}

#[test]
fn the_number_of_entries_is_limited() {
    let options = UnpackOptions {
        limits: Limits {
            entries: 2,
            ..Limits::default()
        },
        ..UnpackOptions::default()
    };
    let entries = ["a", "b", "c"].map(|name| Raw::file(name, ""));
    let error = Place::new()
        .unpack_with(&tar(&entries), BundleType::Tar, &options)
        .unwrap_err();
    assert!(
        matches!(error, UnpackError::Limit { .. }),
        "{}",
        chain(&error)
    );
    assert!(
        Place::new()
            .unpack_with(&tar(&entries[..2]), BundleType::Tar, &options)
            .is_ok()
    );
}

#[test]
fn sizes_that_lie_are_errors() {
    let entry = RawZip {
        size: Some(1),
        ..RawZip::new("a", "four")
    };
    let error = refused(&raw_zip(&[entry]), BundleType::Zip);
    assert!(
        matches!(error, UnpackError::Corrupt { .. }),
        "{}",
        chain(&error)
    );
    let entry = RawZip {
        size: Some(5),
        ..RawZip::new("a", "four")
    };
    let error = refused(&raw_zip(&[entry]), BundleType::Zip);
    assert!(
        matches!(error, UnpackError::Corrupt { .. }),
        "{}",
        chain(&error)
    );
    let huge = Raw {
        size: Some((1 << 33) - 1),
        ..Raw::file("a", "four")
    };
    let error = refused(&tar_without_end(&[huge]), BundleType::Tar);
    assert!(
        matches!(error, UnpackError::Truncated { .. }),
        "{}",
        chain(&error)
    );
}

#[test]
fn an_extended_header_does_not_fill_the_memory() {
    for kind in [b'x', b'L', b'K', b'g'] {
        let head = Raw {
            size: Some((1 << 33) - 1),
            ..Raw::new(kind, "big")
        };
        let error = refused(&tar(&[head, Raw::file("a", "")]), BundleType::Tar);
        assert!(chain(&error).contains("1 MiB"), "{}", chain(&error));
    }
}

#[test]
fn zip_entries_that_share_their_data_are_refused() {
    let mut bytes = raw_zip(&[RawZip::new("a", "data"), RawZip::new("b", "data")]);
    // The second entry of the central directory points at the first one's data.
    let second = bytes
        .windows(4)
        .rposition(|window| window == b"PK\x01\x02")
        .unwrap();
    bytes[second + 42..second + 46].copy_from_slice(&0_u32.to_le_bytes());
    let error = refused(&bytes, BundleType::Zip);
    assert!(chain(&error).contains("overlap"), "{}", chain(&error));
}

#[test]
fn encrypted_and_exotic_zip_entries_are_named() {
    let encrypted = RawZip {
        flags: 1,
        ..RawZip::new("secret", "x")
    };
    let error = refused(&raw_zip(&[encrypted]), BundleType::Zip);
    assert!(chain(&error).contains("encryption"), "{}", chain(&error));
    let exotic = RawZip {
        method: 99,
        ..RawZip::new("odd", "x")
    };
    let error = refused(&raw_zip(&[exotic]), BundleType::Zip);
    assert!(chain(&error).contains(r#""odd""#), "{}", chain(&error));
}

#[test]
fn unknown_tar_types_and_owners_out_of_range_are_errors() {
    let error = refused(&tar(&[Raw::new(b'M', "volume")]), BundleType::Tar);
    assert!(
        matches!(error, UnpackError::Unsupported { .. }),
        "{}",
        chain(&error)
    );
    if nix::unistd::geteuid().is_root() {
        for owner in ["4294967295", "4294967296"] {
            let head = Raw::pax(&[("uid", owner.as_bytes())]);
            let error = refused(&tar(&[head, Raw::file("a", "")]), BundleType::Tar);
            assert!(chain(&error).contains("out of range"), "{}", chain(&error));
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    /// Damage anywhere never makes anything outside the archive, and never panics.
    #[test]
    fn damaged_archives_do_no_harm(at in 0_usize..4096, byte: u8, zipped: bool) {
        let (mut bytes, kind) = if zipped {
            let zip = Zip::new().directory("d", 0o755).file("d/f", "content", 0o644).link("l", "d");
            (zip.finish(), BundleType::Zip)
        } else {
            let entries = [
                Raw::pax(&[("path", b"d/f"), ("mtime", b"1.5")]),
                Raw::file("x", "content"),
                Raw::link(b'1', "h", "d/f"),
                Raw::link(b'2', "l", "d"),
            ];
            (tar(&entries), BundleType::Tar)
        };
        let at = at % bytes.len();
        bytes[at] ^= byte;
        let place = Place::new();
        let _ = place.unpack(&bytes, kind);
        for name in place.outside() {
            assert!(name == "bundle.tar" || name == "deployment-archive", "{name}");
        }
    }
}

#[test]
fn in_a_zip_a_file_below_a_link_is_refused_wherever_it_stands() {
    let zip = Zip::new()
        .file("link/evil", "x", 0o644)
        .link("link", "/tmp");
    let error = refused(&zip.finish(), BundleType::Zip);
    assert!(
        matches!(error, UnpackError::ThroughLink { .. }),
        "{}",
        chain(&error)
    );
}

#[test]
fn one_bad_entry_among_many_fails_the_whole_zip() {
    let entries: Vec<RawZip> = (0..1000)
        .map(|at| RawZip::new(format!("d{}/f{at}", at / 50), format!("content of {at}")))
        .collect();
    let good = raw_zip(&entries);
    for bad in [0, 500, 999] {
        let text = format!("content of {bad}");
        let at = good
            .windows(text.len() + 2)
            .position(|window| {
                window.starts_with(text.as_bytes()) && &window[text.len()..] == b"PK"
            })
            .unwrap();
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let error = refused(&bytes, BundleType::Zip);
        let named = format!("d{}/f{bad}", bad / 50);
        assert!(chain(&error).contains(&named), "{}", chain(&error));
    }
}
