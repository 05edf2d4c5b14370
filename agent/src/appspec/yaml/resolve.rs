//! What a scalar's text means, by Psych's rules (YAML 1.1 with Ruby's additions).
//!
//! Dates and symbols, which Psych also knows, stay text: no key of an AppSpec takes one.

/// A resolved scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Integers that do not fit [`Value::Int`] are infinite: nothing in an AppSpec is as large.
    Float(f64),
    Text(&'a str),
}

/// What `text` means as a plain scalar.
pub(crate) fn resolve(text: &str) -> Value<'_> {
    let is_any = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if text.is_empty() || text == "~" || is_any(&["null"]) {
        return Value::Null;
    }
    if is_any(&["yes", "true", "on"]) {
        return Value::Bool(true);
    }
    if is_any(&["no", "false", "off"]) {
        return Value::Bool(false);
    }
    if !text.starts_with(|ch: char| ch.is_ascii_digit() || matches!(ch, '+' | '-' | '.')) {
        return Value::Text(text);
    }
    if is_any(&[".inf", "+.inf"]) {
        return Value::Float(f64::INFINITY);
    }
    if is_any(&["-.inf"]) {
        return Value::Float(f64::NEG_INFINITY);
    }
    if is_any(&[".nan"]) {
        return Value::Float(f64::NAN);
    }
    base_60(text)
        .or_else(|| float(text))
        .or_else(|| integer(text))
        .unwrap_or(Value::Text(text))
}

fn unsigned(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(allowed)
}

/// `0b101`, `0644`, `1_000`, `1,000`, `0x1f`; `0888` and `1__0` are none.
fn integer(text: &str) -> Option<Value<'_>> {
    let (negative, body) = unsigned(text);
    let separator = |b: u8| matches!(b, b'_' | b',');
    let (radix, digits) = if let Some(digits) = body.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = body.strip_prefix("0x") {
        (16, digits)
    } else if body.len() > 1 && body.starts_with('0') {
        (8, body)
    } else {
        (10, body)
    };
    let valid = if radix == 10 {
        // One separator at a time, and only between digits.
        body.split(['_', ','])
            .all(|group| !group.is_empty() && all(group, |b| b.is_ascii_digit()))
    } else {
        all(digits, |b| separator(b) || char::from(b).is_digit(radix))
            && digits.bytes().any(|b| !separator(b))
    };
    valid.then(|| number(digits, radix, negative))
}

/// The value of `digits`, whose separators do not count.
fn number(digits: &str, radix: u32, negative: bool) -> Value<'static> {
    let plain: String = digits.chars().filter(|ch| ch.is_digit(radix)).collect();
    let sign = if negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{plain}"), radix).map_or_else(
        |_| {
            Value::Float(if negative {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            })
        },
        Value::Int,
    )
}

/// `1.5`, `.5`, `1.`, `1,000.5`, `1.5e+3`; an exponent needs its sign, and `1e3` is text.
fn float(text: &str) -> Option<Value<'_>> {
    let (_, body) = unsigned(text);
    let (whole, rest) = body.split_once('.')?;
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (rest.get(..at)?, rest.get(at + 1..)),
        None => (rest, None),
    };
    let digits = |text: &str| all(text, |b| b.is_ascii_digit());
    let whole_fits = whole.is_empty()
        || (whole.starts_with(|ch: char| ch.is_ascii_digit())
            && all(whole, |b| b.is_ascii_digit() || matches!(b, b'_' | b',')));
    let exponent_fits = exponent.is_none_or(|exponent| {
        exponent
            .strip_prefix(['+', '-'])
            .is_some_and(|power| !power.is_empty() && digits(power))
    });
    if !whole_fits || !digits(fraction) || !exponent_fits || whole.len() + fraction.len() == 0 {
        return None;
    }
    let plain: String = text.chars().filter(|ch| !matches!(ch, '_' | ',')).collect();
    plain.parse().ok().map(Value::Float)
}

