//! Identifiers that become path segments.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// An identifier that cannot be used as a path segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {value:?} cannot name a directory: only letters, digits, '.', '_' and '-' are allowed, \
     and neither '.' nor '..'"
)]
pub struct InvalidId {
    what: &'static str,
    value: String,
}

fn check(what: &'static str, value: &str) -> Result<(), InvalidId> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_name = !value.is_empty() && value != "." && value != "..";
    if is_name && value.len() <= 255 && value.bytes().all(allowed) {
        Ok(())
    } else {
        Err(InvalidId {
            what,
            value: value.to_owned(),
        })
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $normalise:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `value` and wraps it.
            ///
            /// # Errors
            /// When the value could not be one segment of a path.
            pub fn new(value: &str) -> Result<Self, InvalidId> {
                let normalise: fn(&str) -> &str = $normalise;
                let value = normalise(value);
                check($what, value)?;
                Ok(Self(value.to_owned()))
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<Path> for $name {
            fn as_ref(&self) -> &Path {
                Path::new(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::new(&value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id_type!(
    /// A deployment's identifier, such as `d-ABCDEF123`. The service may send it as an ARN
    /// (`arn:aws:codedeploy:<region>:<account>:deployment/<id>`); what follows `deployment/` is
    /// kept (contract: protocol, deployment specification).
    DeploymentId,
    "deployment id",
    |value| match value.strip_prefix("arn:").and_then(|_| value.split_once(":deployment/")) {
        Some((_, id)) => id,
        None => value,
    }
);

id_type!(
    /// The identifier of a deployment group; its directory holds the group's deployments.
    DeploymentGroupId,
    "deployment group id",
    |value| value
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_reduced_to_the_id() {
        let id = DeploymentId::new("arn:aws:codedeploy:eu-west-1:123456789012:deployment/d-ABC");
        assert_eq!(id.unwrap().as_str(), "d-ABC");
    }

    #[test]
    fn what_is_no_path_segment_is_refused() {
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "é",
            "arn:aws:x:deployment/../..",
            "a\0",
        ] {
            assert!(DeploymentId::new(bad).is_err(), "{bad:?}");
            assert!(DeploymentGroupId::new(bad).is_err(), "{bad:?}");
        }
    }
}
