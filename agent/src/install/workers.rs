//! Several threads over the files of a plan, directory by directory: within one directory the
//! kernel lets only one thread make or remove names at a time.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::plan::Plan;
use super::tree::NodeId;

/// More threads wait for the file system's own journal rather than for the processor.
const MOST_THREADS: usize = 4;
/// Below this many files a thread costs more than it brings.
const FEW: usize = 200;
/// The files that a thread takes at a time, when a directory has as many.
const UNIT: usize = 64;

/// Files of a plan, in an order in which neighbours share their directory.
pub(super) struct Work {
    items: Vec<NodeId>,
    units: Vec<Range<usize>>,
}

impl Work {
    /// The nodes of `items`, grouped by directory.
    pub(super) fn new(plan: &Plan, mut items: Vec<NodeId>) -> Self {
        // Stable: within a directory the order stays.
        items.sort_by_key(|id| plan.tree.node(*id).parent);
        let mut units = Vec::new();
        let mut start = 0;
        let parent = |at: usize| items.get(at).map(|id| plan.tree.node(*id).parent);
        for end in 1..=items.len() {
            if end - start >= UNIT || parent(end) != parent(end - 1) {
                units.push(start..end);
                start = end;
            }
        }
        Self { items, units }
    }

    /// Does `act` for each item, in several threads when that pays, each with a state of its own.
    ///
    /// # Errors
    /// An error of an item (of the earliest, of those that were met); no more work is begun then.
    pub(super) fn run<S: Send, E: Send>(
        &self,
        state: impl Fn() -> S + Sync,
        act: impl Fn(&mut S, NodeId) -> Result<(), E> + Sync,
    ) -> Result<Vec<S>, E> {
        let next = AtomicUsize::new(0);
        let stopped = AtomicBool::new(false);
        let work = || {
            let mut own = state();
            while let Some(unit) = self.units.get(next.fetch_add(1, Ordering::Relaxed)) {
                for (at, id) in unit
                    .clone()
                    .zip(self.items.get(unit.clone()).unwrap_or_default())
                {
                    if stopped.load(Ordering::Relaxed) {
                        return Ok(own);
                    }
                    if let Err(error) = act(&mut own, *id) {
                        stopped.store(true, Ordering::Relaxed);
                        return Err((at, error));
                    }
                }
            }
            Ok(own)
        };
        let threads = self.threads();
        let results = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads)
                .filter_map(|_| {
                    // Without the thread its share is done by those that there are.
                    std::thread::Builder::new()
                        .name("install".into())
                        .spawn_scoped(scope, work)
                        .ok()
                })
                .collect();
            let mut results = vec![work()];
            for other in others {
                results.push(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            results
        });
        let mut states = Vec::new();
        let mut first: Option<(usize, E)> = None;
        for result in results {
            match result {
                Ok(state) => states.push(state),
                Err(error) if first.as_ref().is_none_or(|first| error.0 < first.0) => {
                    first = Some(error);
                }
                Err(_) => {}
            }
        }
        first.map_or(Ok(states), |(_, error)| Err(error))
    }

    fn threads(&self) -> usize {
        if self.items.len() < FEW {
            return 1;
        }
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        processors
            .clamp(1, MOST_THREADS)
            .min(self.units.len().max(1))
    }
}
