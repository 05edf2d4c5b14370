//! The service itself: takes calls, checks them, and lets faults strike.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::answer::Answer;
use super::call::{Call, Ending, Operation};
use super::fault::{Fault, Planned, When};
use super::flow::{Again, DeploymentEnd, Flow};
use super::script::{HostCommand, ScriptedDeployment, Specification};
use super::{ACCESS_KEY, SECRET_KEY, check};
use crate::fakes::server::{Received, Reply, Server};
use crate::fakes::signature::{Authorization, Refusal};
use crate::fakes::transcript::Transcript;
use crate::fakes::{ANY_PORT, Key};

/// The service; stops when dropped.
#[derive(Debug)]
pub struct FakeCommandService {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    transcript: Transcript<Call>,
    /// A command is ready, perhaps.
    ready: Notify,
}

#[derive(Debug)]
struct State {
    region: String,
    hold: Duration,
    clock_offset: SignedDuration,
    keys: Vec<Key>,
    expired_keys: Vec<String>,
    flow: Flow,
    faults: Vec<Planned>,
    counts: HashMap<Operation, u64>,
    violations: Vec<String>,
}

impl FakeCommandService {
    /// Starts the service in `region`. It knows one key, and holds empty polls for 60 s.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(region: &str) -> Self {
        Self::start_at(ANY_PORT, region)
    }

    /// The same at an address.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_at(address: SocketAddr, region: &str) -> Self {
        let state = State {
            region: region.to_owned(),
            hold: Duration::from_secs(60),
            clock_offset: SignedDuration::ZERO,
            keys: vec![Key::new(ACCESS_KEY, SECRET_KEY)],
            expired_keys: Vec::new(),
            flow: Flow::default(),
            faults: Vec::new(),
            counts: HashMap::new(),
            violations: Vec::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            transcript: Transcript::default(),
            ready: Notify::new(),
        });
        let handler = Arc::clone(&shared);
        let server = Server::start(address, move |received| {
            let shared = Arc::clone(&handler);
            async move { shared.take(received).await }
        });
        Self { server, shared }
    }

    /// Its URL.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// How long an empty poll is held from now on. Zero: answered at once.
    pub fn hold_polls_for(&self, time: Duration) {
        self.shared.lock().hold = time;
    }

    /// Whether commands are handed out more than once from now on; at first they are not.
    pub fn hand_out_again(&self, again: Again) {
        self.shared.lock().flow.again = again;
        self.shared.ready.notify_waiters();
    }

    /// Moves the service's clock, by which it judges signatures and which its answers show.
    pub fn move_clock(&self, seconds: i64) {
        self.shared.lock().clock_offset = SignedDuration::from_secs(seconds);
    }

    /// Makes a key known.
    pub fn know(&self, key: Key) {
        self.shared.lock().keys.push(key);
    }

    /// From now on this key has expired.
    pub fn expire(&self, access_key: &str) {
        self.shared.lock().expired_keys.push(access_key.to_owned());
    }

    /// Hands `command` out to the next poll of `host`. The same command may be queued twice.
    pub fn queue(&self, host: &str, command: HostCommand) {
        self.shared.lock().flow.queue(host, command);
        self.shared.ready.notify_waiters();
    }

    /// Sets what a deployment's execution is.
    pub fn specify(&self, execution_id: &str, specification: Specification) {
        self.shared.lock().flow.specify(execution_id, specification);
    }

    /// Begins a deployment on `host`: each command is handed out when the one before has
    /// succeeded. Gives all its commands.
    pub fn deploy(&self, host: &str, deployment: &ScriptedDeployment) -> Vec<HostCommand> {
        let commands = self.shared.lock().flow.deploy(host, deployment);
        self.shared.ready.notify_waiters();
        commands
    }

    /// Sets the whole answer to the acknowledgement of a command, by its id. Then a noop is not
    /// done by being acknowledged.
    pub fn answer_acknowledgement(&self, command: &str, body: Value) {
        self.shared
            .lock()
            .flow
            .answer_acknowledgement(command, body);
    }

    /// Plans a fault. Of several for one call the one planned first strikes.
    pub fn fault(&self, operation: Operation, when: When, fault: Fault) {
        self.shared.lock().faults.push(Planned {
            operation,
            when,
            fault,
        });
    }

    /// Takes all planned faults back.
    pub fn heal(&self) {
        self.shared.lock().faults.clear();
    }

    /// All calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.transcript.entries()
    }

    /// Waits until the calls are as `reached` wants them.
    ///
    /// # Panics
    /// When they do not become so within a minute.
    #[track_caller]
    pub fn wait_for(&self, what: &str, reached: impl FnMut(&[Call]) -> bool) -> Vec<Call> {
        self.shared.transcript.wait(what, reached)
    }

    /// Waits, for as long as it takes, until the calls are as `reached` wants them.
    pub fn wait_until(&self, reached: impl FnMut(&[Call]) -> bool) -> Vec<Call> {
        self.shared.transcript.wait_for_ever(reached)
    }

    /// Shows each call when it has ended, for ever; a poll may be held while others come and go.
    pub fn show(&self, mut show: impl FnMut(&Call)) {
        let mut shown = HashSet::new();
        loop {
            let is_news = |(number, call): &(usize, &Call)| {
                call.ending != Ending::Open && !shown.contains(number)
            };
            let calls = self.wait_until(|calls| calls.iter().enumerate().any(|c| is_news(&c)));
            let news = calls.iter().enumerate().filter(is_news);
            let news: Vec<usize> = news.map(|(number, _)| number).collect();
            for number in news {
                show(&calls[number]);
                shown.insert(number);
            }
        }
    }

    /// Waits until a scripted deployment has ended.
    ///
    /// # Panics
    /// When it has not within a minute.
    #[track_caller]
    pub fn wait_for_end(&self, deployment: &ScriptedDeployment) -> DeploymentEnd {
        let end = |_: &[Call]| self.end(deployment).is_some();
        self.wait_for("the end of the deployment", end);
        self.end(deployment).unwrap()
    }

    /// How a scripted deployment has ended; none when it has not.
    #[must_use]
    pub fn end(&self, deployment: &ScriptedDeployment) -> Option<DeploymentEnd> {
        self.shared.lock().flow.end(&deployment.execution_id)
    }

    /// What clients have done that breaks the protocol.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.clone()
    }
}

