//! Lifecycle events by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A lifecycle event that the agent takes part in.
///
/// `BlockTraffic` and `AllowTraffic` are the service's own and never reach a host; a script under
/// such a name is a custom event's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum LifecycleEvent {
    /// Stops the previous revision; scripts come from the last successful one.
    ApplicationStop,
    /// The agent's own: fetches and unpacks the revision.
    DownloadBundle,
    /// Before the files are installed.
    BeforeInstall,
    /// The agent's own: installs the files.
    Install,
    /// After the files are installed.
    AfterInstall,
    /// Starts the application.
    ApplicationStart,
    /// Checks that the deployment works.
    ValidateService,
    /// Before the load balancer stops sending traffic.
    BeforeBlockTraffic,
    /// After the load balancer has stopped sending traffic.
    AfterBlockTraffic,
    /// Before the load balancer sends traffic.
    BeforeAllowTraffic,
    /// After the load balancer has begun to send traffic.
    AfterAllowTraffic,
    /// An event of the user's own; local deployments only.
    Custom(String),
}

impl LifecycleEvent {
    /// Every standard event, in the order of an in-place deployment behind a load balancer.
    pub const STANDARD: [Self; 11] = [
        Self::BeforeBlockTraffic,
        Self::AfterBlockTraffic,
        Self::ApplicationStop,
        Self::DownloadBundle,
        Self::BeforeInstall,
        Self::Install,
        Self::AfterInstall,
        Self::ApplicationStart,
        Self::ValidateService,
        Self::BeforeAllowTraffic,
        Self::AfterAllowTraffic,
    ];

    /// The event's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::ApplicationStop => "ApplicationStop",
            Self::DownloadBundle => "DownloadBundle",
            Self::BeforeInstall => "BeforeInstall",
            Self::Install => "Install",
            Self::AfterInstall => "AfterInstall",
            Self::ApplicationStart => "ApplicationStart",
            Self::ValidateService => "ValidateService",
            Self::BeforeBlockTraffic => "BeforeBlockTraffic",
            Self::AfterBlockTraffic => "AfterBlockTraffic",
            Self::BeforeAllowTraffic => "BeforeAllowTraffic",
            Self::AfterAllowTraffic => "AfterAllowTraffic",
            Self::Custom(name) => name,
        }
    }

    /// Whether the agent does the event itself, without scripts.
    #[must_use]
    pub fn is_the_agents_own(&self) -> bool {
        matches!(self, Self::DownloadBundle | Self::Install)
    }
}

impl From<&str> for LifecycleEvent {
    fn from(name: &str) -> Self {
        Self::STANDARD
            .into_iter()
            .find(|event| event.as_str() == name)
            .unwrap_or_else(|| Self::Custom(name.to_owned()))
    }
}

impl From<String> for LifecycleEvent {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<LifecycleEvent> for String {
    fn from(event: LifecycleEvent) -> Self {
        event.as_str().to_owned()
    }
}

impl fmt::Display for LifecycleEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_name_maps_to_its_event_and_back() {
        for event in LifecycleEvent::STANDARD {
            assert_eq!(LifecycleEvent::from(event.as_str()), event);
        }
        let custom = LifecycleEvent::from("BlockTraffic");
        assert_eq!(custom, LifecycleEvent::Custom("BlockTraffic".into()));
        assert_eq!(custom.as_str(), "BlockTraffic");
    }
}
