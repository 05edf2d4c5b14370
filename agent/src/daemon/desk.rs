//! Who is at work on what: the limit of commands at once, duplicates, one at a time per
//! deployment.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::deployment::DeploymentId;
use crate::metrics::{Gauge, InProgress, Metrics};

/// How many commands are at work at once (contract: protocol, "The flow of one command").
const AT_ONCE: usize = 16;

/// How many commands are at work or have a result that waits to be accepted. Each is in memory and in
/// the journal, so a service that takes no results is not asked for ever more commands.
const NOT_OVER: usize = 256;

/// How many commands that are over are remembered, in case they are handed out once more.
const REMEMBERED: usize = 1000;

/// The desk. Clones are the same desk.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    places: Arc<Semaphore>,
    not_over: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
    /// A command is over.
    over: Arc<Notify>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct State {
    /// Identifiers of commands that are at work, or whose result waits to be accepted.
    current: HashSet<String>,
    /// The last ones that are over, oldest first.
    over: VecDeque<String>,
    /// A turn for each deployment that is at work.
    deployments: HashMap<DeploymentId, Weak<AsyncMutex<()>>>,
}

/// A place at the desk: the right to work on one command. Dropped, the command is over.
#[derive(Debug)]
pub(super) struct Place {
    desk: Desk,
    command: String,
    /// One of those at work; none when it has its result, or was taken up beyond the limit.
    work: Option<OwnedSemaphorePermit>,
    /// One of those that are not over; none when it was taken up beyond the limit.
    _not_over: Option<OwnedSemaphorePermit>,
    _counted: InProgress,
}

/// The right to be polled for: there is a place for what may come.
#[derive(Debug)]
pub(super) struct Vacancy {
    work: OwnedSemaphorePermit,
    not_over: OwnedSemaphorePermit,
}

