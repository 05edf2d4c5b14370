//! BER to DER, as far as signed messages use BER: indefinite lengths, lengths with needless
//! octets, octet strings in pieces. Signers that stream write these; parsers of DER refuse them.
//!
//! Input that is DER already comes out as it went in, so that signatures over its parts hold.
//! Depth and the number of elements are bounded: this runs before anything is verified.

/// Deeper than certificates go by a factor of two.
const DEEPEST: usize = 32;

/// An envelope with a chain of certificates has some hundreds. The parser behind sorts sets in
/// quadratic time; this bounds it.
const MOST_ELEMENTS: usize = 10_000;

/// Longest length field that is read, in octets.
const LONGEST_LENGTH: usize = 8;

const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const CONSTRUCTED: u8 = 0x20;
const CLASS: u8 = 0xc0;
const NUMBER: u8 = 0x1f;

/// The bytes are not BER that a signed message could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BerError {
    /// An element is longer than what there is.
    #[error("it is cut off, or a length in it is wrong")]
    Truncated,
    /// Bytes after the end.
    #[error("there are {0} bytes after its end")]
    Trailing(usize),
    /// Nested too deeply.
    #[error("it is nested more than {DEEPEST} levels deep")]
    Depth,
    /// Too many elements.
    #[error("it has more than {MOST_ELEMENTS} elements")]
    Elements,
    /// A length that BER does not have.
    #[error("a length in it is not valid")]
    Length,
    /// A tag that no signed message has at that place.
    #[error("the tag {0:#04x} has no place in it")]
    Tag(u8),
}

/// `ber` in DER.
///
/// # Errors
/// When it is not one whole BER element within the bounds of this module.
pub(super) fn to_der(ber: &[u8]) -> Result<Vec<u8>, BerError> {
    let mut elements = MOST_ELEMENTS;
    let mut input = ber;
    let element = element(&mut input, DEEPEST, &mut elements)?;
    if input.is_empty() {
        let mut der = Vec::with_capacity(ber.len());
        element.write(&mut der);
        Ok(der)
    } else {
        Err(BerError::Trailing(input.len()))
    }
}

struct Element {
    tag: u8,
    content: Vec<u8>,
}

impl Element {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.tag);
        let octets = self.content.len().to_be_bytes();
        match self.content.len() {
            short @ 0..=0x7f => out.extend(u8::try_from(short)),
            _ => {
                let significant = octets.iter().skip_while(|octet| **octet == 0);
                let count = u8::try_from(significant.clone().count()).unwrap_or(u8::MAX);
                out.push(0x80 | count);
                out.extend(significant);
            }
        }
        out.extend_from_slice(&self.content);
    }
}

fn element(
    input: &mut &[u8],
    levels_left: usize,
    elements_left: &mut usize,
) -> Result<Element, BerError> {
    let levels_left = levels_left.checked_sub(1).ok_or(BerError::Depth)?;
    *elements_left = elements_left.checked_sub(1).ok_or(BerError::Elements)?;
    let tag = byte(input)?;
    let universal = tag & CLASS == 0;
    let pieces = tag == OCTET_STRING | CONSTRUCTED;
    // Number 31 announces a tag of several octets; 0 is the end of an indefinite length. Of the
    // constructed universal types only these three occur.
    if tag & NUMBER == NUMBER
        || (universal && tag & NUMBER == 0)
        || (universal && tag & CONSTRUCTED != 0 && !pieces && tag != SEQUENCE && tag != SET)
    {
        return Err(BerError::Tag(tag));
    }
    let length = length(input)?;
    if tag & CONSTRUCTED == 0 {
        let content = take(input, length.ok_or(BerError::Length)?)?;
        return Ok(Element {
            tag,
            content: content.to_vec(),
        });
    }

    let mut content = Vec::new();
    let mut child = |input: &mut &[u8]| {
        let child = element(input, levels_left, elements_left)?;
        match (pieces, child.tag) {
            (false, _) => child.write(&mut content),
            (true, OCTET_STRING) => content.extend_from_slice(&child.content),
            (true, other) => return Err(BerError::Tag(other)),
        }
        Ok(())
    };
    match length {
        Some(length) => {
            let mut children = take(input, length)?;
            while !children.is_empty() {
                child(&mut children)?;
            }
        }
        None => {
            while !input.starts_with(&[0, 0]) {
                child(input)?;
            }
            take(input, 2)?;
        }
    }
    Ok(Element {
        tag: if pieces { OCTET_STRING } else { tag },
        content,
    })
}

/// The length that comes next; none when it is indefinite.
fn length(input: &mut &[u8]) -> Result<Option<usize>, BerError> {
    match byte(input)? {
        0x80 => Ok(None),
        short @ 0..=0x7f => Ok(Some(usize::from(short))),
        0xff => Err(BerError::Length),
        long => {
            let octets = take(input, usize::from(long & 0x7f))?;
            if octets.len() > LONGEST_LENGTH {
                return Err(BerError::Length);
            }
            let length = octets
                .iter()
                .fold(0_u64, |length, octet| length << 8 | u64::from(*octet));
            usize::try_from(length)
                .map(Some)
                .map_err(|_| BerError::Length)
        }
    }
}

