//! An instance metadata service: versions 1 and 2, and the ways in which it fails.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::ANY_PORT;
use super::server::{Received, Reply, Script, Server};
use super::transcript::Transcript;

/// The account of the instance.
pub const ACCOUNT: &str = "123456789012";
/// The instance's id.
pub const INSTANCE: &str = "i-0123456789abcdef0";
/// The credentials of its role: public part, secret, token.
pub const ROLE_CREDENTIALS: [&str; 3] = ["ASIAINSTANCE", "instance-secret", "instance-token"];
/// The name of the instance's role.
pub const ROLE: &str = "web-role";

/// How the service treats session tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Both versions are served.
    Optional,
    /// Version 2 only.
    Required,
    /// Version 1 only: a request for a token is answered with this status.
    Refused(u16),
    /// A request for a token is never answered: what a network with one hop too many looks like.
    Swallowed,
}

/// How the service behaves as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// It works.
    Answering,
    /// Connections are closed without an answer.
    Absent,
    /// Connections are taken and nothing comes.
    Silent,
    /// Answers come after this time.
    Slow(Duration),
    /// Answers are no text of any form.
    Garbage,
    /// Answers are endless.
    Enormous,
    /// Answers lead elsewhere.
    Redirect(String),
    /// Everything is answered with this status.
    Status(u16),
}

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImdsRequest {
    /// `GET` or `PUT`.
    pub method: String,
    /// As it was sent: a whole URL if it came as through a proxy.
    pub path: String,
    /// The token that it carried.
    pub token: Option<String>,
    /// What was answered. None before that, or when nothing was.
    pub status: Option<u16>,
}

/// The service; stops when dropped.
#[derive(Debug)]
pub struct FakeImds {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    transcript: Transcript<ImdsRequest>,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    tokens: Tokens,
    given: u32,
    valid: HashSet<String>,
    /// By path below `/latest/`.
    texts: HashMap<String, String>,
}

