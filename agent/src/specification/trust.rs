//! Whose signature is accepted.
//!
//! Without `signer_ca_file` anybody's is, as long as it verifies: it protects against damage, and
//! who sent it is TLS's to prove. No chain and no dates can be required, because the chain that
//! AWS published ended in 2023 (contract: differences).
//!
//! With `signer_ca_file` the signer's certificate must be in the file, or lead to one there
//! through authorities in the envelope. Dates are a warning then, no error: the only chain that
//! can be pinned today is past its dates, and whether to trust it is what the file says. A
//! certificate that is no longer to be trusted is taken out of the file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::certificate::Certificate;
use super::pem::{self, PemError};
use super::signature_error::SignatureError;
use super::warning::SpecificationWarning;
use crate::files::small_file;

/// More authorities between a signer and an anchor than any chain has.
const LONGEST_CHAIN: usize = 8;

/// `signer_ca_file` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignerCaError {
    /// It cannot be read.
    #[error("cannot read the signer_ca_file")]
    Read(#[source] io::Error),
    /// It is not PEM.
    #[error("the signer_ca_file {} is not a PEM file", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: PemError,
    },
    /// A block is no certificate.
    #[error("the certificate number {number} in the signer_ca_file {} cannot be read", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which block, from 1.
        number: usize,
        /// What is wrong.
        #[source]
        source: der::Error,
    },
    /// Nothing is in it, so nothing could ever be accepted.
    #[error("the signer_ca_file {} has no certificate in it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Whose signature on a specification is accepted.
#[derive(Clone)]
pub struct SignerTrust {
    anchors: Option<Vec<Certificate>>,
}

impl fmt::Debug for SignerTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.anchors {
            None => f.write_str("SignerTrust(any signer)"),
            Some(anchors) => {
                f.write_str("SignerTrust")?;
                f.debug_list()
                    .entries(anchors.iter().map(Certificate::subject))
                    .finish()
            }
        }
    }
}

impl SignerTrust {
    /// Any signer whose signature verifies; a strange name is a warning.
    #[must_use]
    pub fn any_signer() -> Self {
        Self { anchors: None }
    }

    /// Only CodeDeploy's signers whose certificate leads to one in the PEM file at `path`, which
    /// may hold several, of authorities or of signers.
    ///
    /// # Errors
    /// When the file cannot be read, has no certificate, or one that cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, SignerCaError> {
        let content = small_file::read(path).map_err(SignerCaError::Read)?.content;
        let labels = ["CERTIFICATE", "X509 CERTIFICATE"];
        // Comments around the blocks may be in any encoding.
        let blocks =
            pem::blocks(&String::from_utf8_lossy(&content), &labels).map_err(|source| {
                SignerCaError::Pem {
                    path: path.to_owned(),
                    source,
                }
            })?;
        if blocks.is_empty() {
            return Err(SignerCaError::Empty {
                path: path.to_owned(),
            });
        }
        let anchors = (1..)
            .zip(blocks)
            .map(|(number, block)| {
                Certificate::from_der(&block).map_err(|source| SignerCaError::Certificate {
                    path: path.to_owned(),
                    number,
                    source,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            anchors: Some(anchors),
        })
    }

    /// Judges the certificate of a signer whose signature has verified; `others` are the
    /// certificates of the envelope, which may be the authorities between.
    pub(super) fn judge(
        &self,
        signer: &Certificate,
        others: &[Certificate],
        now: SystemTime,
    ) -> Result<Vec<SpecificationWarning>, SignatureError> {
        let Some(anchors) = &self.anchors else {
            let strange = !signer.is_codedeploy_signer();
            let warning = || SpecificationWarning::StrangeSigner {
                signer: signer.subject(),
            };
            return Ok(strange.then(warning).into_iter().collect());
        };
        let mut tried = vec![false; others.len()];
        let chain = Search { anchors, others }
            .chain(signer, 0, &mut tried)
            .ok_or_else(|| SignatureError::Untrusted {
                signer: signer.subject(),
            })?;
        if !signer.may_sign() {
            return Err(SignatureError::Usage {
                signer: signer.subject(),
            });
        }
        if !signer.is_codedeploy_signer() {
            return Err(SignatureError::Stranger {
                signer: signer.subject(),
            });
        }
        let out_of_date = chain.into_iter().filter_map(|certificate| {
            let (not_before, not_after) = certificate.expired_dates(now)?;
            let subject = certificate.subject();
            Some(SpecificationWarning::OutOfDate {
                subject,
                not_before,
                not_after,
            })
        });
        Ok(out_of_date.collect())
    }
}

struct Search<'a> {
    anchors: &'a [Certificate],
    others: &'a [Certificate],
}

impl<'a> Search<'a> {
    /// The chain from just below an anchor down to `certificate`, which has `below` authorities
    /// between it and the signer, itself included. Every authority is tried once, so that loops
    /// end and the work is bounded by the square of the number of certificates.
    fn chain(
        &self,
        certificate: &'a Certificate,
        below: usize,
        tried: &mut [bool],
    ) -> Option<Vec<&'a Certificate>> {
        let pinned = below == 0
            && self
                .anchors
                .iter()
                .any(|anchor| anchor.bytes() == certificate.bytes());
        let issued_by_anchor = || {
            let mut anchors = self.anchors.iter();
            anchors.any(|anchor| anchor.may_issue_as_anchor(below) && anchor.issued(certificate))
        };
        if pinned || issued_by_anchor() {
            return Some(vec![certificate]);
        }
        if below == LONGEST_CHAIN {
            return None;
        }
        for (index, authority) in self.others.iter().enumerate() {
            let fresh = tried.get(index) == Some(&false);
            if fresh && authority.may_issue(below) && authority.issued(certificate) {
                if let Some(flag) = tried.get_mut(index) {
                    *flag = true;
                }
                if let Some(mut chain) = self.chain(authority, below + 1, tried) {
                    chain.push(certificate);
                    return Some(chain);
                }
            }
        }
        None
    }
}
