//! A deployment found by what somebody types.

use super::deployment::PastDeployment;
use super::reading::History;

/// What a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// This deployment.
    One(&'a PastDeployment),
    /// None.
    None,
    /// The beginning of these ids, newest first.
    Several(Vec<&'a PastDeployment>),
}

impl History {
    /// The deployment whose id is `text`, else the one whose id begins with it.
    #[must_use]
    pub fn find(&self, text: &str) -> Lookup<'_> {
        let whole = |past: &&PastDeployment| past.id.as_str() == text;
        let begins = |past: &&PastDeployment| past.id.as_str().starts_with(text);
        let mut found: Vec<_> = self.deployments.iter().filter(whole).collect();
        if found.is_empty() {
            found = self.deployments.iter().filter(begins).collect();
        }
        match found[..] {
            [] => Lookup::None,
            [one] => Lookup::One(one),
            _ => Lookup::Several(found),
        }
    }
}
