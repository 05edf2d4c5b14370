//! What a check has found.

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Nothing is wrong.
    Ok,
    /// It works, but not well, or not for long.
    Warning,
    /// The agent cannot work like this.
    Failed,
    /// It could not be looked at.
    Skipped,
}

impl Status {
    /// The word in the output for programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// How a check ended, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) status: Status,
    /// What was seen; for a skipped check, why nothing was.
    pub(super) detail: String,
    /// What to do about it: for all but what is fine.
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(detail: impl Into<String>) -> Self {
        Self {
            status: Status::Ok,
            detail: detail.into(),
            remedy: None,
        }
    }

    pub(super) fn warning(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            status: Status::Warning,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }

    pub(super) fn failed(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            status: Status::Failed,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self {
            status: Status::Skipped,
            detail: why.into(),
            remedy: None,
        }
    }

    /// What is not to be seen for this user.
    pub(super) fn not_permitted(detail: impl Into<String>) -> Self {
        Self {
            status: Status::Skipped,
            detail: detail.into(),
            remedy: Some("run agent doctor as root, or as the user that the agent runs as".into()),
        }
    }

    pub(super) fn is_failure(&self) -> bool {
        self.status == Status::Failed
    }
}
