//! The values of labels: each a closed set.

use crate::control_plane::{Error, Operation, ServiceErrorKind};
use crate::diagnostics::{Code, Diagnostics};
use crate::lifecycle::LifecycleEvent;

/// A closed set of values of one label.
pub(super) trait Label: Copy + 'static {
    /// Every value, in order.
    fn all() -> Vec<Self>;
    /// Its place in [`Self::all`].
    fn index(self) -> usize;
    /// As it is written.
    fn text(self) -> String;
}

/// Makes an enum and its names from one table.
macro_rules! label {
    ($(#[$doc:meta])* $visible:vis $type:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $visible enum $type { $($(#[$value_doc])* $value,)* }

        impl Label for $type {
            fn all() -> Vec<Self> {
                vec![$(Self::$value),*]
            }
            fn index(self) -> usize {
                self as usize
            }
            fn text(self) -> String {
                match self { $(Self::$value => $text,)* }.to_owned()
            }
        }
    };
}

label! {
    /// What came of a call to the command service.
    pub CallOutcome {
        /// The answer that was wanted.
        Ok = "ok",
        /// The service has too many requests.
        Throttled = "throttled",
        /// The service does not accept the credentials, their rights, or the signature.
        Denied = "denied",
        /// The service refuses what was sent.
        Refused = "refused",
        /// The service has a fault of its own.
        ServerError = "server_error",
        /// There was no connection to the service.
        NoConnection = "no_connection",
        /// The connection broke, or no answer came in time.
        NoAnswer = "no_answer",
        /// The answer is not the service's, or not of its form.
        BadAnswer = "bad_answer",
        /// Nothing was sent: there were no credentials that could be used.
        NotSent = "not_sent",
    }
}

impl CallOutcome {
    /// What came of a call that gave `result`.
    #[must_use]
    pub fn of<T>(result: &Result<T, Error>) -> Self {
        let error = match result {
            Ok(_) => return Self::Ok,
            Err(error) => error,
        };
        match error {
            Error::Service(error) => match error.kind() {
                ServiceErrorKind::Throttling => Self::Throttled,
                ServiceErrorKind::ExpiredCredentials
                | ServiceErrorKind::UnknownCredentials
                | ServiceErrorKind::AccessDenied
                | ServiceErrorKind::Signature => Self::Denied,
                ServiceErrorKind::Server => Self::ServerError,
                ServiceErrorKind::Refused | ServiceErrorKind::Other => Self::Refused,
            },
            Error::Credentials { .. }
            | Error::CredentialsTimeout { .. }
            | Error::Sign { .. }
            | Error::Limit { .. } => Self::NotSent,
            Error::Connect { .. } | Error::ProxyAuthentication { .. } => Self::NoConnection,
            Error::Broken { .. } | Error::Timeout { .. } => Self::NoAnswer,
            Error::TooLong { .. }
            | Error::NameTooLong { .. }
            | Error::Redirect { .. }
            | Error::ContentType { .. }
            | Error::Malformed { .. } => Self::BadAnswer,
        }
    }
}

label! {
    /// How a lifecycle event has ended on this host.
    pub EventResult {
        /// All that belongs to it was done.
        Succeeded = "succeeded",
        /// It failed.
        Failed = "failed",
        /// There was nothing to do for it: no script, or no earlier revision.
        Skipped = "skipped",
        /// The service did not want it to be run any more.
        Unwanted = "unwanted",
    }
}

impl From<&Diagnostics> for EventResult {
    fn from(verdict: &Diagnostics) -> Self {
        match verdict.is_success() {
            false => Self::Failed,
            true if verdict.is_noop() => Self::Skipped,
            true => Self::Succeeded,
        }
    }
}

label! {
    /// How a deployment has ended on this host.
    pub(super) DeploymentResult {
        /// Its last event on this host has succeeded.
        Succeeded = "succeeded",
        /// One of its events failed.
        Failed = "failed",
    }
}

label! {
    /// How a run of a hook's script has ended.
    pub HookResult {
        /// Exit status 0.
        Succeeded = "succeeded",
        /// Another exit status, or a signal.
        Failed = "failed",
        /// It was over its time.
        TimedOut = "timed_out",
        /// It is not in the revision.
        Missing = "missing",
        /// It cannot be executed.
        NotExecutable = "not_executable",
        /// A background process held its output.
        OutputLeftOpen = "output_left_open",
        /// The host or its runner went down: its end can never be known.
        Lost = "lost",
        /// Anything else.
        Other = "other",
    }
}

impl From<Code> for HookResult {
    fn from(code: Code) -> Self {
        match code {
            Code::Succeeded => Self::Succeeded,
            Code::ScriptMissing => Self::Missing,
            Code::ScriptNotExecutable => Self::NotExecutable,
            Code::ScriptTimedOut => Self::TimedOut,
            Code::ScriptFailed => Self::Failed,
            Code::Other => Self::Other,
            Code::OutputLeftOpen => Self::OutputLeftOpen,
            Code::AgentRestarted => Self::Lost,
        }
    }
}

/// A standard lifecycle event, or `other`: what a command is called is not ours to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventName(usize);

impl From<&str> for EventName {
    fn from(command: &str) -> Self {
        let standard = LifecycleEvent::STANDARD;
        let known = standard.iter().position(|event| event.as_str() == command);
        Self(known.unwrap_or(standard.len()))
    }
}

impl Label for EventName {
    fn all() -> Vec<Self> {
        (0..=LifecycleEvent::STANDARD.len()).map(Self).collect()
    }

    fn index(self) -> usize {
        self.0
    }

    fn text(self) -> String {
        LifecycleEvent::STANDARD
            .get(self.0)
            .map_or("other", LifecycleEvent::as_str)
            .to_owned()
    }
}

impl Label for Operation {
    fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    fn index(self) -> usize {
        self as usize
    }

    fn text(self) -> String {
        self.name().to_owned()
    }
}

label! {
    /// What takes up space.
    pub(super) DiskUse {
        /// Unpacked revisions.
        Archives = "archives",
        /// Bundles as they were downloaded.
        Bundles = "bundles",
    }
}
