//! The transfer of one object's bytes: over one connection or several, each part tried again by
//! itself.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::task::JoinSet;

use super::fetch_error::{FetchError, S3Refusal};
use super::growing::Growing;
use super::network::{Cause, NetworkProblem, problem};
use super::parts::{Claim, Parts};
use super::record::Record;
use super::s3::{Begun, Stop};
use super::s3_error::explain;
use super::store::{BATCH, Sink};

/// A try that advances by less than this counts as one that brings nothing.
pub(super) const PROGRESS: u64 = 1 << 20;

/// What a transfer works with.
pub(super) struct Means {
    pub(super) client: Client,
    pub(super) sink: Sink,
    pub(super) growing: Arc<Growing>,
    /// Without a byte for so long, a peer counts as gone.
    pub(super) stall: Duration,
    /// Between tries of one part.
    pub(super) delays: Vec<Duration>,
}

/// One object on its way.
pub(super) struct Transfer {
    pub(super) means: Means,
    pub(super) begun: Begun,
    parts: Mutex<Parts>,
    record: Option<Arc<Record>>,
    /// Connections at work; changed only while `parts` is locked.
    active: AtomicUsize,
    /// The server answers with the whole object whatever is asked for.
    without_ranges: AtomicBool,
}

/// An answer's body, and what of it was read and not used.
pub(super) struct Input {
    pub(super) body: ByteStream,
    pub(super) rest: Option<Bytes>,
}

/// How far one answer brought a part.
pub(super) enum Flow {
    Complete,
    Broken(FetchError),
    Busy(FetchError),
    WithoutRanges,
}

impl Transfer {
    pub(super) fn new(means: Means, begun: Begun, parts: Parts, record: Option<Record>) -> Self {
        Self {
            means,
            begun,
            parts: Mutex::new(parts),
            record: record.map(Arc::new),
            active: AtomicUsize::new(0),
            without_ranges: AtomicBool::new(false),
        }
    }