impl FakeImds {
    /// The service of an instance in `region`, with a role that has credentials.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(region: &str) -> Self {
        Self::start_at(ANY_PORT, region)
    }

    /// The same at an address: 169.254.169.254, say, on a machine that has it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_at(address: SocketAddr, region: &str) -> Self {
        let state = State {
            mode: Mode::Answering,
            tokens: Tokens::Optional,
            given: 0,
            valid: HashSet::new(),
            texts: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            transcript: Transcript::default(),
        });
        let handler = Arc::clone(&shared);
        let server = Server::start(address, move |received| {
            let shared = Arc::clone(&handler);
            async move { shared.answer(received).await }
        });
        let imds = Self { server, shared };
        let document = json!({
            "accountId": ACCOUNT, "architecture": "x86_64", "billingProducts": null,
            "instanceId": INSTANCE, "region": region, "version": "2017-09-30",
        });
        imds.set("dynamic/instance-identity/document", &document.to_string());
        imds.set("meta-data/services/domain", "amazonaws.com");
        imds.set("meta-data/services/partition", "aws");
        let [access_key, secret, token] = ROLE_CREDENTIALS;
        imds.set_credentials(access_key, secret, token);
        imds
    }

    /// Its URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Changes how it behaves, from the next request on.
    pub fn behave(&self, mode: Mode) {
        self.shared.lock().mode = mode;
    }

    /// Changes how it treats tokens, from the next request on.
    pub fn tokens(&self, tokens: Tokens) {
        self.shared.lock().tokens = tokens;
    }

    /// All tokens that have been given are no longer known.
    pub fn forget_tokens(&self) {
        self.shared.lock().valid.clear();
    }

    /// Sets the text at `path`, which is below `/latest/`.
    pub fn set(&self, path: &str, text: &str) {
        self.shared
            .lock()
            .texts
            .insert(path.to_owned(), text.to_owned());
    }

    /// Removes what is at `path`.
    pub fn remove(&self, path: &str) {
        self.shared.lock().texts.remove(path);
    }

    /// Sets the credentials of the instance's role, far from their end.
    pub fn set_credentials(&self, access_key: &str, secret: &str, token: &str) {
        self.set("meta-data/iam/security-credentials/", ROLE);
        let document = json!({
            "Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z", "Type": "AWS-HMAC",
            "AccessKeyId": access_key, "SecretAccessKey": secret, "Token": token,
            "Expiration": "2099-01-01T00:00:00Z",
        });
        self.set(
            &format!("meta-data/iam/security-credentials/{ROLE}"),
            &document.to_string(),
        );
    }

    /// The instance has no role any more.
    pub fn remove_role(&self) {
        self.remove("meta-data/iam/security-credentials/");
        self.remove(&format!("meta-data/iam/security-credentials/{ROLE}"));
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<ImdsRequest> {
        self.shared.transcript.entries()
    }

    /// Waits until the requests are as `reached` wants them.
    ///
    /// # Panics
    /// When they do not become so within a minute.
    #[track_caller]
    pub fn wait_for(
        &self,
        what: &str,
        reached: impl FnMut(&[ImdsRequest]) -> bool,
    ) -> Vec<ImdsRequest> {
        self.shared.transcript.wait(what, reached)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, received: Received) -> Reply {
        let token = received.header("x-aws-ec2-metadata-token");
        let index = self.transcript.record(ImdsRequest {
            method: received.method.to_string(),
            path: received.uri.to_string(),
            token: (!token.is_empty()).then(|| token.to_owned()),
            status: None,
        });
        let mode = self.lock().mode.clone();
        let text =
            |status, text: &str| Reply::new(status, "text/plain", Script::whole(text.to_owned()));
        let reply = match mode {
            Mode::Absent => Reply::HangUp,
            Mode::Silent => std::future::pending().await,
            Mode::Slow(time) => {
                tokio::time::sleep(time).await;
                self.serve(&received).await
            }
            Mode::Answering => self.serve(&received).await,
            Mode::Garbage => Reply::new(
                200,
                "text/plain",
                Script::whole(&b"\xff<html>\0{]\r\nx: y"[..]),
            ),
            Mode::Enormous => Reply::new(200, "text/plain", Script::enormous(1024)),
            Mode::Redirect(to) => text(302, "").with("location", &to),
            Mode::Status(status) => text(status, "not now"),
        };
        if let Reply::Answer(response) = &reply {
            let status = response.status().as_u16();
            self.transcript
                .update(index, |request| request.status = Some(status));
        }
        reply
    }

    async fn serve(&self, received: &Received) -> Reply {
        if received.method == Method::PUT {
            return self.give_token(received).await;
        }
        let state = self.lock();
        let token = received.header("x-aws-ec2-metadata-token");
        let known = state.valid.contains(token);
        let served = match state.tokens {
            Tokens::Required => known,
            // A token that has run out is refused even where none is needed.
            Tokens::Optional | Tokens::Refused(_) | Tokens::Swallowed => token.is_empty() || known,
        };
        let path = received
            .uri
            .path()
            .strip_prefix("/latest/")
            .unwrap_or_default();
        let (status, text) = match state.texts.get(path) {
            _ if !served => (401, "Unauthorized"),
            _ if received.method != Method::GET => (405, "Method Not Allowed"),
            Some(text) => (200, text.as_str()),
            None => (404, "Not Found"),
        };
        Reply::new(status, "text/plain", Script::whole(text.to_owned()))
    }

    async fn give_token(&self, received: &Received) -> Reply {
        let tokens = self.lock().tokens;
        let text = |status, text: String| Reply::new(status, "text/plain", Script::whole(text));
        match tokens {
            Tokens::Refused(status) => return text(status, "no".to_owned()),
            Tokens::Swallowed => std::future::pending().await,
            Tokens::Optional | Tokens::Required => {}
        }
        const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
        let ttl = received.header(TTL).to_owned();
        let valid = ttl
            .parse()
            .is_ok_and(|seconds: u32| (1..=21_600).contains(&seconds));
        if received.uri.path() != "/latest/api/token" || !valid {
            return text(400, "Bad Request".to_owned());
        }
        let mut state = self.lock();
        state.given += 1;
        let token = format!("TOKEN-{}==", state.given);
        state.valid.insert(token.clone());
        text(200, token).with(TTL, &ttl)
    }
}
