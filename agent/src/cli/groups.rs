//! Deployment groups found by what somebody types: an id, or else a name. Groups of several
//! applications may have one name.

use std::collections::{BTreeMap, BTreeSet};

use super::terminal::one_line;
use crate::deployment::DeploymentGroupId;
use crate::history::History;

/// What is typed does not lead to a group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GroupError {
    #[error("no deployment group on this host has the id or name {text:?}; {}", instead(.groups))]
    Unknown { text: String, groups: Vec<String> },
    #[error(
        "several deployment groups have the name {name:?}; name one by its id: {}", .ids.join(", ")
    )]
    Ambiguous { name: String, ids: Vec<String> },
}

/// What to do when there are these groups only.
fn instead(groups: &[String]) -> String {
    match groups {
        [] => "there are none: deploy first, or check root_dir in the configuration".to_owned(),
        groups => format!("name one of these: {}", groups.join(", ")),
    }
}

/// Groups by their ids, each with the names that it has had.
#[derive(Debug)]
pub(super) struct KnownGroups(BTreeMap<DeploymentGroupId, BTreeSet<String>>);

impl KnownGroups {
    /// Those that have a deployment in `history`.
    pub(super) fn of(history: &History) -> Self {
        let deployments = history.deployments.iter();
        deployments
            .filter_map(|past| Some((past.group_id.clone()?, past.group_name.clone())))
            .collect()
    }

    /// All groups that `text` names: one by its id, or else each that has the name.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn all(&self, text: &str) -> Result<Vec<DeploymentGroupId>, GroupError> {
        if let Some((id, _)) = self.0.iter().find(|(id, _)| id.as_str() == text) {
            return Ok(vec![id.clone()]);
        }
        let named = self.0.iter().filter(|(_, names)| names.contains(text));
        let named: Vec<_> = named.map(|(id, _)| id.clone()).collect();
        if named.is_empty() {
            return Err(GroupError::Unknown {
                text: text.to_owned(),
                groups: self.0.iter().map(described).collect(),
            });
        }
        Ok(named)
    }

    /// The one group that `text` names.
    ///
    /// # Errors
    /// When there is none, or several have the name.
    pub(super) fn one(&self, text: &str) -> Result<DeploymentGroupId, GroupError> {
        match <[_; 1]>::try_from(self.all(text)?) {
            Ok([id]) => Ok(id),
            Err(several) => Err(GroupError::Ambiguous {
                name: text.to_owned(),
                ids: several.iter().map(ToString::to_string).collect(),
            }),
        }
    }
}

impl<Names> FromIterator<(DeploymentGroupId, Names)> for KnownGroups
where
    Names: IntoIterator<Item = String>,
{
    fn from_iter<T: IntoIterator<Item = (DeploymentGroupId, Names)>>(groups: T) -> Self {
        let mut known = BTreeMap::<_, BTreeSet<String>>::new();
        for (id, names) in groups {
            known.entry(id).or_default().extend(names);
        }
        Self(known)
    }
}

/// `id (name, former name)`.
fn described((id, names): (&DeploymentGroupId, &BTreeSet<String>)) -> String {
    let names: Vec<String> = names.iter().map(|name| one_line(name)).collect();
    match names.as_slice() {
        [] => id.to_string(),
        names => format!("{id} ({})", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(groups: &[(&str, &str)]) -> KnownGroups {
        let id = |id| DeploymentGroupId::new(id).unwrap();
        let groups = groups.iter();
        groups
            .map(|(group, name)| (id(group), (!name.is_empty()).then(|| (*name).to_owned())))
            .collect()
    }

    #[test]
    fn an_id_comes_before_a_name() {
        let known = known(&[
            ("web", "Fleet"),
            ("api", "web"),
            ("old", ""),
            ("old", "Old"),
        ]);
        let one = |text| known.one(text).unwrap().to_string();
        assert_eq!(
            [one("web"), one("Fleet"), one("Old")],
            ["web", "web", "old"]
        );
    }

    #[test]
    fn what_leads_to_no_group_is_told_with_what_does() {
        let two = known(&[("web", "Fleet"), ("api", "Fl\u{1b}eet"), ("old", "")]);
        assert_eq!(
            two.all("fleet\n").unwrap_err().to_string(),
            "no deployment group on this host has the id or name \"fleet\\n\"; name one of these: \
             api (Fl eet), old, web (Fleet)"
        );
        assert_eq!(
            known(&[]).one("web").unwrap_err().to_string(),
            "no deployment group on this host has the id or name \"web\"; there are none: deploy \
             first, or check root_dir in the configuration"
        );
    }

    #[test]
    fn a_name_of_several_groups_is_none_of_one() {
        let known = known(&[("web", "Fleet"), ("api", "Fleet")]);
        assert_eq!(known.all("Fleet").unwrap().len(), 2);
        assert_eq!(
            known.one("Fleet").unwrap_err().to_string(),
            "several deployment groups have the name \"Fleet\"; name one by its id: api, web"
        );
    }
}