    pub(super) fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches what is missing; `body` is the answer to a request for the whole, from its
    /// beginning. Returns the number of bytes.
    pub(super) async fn run(self: Arc<Self>, body: Option<ByteStream>) -> Result<u64, Stop> {
        let mut connections = JoinSet::new();
        // Counted before any is at work: one that leaves must know of the others.
        let wanted = self.parts().connections();
        self.active.store(wanted, Ordering::Relaxed);
        let mut more = wanted;
        if let Some(body) = body {
            connections.spawn(Arc::clone(&self).stream(body));
            more -= 1;
        }
        for _ in 0..more {
            connections.spawn(Arc::clone(&self).work());
        }
        while let Some(ended) = connections.join_next().await {
            match ended {
                Ok(ended) => ended?,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(error) => return Err(self.store_failed(io::Error::other(error)).into()),
                },
            }
        }
        if !self.parts().are_complete() {
            self.whole().await?;
        }
        Ok(self.parts().without_gap())
    }

    fn store_failed(&self, source: io::Error) -> FetchError {
        self.means.sink.failed(source)
    }

    /// One connection: a part after the other.
    async fn work(self: Arc<Self>) -> Result<(), Stop> {
        loop {
            if self.without_ranges.load(Ordering::Relaxed) {
                return Ok(());
            }
            let claim = {
                let mut parts = self.parts();
                let claim = parts.claim();
                if claim.is_none() {
                    self.active.fetch_sub(1, Ordering::Relaxed);
                }
                claim
            };
            let Some(claim) = claim else {
                return Ok(());
            };
            if !self.fetch(claim, None).await? {
                return Ok(());
            }
        }
    }

    /// The connection of the first answer: as many parts as nobody else has, then as any other.
    async fn stream(self: Arc<Self>, body: ByteStream) -> Result<(), Stop> {
        let mut input = Input { body, rest: None };
        let mut next = 0;
        loop {
            let claim = self.parts().claim_this(next);
            let Some(mut claim) = claim.filter(|claim| claim.done == 0) else {
                break;
            };
            next += 1;
            match self.receive(&mut claim, &mut input).await? {
                Flow::Complete => self.complete(claim).await?,
                Flow::Broken(error) | Flow::Busy(error) => {
                    drop(input);
                    if !self.fetch(claim, Some(error)).await? {
                        return Ok(());
                    }
                    return self.work().await;
                }
                Flow::WithoutRanges => break,
            }
        }
        drop(input);
        self.work().await
    }

    /// Fetches a part with as many tries as it takes and there are; false when this connection
    /// should be given up, with the part given back. `broken` is how a first try ended.
    async fn fetch(&self, mut claim: Claim, broken: Option<FetchError>) -> Result<bool, Stop> {
        let mut delays = self.means.delays.iter();
        let mut failure = broken;
        loop {
            if let Some(error) = failure.take() {
                if self.begun.etag.is_none() {
                    // Nothing says that the rest would be of the same object.
                    return Err(Stop::Anew(error));
                }
                let Some(delay) = delays.next() else {
                    return Err(Stop::Failed(error));
                };
                tracing::warn!(
                    error = %crate::error::chain(&error),
                    at = claim.position(),
                    seconds = delay.as_secs(),
                    "the download from S3 broke off; it is resumed"
                );
                tokio::time::sleep(*delay).await;
            }
            let before = claim.done;
            match self.attempt(&mut claim).await? {
                Flow::Complete => {
                    self.complete(claim).await?;
                    return Ok(true);
                }
                Flow::Broken(error) => {
                    if claim.done >= before + PROGRESS {
                        delays = self.means.delays.iter();
                    }
                    failure = Some(error);
                }
                Flow::Busy(error) => {
                    // The SDK has tried several times: fewer connections are what helps.
                    match self.leave_to_others(claim) {
                        None => {
                            tracing::info!(
                                error = %crate::error::chain(&error),
                                "S3 is busy; the download goes on with fewer connections"
                            );
                            return Ok(false);
                        }
                        Some(mine) => claim = mine,
                    }
                    failure = Some(error);
                }
                Flow::WithoutRanges => {
                    self.without_ranges.store(true, Ordering::Relaxed);
                    self.parts().give_back(claim);
                    return Ok(false);
                }
            }
        }
    }

    /// Gives a part back if other connections are at work that will come to it.
    fn leave_to_others(&self, claim: Claim) -> Option<Claim> {
        // Under the lock: another must not find nothing to do and end in between.
        let mut parts = self.parts();
        if self.active.load(Ordering::Relaxed) < 2 {
            return Some(claim);
        }
        self.active.fetch_sub(1, Ordering::Relaxed);
        parts.give_back(claim);
        None
    }

    /// Asks once for what is missing of a part.
    async fn attempt(&self, claim: &mut Claim) -> Result<Flow, Stop> {
        let begun = &self.begun;
        let position = claim.position();
        let range = match claim.range.end {
            u64::MAX => format!("bytes={position}-"),
            end => format!("bytes={position}-{}", end.saturating_sub(1)),
        };
        let request = begun
            .object
            .request(&self.means.client)
            .range(range)
            .set_if_match(begun.etag.clone());
        let output = match request.send().await {
            Ok(output) => output,
            Err(error) => {
                let (reason, cause) = explain(&error);
                let refused = begun.object.refused(reason.clone(), cause);
                return match reason {
                    S3Refusal::Changed => Err(Stop::Anew(refused)),
                    S3Refusal::Busy => Ok(Flow::Busy(refused)),
                    S3Refusal::Network(_) => Ok(Flow::Broken(refused)),
                    _ => Err(Stop::Failed(refused)),
                };
            }
        };
        self.check_identity(&output)?;
        let Some(answered) = output.content_range() else {
            return Ok(Flow::WithoutRanges);
        };
        if !is_range(answered, position, begun.length) {
            let said = format!("the answer to a request for bytes from {position} has {answered}");
            return Err(Stop::Anew(begun.object.changed(&said)));
        }
        let mut input = Input {
            body: output.body,
            rest: None,
        };
        Ok(self.receive(claim, &mut input).await?)
    }

    /// Some servers ignore If-Match.
    pub(super) fn check_identity(&self, output: &GetObjectOutput) -> Result<(), Stop> {
        let begun = &self.begun;
        if output.e_tag() == begun.etag.as_deref()
            && output.version_id() == begun.version.as_deref()
        {
            return Ok(());
        }
        Err(Stop::Anew(begun.object.changed(
            "the answer to a range request is of another object",
        )))
    }

    /// Writes an answer's body into a part, until that is complete.
    pub(super) async fn receive(
        &self,
        claim: &mut Claim,
        input: &mut Input,
    ) -> Result<Flow, FetchError> {
        let mut batch = Vec::new();
        let mut batched = 0;
        loop {
            let missing = claim.missing() - batched as u64;
            if missing == 0 || batched >= BATCH {
                self.write(claim, std::mem::take(&mut batch)).await?;
                batched = 0;
                if missing == 0 {
                    return Ok(Flow::Complete);
                }
            }
            match self.next(input).await {
                Ok(Some(mut bytes)) => {
                    if bytes.len() as u64 > missing {
                        input.rest = Some(bytes.split_off(usize::try_from(missing).unwrap_or(0)));
                    }
                    batched += bytes.len();
                    batch.push(bytes);
                }
                Ok(None) => {
                    self.write(claim, batch).await?;
                    if claim.range.end == u64::MAX {
                        return Ok(Flow::Complete);
                    }
                    let cause = Cause(format!("{} bytes are missing", claim.missing()));
                    return Ok(Flow::Broken(self.broken(NetworkProblem::Broken, cause)));
                }
                Err(error) => {
                    self.write(claim, batch).await?;
                    return Ok(Flow::Broken(error));
                }
            }
        }
    }

    pub(super) fn broken(&self, problem: NetworkProblem, cause: Cause) -> FetchError {
        self.begun
            .object
            .refused(S3Refusal::Network(problem), cause)
    }

    /// The next bytes of an answer; none at its end.
    pub(super) async fn next(&self, input: &mut Input) -> Result<Option<Bytes>, FetchError> {
        if let Some(rest) = input.rest.take() {
            return Ok(Some(rest));
        }
        let stall = self.means.stall;
        match tokio::time::timeout(stall, input.body.next()).await {
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
            Ok(Some(Err(error))) => {
                let problem = match problem(&error) {
                    NetworkProblem::Other => NetworkProblem::Broken,
                    problem => problem,
                };
                Err(self.broken(problem, Cause::of(&error)))
            }
            Ok(None) => Ok(None),
            Err(_) => {
                let cause = Cause(format!("nothing arrived for {} s", stall.as_secs()));
                Err(self.broken(NetworkProblem::TimedOut, cause))
            }
        }
    }

    async fn write(&self, claim: &mut Claim, batch: Vec<Bytes>) -> Result<(), FetchError> {
        if batch.is_empty() {
            return Ok(());
        }
        for bytes in &batch {
            claim.crc.update(bytes);
        }
        let written = self.means.sink.write_at(claim.position(), batch).await?;
        claim.done += written;
        // Told within the lock, so that nobody overtakes.
        let mut parts = self.parts();
        self.means.growing.reached(parts.advance(claim));
        Ok(())
    }

    pub(super) async fn complete(&self, claim: Claim) -> Result<(), FetchError> {
        let (index, crc) = (claim.index, claim.crc);
        if claim.range.end == u64::MAX {
            self.parts().ends_at(claim.done);
        }
        let record = self.record.clone();
        let note = move || match record {
            Some(record) => record.add(index, &crc),
            // What comes in one piece is not recorded: it is fetched again as a whole.
            None => failpoints::Failpoint::DownloadPart.pass(),
        };
        self.means.sink.blocking(note).await?;
        let mut parts = self.parts();
        self.means.growing.reached(parts.complete(index));
        self.means.growing.tail_from(parts.tail());
        Ok(())
    }
}

/// Whether `answered` (`bytes 4-7/8`) begins at `position` of an object of `length` bytes.
fn is_range(answered: &str, position: u64, length: Option<u64>) -> bool {
    let Some((range, total)) = answered
        .strip_prefix("bytes ")
        .and_then(|range| range.split_once('/'))
    else {
        return false;
    };
    let begins = range
        .split_once('-')
        .and_then(|(first, _)| first.parse().ok());
    let same_length = match (total.parse::<u64>(), length) {
        (Ok(total), Some(length)) => total == length,
        // `*`: the server does not say.
        _ => true,
    };
    begins == Some(position) && same_length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("bytes 4-7/8", true)]
    #[case("bytes 4-5/8", true)]
    #[case("bytes 4-7/*", true)]
    #[case("bytes 0-7/8", false)]
    #[case("bytes 4-7/9", false)]
    #[case("bytes */8", false)]
    #[case("4-7/8", false)]
    #[case("", false)]
    fn an_answer_must_be_of_the_range_that_was_asked_for(#[case] said: &str, #[case] good: bool) {
        assert_eq!(is_range(said, 4, Some(8)), good);
    }
}
