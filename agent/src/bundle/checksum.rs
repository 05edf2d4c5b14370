//! What S3 says of an object's content, and whether what arrived is that.
//!
//! Everything that S3 states is checked, over the bytes as they are in the file: the MD5 that a
//! plain upload has for its ETag, and the checksums, also those of a multipart upload that are
//! checksums of the parts' checksums.

use std::io::{self, Read};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// What is known of an object's content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Expected {
    /// 32 hexadecimal digits.
    md5: Option<String>,
    checksums: Vec<Checksum>,
}

/// One checksum as S3 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Checksum {
    algorithm: String,
    /// Base 64.
    value: String,
    /// Of how many parts' checksums it is the checksum; none: of the whole.
    parts: Option<u32>,
}

/// The content is another than S3 says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    what: String,
    stated: String,
    found: String,
    /// Whether it could also be that the parts were not as large as was taken for granted.
    pub(super) of_parts: bool,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            what,
            stated,
            found,
            ..
        } = self;
        write!(
            f,
            "S3 states the {what} {stated}, and what arrived has {found}"
        )
    }
}

impl Expected {
    /// What an answer states about the whole object.
    pub(super) fn of(output: &GetObjectOutput, bucket: &str) -> Self {
        let stated = [
            ("crc32", output.checksum_crc32()),
            ("crc32c", output.checksum_crc32_c()),
            ("crc64nvme", output.checksum_crc64_nvme()),
            ("sha1", output.checksum_sha1()),
            ("sha256", output.checksum_sha256()),
        ];
        let checksums = stated
            .into_iter()
            .filter_map(|(algorithm, value)| Checksum::parse(algorithm, value?))
            .collect();
        // The ETag is the MD5 only of what was uploaded in one piece and not encrypted with a key
        // of the customer's; a directory bucket's never is.
        let plain = matches!(
            output.server_side_encryption(),
            None | Some(ServerSideEncryption::Aes256)
        ) && output.sse_customer_algorithm().is_none()
            && !bucket.ends_with("--x-s3");
        let md5 = output
            .e_tag()
            .map(|etag| etag.trim_matches('"'))
            .filter(|etag| plain && is_md5(etag))
            .map(str::to_ascii_lowercase);
        Self { md5, checksums }
    }

    /// Whether there is anything to be checked.
    pub(super) fn is_nothing(&self) -> bool {
        self.md5.is_none() && self.checksums.is_empty()
    }

    /// The number of parts, when there are several and their sizes must be known.
    pub(super) fn parts(&self) -> Option<u32> {
        self.checksums
            .iter()
            .find_map(|checksum| checksum.parts)
            .filter(|parts| *parts > 1)
    }

    /// Gives up what needs the sizes of parts.
    pub(super) fn without_parts(mut self) -> Self {
        self.checksums
            .retain(|checksum| checksum.parts.is_none_or(|parts| parts == 1));
        self
    }

    /// Reads all of `content` and compares. `parts` has the sizes of the parts that the object was
    /// uploaded in, if [`Self::parts`] asks for them; what is left after the last belongs to it.
    pub(super) fn compare(
        &self,
        content: &mut impl Read,
        parts: &[u64],
    ) -> io::Result<Result<(), Mismatch>> {
        let mut md5 = self.md5.as_ref().map(|_| Md5::new());
        let mut running: Vec<Running<'_>> = self
            .checksums
            .iter()
            .filter_map(|checksum| Running::new(checksum, parts))
            .collect();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            if let Some(md5) = &mut md5 {
                md5.update(bytes);
            }
            for running in &mut running {
                running.update(bytes);
            }
        }
        if let (Some(md5), Some(stated)) = (md5, &self.md5) {
            let found: String = md5
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            if found != *stated {
                return Ok(Err(Mismatch {
                    what: "MD5 (its ETag)".to_owned(),
                    stated: stated.clone(),
                    found,
                    of_parts: false,
                }));
            }
        }
        Ok(running.into_iter().try_for_each(Running::finish))
    }
}

fn is_md5(etag: &str) -> bool {
    etag.len() == 32 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Checksum {
    fn parse(algorithm: &str, value: &str) -> Option<Self> {
        let (value, parts) = match value.rsplit_once('-') {
            Some((value, parts)) => (value, Some(parts.parse().ok().filter(|parts| *parts > 0)?)),
            None => (value, None),
        };
        Some(Self {
            algorithm: algorithm.to_owned(),
            value: value.to_owned(),
            parts,
        })
    }
}

/// A checksum that is being computed.
struct Running<'a> {
    stated: &'a Checksum,
    algorithm: ChecksumAlgorithm,
    sum: Box<dyn HttpChecksum>,
    /// Bytes until the next part begins, and the sizes of those after.
    left: u64,
    sizes: &'a [u64],
    /// The checksums of the parts before.
    of_parts: Vec<u8>,
}

