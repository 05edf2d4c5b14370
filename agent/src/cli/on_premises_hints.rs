//! What has to be done at the service about an on-premises host, which this program has no right
//! to do: as commands to copy.

use crate::identity::{OnPremises, OnPremisesCredentials};

/// Stands for a name that cannot be known.
const NAME: &str = "NAME";

/// How the host becomes known to the service.
pub(super) fn registration(identity: &OnPremises) -> [String; 3] {
    let kind = match identity.credentials {
        OnPremisesCredentials::User { .. } => "user",
        OnPremisesCredentials::Session { .. } => "session",
    };
    let (name, region, arn) = (name(), &identity.region, &identity.host_identifier);
    [
        "The service must know it, too. With credentials that may do this, unless it is done:"
            .to_owned(),
        format!(
            "  aws deploy register-on-premises-instance --region {region} --instance-name {name} \
             --iam-{kind}-arn {arn}"
        ),
        format!(
            "  aws deploy add-tags-to-on-premises-instances --region {region} --instance-names \
             {name} --tags Key=KEY,Value=VALUE"
        ),
    ]
}

/// How the service forgets the host.
pub(super) fn deregistration(identity: Option<&OnPremises>) -> [String; 2] {
    let region = identity.map_or_else(|| "REGION".to_owned(), |known| known.region.to_string());
    [
        "The service still knows it. With credentials that may do this (the instance's name is the \
         one that it was registered with; aws deploy list-on-premises-instances lists them):"
            .to_owned(),
        format!(
            "  aws deploy deregister-on-premises-instance --region {region} --instance-name {}",
            name()
        ),
    ]
}

/// The host's own name, where it is one word for a shell.
fn name() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty() && !name.starts_with('-') && name.chars().all(plain))
        .unwrap_or_else(|| NAME.to_owned())
}
