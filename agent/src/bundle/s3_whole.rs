//! The way to an object on servers that know no ranges: all of it over one connection, as often
//! as it takes. What is there already is read and skipped.

use aws_sdk_s3::primitives::ByteStream;

use super::fetch_error::{FetchError, S3Refusal};
use super::network::{Cause, NetworkProblem};
use super::s3::Stop;
use super::s3_error::explain;
use super::s3_transfer::{Flow, Input, PROGRESS, Transfer};

impl Transfer {
    /// The whole object over one connection, for servers that know no ranges: what is there
    /// already is skipped.
    pub(super) async fn whole(&self) -> Result<(), Stop> {
        let begun = &self.begun;
        tracing::info!("the server knows no ranges; the download goes on over one connection");
        let mut delays = self.means.delays.iter();
        loop {
            let before = self.parts().without_gap();
            let request = begun.object.request(&self.means.client);
            let error = match request.set_if_match(begun.etag.clone()).send().await {
                Ok(output) => {
                    self.check_identity(&output)?;
                    match self.fill_gaps(output.body).await? {
                        None => return Ok(()),
                        Some(error) => error,
                    }
                }
                Err(error) => {
                    let (reason, cause) = explain(&error);
                    let refused = begun.object.refused(reason.clone(), cause);
                    match reason {
                        S3Refusal::Changed => return Err(Stop::Anew(refused)),
                        S3Refusal::Busy | S3Refusal::Network(_) => refused,
                        _ => return Err(Stop::Failed(refused)),
                    }
                }
            };
            if self.parts().without_gap() >= before + PROGRESS {
                delays = self.means.delays.iter();
            }
            let Some(delay) = delays.next() else {
                return Err(Stop::Failed(error));
            };
            tokio::time::sleep(*delay).await;
        }
    }

    /// Takes from the whole what is missing; how the answer broke off, if it did.
    async fn fill_gaps(&self, body: ByteStream) -> Result<Option<FetchError>, FetchError> {
        let mut input = Input { body, rest: None };
        let count = self.parts().count();
        for index in 0..count {
            let (range, claim) = {
                let mut parts = self.parts();
                (parts.range(index), parts.claim_this(index))
            };
            let there = claim
                .as_ref()
                .map_or(range.end - range.start, |claim| claim.done);
            let skipped = self.skip(&mut input, there).await;
            let Some(mut claim) = claim else {
                if let Err(error) = skipped {
                    return Ok(Some(error));
                }
                continue;
            };
            let flow = match skipped {
                Ok(()) => self.receive(&mut claim, &mut input).await?,
                Err(error) => Flow::Broken(error),
            };
            match flow {
                Flow::Complete => self.complete(claim).await?,
                Flow::Broken(error) | Flow::Busy(error) => {
                    self.parts().give_back(claim);
                    return Ok(Some(error));
                }
                // Only the answer to a request for a range says so.
                Flow::WithoutRanges => {}
            }
        }
        Ok(None)
    }

    async fn skip(&self, input: &mut Input, mut bytes: u64) -> Result<(), FetchError> {
        while bytes > 0 {
            let Some(mut read) = self.next(input).await? else {
                let cause = Cause(format!("{bytes} bytes of what was there are missing"));
                return Err(self.broken(NetworkProblem::Broken, cause));
            };
            if read.len() as u64 > bytes {
                input.rest = Some(read.split_off(usize::try_from(bytes).unwrap_or(0)));
            }
            bytes -= read.len() as u64;
        }
        Ok(())
    }
}
