//! PEM as others write it: any line length and line ending, text around the blocks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The text is not the PEM that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Nothing begins with `-----BEGIN <label>-----`.
    #[error("there is no PEM block of the kind {0}")]
    NoBlock(&'static str),
    /// More than the one that was expected.
    #[error("there is more than one PEM block")]
    SeveralBlocks,
    /// A block begins and does not end.
    #[error("a PEM block has no end; the text may be cut off")]
    Unterminated,
    /// What is between the lines is not base64.
    #[error("the PEM block is not base64")]
    Base64(#[source] base64::DecodeError),
}

/// The bytes of every block whose label is one of `labels`, in order; other blocks are skipped.
///
/// # Errors
/// When a block of any label has no end, or a wanted one is not base64.
pub(super) fn blocks(text: &str, labels: &[&str]) -> Result<Vec<Vec<u8>>, PemError> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, block)) = rest.split_once("-----BEGIN ") {
        let (label, block) = block.split_once("-----").ok_or(PemError::Unterminated)?;
        let end = format!("-----END {label}-----");
        let (body, after) = block
            .split_once(end.as_str())
            .ok_or(PemError::Unterminated)?;
        rest = after;
        if labels.contains(&label) {
            let body: Vec<u8> = body
                .bytes()
                .filter(|byte| !byte.is_ascii_whitespace())
                .collect();
            found.push(STANDARD.decode(body).map_err(PemError::Base64)?);
        }
    }
    Ok(found)
}

/// The bytes of the one block whose label is one of `labels`.
///
/// # Errors
/// As [`blocks`], and when there is not exactly one; `kind` names it then.
pub(super) fn block(text: &str, labels: &[&str], kind: &'static str) -> Result<Vec<u8>, PemError> {
    let mut found = blocks(text, labels)?.into_iter();
    match (found.next(), found.next()) {
        (Some(block), None) => Ok(block),
        (None, _) => Err(PemError::NoBlock(kind)),
        (Some(_), Some(_)) => Err(PemError::SeveralBlocks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Vec<u8>, PemError> {
        block(text, &["PKCS7", "CMS"], "PKCS7")
    }

    #[rstest::rstest]
    #[case::as_openssl_writes_it("-----BEGIN PKCS7-----\nYWJj\nZGVm\n-----END PKCS7-----\n")]
    #[case::crlf("-----BEGIN PKCS7-----\r\nYWJj\r\nZGVm\r\n-----END PKCS7-----\r\n")]
    #[case::the_other_label("-----BEGIN CMS-----\nYWJj\nZGVm\n-----END CMS-----")]
    #[case::blanks("\n  -----BEGIN PKCS7-----\n\n \tYWJjZ GVm \n   -----END PKCS7-----  ")]
    #[case::one_line("-----BEGIN PKCS7-----YWJjZGVm-----END PKCS7-----")]
    #[case::text_around("subject=x\n-----BEGIN PKCS7-----\nYWJjZGVm\n-----END PKCS7-----\nmore")]
    #[case::another_block(
        "-----BEGIN A-----\n!\n-----END A-----\n-----BEGIN CMS-----\nYWJjZGVm\n-----END CMS-----"
    )]
    fn is_read(#[case] text: &str) {
        assert_eq!(one(text).unwrap(), b"abcdef");
    }

    #[test]
    fn is_refused() {
        assert_eq!(one(""), Err(PemError::NoBlock("PKCS7")));
        assert_eq!(one("{}"), Err(PemError::NoBlock("PKCS7")));
        assert_eq!(one("-----BEGIN PKCS7"), Err(PemError::Unterminated));
        assert_eq!(
            one("-----BEGIN PKCS7-----\nYWJj"),
            Err(PemError::Unterminated)
        );
        assert_eq!(
            one("-----BEGIN PKCS7-----\nYWJj\n-----END CMS-----"),
            Err(PemError::Unterminated)
        );
        let whole = "-----BEGIN CMS-----\nYWJj\n-----END CMS-----\n";
        assert_eq!(one(&whole.repeat(2)), Err(PemError::SeveralBlocks));
        for body in ["YW-j", "YWJ", "YWJj=", "é", "YWJjZB=="] {
            let text = format!("-----BEGIN CMS-----\n{body}\n-----END CMS-----\n");
            assert!(matches!(one(&text), Err(PemError::Base64(_))), "{body}");
        }
    }
}
