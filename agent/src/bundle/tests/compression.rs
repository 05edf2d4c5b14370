//! Types and compressions, and bundles that are damaged or something else.

use std::io::Write as _;

use super::archives::{Place, Raw, Zip, gzip, tar, tar_without_end};
use crate::bundle::UnpackError;
use crate::deployment::BundleType;
use crate::error::chain;

fn content() -> Vec<u8> {
    (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn sample() -> Vec<u8> {
    tar(&[Raw::directory("d"), Raw::file("d/f", content())])
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A way to compress.
type Compress = fn(&[u8]) -> Vec<u8>;

#[rstest::rstest]
#[case("none", |bytes: &[u8]| bytes.to_vec())]
#[case("gzip", gzip)]
#[case("bzip2", bzip2)]
#[case("xz", xz)]
#[case("zstd", zstd)]
fn tar_detects_the_compression(#[case] name: &str, #[case] compress: Compress) {
    let bytes = compress(&sample());
    let place = Place::new();
    let unpacked = place.unpack(&bytes, BundleType::Tar).unwrap();
    assert_eq!(unpacked.warnings, Vec::<String>::new(), "{name}");
    assert!(place.read("d/f") == content(), "{name}");

    // In two parts, as programs that work in parallel write them.
    if name != "none" {
        let sample = sample();
        let (one, two) = sample.split_at(600_001);
        let place = Place::new();
        place
            .unpack(&[compress(one), compress(two)].concat(), BundleType::Tar)
            .unwrap();
        assert!(place.read("d/f") == content(), "{name} in two parts");
    }

    // Cut anywhere, it is no archive any more.
    for length in [bytes.len() / 2, bytes.len() - 1 - bytes.len() / 4, 600] {
        let error = Place::new()
            .unpack(&bytes[..length], BundleType::Tar)
            .unwrap_err();
        assert!(
            matches!(
                error,
                UnpackError::Truncated { .. } | UnpackError::Corrupt { .. }
            ),
            "{name} cut at {length}: {}",
            chain(&error)
        );
        if matches!(name, "none" | "gzip" | "zstd") {
            assert!(
                chain(&error).contains("cut short"),
                "{name}: {}",
                chain(&error)
            );
        }
    }
}

#[test]
fn the_checksum_of_a_compressed_tar_is_verified() {
    let mut bytes = gzip(&sample());
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    let error = Place::new().unpack(&bytes, BundleType::Tgz).unwrap_err();
    assert!(
        matches!(error, UnpackError::Corrupt { .. }),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_frame_of_zstd_that_says_nothing_is_skipped() {
    let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip".to_vec();
    let place = Place::new();
    place
        .unpack(&[skippable, zstd(&sample())].concat(), BundleType::Tar)
        .unwrap();
    assert!(place.read("d/f") == content());
}

#[test]
fn what_follows_the_end_is_ignored_as_tar_and_gzip_ignore_it() {
    let place = Place::new();
    let garbage = [sample(), b"garbage".repeat(100)].concat();
    assert!(
        place
            .unpack(&garbage, BundleType::Tar)
            .unwrap()
            .warnings
            .is_empty()
    );
    let padded = [gzip(&sample()), vec![0; 10_000]].concat();
    assert!(
        place
            .unpack(&padded, BundleType::Tgz)
            .unwrap()
            .warnings
            .is_empty()
    );
    let garbage = [gzip(&sample()), b"garbage".to_vec()].concat();
    assert_eq!(
        place
            .unpack(&garbage, BundleType::Tgz)
            .unwrap()
            .warnings
            .len(),
        1
    );
}

#[test]
fn a_missing_end_mark_is_a_warning() {
    let bytes = tar_without_end(&[Raw::file("f", "x")]);
    let unpacked = Place::new().unpack(&bytes, BundleType::Tar).unwrap();
    assert!(
        unpacked.warnings[0].contains("end mark"),
        "{:?}",
        unpacked.warnings
    );
}

#[test]
fn an_archive_of_another_type_than_said_is_named() {
    let zip = Zip::new().file("appspec.yml", "x", 0o644).finish();
    let tgz = gzip(&sample());
    let html = b"<html><body>Not found</body></html>".to_vec();
    let text = b"version: 0.0\n".to_vec();
    for (bytes, said, seems) in [
        (&zip, BundleType::Tgz, "looks like zip"),
        (&zip, BundleType::Tar, "looks like zip"),
        (&tgz, BundleType::Zip, "says zip, but"),
        (&tgz, BundleType::Zip, "looks like gzip"),
        (&sample(), BundleType::Tgz, "looks like tar"),
        (&sample(), BundleType::Zip, "looks like tar"),
        (&bzip2(&sample()), BundleType::Tgz, "looks like bzip2"),
        (&html, BundleType::Zip, "error page"),
        (&html, BundleType::Tar, "error page"),
        (&text, BundleType::Tar, "plain text"),
        (&text, BundleType::Zip, "plain text"),
    ] {
        let error = Place::new().unpack(bytes, said).unwrap_err();
        assert!(
            matches!(error, UnpackError::WrongType { .. }),
            "{}",
            chain(&error)
        );
        assert!(chain(&error).contains(seems), "{}", chain(&error));
    }
}

#[test]
fn empty_bundles_are_errors() {
    for kind in [BundleType::Tar, BundleType::Tgz, BundleType::Zip] {
        let error = Place::new().unpack(b"", kind).unwrap_err();
        assert!(
            matches!(error, UnpackError::EmptyFile { .. }),
            "{}",
            chain(&error)
        );
    }
    for (bytes, kind) in [
        (tar(&[]), BundleType::Tar),
        (gzip(&tar(&[])), BundleType::Tgz),
        (Zip::new().finish(), BundleType::Zip),
    ] {
        let error = Place::new().unpack(&bytes, kind).unwrap_err();
        assert!(
            matches!(error, UnpackError::NoEntries { .. }),
            "{}",
            chain(&error)
        );
    }
}

#[test]
fn a_zip_cut_short_is_named() {
    let zip = Zip::new().file("f", content(), 0o644).finish();
    let error = Place::new()
        .unpack(&zip[..zip.len() / 2], BundleType::Zip)
        .unwrap_err();
    assert!(
        matches!(error, UnpackError::Truncated { .. }),
        "{}",
        chain(&error)
    );
    let mut damaged = zip;
    damaged[1000] ^= 0xff;
    let error = Place::new().unpack(&damaged, BundleType::Zip).unwrap_err();
    assert!(
        matches!(error, UnpackError::Corrupt { .. }),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_zip_may_follow_other_bytes() {
    let zip = Zip::new().file("f", "x", 0o644).finish();
    let place = Place::new();
    place
        .unpack(
            &[b"#!/bin/sh\nexit\n".to_vec(), zip].concat(),
            BundleType::Zip,
        )
        .unwrap();
    assert_eq!(place.read("f"), b"x");
}
