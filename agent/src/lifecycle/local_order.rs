//! The events of a local deployment (contract: host, `agent run-bundle`, `--events`).

use super::LifecycleEvent;

/// What runs, and in which order, when `--events` is not given.
pub const DEFAULT_LOCAL_ORDER: [LifecycleEvent; 11] = LifecycleEvent::STANDARD;

/// An order of events that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventOrderError {
    /// An event that needs the revision, before the revision is there.
    #[error(
        "{event} cannot come before {needs}: it works on what {needs} brings; \
         put {needs} first or leave it out (it is then put in front)"
    )]
    TooEarly {
        /// The event that comes too early.
        event: String,
        /// The event that must come first.
        needs: &'static str,
    },
    /// `--events` with nothing between two commas.
    #[error("an event name is empty; separate names with single commas")]
    EmptyName,
}

/// The order in which the `requested` events run.
///
/// `DownloadBundle` and `Install` are put in front when both are absent; when only one of them is
/// absent it goes first, and the two change places if Install would precede DownloadBundle.
///
/// # Errors
/// When a name is empty, or an event comes before the one that brings what it works on.
pub fn local_order(requested: &[String]) -> Result<Vec<LifecycleEvent>, EventOrderError> {
    if requested.is_empty() {
        return Ok(DEFAULT_LOCAL_ORDER.to_vec());
    }
    if requested.iter().any(|name| name.trim().is_empty()) {
        return Err(EventOrderError::EmptyName);
    }
    let mut events: Vec<_> = requested
        .iter()
        .map(|name| LifecycleEvent::from(name.trim()))
        .collect();
    let position = |events: &[LifecycleEvent], wanted: LifecycleEvent| {
        events.iter().position(|event| *event == wanted)
    };
    match (
        position(&events, LifecycleEvent::DownloadBundle),
        position(&events, LifecycleEvent::Install),
    ) {
        (None, None) => {
            events.splice(
                0..0,
                [LifecycleEvent::DownloadBundle, LifecycleEvent::Install],
            );
        }
        (None, Some(_)) => events.insert(0, LifecycleEvent::DownloadBundle),
        (Some(_), None) => events.insert(0, LifecycleEvent::Install),
        (Some(_), Some(_)) => {}
    }
    if let (Some(download), Some(install)) = (
        position(&events, LifecycleEvent::DownloadBundle),
        position(&events, LifecycleEvent::Install),
    ) && install < download
    {
        events.swap(install, download);
    }
    check_order(&events)?;
    Ok(events)
}

fn check_order(events: &[LifecycleEvent]) -> Result<(), EventOrderError> {
    use LifecycleEvent as Event;
    for event in events {
        match event {
            Event::DownloadBundle => break,
            Event::AfterInstall
            | Event::ApplicationStart
            | Event::ValidateService
            | Event::BeforeAllowTraffic
            | Event::AfterAllowTraffic
            | Event::Install => return Err(too_early(event, "DownloadBundle")),
            _ => {}
        }
    }
    for event in events {
        match event {
            Event::Install => break,
            Event::AfterInstall
            | Event::ApplicationStart
            | Event::ValidateService
            | Event::BeforeAllowTraffic
            | Event::AfterAllowTraffic => return Err(too_early(event, "Install")),
            _ => {}
        }
    }
    Ok(())
}

fn too_early(event: &LifecycleEvent, needs: &'static str) -> EventOrderError {
    EventOrderError::TooEarly {
        event: event.to_string(),
        needs,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn order(names: &str) -> Result<String, EventOrderError> {
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        local_order(&names).map(|events| {
            events
                .iter()
                .map(LifecycleEvent::as_str)
                .collect::<Vec<_>>()
                .join(",")
        })
    }

    #[test]
    fn without_events_the_default_order_runs() {
        assert_eq!(local_order(&[]).unwrap(), DEFAULT_LOCAL_ORDER);
    }

    #[rstest]
    #[case::both_absent("AfterInstall", "DownloadBundle,Install,AfterInstall")]
    #[case::both_absent_custom("Mine", "DownloadBundle,Install,Mine")]
    #[case::no_download("BeforeInstall,Install", "DownloadBundle,BeforeInstall,Install")]
    #[case::no_install("DownloadBundle,AfterInstall", "DownloadBundle,Install,AfterInstall")]
    #[case::no_install_stop_first(
        "ApplicationStop,DownloadBundle",
        "DownloadBundle,ApplicationStop,Install"
    )]
    #[case::swapped("Install,DownloadBundle", "DownloadBundle,Install")]
    #[case::as_given(
        "ApplicationStop,DownloadBundle,BeforeInstall,Install",
        "ApplicationStop,DownloadBundle,BeforeInstall,Install"
    )]
    #[case::custom_anywhere(
        "First,DownloadBundle,Second,Install,Third",
        "First,DownloadBundle,Second,Install,Third"
    )]
    #[case::twice("DownloadBundle,Install,Mine,Mine", "DownloadBundle,Install,Mine,Mine")]
    #[case::blanks(" DownloadBundle , Install ", "DownloadBundle,Install")]
    fn download_and_install_are_put_where_they_belong(#[case] given: &str, #[case] want: &str) {
        assert_eq!(order(given).unwrap(), want);
    }

    #[rstest]
    #[case("AfterInstall,DownloadBundle,Install", "DownloadBundle")]
    #[case("ApplicationStart,DownloadBundle,Install", "DownloadBundle")]
    #[case("ValidateService,DownloadBundle,Install", "DownloadBundle")]
    #[case("BeforeAllowTraffic,DownloadBundle,Install", "DownloadBundle")]
    #[case("AfterAllowTraffic,DownloadBundle,Install", "DownloadBundle")]
    #[case("DownloadBundle,AfterInstall,Install", "Install")]
    #[case("DownloadBundle,ApplicationStart,Install", "Install")]
    #[case("DownloadBundle,ValidateService,Install", "Install")]
    #[case("DownloadBundle,BeforeAllowTraffic,Install", "Install")]
    #[case("DownloadBundle,AfterAllowTraffic,Install", "Install")]
    fn what_comes_before_its_need_is_refused(#[case] given: &str, #[case] needs: &str) {
        let EventOrderError::TooEarly { needs: named, .. } = order(given).unwrap_err() else {
            panic!("expected TooEarly");
        };
        assert_eq!(named, needs);
    }

    #[test]
    fn an_empty_name_is_refused() {
        assert_eq!(
            order("Install,,Mine").unwrap_err(),
            EventOrderError::EmptyName
        );
    }
}