fn byte(input: &mut &[u8]) -> Result<u8, BerError> {
    let (first, rest) = input.split_first().ok_or(BerError::Truncated)?;
    *input = rest;
    Ok(*first)
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], BerError> {
    let (taken, rest) = input.split_at_checked(length).ok_or(BerError::Truncated)?;
    *input = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[rstest::rstest]
    #[case::indefinite(&[0x30, 0x80, 0x02, 1, 7, 0, 0], &[0x30, 3, 0x02, 1, 7])]
    #[case::indefinite_in_indefinite(
        &[0xa0, 0x80, 0x31, 0x80, 0x05, 0, 0, 0, 0, 0],
        &[0xa0, 4, 0x31, 2, 0x05, 0]
    )]
    #[case::pieces(
        &[0x24, 0x80, 0x04, 2, 1, 2, 0x04, 1, 3, 0, 0],
        &[0x04, 3, 1, 2, 3]
    )]
    #[case::pieces_of_pieces(
        &[0x24, 7, 0x24, 3, 0x04, 1, 1, 0x04, 0],
        &[0x04, 1, 1]
    )]
    #[case::no_piece(&[0x24, 0x80, 0, 0], &[0x04, 0])]
    #[case::needless_length_octets(&[0x04, 0x84, 0, 0, 0, 1, 9], &[0x04, 1, 9])]
    #[case::zeros_in_content_are_no_end(&[0x30, 0x80, 0x04, 2, 0, 0, 0, 0], &[0x30, 4, 0x04, 2, 0, 0])]
    fn becomes_der(#[case] ber: &[u8], #[case] der: &[u8]) {
        assert_eq!(to_der(ber).unwrap(), der);
        assert_eq!(to_der(der).unwrap(), der);
    }

    #[rstest::rstest]
    #[case::nothing(&[], BerError::Truncated)]
    #[case::no_length(&[0x30], BerError::Truncated)]
    #[case::too_long(&[0x30, 5, 0x02, 1, 7], BerError::Truncated)]
    #[case::child_beyond_its_parent(&[0x30, 3, 0x02, 9, 7, 0, 0, 0, 0, 0, 0], BerError::Truncated)]
    #[case::huge_length(&[0x04, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], BerError::Truncated)]
    #[case::length_of_nine_octets(&[0x04, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9], BerError::Length)]
    #[case::reserved_length(&[0x04, 0xff, 1], BerError::Length)]
    #[case::primitive_and_indefinite(&[0x04, 0x80, 0, 0], BerError::Length)]
    #[case::no_end(&[0x30, 0x80, 0x02, 1, 7], BerError::Truncated)]
    #[case::half_an_end(&[0x30, 0x80, 0x02, 1, 7, 0], BerError::Tag(0))]
    #[case::after_the_end(&[0x02, 1, 7, 0, 0], BerError::Trailing(2))]
    #[case::end_alone(&[0, 0], BerError::Tag(0))]
    #[case::long_tag(&[0x1f, 0x81, 1, 0], BerError::Tag(0x1f))]
    #[case::integer_among_pieces(&[0x24, 3, 0x02, 1, 7], BerError::Tag(0x02))]
    #[case::bit_string_in_pieces(&[0x23, 4, 0x03, 2, 0, 7], BerError::Tag(0x23))]
    fn is_refused(#[case] ber: &[u8], #[case] error: BerError) {
        assert_eq!(to_der(ber), Err(error));
    }

    #[test]
    fn lengths_of_every_size_are_minimal() {
        for length in [0_usize, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let mut ber = vec![0x04, 0x84];
            ber.extend(u32::try_from(length).unwrap().to_be_bytes());
            ber.extend(vec![7; length]);
            let der = to_der(&ber).unwrap();
            let header = match length {
                0..=127 => 2,
                128..=255 => 3,
                256..=65_535 => 4,
                _ => 5,
            };
            assert_eq!(der.len(), header + length);
            assert_eq!(to_der(&der).unwrap(), der);
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| {
            let mut ber = [0x30, 0x80].repeat(levels);
            ber.extend([0, 0].repeat(levels));
            ber
        };
        assert!(to_der(&nested(DEEPEST)).is_ok());
        assert_eq!(to_der(&nested(DEEPEST + 1)), Err(BerError::Depth));
        assert_eq!(to_der(&nested(500_000)), Err(BerError::Depth));
    }

    #[test]
    fn the_number_of_elements_is_bounded() {
        let flat = |elements: usize| {
            let mut ber = vec![0x30, 0x80];
            ber.extend([0x05, 0].repeat(elements));
            ber.extend([0, 0]);
            ber
        };
        assert!(to_der(&flat(MOST_ELEMENTS - 1)).is_ok());
        assert_eq!(to_der(&flat(MOST_ELEMENTS)), Err(BerError::Elements));
    }

    /// Elements as arbitrary bytes rarely are: mostly well-formed, some with indefinite lengths.
    fn some_ber() -> impl Strategy<Value = Vec<u8>> {
        let leaf = proptest::collection::vec(any::<u8>(), 0..200).prop_map(|content| {
            let mut der = Vec::new();
            Element {
                tag: OCTET_STRING,
                content,
            }
            .write(&mut der);
            der
        });
        leaf.prop_recursive(5, 40, 5, |inner| {
            let tag = prop_oneof![Just(SEQUENCE), Just(SET), Just(0xa0), Just(0x24)];
            (tag, any::<bool>(), proptest::collection::vec(inner, 0..5)).prop_map(
                |(tag, indefinite, children)| {
                    let content = children.concat();
                    if indefinite {
                        [&[tag, 0x80][..], &content, &[0, 0]].concat()
                    } else {
                        let mut der = Vec::new();
                        Element { tag, content }.write(&mut der);
                        der
                    }
                },
            )
        })
    }

    proptest! {
        #[test]
        fn der_is_a_fixed_point(ber in some_ber()) {
            // A constructed octet string of something else is refused; all else is converted.
            if let Ok(der) = to_der(&ber) {
                prop_assert_eq!(to_der(&der).unwrap(), der);
            }
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = to_der(&bytes);
        }
    }
}
