//! Which parts of an object are there, and who fetches which.

use std::ops::Range;

use flate2::Crc;

/// Objects up to this size come over one connection.
const ONE_CONNECTION: u64 = 16 << 20;

/// The size of a part. A power of two of blocks, so that parts share none.
const PART: u64 = 8 << 20;

/// Parts of very large objects are larger, so that there are never too many to account for.
const PARTS_MAX: u64 = 4096;

/// Where a zip has its directory: so much at the end of it comes first.
const DIRECTORY: u64 = 2 << 20;

/// The most connections at a time. S3 gives one connection some 50 to 90 MB/s.
const CONNECTIONS_MAX: u64 = 16;

#[derive(Debug)]
enum Part {
    /// Nobody fetches it; this much of it is there, with this checksum.
    Free(u64, Crc),
    Taken(u64),
    Complete,
}

/// A part that one connection fetches; given back when it cannot.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) index: usize,
    /// Where it lies in the object.
    pub(super) range: Range<u64>,
    /// Bytes of it that are there.
    pub(super) done: u64,
    /// Their checksum.
    pub(super) crc: Crc,
}

impl Claim {
    pub(super) fn position(&self) -> u64 {
        self.range.start + self.done
    }

    pub(super) fn missing(&self) -> u64 {
        self.range.end - self.position()
    }
}

/// The parts of one object.
#[derive(Debug)]
pub(super) struct Parts {
    size: u64,
    length: u64,
    parts: Vec<Part>,
    /// All before this one are complete.
    first: usize,
    /// Those from this one on are fetched before the others.
    urgent: usize,
}

impl Parts {
    /// The parts of an object of `length` bytes; one when the length is not known.
    pub(super) fn new(length: Option<u64>) -> Self {
        let size = match length {
            Some(length) if length > ONE_CONNECTION => {
                PART.max(length.div_ceil(PARTS_MAX).next_multiple_of(1 << 20))
            }
            _ => u64::MAX,
        };
        Self::of_size(size, length)
    }

    /// The same with parts of another size.
    pub(super) fn of_size(size: u64, length: Option<u64>) -> Self {
        let length = length.unwrap_or(u64::MAX);
        let count = usize::try_from(length.div_ceil(size).max(1)).unwrap_or(usize::MAX);
        Self {
            size,
            length,
            parts: std::iter::repeat_with(|| Part::Free(0, Crc::new()))
                .take(count)
                .collect(),
            first: 0,
            urgent: count,
        }
    }