/// `1:30` and `1:30:00.5`. Psych weighs the parts from the left, so that `1:30` is 5400.
fn base_60(text: &str) -> Option<Value<'_>> {
    const WEIGHTS: [i64; 3] = [3600, 60, 1];
    let mut parts: Vec<&str> = text.splitn(4, ':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    let fraction = parts.last().and_then(|last| last.split_once('.'));
    if let (Some((last, digits)), Some(part)) = (fraction, parts.last_mut()) {
        if !all(digits, |b| b.is_ascii_digit() || b == b'_') {
            return None;
        }
        *part = last;
    }
    let (negative, first) = unsigned(parts.first()?);
    let first_fits = first.starts_with(|ch: char| ch.is_ascii_digit())
        && all(first, |b| b.is_ascii_digit() || b == b'_');
    let others_fit = parts
        .iter()
        .skip(1)
        .all(|part| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']));
    if !first_fits || !others_fit {
        return None;
    }
    // A doubled underscore ends a number in Ruby.
    let leading = first.split("__").next().unwrap_or(first);
    let whole = match number(leading, 10, negative) {
        Value::Int(value) => value.checked_mul(3600),
        _ => None,
    }?;
    let rest = parts
        .iter()
        .zip(WEIGHTS)
        .skip(1)
        .try_fold(0, |sum, (part, weight)| {
            part.parse::<i64>().ok().map(|value| sum + value * weight)
        })?;
    let sum = whole.checked_add(rest)?;
    Some(match fraction {
        None => Value::Int(sum),
        Some((_, digits)) => {
            let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
            let fraction: f64 = format!("0.{digits}0").parse().ok()?;
            let weight = WEIGHTS.get(parts.len() - 1).copied().unwrap_or(1);
            #[expect(
                clippy::cast_precision_loss,
                reason = "Ruby computes it in floats as well"
            )]
            Value::Float(sum as f64 + fraction * weight as f64)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// Each expectation was taken from Psych 4.0.3.
    #[rstest]
    #[case::empty("", Value::Null)]
    #[case::tilde("~", Value::Null)]
    #[case::null_in_any_case("nuLL", Value::Null)]
    #[case::yes("yes", Value::Bool(true))]
    #[case::on_in_capitals("ON", Value::Bool(true))]
    #[case::mixed_case("TrUe", Value::Bool(true))]
    #[case::no("No", Value::Bool(false))]
    #[case::off("off", Value::Bool(false))]
    #[case::y_is_text("y", Value::Text("y"))]
    #[case::n_is_text("N", Value::Text("N"))]
    #[case::integer("300", Value::Int(300))]
    #[case::negative("-1", Value::Int(-1))]
    #[case::plus("+7", Value::Int(7))]
    #[case::underscores("1_000", Value::Int(1000))]
    #[case::commas("1,000", Value::Int(1000))]
    #[case::doubled_underscore("1__0", Value::Text("1__0"))]
    #[case::trailing_underscore("1_", Value::Text("1_"))]
    #[case::octal("0644", Value::Int(0o644))]
    #[case::negative_octal("-0644", Value::Int(-0o644))]
    #[case::octal_with_comma("0,7", Value::Int(7))]
    #[case::zeros("00", Value::Int(0))]
    #[case::not_octal("0888", Value::Text("0888"))]
    #[case::yaml_12_octal("0o644", Value::Text("0o644"))]
    #[case::hexadecimal("0x1F", Value::Int(31))]
    #[case::hexadecimal_without_digits("0x_", Value::Text("0x_"))]
    #[case::binary("0b101", Value::Int(5))]
    #[case::not_binary("0b2", Value::Text("0b2"))]
    #[case::larger_than_64_bits("99999999999999999999", Value::Float(f64::INFINITY))]
    #[case::float("0.0", Value::Float(0.0))]
    #[case::no_whole_part(".5", Value::Float(0.5))]
    #[case::no_fraction("1.", Value::Float(1.0))]
    #[case::dot(".", Value::Text("."))]
    #[case::signed_dot("-.", Value::Text("-."))]
    #[case::float_with_commas("1,000.5", Value::Float(1000.5))]
    #[case::exponent("1.5e+3", Value::Float(1500.0))]
    #[case::exponent_after_the_dot("1.e-1", Value::Float(0.1))]
    #[case::unsigned_exponent("1.5e3", Value::Text("1.5e3"))]
    #[case::no_dot("1e3", Value::Text("1e3"))]
    #[case::bare_exponent(".e+5", Value::Text(".e+5"))]
    #[case::version("1.0.0", Value::Text("1.0.0"))]
    #[case::infinity("+.inf", Value::Float(f64::INFINITY))]
    #[case::negative_infinity("-.INF", Value::Float(f64::NEG_INFINITY))]
    #[case::base_60("1:30", Value::Int(5400))]
    #[case::base_60_of_three("1:30:05", Value::Int(5405))]
    #[case::base_60_negative("-1:30", Value::Int(-1800))]
    #[case::base_60_float("1:30.5", Value::Float(5430.0))]
    #[case::base_60_float_of_three("1:30:5.5", Value::Float(5405.5))]
    #[case::base_60_out_of_range("1:60", Value::Text("1:60"))]
    #[case::base_60_of_four("1:2:3:4", Value::Text("1:2:3:4"))]
    #[case::date("2020-01-01", Value::Text("2020-01-01"))]
    #[case::unit("300s", Value::Text("300s"))]
    #[case::dash("-", Value::Text("-"))]
    #[case::not_ascii("٣", Value::Text("٣"))]
    fn resolves_as_psych_does(#[case] text: &str, #[case] expected: Value<'_>) {
        assert_eq!(resolve(text), expected);
    }

    #[test]
    fn nan_is_a_float() {
        assert!(matches!(resolve(".NaN"), Value::Float(value) if value.is_nan()));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+.:_,0-9a-fxXbeE]{0,12}|.{0,8}") {
            resolve(&text);
        }
    }
}
