//! What the service manager is told, where there is one: that the daemon is ready, what it does, that
//! it lives, and why it does not run.

use std::time::Duration;

use sd_notify::NotifyState;

/// Tells the service manager, where there is one; without, nothing happens.
pub(super) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}

/// Makes the reason for which the daemon ends the status of its unit. Standard error does not do:
/// `systemctl status` leaves out the lines of the journal that are older than the pause before the
/// next start. The exit status beside it sets this message apart from those of a daemon that runs.
pub fn tell_why_not(reason: &str, exit_status: u8) {
    // A line of the message is a statement to the service manager.
    let line: String = reason
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let exit_status = format!("EXIT_STATUS={exit_status}");
    notify(&[
        NotifyState::Status(&line),
        NotifyState::Custom(&exit_status),
    ]);
}

/// Tells the service manager twice in each interval of its watchdog that we are alive.
pub(super) async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval((interval / 2).max(Duration::from_millis(1)));
    loop {
        tick.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}
