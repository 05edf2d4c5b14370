//! Signing of deployment specifications: PKCS#7 SignedData with the content inside, in PEM.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::certificate::Certified;
use super::der::{RSA, SHA256, algorithm, context, integer, octets, oid, sequence, set};

const DATA: &[u32] = &[1, 2, 840, 113_549, 1, 7, 1];
const SIGNED_DATA: &[u32] = &[1, 2, 840, 113_549, 1, 7, 2];
const CONTENT_TYPE: &[u32] = &[1, 2, 840, 113_549, 1, 9, 3];
const MESSAGE_DIGEST: &[u32] = &[1, 2, 840, 113_549, 1, 9, 4];

/// One who signs specifications, with the authority that has certified it.
#[derive(Debug, Clone)]
pub struct Signer {
    authority: Arc<Certified>,
    signer: Arc<Certified>,
    attributes: bool,
}

/// The authority and the signers of this process: making keys takes a while.
static AUTHORITY: LazyLock<Arc<Certified>> =
    LazyLock::new(|| Arc::new(Certified::authority("Test Authority")));
static SIGNER: LazyLock<Arc<Certified>> =
    LazyLock::new(|| Arc::new(AUTHORITY.certify("codedeploy-signer-us-east-1.amazonaws.com")));
static STRANGER: LazyLock<(Arc<Certified>, Arc<Certified>)> = LazyLock::new(|| {
    let authority = Certified::authority("Strange Authority");
    let signer = authority.certify("signer.example.org");
    (Arc::new(authority), Arc::new(signer))
});

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}

impl Signer {
    /// The service's signer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            authority: AUTHORITY.clone(),
            signer: SIGNER.clone(),
            attributes: true,
        }
    }

    /// Somebody else, with a strange name and certified by another authority.
    #[must_use]
    pub fn stranger() -> Self {
        let (authority, signer) = STRANGER.clone();
        Self {
            authority,
            signer,
            attributes: true,
        }
    }

    /// One with the name `name`, certified by the same authority.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        let signer = Arc::new(self.authority.certify(name));
        Self {
            signer,
            ..self.clone()
        }
    }

    /// The same, but it signs the content itself and not attributes of it.
    #[must_use]
    pub fn without_attributes(self) -> Self {
        Self {
            attributes: false,
            ..self
        }
    }

    /// The authority's certificate in PEM, for `signer_ca_file`.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        pem("CERTIFICATE", &self.authority.certificate)
    }

    /// `content`, signed, in PEM.
    #[must_use]
    pub fn sign(&self, content: &[u8]) -> String {
        let (attributes, signature) = if self.attributes {
            let digest = digest::digest(&digest::SHA256, content);
            let attributes = [
                sequence(&[&oid(CONTENT_TYPE), &set(&[oid(DATA)])]),
                sequence(&[&oid(MESSAGE_DIGEST), &set(&[octets(digest.as_ref())])]),
            ];
            // Signed as a SET, sent with another tag.
            let set = set(&attributes);
            let mut sent = set.clone();
            sent[0] = 0xa0;
            (sent, self.signer.sign(&set))
        } else {
            (Vec::new(), self.signer.sign(content))
        };
        let signer_info = sequence(&[
            &integer(1),
            &sequence(&[&self.signer.issuer, &self.signer.serial]),
            &algorithm(SHA256),
            &attributes,
            &algorithm(RSA),
            &octets(&signature),
        ]);
        let signed_data = sequence(&[
            &integer(1),
            &set(&[algorithm(SHA256)]),
            &sequence(&[&oid(DATA), &context(0, &octets(content))]),
            &context(0, &self.signer.certificate),
            &set(&[signer_info]),
        ]);
        pem(
            "PKCS7",
            &sequence(&[&oid(SIGNED_DATA), &context(0, &signed_data)]),
        )
    }
}

/// What is signed, tampered with: `old` in the bytes inside a PEM, replaced by `new` of the same
/// length.
///
/// # Panics
/// When `old` is not there, or `new` is not as long.
#[must_use]
pub fn replaced_in_pem(text: &str, old: &str, new: &str) -> String {
    assert_eq!(old.len(), new.len());
    let label = text
        .split("-----")
        .nth(1)
        .unwrap()
        .strip_prefix("BEGIN ")
        .unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    let mut der = STANDARD.decode(lines.collect::<String>()).unwrap();
    let at = der
        .windows(old.len())
        .position(|part| part == old.as_bytes());
    let at = at.unwrap_or_else(|| panic!("{old} is not in there"));
    der[at..at + new.len()].copy_from_slice(new.as_bytes());
    pem(label, &der)
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in encoded.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
