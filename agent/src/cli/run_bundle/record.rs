//! What a local deployment does is recorded, for `agent deployments`.

use super::display::{Display, Ending};
use crate::deployment::DeploymentSpec;
use crate::deployment_root::DeploymentRoot;
use crate::error::chain;
use crate::executor::Progress;
use crate::history::{LocalEnding, LocalRecordError, LocalRecorder};
use crate::lifecycle::{LifecycleEvent, Verdict};

/// What is recorded of a deployment. That it cannot be is said once, and is no reason to stop.
pub(super) struct Record {
    recorder: LocalRecorder,
    has_failed: bool,
}

impl Record {
    /// The deployment begins; its lock is held.
    pub(super) fn begin(
        root: &DeploymentRoot,
        spec: &DeploymentSpec,
        display: &mut dyn Display,
    ) -> Self {
        let mut record = Self {
            recorder: LocalRecorder::new(root, &spec.deployment_id),
            has_failed: false,
        };
        let begun = record.recorder.began(spec);
        record.note(begun, display);
        record
    }

    pub(super) fn event_began(&mut self, event: &LifecycleEvent, display: &mut dyn Display) {
        let begun = self.recorder.event_began(event);
        self.note(begun, display);
    }

    pub(super) fn event_ended(
        &mut self,
        event: &LifecycleEvent,
        verdict: &Verdict,
        display: &mut dyn Display,
    ) {
        let ended = self.recorder.event_ended(event, verdict);
        self.note(ended, display);
    }

    pub(super) fn ended(&mut self, ending: Ending, display: &mut dyn Display) {
        let ended = self.recorder.ended(match ending {
            Ending::Succeeded => LocalEnding::Succeeded,
            Ending::Failed => LocalEnding::Failed,
            Ending::Cancelled => LocalEnding::Cancelled,
        });
        self.note(ended, display);
    }

    fn note(&mut self, noted: Result<(), LocalRecordError>, display: &mut dyn Display) {
        if let Err(error) = noted
            && !std::mem::replace(&mut self.has_failed, true)
        {
            let warning = chain(&error);
            tracing::warn!("{warning}");
            display.progress(&Progress::Warning(warning));
        }
    }
}
