//! Answers in AWS JSON 1.1.

use serde_json::{Value, json};

use crate::fakes::server::{Reply, Script};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// A status with a JSON body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self { status, body }
    }

    pub(super) fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    pub(super) fn error(status: u16, kind: &str, message: &str) -> Self {
        Self::new(status, json!({"__type": kind, "message": message}))
    }

    /// The service's own refusal.
    pub(super) fn client_exception(message: &str) -> Self {
        Self::error(400, "com.amazon.codedeploy#ClientException", message)
    }

    pub(super) fn text(&self) -> String {
        self.body.to_string()
    }

    pub(super) fn reply(&self) -> Reply {
        Self::reply_with(self.status, Script::whole(self.text()))
    }

    pub(super) fn reply_with(status: u16, body: Script) -> Reply {
        Reply::new(status, CONTENT_TYPE, body)
    }
}
