//! The providers of credentials, by name.

use std::fmt;

/// Where credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialSource {
    /// The key pair in the on-premises file.
    OnPremisesUser,
    /// The credentials file that the on-premises file names.
    OnPremisesSession,
    /// The AWS configuration and credentials files.
    Profile,
    /// A web identity token and a role.
    WebIdentity,
    /// The container's credentials endpoint.
    Container,
    /// The IAM role of the EC2 instance.
    InstanceProfile,
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnPremisesUser => "the on-premises file (IAM user)",
            Self::OnPremisesSession => "the on-premises credentials file (IAM session)",
            Self::Profile => "the AWS profile",
            Self::WebIdentity => "web identity",
            Self::Container => "the container's endpoint",
            Self::InstanceProfile => "the instance profile (instance metadata)",
        })
    }
}
