//! Which scripts an event would run, and what keeps them from being started.

use std::path::Path;

use hooks_runner::{Outcome, Place, foresee};

use super::previewer::Previewer;
use super::{EventWork, ScriptPreview, ScriptsFrom};
use crate::appspec::Script;
use crate::deployment_root::DeploymentDirectory;
use crate::diagnostics::from_outcome;
use crate::error::chain;
use crate::executor::directories::nearest;
use crate::executor::event_source::{self, Found};
use crate::hooks::request;
use crate::install::SourceForm;
use crate::lifecycle::LifecycleEvent;

impl Previewer<'_> {
    /// What the event would run.
    pub(super) fn scripts(&mut self, event: &LifecycleEvent) -> EventWork {
        let own = self.revision.as_ref().map(|revision| &*revision.archive);
        if own.is_none() && self.is_past_download() {
            // The download would have failed.
            return EventWork::Unknown;
        }
        match event_source::find(&self.host.root, self.spec, own, event) {
            Err(error) => {
                self.fails(event.as_str(), &chain(&error));
                EventWork::Unknown
            }
            Ok(Found::Nothing(reason)) => EventWork::Nothing(reason),
            Ok(Found::Scripts(source)) => {
                let is_own = self
                    .revision
                    .as_ref()
                    .is_some_and(|revision| revision.archive == source.archive);
                for (index, script) in source.scripts.iter().enumerate() {
                    self.script(event, index, script, &source.archive, is_own);
                }
                let from = if is_own {
                    ScriptsFrom::ThisRevision
                } else {
                    let deployment = source.archive.parent().unwrap_or(&source.archive);
                    ScriptsFrom::Earlier(deployment.to_owned())
                };
                let scripts = source.scripts.into_iter().map(|script| ScriptPreview {
                    location: script.location,
                    runas: script.runas,
                    sudo: script.sudo,
                    timeout: script.timeout,
                });
                EventWork::Scripts {
                    from,
                    scripts: scripts.collect(),
                }
            }
        }
    }

    /// Whether DownloadBundle comes before the event that is looked at.
    fn is_past_download(&self) -> bool {
        let is_download = |event: &LifecycleEvent| *event == LifecycleEvent::DownloadBundle;
        let mut events = self.preview.events.iter();
        events.any(|preview| is_download(&preview.event))
    }

    fn script(
        &mut self,
        event: &LifecycleEvent,
        index: usize,
        script: &Script,
        archive: &Path,
        is_own: bool,
    ) {
        let directory = DeploymentDirectory::from_pointer(self.directory.path().to_owned());
        let hooks = &self.host.hooks;
        let request = request(hooks, self.spec, &directory, archive, event, index, script);
        let form = self.revision.as_ref().map(|revision| revision.form);
        let place = if is_own {
            Place::Archive {
                archive,
                under: nearest(self.directory.path()),
                umask: match form {
                    Some(SourceForm::ToBeCopied { umask }) => Some(umask),
                    _ => None,
                },
            }
        } else {
            Place::Final
        };
        let foresight = foresee(&request, place);
        for warning in foresight.warnings {
            let warning = format!("{event}: {}: {warning}", script.location);
            let warning = self.in_place(&warning);
            self.preview.warnings.push(warning);
        }
        for result in foresight.refusals {
            let outcome = Outcome {
                result,
                duration_ms: 0,
                tail: Vec::new(),
                warnings: Vec::new(),
            };
            let runas = script.runas.as_deref();
            if let Err(diagnostics) = from_outcome(&script.location, runas, &outcome, String::new) {
                self.fails(event.as_str(), diagnostics.message());
            }
        }
    }
}