/// Writes the end of a call down, whatever it is: an answer, or that nobody waits for one.
struct Open<'a> {
    shared: &'a Shared,
    index: usize,
    ending: Ending,
    response: Value,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let (ending, response) = (self.ending, std::mem::take(&mut self.response));
        self.shared.transcript.update(self.index, |call| {
            call.ending = ending;
            call.response = response;
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, received: Received) -> Reply {
        let target = received.header("x-amz-target");
        let known = Operation::of_target(target);
        let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        let authorization = Authorization::parse(received.header("authorization"));
        let headers = received
            .headers
            .iter()
            .filter(|(name, _)| *name != "authorization");
        let headers = headers.map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        let index = self.transcript.record(Call {
            operation: known.map(|(operation, _)| operation),
            target: target.to_owned(),
            body: body.clone(),
            headers: headers.collect(),
            access_key: authorization
                .as_ref()
                .map_or("", |known| known.key)
                .to_owned(),
            at: Instant::now(),
            ending: Ending::Open,
            response: Value::Null,
        });
        let mut open = Open {
            shared: self,
            index,
            ending: Ending::Abandoned,
            response: Value::Null,
        };
        let (reply, response) = self
            .reply(&received, known, &body, authorization.as_ref())
            .await;
        open.response = response;
        open.ending = match &reply {
            Reply::Answer(response) => Ending::Answered(response.status().as_u16()),
            Reply::HangUp => Ending::HungUp,
        };
        let date = Timestamp::now() + self.lock().clock_offset;
        reply
            .with(
                "date",
                &date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            )
            .with("x-amzn-requestid", &format!("request-{index}"))
    }

    async fn reply(
        &self,
        received: &Received,
        known: Option<(Operation, bool)>,
        body: &Value,
        authorization: Option<&Authorization<'_>>,
    ) -> (Reply, Value) {
        let Some((operation, secure)) = known else {
            let target = received.header("x-amz-target");
            self.lock()
                .violations
                .push(format!("there is no operation {target:?}"));
            let answer = Answer::error(400, "UnknownOperationException", "");
            return (answer.reply(), answer.body);
        };
        let wrong = check::violations(received, operation, body);
        if !wrong.is_empty() {
            let answer = Answer::error(400, "ValidationException", &wrong.join("; "));
            self.lock().violations.extend(wrong);
            return (answer.reply(), answer.body);
        }
        if let Err(Refusal { kind, message }) = self.verify(received, authorization, secure) {
            let answer = Answer::error(400, kind, &message);
            return (answer.reply(), answer.body);
        }
        let fault = self.fault_for(operation, body);
        let answer = match &fault {
            Some(fault) if !fault.comes_after(operation) => Answer::ok(json!({})),
            _ => self.serve(operation, body).await,
        };
        match fault {
            Some(fault) => (fault.reply(answer).await, Value::Null),
            None => (answer.reply(), answer.body),
        }
    }

    fn verify(
        &self,
        received: &Received,
        authorization: Option<&Authorization<'_>>,
        secure: bool,
    ) -> Result<(), Refusal> {
        let refuse = |kind, message: &str| {
            Err(Refusal {
                kind,
                message: message.to_owned(),
            })
        };
        let Some(authorization) = authorization else {
            return refuse(
                "MissingAuthenticationTokenException",
                "there is no signature",
            );
        };
        let state = self.lock();
        if state
            .expired_keys
            .iter()
            .any(|expired| expired == authorization.key)
        {
            return refuse("ExpiredTokenException", "The security token is expired");
        }
        let Some(key) = state.keys.iter().find(|key| key.id == authorization.key) else {
            return refuse(
                "UnrecognizedClientException",
                "The security token is invalid",
            );
        };
        let service = if secure {
            "codedeploy-commands-secure"
        } else {
            "codedeploy-commands"
        };
        let now = Timestamp::now() + state.clock_offset;
        authorization.verify(received, key, (&state.region, service), now)
    }

    fn fault_for(&self, operation: Operation, body: &Value) -> Option<Fault> {
        let mut state = self.lock();
        let count = state.counts.entry(operation).or_default();
        *count += 1;
        let number = *count;
        let command = body
            .get("HostCommandIdentifier")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // Only the first that strikes is used up.
        state.faults.iter_mut().find_map(|planned| {
            planned
                .strikes(operation, number, command)
                .then(|| planned.fault.clone())
        })
    }

    async fn serve(&self, operation: Operation, body: &Value) -> Answer {
        let text = |member| body.get(member).and_then(Value::as_str).unwrap_or_default();
        let command = text("HostCommandIdentifier");
        let answer = match operation {
            Operation::Poll => return self.poll(text("HostIdentifier")).await,
            Operation::Specification => self
                .lock()
                .flow
                .specification(text("DeploymentExecutionId")),
            Operation::Acknowledge => {
                let payload = body.pointer("/Diagnostics/Payload").and_then(Value::as_str);
                let noop = payload == Some(r#"{"IsCommandNoop":true}"#);
                self.lock().flow.acknowledge(command, noop)
            }
            Operation::Complete => {
                let succeeded = text("CommandStatus") == "Succeeded";
                self.lock().flow.complete(command, succeeded)
            }
            Operation::Update => Answer::ok(json!({"CommandStatus": "InProgress"})),
        };
        // A command that has ended makes way for the next.
        self.ready.notify_waiters();
        answer
    }

    /// Waits for a command as long as polls are held.
    async fn poll(&self, host: &str) -> Answer {
        let hold = self.lock().hold;
        let deadline = tokio::time::Instant::now() + hold;
        loop {
            let mut ready = pin!(self.ready.notified());
            // Before the look, or a command that comes in between would be missed.
            ready.as_mut().enable();
            if let Some(command) = self.lock().flow.take(host) {
                return Answer::ok(json!({"HostCommand": command.json()}));
            }
            let again = self.lock().flow.again.after();
            let look_again = again.map(|after| tokio::time::Instant::now() + after / 2);
            let until = look_again.map_or(deadline, |look_again| look_again.min(deadline));
            if tokio::time::timeout_at(until, ready).await.is_err()
                && tokio::time::Instant::now() >= deadline
            {
                return Answer::ok(json!({}));
            }
        }
    }
}
