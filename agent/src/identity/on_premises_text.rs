//! The on-premises file as it is written (contract: host, identity and credentials).

use super::{OnPremises, OnPremisesCredentials, Secret};

impl OnPremises {
    /// The file's content: YAML that AWS's agents read as well. With the key pair of a user, it
    /// is a secret.
    #[must_use]
    pub fn to_yaml(&self) -> Secret {
        let mut lines = vec!["---".to_owned(), line("region", self.region.as_str())];
        match &self.credentials {
            OnPremisesCredentials::User {
                access_key_id,
                secret_access_key,
            } => {
                lines.push(line("iam_user_arn", &self.host_identifier));
                lines.push(line("aws_access_key_id", access_key_id));
                lines.push(line("aws_secret_access_key", secret_access_key.expose()));
            }
            OnPremisesCredentials::Session { credentials_file } => {
                lines.push(line("iam_session_arn", &self.host_identifier));
                let file = credentials_file.to_string_lossy();
                lines.push(line("aws_credentials_file", &file));
            }
        }
        lines.push(String::new());
        Secret::new(lines.join("\n"))
    }
}

/// Each string of JSON is one of YAML.
fn line(key: &str, value: &str) -> String {
    format!("{key}: {}", serde_json::Value::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::Region;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(key in "[!-~]{1,40}", secret in "[!-~]{1,60}", user in any::<bool>()) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            let identity = OnPremises {
                region: Region::new("eu-west-1").unwrap(),
                host_identifier: "arn:aws:iam::123456789012:user/web-1".to_owned(),
                credentials: if user {
                    OnPremisesCredentials::User {
                        access_key_id: key,
                        secret_access_key: Secret::new(secret),
                    }
                } else {
                    OnPremisesCredentials::Session {
                        credentials_file: format!("/etc/{key}{secret}").into(),
                    }
                },
            };
            fs_err::write(&path, identity.to_yaml().expose()).unwrap();
            let (read, _) = OnPremises::read(&path).unwrap();
            prop_assert_eq!(read, Some(identity));
        }
    }
}