    /// The same, and the end of the object comes first.
    pub(super) fn end_first(mut self) -> Self {
        if self.parts.len() > 1 {
            let from = self.length.saturating_sub(DIRECTORY) / self.size;
            self.urgent = usize::try_from(from).unwrap_or(usize::MAX);
        }
        self
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn count(&self) -> usize {
        self.parts.len()
    }

    /// How many connections are worth their while.
    pub(super) fn connections(&self) -> usize {
        if self.parts.len() == 1 {
            return 1;
        }
        let connections = (self.length / ONE_CONNECTION).clamp(2, CONNECTIONS_MAX);
        usize::try_from(connections).unwrap_or(1)
    }

    pub(super) fn range(&self, index: usize) -> Range<u64> {
        let start = (index as u64).saturating_mul(self.size);
        start..start.saturating_add(self.size).min(self.length)
    }

    /// The next part that nobody has.
    pub(super) fn claim(&mut self) -> Option<Claim> {
        let all = self.parts.len();
        let index = (self.urgent..all)
            .chain(self.first..all)
            .find(|index| matches!(self.parts.get(*index), Some(Part::Free(..))))?;
        self.claim_this(index)
    }

    /// The part `index`, if nobody has it.
    pub(super) fn claim_this(&mut self, index: usize) -> Option<Claim> {
        let range = self.range(index);
        let part = self.parts.get_mut(index)?;
        let Part::Free(done, _) = part else {
            return None;
        };
        let done = *done;
        let Part::Free(done, crc) = std::mem::replace(part, Part::Taken(done)) else {
            return None;
        };
        Some(Claim {
            index,
            range,
            done,
            crc,
        })
    }

    /// Somebody else may fetch the rest.
    pub(super) fn give_back(&mut self, claim: Claim) {
        if let Some(part) = self.parts.get_mut(claim.index) {
            *part = Part::Free(claim.done, claim.crc);
        }
    }

    /// More of a part is there; returns how many bytes of the object are there without a gap.
    pub(super) fn advance(&mut self, claim: &Claim) -> u64 {
        if let Some(part) = self.parts.get_mut(claim.index) {
            *part = Part::Taken(claim.done);
        }
        self.without_gap()
    }

    /// A part is there.
    pub(super) fn complete(&mut self, index: usize) -> u64 {
        if let Some(part) = self.parts.get_mut(index) {
            *part = Part::Complete;
        }
        while matches!(self.parts.get(self.first), Some(Part::Complete)) {
            self.first += 1;
        }
        self.without_gap()
    }

    /// From where on everything up to the end is there.
    pub(super) fn tail(&self) -> u64 {
        let is_missing = |part: &Part| !matches!(part, Part::Complete);
        let last = self.parts.iter().rposition(is_missing);
        last.map_or(0, |last| self.range(last).end)
    }

    #[cfg(test)]
    pub(super) fn is_complete(&self, index: usize) -> bool {
        matches!(self.parts.get(index), Some(Part::Complete))
    }

    pub(super) fn are_complete(&self) -> bool {
        self.first == self.parts.len()
    }

    /// An object whose length was not known has come to its end.
    pub(super) fn ends_at(&mut self, length: u64) {
        self.length = length;
    }

    /// Bytes that are not there yet.
    pub(super) fn missing(&self) -> u64 {
        let there = |(index, part): (usize, &Part)| match part {
            Part::Free(done, _) | Part::Taken(done) => *done,
            Part::Complete => {
                let range = self.range(index);
                range.end - range.start
            }
        };
        let there: u64 = self.parts.iter().enumerate().map(there).sum();
        self.length.saturating_sub(there)
    }

    /// How many bytes are there from the beginning.
    pub(super) fn without_gap(&self) -> u64 {
        match self.parts.get(self.first) {
            None => self.length,
            Some(Part::Free(done, _) | Part::Taken(done)) => self.range(self.first).start + done,
            Some(Part::Complete) => self.range(self.first).end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_comes_first_where_it_is_wanted_first() {
        let length = 3 * PART + 100;
        let mut parts = Parts::new(Some(length)).end_first();
        let mut claimed = Vec::new();
        assert_eq!(parts.tail(), length);
        while let Some(claim) = parts.claim() {
            claimed.push(claim.index);
            parts.complete(claim.index);
            if claimed.len() == 2 {
                assert_eq!((parts.without_gap(), parts.tail()), (0, 2 * PART));
            }
        }
        assert_eq!(claimed, [2, 3, 0, 1]);
        assert_eq!((parts.without_gap(), parts.tail()), (length, 0));
        let mut one = Parts::new(Some(100)).end_first();
        assert_eq!(one.claim().unwrap().index, 0);
    }

    #[rstest::rstest]
    #[case(None, 1, 1)]
    #[case(Some(0), 1, 1)]
    #[case(Some(16 << 20), 1, 1)]
    #[case(Some((16 << 20) + 1), 3, 2)]
    #[case(Some(100 << 20), 13, 6)]
    #[case(Some(1 << 30), 128, 16)]
    #[case(Some(5 << 40), 4096, 16)]
    fn the_size_decides(
        #[case] length: Option<u64>,
        #[case] count: usize,
        #[case] connections: usize,
    ) {
        let parts = Parts::new(length);
        assert_eq!((parts.count(), parts.connections()), (count, connections));
        let covered: u64 = (0..count)
            .map(|at| parts.range(at))
            .map(|r| r.end - r.start)
            .sum();
        assert_eq!(covered, length.unwrap_or(u64::MAX));
    }

    #[test]
    fn what_is_there_without_a_gap_is_known() {
        let mut parts = Parts::of_size(10, Some(25));
        let (mut one, two, three) = (
            parts.claim().unwrap(),
            parts.claim().unwrap(),
            parts.claim().unwrap(),
        );
        assert!(parts.claim().is_none());
        assert_eq!(three.range, 20..25);
        assert_eq!(parts.complete(three.index), 0);
        one.done = 4;
        assert_eq!(parts.advance(&one), 4);
        parts.give_back(one);
        assert!(parts.claim_this(1).is_none());
        let one = parts.claim_this(0).unwrap();
        assert_eq!((one.position(), one.missing()), (4, 6));
        assert_eq!(parts.complete(two.index), 4);
        assert!(!parts.are_complete());
        assert_eq!(parts.complete(one.index), 25);
        assert!(parts.are_complete());
    }
}
