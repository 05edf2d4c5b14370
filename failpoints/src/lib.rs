//! Places where tests kill the programs, stop them, or make a step fail.
//!
//! Each step that leaves a trace on disk, in another process or with the service passes a
//! failpoint just before. The crash tests take the list from [`Failpoint::ALL`] and kill the
//! program at each, so a new step is tested from the day it is listed, and a step that is listed
//! and never passed fails the tests.
//!
//! Programs are built with failpoints only together with the tests (`cargo test --workspace`):
//! elsewhere [`Failpoint::pass`] is an empty function, which the compiler removes.

#[cfg(feature = "enabled")]
mod armed;

use std::io;

/// The program that passes a failpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `agent`.
    Agent,
    /// `hooks-runner`.
    Runner,
}

macro_rules! failpoints {
    ($($program:ident { $($(#[$doc:meta])* $point:ident,)* })*) => {
        /// A place just before a step that matters after a crash.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Failpoint {
            $($($(#[$doc])* $point,)*)*
        }

        impl Failpoint {
            /// Every failpoint there is.
            pub const ALL: &'static [Self] = &[$($(Self::$point,)*)*];

            /// Its name, as tests give it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$point => stringify!($point),)*)* }
            }

            /// The program that passes it.
            #[must_use]
            pub const fn program(self) -> Program {
                match self { $($(Self::$point => Program::$program,)*)* }
            }
        }
    };
}

failpoints! {
    Agent {
        /// Before a record is appended to the journal of commands.
        JournalAppend,
        /// Before an appended record is made durable.
        JournalSync,
        /// Before a compacted journal takes the place of the old one.
        JournalReplace,
        /// Before a tracking file is written.
        TrackingWrite,
        /// Before a tracking file is removed.
        TrackingRemove,
        /// Before a command is acknowledged.
        Acknowledge,
        /// Before a result is sent to the service.
        Complete,
        /// Before a runner is started.
        RunnerSpawn,
        /// After a runner was started.
        RunnerSpawned,
        /// Before an old deployment that was moved aside is removed.
        RetentionRemove,
        /// Before a part of a download is recorded.
        DownloadPart,
        /// Before a complete download gets the bundle's name.
        DownloadRename,
        /// Before the archive of an earlier try is moved aside.
        ArchiveAside,
        /// Before a complete archive gets its name.
        ArchiveRename,
        /// Before the bundle is removed, where it is not kept.
        BundleRemove,
        /// Before the download and the archive are made durable.
        DownloadSync,
        /// Before the pointer to the most recent revision is written.
        MostRecentPointer,
        /// Before a file, link or directory is staged for its destination.
        InstallStage,
        /// Before the journal of an Install is put in force.
        InstallJournal,
        /// Before the record of old and new together takes its name.
        InstallRecord,
        /// Before a staged file or directory takes its name.
        InstallPlace,
        /// Before a directory of the old revision that is made again gets its new state.
        InstallReshape,
        /// Before something of the old revision is removed.
        InstallRemove,
        /// Before a record of the new revision takes its name.
        InstallFinish,
        /// Before the commit record of an Install is written.
        InstallCommit,
        /// After the commit, before what was replaced is removed.
        InstallDiscard,
        /// Before the working directory of an Install is removed.
        InstallForget,
    }
    Runner {
        /// Before the runner records that the script begins.
        RunnerStarted,
        /// Before the script executes its first instruction, after that was recorded.
        RunnerRelease,
        /// Before the outcome is written.
        RunnerOutcome,
        /// After the outcome was written, before the lock is released.
        RunnerUnlock,
    }
}

impl Failpoint {
    /// Passes the place. Without the tests' feature this does nothing.
    ///
    /// # Errors
    /// When a test wants the step to fail.
    #[inline]
    pub fn pass(self) -> io::Result<()> {
        #[cfg(feature = "enabled")]
        armed::pass(self)?;
        Ok(())
    }
}
