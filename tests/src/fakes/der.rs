//! The little of DER that certificates and signed data are made of.

/// A value with its tag and length.
pub(super) fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut der = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        der.push(short);
    } else {
        let bytes: Vec<u8> = length
            .to_be_bytes()
            .into_iter()
            .skip_while(|byte| *byte == 0)
            .collect();
        der.push(0x80 | u8::try_from(bytes.len()).unwrap());
        der.extend(bytes);
    }
    der.extend(content);
    der
}

/// `SEQUENCE`
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

/// `SET OF`, in DER's order.
pub(super) fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = parts.to_vec();
    parts.sort();
    tagged(0x31, &parts.concat())
}

/// `[number]`, constructed: explicit around a value, or implicit instead of its tag.
pub(super) fn context(number: u8, content: &[u8]) -> Vec<u8> {
    tagged(0xa0 | number, content)
}

/// `INTEGER`, small and positive.
pub(super) fn integer(value: u8) -> Vec<u8> {
    assert!(value < 0x80);
    tagged(0x02, &[value])
}

/// `OCTET STRING`
pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    tagged(0x04, content)
}

/// `BIT STRING` of whole bytes.
pub(super) fn bits(content: &[u8]) -> Vec<u8> {
    tagged(0x03, &[&[0], content].concat())
}

/// `UTF8String`
pub(super) fn text(content: &str) -> Vec<u8> {
    tagged(0x0c, content.as_bytes())
}

/// `OBJECT IDENTIFIER`
pub(super) fn oid(arcs: &[u32]) -> Vec<u8> {
    let mut content = vec![u8::try_from(arcs[0] * 40 + arcs[1]).unwrap()];
    for arc in &arcs[2..] {
        let mut bytes = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            bytes.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        content.extend(bytes.iter().rev());
    }
    tagged(0x06, &content)
}

/// An algorithm's identifier with the parameters NULL, as RSA and SHA have it.
pub(super) fn algorithm(arcs: &[u32]) -> Vec<u8> {
    sequence(&[&oid(arcs), &tagged(0x05, &[])])
}

pub(super) const SHA256: &[u32] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];
pub(super) const RSA: &[u32] = &[1, 2, 840, 113_549, 1, 1, 1];
pub(super) const RSA_SHA256: &[u32] = &[1, 2, 840, 113_549, 1, 1, 11];
