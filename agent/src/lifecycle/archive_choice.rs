//! Which revision's archive an event runs from (contract: deployment, "Lifecycle events and the
//! revision they run from").

use super::LifecycleEvent;
use crate::deployment::{DeploymentCreator, DeploymentType};

/// Whose archive an event takes its AppSpec and scripts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveChoice {
    /// This deployment's own.
    Own,
    /// That of the last successful Install of the group, until this deployment has one of its own.
    LastSuccessful,
    /// That of the most recent download of the group, until this deployment has one of its own.
    MostRecent,
}

/// The table of the contract as a function.
#[must_use]
pub fn archive_choice(
    event: &LifecycleEvent,
    creator: DeploymentCreator,
    deployment_type: DeploymentType,
) -> ArchiveChoice {
    use LifecycleEvent as Event;
    let blue_green_rollback =
        creator == DeploymentCreator::Rollback && deployment_type == DeploymentType::BlueGreen;
    match event {
        Event::ApplicationStop => ArchiveChoice::LastSuccessful,
        Event::BeforeBlockTraffic | Event::AfterBlockTraffic if blue_green_rollback => {
            ArchiveChoice::MostRecent
        }
        Event::BeforeBlockTraffic | Event::AfterBlockTraffic => ArchiveChoice::LastSuccessful,
        Event::BeforeAllowTraffic | Event::AfterAllowTraffic if blue_green_rollback => {
            ArchiveChoice::LastSuccessful
        }
        Event::BeforeAllowTraffic
        | Event::AfterAllowTraffic
        | Event::DownloadBundle
        | Event::BeforeInstall
        | Event::Install
        | Event::AfterInstall
        | Event::ApplicationStart
        | Event::ValidateService
        | Event::Custom(_) => ArchiveChoice::Own,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "ApplicationStop",
        ArchiveChoice::LastSuccessful,
        ArchiveChoice::LastSuccessful
    )]
    #[case(
        "BeforeBlockTraffic",
        ArchiveChoice::LastSuccessful,
        ArchiveChoice::MostRecent
    )]
    #[case(
        "AfterBlockTraffic",
        ArchiveChoice::LastSuccessful,
        ArchiveChoice::MostRecent
    )]
    #[case(
        "BeforeAllowTraffic",
        ArchiveChoice::Own,
        ArchiveChoice::LastSuccessful
    )]
    #[case("AfterAllowTraffic", ArchiveChoice::Own, ArchiveChoice::LastSuccessful)]
    #[case("BeforeInstall", ArchiveChoice::Own, ArchiveChoice::Own)]
    #[case("AfterInstall", ArchiveChoice::Own, ArchiveChoice::Own)]
    #[case("ApplicationStart", ArchiveChoice::Own, ArchiveChoice::Own)]
    #[case("ValidateService", ArchiveChoice::Own, ArchiveChoice::Own)]
    #[case("MyOwnEvent", ArchiveChoice::Own, ArchiveChoice::Own)]
    fn contract_table_of_the_revision_an_event_runs_from(
        #[case] event: &str,
        #[case] normally: ArchiveChoice,
        #[case] in_a_blue_green_rollback: ArchiveChoice,
    ) {
        use {DeploymentCreator as By, DeploymentType as Kind};
        let event = LifecycleEvent::from(event);
        assert_eq!(archive_choice(&event, By::Other, Kind::InPlace), normally);
        assert_eq!(archive_choice(&event, By::Other, Kind::BlueGreen), normally);
        assert_eq!(
            archive_choice(&event, By::Rollback, Kind::InPlace),
            normally
        );
        assert_eq!(
            archive_choice(&event, By::Rollback, Kind::BlueGreen),
            in_a_blue_green_rollback
        );
    }
}
