//! From JSON to a [`DeploymentSpec`], every rule of the contract's members (protocol, deployment
//! specification).

use std::str::FromStr as _;

use serde_json::Value;

use super::content_error::ContentError;
use super::members::Members;
use super::revision::revision;
use super::warning::SpecificationWarning;
use crate::deployment::{
    DeploymentCreator, DeploymentGroupId, DeploymentId, DeploymentSpec, DeploymentType,
    FileExistsBehavior, InvalidId,
};

/// A name of 255 bytes inside the longest ARN.
const LONGEST_ID: usize = 512;

/// Parses and checks the content of an envelope.
///
/// # Errors
/// At the first rule that is broken. The content may hold a secret: no error quotes what is not
/// known to be none.
pub(super) fn parse(
    content: &[u8],
) -> Result<(DeploymentSpec, Vec<SpecificationWarning>), ContentError> {
    let value: Value = serde_json::from_slice(content).map_err(|error| ContentError::Json {
        line: error.line(),
        column: error.column(),
    })?;
    let members = Members::outermost(&value)?;
    let mut warnings = Vec::new();

    let deployment_id = id(&members, "DeploymentId", DeploymentId::new)?;
    let spec = DeploymentSpec {
        deployment_group_id: id(&members, "DeploymentGroupId", DeploymentGroupId::new)?,
        deployment_group_name: members.required_text("DeploymentGroupName")?.to_owned(),
        application_name: members.required_text("ApplicationName")?.to_owned(),
        creator: match members.text("DeploymentCreator")? {
            Some("codeDeployRollback") => DeploymentCreator::Rollback,
            _ => DeploymentCreator::Other,
        },
        deployment_type: match members.text("DeploymentType")? {
            Some("BLUE_GREEN") => DeploymentType::BlueGreen,
            None | Some("IN_PLACE") => DeploymentType::InPlace,
            // AWS's agents run these as any other.
            Some(other) => {
                warnings.push(SpecificationWarning::UnknownDeploymentType(
                    other.to_owned(),
                ));
                DeploymentType::InPlace
            }
        },
        // Whether it stays inside the archive is checked where the archive is known.
        appspec_filename: members
            .text("AppSpecFilename")?
            .unwrap_or("appspec.yml")
            .to_owned(),
        file_exists_behavior: file_exists_behavior(&members)?,
        all_possible_lifecycle_events: members.texts("AllPossibleLifecycleEvents")?,
        revision: revision(&members)?,
        reuse_archive_from: reuse_archive_from(&members, &deployment_id)?,
        deployment_id,
    };
    Ok((spec, warnings))
}

fn file_exists_behavior(members: &Members<'_>) -> Result<FileExistsBehavior, ContentError> {
    let Some(actions) = members.object("AgentActionOverrides")? else {
        return Ok(FileExistsBehavior::Disallow);
    };
    let Some(overrides) = actions.object("AgentOverrides")? else {
        return Ok(FileExistsBehavior::Disallow);
    };
    let Some(behavior) = overrides.text("FileExistsBehavior")? else {
        return Ok(FileExistsBehavior::Disallow);
    };
    match FileExistsBehavior::from_str(&behavior.to_ascii_uppercase()) {
        // As it was written: a conflict will show it to somebody.
        Ok(FileExistsBehavior::Invalid(_)) => Ok(FileExistsBehavior::Invalid(behavior.to_owned())),
        Ok(known) => Ok(known),
        Err(never) => match never {},
    }
}

fn reuse_archive_from(
    members: &Members<'_>,
    this: &DeploymentId,
) -> Result<Option<DeploymentId>, ContentError> {
    const MEMBER: &str = "ReuseArchiveFromDeploymentId";
    if members.text(MEMBER)?.is_none() {
        return Ok(None);
    }
    let other = id(members, MEMBER, DeploymentId::new)?;
    if &other == this {
        return Err(ContentError::ReusesItself {
            id: other.to_string(),
        });
    }
    Ok(Some(other))
}

fn id<T>(
    members: &Members<'_>,
    member: &str,
    new: impl Fn(&str) -> Result<T, InvalidId>,
) -> Result<T, ContentError> {
    let text = members.required_text(member)?;
    if text.len() > LONGEST_ID {
        return Err(ContentError::LongId {
            member: members.name(member),
            length: text.len(),
        });
    }
    new(text).map_err(|source| ContentError::Id {
        member: members.name(member),
        source,
    })
}
