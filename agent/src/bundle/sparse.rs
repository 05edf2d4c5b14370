//! The maps of sparse files in tar archives: where the data of a file with holes belongs.
//!
//! GNU tar writes its old format (type `S`), and in pax archives the formats 0.0, 0.1 and 1.0.

use super::pax::Malformed;
use super::tar_header::{BLOCK, number};

/// Offset in the file and length of a piece of data.
pub(super) type Piece = (u64, u64);

/// The most pieces of one file; they are held in memory.
const PIECES_MAX: usize = 1 << 20;

/// Size, first pieces, and whether extension blocks follow, from an old GNU header.
pub(super) fn in_header(header: &[u8; BLOCK]) -> Result<(u64, Vec<Piece>, bool), Malformed> {
    let mut pieces = Vec::new();
    table(header.get(386..482).unwrap_or_default(), &mut pieces)?;
    let size = unsigned(header.get(483..495).unwrap_or_default())?;
    Ok((size, pieces, header.get(482).is_some_and(|more| *more != 0)))
}

/// The pieces in an extension block; whether another follows.
pub(super) fn extension(block: &[u8; BLOCK], pieces: &mut Vec<Piece>) -> Result<bool, Malformed> {
    table(block.get(..504).unwrap_or_default(), pieces)?;
    Ok(block.get(504).is_some_and(|more| *more != 0))
}

fn table(fields: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Malformed> {
    for piece in fields.chunks_exact(24) {
        let (offset, length) = piece.split_at(12);
        // An unused place ends the table.
        if length.first().is_none_or(|first| *first == 0) {
            return Ok(());
        }
        pieces.push((unsigned(offset)?, unsigned(length)?));
        if pieces.len() > PIECES_MAX {
            return Err("a sparse file has too many pieces");
        }
    }
    Ok(())
}

fn unsigned(field: &[u8]) -> Result<u64, Malformed> {
    number(field)
        .and_then(|number| u64::try_from(number).ok())
        .ok_or("a sparse map is malformed")
}

/// The map of format 1.0: decimal numbers, one a line, at the start of the content, padded to a
/// block: how many pieces, then offset and length of each.
#[derive(Debug, Default)]
pub(super) struct MapReader {
    numbers: Vec<u64>,
    digits: Vec<u8>,
    complete: bool,
}

impl MapReader {
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn read(&mut self, block: &[u8; BLOCK]) -> Result<(), Malformed> {
        for byte in block {
            match byte {
                b'0'..=b'9' if self.digits.len() < 20 => self.digits.push(*byte),
                b'\n' => {
                    self.numbers.push(super::pax::decimal(&self.digits)?);
                    self.digits.clear();
                    let count = self.numbers.first().copied().unwrap_or_default();
                    if count > PIECES_MAX as u64 {
                        return Err("a sparse file has too many pieces");
                    }
                    if self.numbers.len() as u64 == count * 2 + 1 {
                        self.complete = true;
                        return Ok(());
                    }
                }
                _ => return Err("a sparse map is malformed"),
            }
        }
        Ok(())
    }

    pub(super) fn pieces(&self) -> Vec<Piece> {
        self.numbers
            .get(1..)
            .unwrap_or_default()
            .chunks_exact(2)
            .filter_map(|piece| Some((*piece.first()?, *piece.last()?)))
            .collect()
    }
}

/// Pieces must come in order, not overlap, lie within `size` and hold all `data` bytes.
pub(super) fn check(pieces: &[Piece], size: u64, data: u64) -> Result<(), Malformed> {
    let mut end = 0_u64;
    let mut total = 0_u64;
    for (offset, length) in pieces {
        if *offset < end {
            return Err("the pieces of a sparse file overlap");
        }
        end = offset
            .checked_add(*length)
            .ok_or("a sparse map is out of range")?;
        total += length;
    }
    if end > size {
        return Err("a piece of a sparse file lies beyond its end");
    }
    if total != data {
        return Err("the pieces of a sparse file are not as long as its content");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_that_make_no_sense_are_errors() {
        assert!(check(&[(0, 4), (8, 4)], 12, 8).is_ok());
        assert!(check(&[], 100, 0).is_ok());
        assert!(check(&[(4, 4), (0, 4)], 12, 8).is_err());
        assert!(check(&[(0, 4), (2, 4)], 12, 8).is_err());
        assert!(check(&[(0, 4)], 3, 4).is_err());
        assert!(check(&[(0, 4)], 4, 5).is_err());
        assert!(check(&[(u64::MAX, 2)], u64::MAX, 2).is_err());
    }

    #[test]
    fn a_map_may_span_blocks() {
        let mut text = String::from("200\n");
        for piece in 0..200 {
            text.push_str(&format!("{}\n1\n", piece * 10));
        }
        let mut bytes = text.into_bytes();
        bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, 0);
        let mut map = MapReader::default();
        for block in bytes.chunks_exact(BLOCK) {
            assert!(!map.is_complete());
            map.read(block.try_into().unwrap()).unwrap();
        }
        assert!(map.is_complete());
        assert_eq!(map.pieces().last(), Some(&(1990, 1)));
    }
}