impl Desk {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            not_over: Arc::new(Semaphore::new(NOT_OVER)),
            state: Arc::default(),
            over: Arc::default(),
        }
    }

    /// Waits until there is a place.
    pub(super) async fn vacancy(&self) -> Option<Vacancy> {
        // Closed only with the desk itself, which is never.
        let not_over = Arc::clone(&self.not_over).acquire_owned().await.ok()?;
        let work = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some(Vacancy { work, not_over })
    }

    /// Takes a place for `command`, unless it is at work or has been: then none.
    pub(super) fn take(&self, vacancy: Vacancy, command: &str) -> Option<Place> {
        let mut state = self.state();
        if state.over.iter().any(|over| over == command)
            || !state.current.insert(command.to_owned())
        {
            return None;
        }
        drop(state);
        Some(self.place(command, Some(vacancy.work), Some(vacancy.not_over)))
    }

    /// Takes a place for a command that an earlier agent had at work, before anything is polled
    /// for. Should there be more of them than places, all are at work all the same. None when it
    /// has one.
    pub(super) fn take_up(&self, command: &str) -> Option<Place> {
        if !self.state().current.insert(command.to_owned()) {
            return None;
        }
        let work = Arc::clone(&self.places).try_acquire_owned().ok();
        let not_over = Arc::clone(&self.not_over).try_acquire_owned().ok();
        Some(self.place(command, work, not_over))
    }

    /// Remembers commands that were over before this agent began.
    pub(super) fn remember(&self, over: impl IntoIterator<Item = String>) {
        self.state().over.extend(over);
    }

    fn place(
        &self,
        command: &str,
        work: Option<OwnedSemaphorePermit>,
        not_over: Option<OwnedSemaphorePermit>,
    ) -> Place {
        Place {
            desk: self.clone(),
            command: command.to_owned(),
            work,
            _not_over: not_over,
            _counted: self.metrics.in_progress(Gauge::CommandsAtWork),
        }
    }

    /// Waits for the turn of a command of `deployment`; it lasts until the guard is dropped.
    pub(super) async fn turn(&self, deployment: &DeploymentId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut state = self.state();
            state.deployments.retain(|_, turn| turn.strong_count() > 0);
            let known = state.deployments.get(deployment).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::default();
                state
                    .deployments
                    .insert(deployment.clone(), Arc::downgrade(&turn));
                turn
            })
        };
        let _counted = self.metrics.in_progress(Gauge::CommandsWaiting);
        turn.lock_owned().await
    }

    /// Waits until nobody is at work.
    pub(super) async fn quiet(&self) {
        loop {
            let mut over = std::pin::pin!(self.over.notified());
            // Before the look, or an end in between would be missed.
            over.as_mut().enable();
            if self.at_work() == 0 {
                return;
            }
            over.await;
        }
    }

    /// How many commands are at work.
    pub(super) fn at_work(&self) -> usize {
        self.state().current.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The command has its result, which only has to reach the service: another may be begun, and
    /// this one is still known.
    pub(super) fn work_has_ended(&mut self) {
        self.work = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        state.current.remove(&self.command);
        state.over.push_back(std::mem::take(&mut self.command));
        if state.over.len() > REMEMBERED {
            state.over.pop_front();
        }
        drop(state);
        self.desk.over.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{Disk, page};

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
    }

    /// Whether `work` is still pending when everything else has been done.
    async fn waits<T>(work: impl Future<Output = T>) -> bool {
        tokio::time::timeout(Duration::from_millis(20), work)
            .await
            .is_err()
    }

    #[test]
    fn a_command_is_taken_once_also_after_it_is_over() {
        block_on(async {
            let desk = Desk::new(Metrics::new());
            let first = desk.take(desk.vacancy().await.unwrap(), "a").unwrap();
            assert!(desk.take(desk.vacancy().await.unwrap(), "a").is_none());
            drop(first);
            assert!(desk.take(desk.vacancy().await.unwrap(), "a").is_none());
            assert!(desk.take(desk.vacancy().await.unwrap(), "b").is_some());
        });
    }

    #[test]
    fn there_are_sixteen_places() {
        block_on(async {
            let desk = Desk::new(Metrics::new());
            let mut places = Vec::new();
            for number in 0..16 {
                let vacancy = desk.vacancy().await.unwrap();
                places.push(desk.take(vacancy, &number.to_string()).unwrap());
            }
            assert!(waits(desk.vacancy()).await);
            assert!(waits(desk.quiet()).await);
            places.pop();
            assert_eq!(desk.at_work(), 15);
            drop(desk.vacancy().await.unwrap());
            places.clear();
            desk.quiet().await;
        });
    }

    #[test]
    fn a_command_whose_result_waits_is_known_and_in_nobodys_way() {
        block_on(async {
            let desk = Desk::new(Metrics::new());
            let mut places = Vec::new();
            for number in 0..256 {
                let vacancy = desk.vacancy().await.unwrap();
                let mut place = desk.take(vacancy, &number.to_string()).unwrap();
                place.work_has_ended();
                places.push(place);
            }
            assert_eq!(desk.at_work(), 256);
            assert!(waits(desk.vacancy()).await);
            places.pop();
            let vacancy = desk.vacancy().await.unwrap();
            assert!(desk.take(vacancy, "7").is_none());
        });
    }

    #[test]
    fn what_an_earlier_agent_had_is_known_and_counts() {
        block_on(async {
            let desk = Desk::new(Metrics::new());
            desk.remember(["settled".to_owned()]);
            let vacancy = desk.vacancy().await.unwrap();
            assert!(desk.take(vacancy, "settled").is_none());
            let mut places = Vec::new();
            for number in 0..20 {
                places.push(desk.take_up(&number.to_string()).unwrap());
            }
            assert!(desk.take_up("7").is_none());
            assert_eq!(desk.at_work(), 20);
            assert!(waits(desk.vacancy()).await);
            // Those without a place of the sixteen count, too.
            places.drain(..16);
            assert!(waits(desk.quiet()).await);
            places.clear();
            desk.quiet().await;
            let vacancy = desk.vacancy().await.unwrap();
            assert!(desk.take(vacancy, "19").is_none());
        });
    }

    #[test]
    fn one_deployments_commands_take_turns_and_others_do_not_wait() {
        block_on(async {
            let desk = Desk::new(Metrics::new());
            let (one, other) = (
                DeploymentId::new("d-1").unwrap(),
                DeploymentId::new("d-2").unwrap(),
            );
            let turn = desk.turn(&one).await;
            assert!(waits(desk.turn(&one)).await);
            drop(desk.turn(&other).await);
            drop(turn);
            drop(desk.turn(&one).await);
        });
    }

    #[test]
    fn who_is_at_work_and_who_waits_for_a_turn_is_counted() {
        let metrics = Metrics::new();
        let has = |line: &str| {
            let text = page(true, Some(&metrics.now()), &Disk::default());
            text.lines()
                .any(|found| found == format!("codedeploy_agent_{line}"))
        };
        block_on(async {
            let desk = Desk::new(metrics.clone());
            let deployment = DeploymentId::new("d-1").unwrap();
            let place = desk.take_up("one").unwrap();
            assert!(has("commands_at_work 1"));
            let turn = desk.turn(&deployment).await;
            assert!(has("commands_waiting 0"));
            {
                let mut next = std::pin::pin!(desk.turn(&deployment));
                assert!(waits(next.as_mut()).await);
                assert!(has("commands_waiting 1"));
                drop(turn);
                next.await;
            }
            drop(place);
        });
        assert!(has("commands_waiting 0"));
        assert!(has("commands_at_work 0"));
    }
}