impl<'a> Running<'a> {
    fn new(stated: &'a Checksum, parts: &'a [u64]) -> Option<Self> {
        let algorithm: ChecksumAlgorithm = stated.algorithm.parse().ok()?;
        let sizes = if stated.parts.is_some() { parts } else { &[] };
        let (first, sizes) = match sizes.split_first() {
            Some((first, sizes)) => (*first, sizes),
            None => (u64::MAX, sizes),
        };
        Some(Self {
            stated,
            algorithm,
            sum: algorithm.into_impl(),
            left: first,
            sizes,
            of_parts: Vec::new(),
        })
    }

    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left == 0 {
                self.next_part();
            }
            let room = usize::try_from(self.left).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.sum.update(now);
            self.left -= now.len() as u64;
            bytes = later;
        }
    }

    fn next_part(&mut self) {
        let sum = std::mem::replace(&mut self.sum, self.algorithm.into_impl());
        self.of_parts.extend_from_slice(&sum.finalize());
        (self.left, self.sizes) = match self.sizes.split_first() {
            Some((first, sizes)) => (*first, sizes),
            None => (u64::MAX, self.sizes),
        };
    }

    fn finish(mut self) -> Result<(), Mismatch> {
        let sum = if self.stated.parts.is_some() {
            self.next_part();
            let mut whole = self.algorithm.into_impl();
            whole.update(&self.of_parts);
            whole.finalize()
        } else {
            self.sum.finalize()
        };
        let found = BASE64_STANDARD.encode(sum);
        if found == self.stated.value {
            return Ok(());
        }
        Err(Mismatch {
            what: format!("checksum {}", self.stated.algorithm),
            stated: self.stated.value.clone(),
            found,
            of_parts: self.stated.parts.is_some_and(|parts| parts > 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> aws_sdk_s3::operation::get_object::builders::GetObjectOutputBuilder {
        GetObjectOutput::builder()
    }

    fn compare(expected: &Expected, content: &[u8], parts: &[u64]) -> Result<(), Mismatch> {
        expected.compare(&mut &content[..], parts).unwrap()
    }

    // The MD5 and the checksums of "hello world", from other programs (md5sum, openssl, rhash).
    const HELLO: &[u8] = b"hello world";

    #[test]
    fn an_etag_is_the_md5_of_a_plain_object_only() {
        let etag = "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"";
        let plain = Expected::of(&output().e_tag(etag).build(), "b");
        assert!(compare(&plain, HELLO, &[]).is_ok());
        let mismatch = compare(&plain, b"hello", &[]).unwrap_err();
        assert!(mismatch.to_string().contains("MD5"), "{mismatch}");
        for other in [
            Expected::of(&output().e_tag("\"0123\"").build(), "b"),
            Expected::of(
                &output()
                    .e_tag("\"5eb63bbbe01eeed093cb22bb8f5acdc3-2\"")
                    .build(),
                "b",
            ),
            Expected::of(&output().e_tag(etag).build(), "b--euw1-az1--x-s3"),
            Expected::of(
                &output()
                    .e_tag(etag)
                    .server_side_encryption(ServerSideEncryption::AwsKms)
                    .build(),
                "b",
            ),
            Expected::of(
                &output()
                    .e_tag(etag)
                    .sse_customer_algorithm("AES256")
                    .build(),
                "b",
            ),
        ] {
            assert!(other.is_nothing());
        }
    }

    #[rstest::rstest]
    #[case::crc32(output().checksum_crc32("DUoRhQ=="))]
    #[case::crc32c(output().checksum_crc32_c("yZRlqg=="))]
    #[case::sha1(output().checksum_sha1("Kq5sNclPz7QV2+lfQIuc6R7oRu0="))]
    #[case::sha256(output().checksum_sha256("uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="))]
    fn a_checksum_of_the_whole_is_compared(
        #[case] output: aws_sdk_s3::operation::get_object::builders::GetObjectOutputBuilder,
    ) {
        let expected = Expected::of(&output.build(), "b");
        assert!(!expected.is_nothing() && expected.parts().is_none());
        assert_eq!(compare(&expected, HELLO, &[]), Ok(()));
        assert!(compare(&expected, b"hello worle", &[]).is_err());
    }

    #[test]
    fn crc64nvme_has_its_published_check_value() {
        let sum = BASE64_STANDARD.encode(0xae8b_1486_0a79_9888_u64.to_be_bytes());
        let expected = Expected::of(&output().checksum_crc64_nvme(sum).build(), "b");
        assert_eq!(compare(&expected, b"123456789", &[]), Ok(()));
    }

    /// The checksum of the checksums of `parts`, as S3 computes it.
    fn composite(parts: &[&[u8]]) -> String {
        let sha = |bytes: &[u8]| {
            let mut sum = ChecksumAlgorithm::Sha256.into_impl();
            sum.update(bytes);
            sum.finalize().to_vec()
        };
        let of_parts: Vec<u8> = parts.iter().flat_map(|part| sha(part)).collect();
        format!("{}-{}", BASE64_STANDARD.encode(sha(&of_parts)), parts.len())
    }

    #[test]
    fn a_checksum_of_checksums_needs_the_sizes_of_the_parts() {
        let value = composite(&[b"hello", b" worl", b"d"]);
        let expected = Expected::of(&output().checksum_sha256(value).build(), "b");
        assert_eq!(expected.parts(), Some(3));
        assert_eq!(compare(&expected, HELLO, &[5, 5, 5]), Ok(()));
        assert_eq!(compare(&expected, HELLO, &[5, 5]), Ok(()));
        assert!(compare(&expected, HELLO, &[4, 4, 4]).unwrap_err().of_parts);
        assert!(compare(&expected, b"hello worle", &[5, 5, 5]).is_err());
        assert!(expected.without_parts().is_nothing());
        let one = Expected::of(&output().checksum_sha256(composite(&[HELLO])).build(), "b");
        assert_eq!(one.parts(), None);
        assert_eq!(compare(&one, HELLO, &[]), Ok(()));
    }
}
