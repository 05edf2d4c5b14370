//! Signed specifications. That a verifier takes them is for the verifier's tests.

use integration_tests::fakes::{Signer, replaced_in_pem};

#[test]
fn signatures_are_pem_with_the_content_inside() {
    let signed = Signer::new().sign(b"{\"DeploymentId\":\"d-1\"}");
    assert!(signed.starts_with("-----BEGIN PKCS7-----\n"), "{signed}");
    assert!(signed.ends_with("\n-----END PKCS7-----\n"), "{signed}");
    assert!(signed.lines().all(|line| line.len() <= 64));
    let tampered = replaced_in_pem(&signed, "d-1", "d-2");
    assert_eq!(tampered.len(), signed.len());
    assert_eq!(replaced_in_pem(&tampered, "d-2", "d-1"), signed);
    let authorities = [
        Signer::new().authority_pem(),
        Signer::stranger().authority_pem(),
    ];
    assert_ne!(authorities[0], authorities[1]);
}
