//! The module as its users see it: envelopes in, specifications or errors out.

mod chains;
mod envelopes;
mod fixtures;
mod members;
mod revision;
mod secrets;
mod tampering;

use std::io::Write as _;

use super::{SignerTrust, SpecificationError};
use crate::error::chain;

/// The least that a specification needs.
fn minimal() -> serde_json::Value {
    serde_json::json!({
        "DeploymentId": "d-ABCDEF123",
        "DeploymentGroupId": "group-1",
        "DeploymentGroupName": "Fleet",
        "ApplicationName": "Shop",
        "Revision": {
            "RevisionType": "S3",
            "S3Revision": {"Bucket": "bucket", "Key": "app.zip", "BundleType": "zip"},
        },
    })
}

/// The trust that a `signer_ca_file` with these PEM texts gives.
fn pinned(texts: &[&str]) -> SignerTrust {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(texts.concat().as_bytes()).unwrap();
    SignerTrust::from_file(file.path()).unwrap()
}

/// The whole message as an operator reads it.
fn message(error: &SpecificationError) -> String {
    chain(error)
}
