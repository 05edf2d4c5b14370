//! Which instance this is.

use serde::Deserialize;

use super::super::Region;
use super::{Imds, ImdsError, Partition, ServiceDomain};

/// The part of the instance identity document that names the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceIdentity {
    /// Where the instance runs.
    pub region: Region,
    /// The account that owns it: twelve digits.
    pub account_id: String,
    /// Its id, such as `i-0123456789abcdef0`.
    pub instance_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    region: String,
    account_id: String,
    instance_id: String,
}

impl Imds {
    /// The instance identity document.
    ///
    /// # Errors
    /// When the service does not answer, or the document is absent or wrong.
    pub async fn instance_identity(&self) -> Result<InstanceIdentity, ImdsError> {
        const PATH: &str = "dynamic/instance-identity/document";
        let text = self.get(PATH).await?;
        let text = text.ok_or_else(|| ImdsError::Absent {
            path: PATH.to_owned(),
        })?;
        InstanceIdentity::parse(&text)
    }

    /// The partition. None when the service does not tell.
    ///
    /// # Errors
    /// When the service does not answer, or with something that is no partition.
    pub async fn partition(&self) -> Result<Option<Partition>, ImdsError> {
        let text = self.get("meta-data/services/partition").await?;
        text.map(|text| Partition::new(text.trim()).map_err(ImdsError::Partition))
            .transpose()
    }

    /// The domain of services. None when the service does not tell.
    ///
    /// # Errors
    /// When the service does not answer, or with something that is no domain.
    pub async fn domain(&self) -> Result<Option<ServiceDomain>, ImdsError> {
        let text = self.get("meta-data/services/domain").await?;
        text.map(|text| ServiceDomain::new(text.trim()).map_err(ImdsError::Domain))
            .transpose()
    }
}

impl InstanceIdentity {
    fn parse(text: &str) -> Result<Self, ImdsError> {
        let document: Document = serde_json::from_str(text).map_err(ImdsError::Document)?;
        let account = document.account_id.bytes();
        if document.account_id.len() != 12 || !{ account }.all(|b| b.is_ascii_digit()) {
            return Err(wrong("accountId", &document.account_id));
        }
        let id = document.instance_id.as_bytes();
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
        if !(3..=64).contains(&id.len()) || !id.iter().all(word) {
            return Err(wrong("instanceId", &document.instance_id));
        }
        Ok(Self {
            region: Region::new(&document.region).map_err(ImdsError::Region)?,
            account_id: document.account_id,
            instance_id: document.instance_id,
        })
    }

    /// The ARN under which the service knows the instance.
    #[must_use]
    pub fn arn(&self, partition: &Partition) -> String {
        let Self {
            region,
            account_id,
            instance_id,
        } = self;
        format!("arn:{partition}:ec2:{region}:{account_id}:instance/{instance_id}")
    }
}

fn wrong(member: &'static str, value: &str) -> ImdsError {
    ImdsError::Member {
        member,
        value: value.chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::error::chain;

    const DOCUMENT: &str = r#"{
  "accountId" : "123456789012",
  "architecture" : "x86_64",
  "billingProducts" : null,
  "instanceId" : "i-0123456789abcdef0",
  "pendingTime" : "2026-01-01T00:00:00Z",
  "region" : "eu-west-1"
}"#;

    #[test]
    fn the_document_names_the_host() {
        let instance = InstanceIdentity::parse(DOCUMENT).unwrap();
        assert_eq!(
            instance.arn(&Partition::new("aws-cn").unwrap()),
            "arn:aws-cn:ec2:eu-west-1:123456789012:instance/i-0123456789abcdef0"
        );
    }

    #[rstest]
    #[case::region(
        "eu-west-1",
        "evil.example/",
        "the instance identity document has a wrong region: \"evil.example/\" is not a region; one \
         looks like eu-west-1"
    )]
    #[case::account(
        "123456789012",
        "12345678901:",
        "the instance identity document has a wrong accountId (\"12345678901:\")"
    )]
    #[case::account_length(
        "123456789012",
        "1234",
        "the instance identity document has a wrong accountId (\"1234\")"
    )]
    #[case::instance(
        "i-0123456789abcdef0",
        "i-0/../../etc",
        "the instance identity document has a wrong instanceId (\"i-0/../../etc\")"
    )]
    fn other_values_are_refused(#[case] old: &str, #[case] new: &str, #[case] expected: &str) {
        let error = InstanceIdentity::parse(&DOCUMENT.replace(old, new)).unwrap_err();
        assert_eq!(chain(&error), expected);
    }

    #[rstest]
    fn other_documents_are_refused(
        #[values("", "<html>", "[]", "{\"region\":\"eu-west-1\"}", "{\"region\":1}")] text: &str,
    ) {
        let error = InstanceIdentity::parse(text).unwrap_err();
        assert!(matches!(error, ImdsError::Document(_)), "{error:?}");
    }
}
