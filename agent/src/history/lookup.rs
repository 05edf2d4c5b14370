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
        self.find_among(text, |_| true)
    }

    /// The same among the deployments that `is_wanted` chooses.
    #[must_use]
    pub fn find_among(
        &self,
        text: &str,
        is_wanted: impl Fn(&PastDeployment) -> bool,
    ) -> Lookup<'_> {
        let whole = |past: &&PastDeployment| past.id.as_str() == text;
        let begins = |past: &&PastDeployment| past.id.as_str().starts_with(text);
        let wanted = || self.deployments.iter().filter(|past| is_wanted(past));
        let mut found: Vec<_> = wanted().filter(whole).collect();
        if found.is_empty() {
            found = wanted().filter(begins).collect();
        }
        match found[..] {
            [] => Lookup::None,
            [one] => Lookup::One(one),
            _ => Lookup::Several(found),
        }
    }
}
