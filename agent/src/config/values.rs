//! From a value as written to a typed one.
//!
//! Each parser here is a cell of the table in `settings`: it either yields the typed value,
//! perhaps with remarks, or says what is allowed.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::choices::{Choice, LogFormat, OutputsLeftOpen, RunAsVia};
use super::document::{Scalar, Value};
use super::{Endpoint, FileName, ProxyFor, ProxyUri, WarningKind};

/// What a setting may have; becomes part of a [`super::Problem`].
pub(super) type Allowed = String;
pub(super) type Parsed<T> = Result<T, Allowed>;
pub(super) type Remarks = Vec<WarningKind>;

/// The type of a setting.
pub(super) trait Setting {
    /// Whether the default means "none", so that no value is as good as no line (AWS's shipped
    /// file has `:proxy_uri:` like this).
    const MAY_BE_UNSET: bool = false;

    /// The value for people and scripts, secrets hidden; none when unset.
    fn text(&self) -> Option<String>;

    /// What a message shows of a text that could not be parsed.
    fn describe(text: &str) -> String {
        let mut shown: String = text.chars().take(80).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        format!("{shown:?}")
    }
}

impl<T: Setting> Setting for Option<T> {
    const MAY_BE_UNSET: bool = true;
    fn text(&self) -> Option<String> {
        self.as_ref().and_then(T::text)
    }
    fn describe(text: &str) -> String {
        T::describe(text)
    }
}

macro_rules! shown_by_display {
    ($($type:ty),*) => {
        $(impl Setting for $type {
            fn text(&self) -> Option<String> {
                Some(self.to_string())
            }
        })*
    };
}
shown_by_display!(
    bool,
    String,
    NonZeroU32,
    NonZeroU64,
    FileName,
    RunAsVia,
    OutputsLeftOpen
);

impl Setting for LogFormat {
    const MAY_BE_UNSET: bool = true;
    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for ProxyFor {
    const MAY_BE_UNSET: bool = true;
    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Duration {
    fn text(&self) -> Option<String> {
        Some(self.as_secs_f64().to_string())
    }
}

impl Setting for PathBuf {
    fn text(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

impl Setting for Vec<String> {
    fn text(&self) -> Option<String> {
        Some(format!("[{}]", self.join(", ")))
    }
}

impl Setting for Endpoint {
    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
    fn describe(text: &str) -> String {
        // It may hold credentials, which is why it was refused.
        if text.contains('@') {
            "(hidden)".to_owned()
        } else {
            String::describe(text)
        }
    }
}

impl Setting for ProxyUri {
    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
    fn describe(_: &str) -> String {
        "(hidden: it may hold a password)".to_owned()
    }
}

/// Puts a value into its slot; no value leaves the default there and returns false.
pub(super) fn assign<T: Setting>(
    slot: &mut T,
    value: &Value,
    parse: impl Fn(&Value, &mut Remarks) -> Parsed<T>,
    remarks: &mut Remarks,
) -> Result<bool, (String, Allowed)> {
    let unset = match value {
        Value::Null => Some(T::MAY_BE_UNSET),
        // An empty text says "none" where there is such a thing, but not in the usual way.
        Value::Scalar(scalar) if T::MAY_BE_UNSET && scalar.text.is_empty() => Some(false),
        _ => None,
    };
    if let Some(ordinary) = unset {
        if !ordinary {
            let used = slot.text().unwrap_or_else(|| "none".to_owned());
            remarks.push(WarningKind::Unset { used });
        }
        return Ok(false);
    }
    match parse(value, remarks) {
        Ok(parsed) => *slot = parsed,
        Err(allowed) => {
            let described = match value {
                Value::Null => "nothing".to_owned(),
                Value::Scalar(scalar) => T::describe(&scalar.text),
                Value::List(_) => "a list".to_owned(),
                Value::Other(what) => (*what).to_owned(),
            };
            return Err((described, allowed));
        }
    }
    Ok(true)
}

/// What is not a single value fails with what `allowed` says.
fn single(value: &Value) -> Option<&Scalar> {
    match value {
        Value::Scalar(scalar) => Some(scalar),
        Value::Null | Value::List(_) | Value::Other(_) => None,
    }
}

/// The inner parser for a setting that may be unset.
pub(super) fn optional<T>(
    parse: impl Fn(&Value, &mut Remarks) -> Parsed<T>,
) -> impl Fn(&Value, &mut Remarks) -> Parsed<Option<T>> {
    move |value, remarks| parse(value, remarks).map(Some)
}

/// YAML 1.1 booleans as Ruby reads them; quoted ones and 0 or 1 with a remark.
pub(super) fn flag(value: &Value, remarks: &mut Remarks) -> Parsed<bool> {
    let read = single(value).and_then(|scalar| {
        let word = scalar.text.to_ascii_lowercase();
        let (flag, exact) = match word.as_str() {
            "true" | "yes" | "on" => (true, !scalar.quoted),
            "false" | "no" | "off" => (false, !scalar.quoted),
            "1" => (true, false),
            "0" => (false, false),
            _ => return None,
        };
        Some((flag, exact))
    });
    let (flag, exact) = read.ok_or("true or false")?;
    if !exact {
        remarks.push(WarningKind::ReadAs {
            value: flag.to_string(),
        });
    }
    Ok(flag)
}

/// A protection that cannot be turned off: always true, with a remark for false.
pub(super) fn always_on(value: &Value, remarks: &mut Remarks) -> Parsed<bool> {
    if !flag(value, remarks)? {
        remarks.push(WarningKind::AlwaysOn);
    }
    Ok(true)
}

/// A setting that is checked and then not used, with a remark that says so.
pub(super) fn without_effect<T>(
    reason: &'static str,
    parse: impl Fn(&Value, &mut Remarks) -> Parsed<T>,
) -> impl Fn(&Value, &mut Remarks) -> Parsed<T> {
    move |value, remarks| {
        let parsed = parse(value, remarks)?;
        remarks.push(WarningKind::WithoutEffect { reason });
        Ok(parsed)
    }
}

/// A decimal number, perhaps quoted. Nothing that Ruby and people read differently: no octal
/// (`010`), no sexagesimal (`1:30`), no exponent, no unit.
fn number(value: &Value, remarks: &mut Remarks) -> Option<f64> {
    let scalar = single(value)?;
    // YAML 1.1 allows 1_000.
    let text = scalar.text.trim().replace('_', "");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let decimal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !decimal(whole) || !decimal(fraction) || leading_zero {
        return None;
    }
    let number = text.parse().ok()?;
    if scalar.quoted {
        remarks.push(WarningKind::ReadAs { value: text });
    }
    Some(number)
}

/// Seconds, fractions included, moved into the range with a remark.
pub(super) fn seconds(min: f64, max: f64) -> impl Fn(&Value, &mut Remarks) -> Parsed<Duration> {
    move |value, remarks| {
        let allowed = format!("a number of seconds from {min} to {max}");
        let given = number(value, remarks).ok_or_else(|| allowed.clone())?;
        let used = given.clamp(min, max);
        if used != given {
            remarks.push(WarningKind::Clamped {
                value: given.to_string(),
                used: used.to_string(),
                allowed: allowed.clone(),
            });
        }
        Duration::try_from_secs_f64(used).map_err(|_| allowed)
    }
}

/// A whole number. Below 1 is refused, as AWS's agent does; too large a one is moved to the
/// largest with a remark.
pub(super) fn at_least_one(value: &Value, remarks: &mut Remarks) -> Parsed<NonZeroU32> {
    const ALLOWED: &str = "a whole number, at least 1";
    let given = number(value, remarks).filter(|number| number.fract() == 0.0);
    let given = given.ok_or(ALLOWED)?;
    // The cast saturates at both ends.
    let used = NonZeroU32::new(given as u32).ok_or(ALLOWED)?;
    if f64::from(used.get()) != given {
        remarks.push(WarningKind::Clamped {
            value: given.to_string(),
            used: used.to_string(),
            allowed: format!("at most {}", u32::MAX),
        });
    }
    Ok(used)
}

/// A whole number from 1 to `most`. Not clamped: a limit that is not the one meant protects
/// nothing.
pub(super) fn limit(most: u32) -> impl Fn(&Value, &mut Remarks) -> Parsed<NonZeroU32> {
    move |value, remarks| {
        let whole = |number: &f64| number.fract() == 0.0 && *number <= f64::from(most);
        number(value, remarks)
            .filter(whole)
            // The cast saturates below zero.
            .and_then(|number| NonZeroU32::new(number as u32))
            .ok_or_else(|| format!("a whole number from 1 to {most}"))
    }
}

/// Bytes, or a whole number with a unit. `KB` is 1000 and `KiB` is 1024, and so on, as AWS's
/// second agent has them. Not clamped: a limit that is not the one meant protects nothing.
pub(super) fn size(value: &Value, _: &mut Remarks) -> Parsed<NonZeroU64> {
    const ALLOWED: &str = "bytes as a whole number above 0, or one with a unit such as 500MB, 4GB \
                           or 1GiB (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)";
    let read = single(value).and_then(|scalar| {
        let text = scalar.text.trim();
        let unit_at = text.find(|c: char| !matches!(c, '0'..='9' | '_'));
        let (digits, unit) = text.split_at(unit_at.unwrap_or(text.len()));
        let factor = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1000,
            "mb" => 1000_u64.pow(2),
            "gb" => 1000_u64.pow(3),
            "tb" => 1000_u64.pow(4),
            "kib" => 1024,
            "mib" => 1024_u64.pow(2),
            "gib" => 1024_u64.pow(3),
            "tib" => 1024_u64.pow(4),
            _ => return None,
        };
        let digits = digits.replace('_', "");
        // Ruby reads 010 as octal; nobody may mean either.
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        let number: u64 = digits.parse().ok()?;
        NonZeroU64::new(number.checked_mul(factor)?)
    });
    read.ok_or_else(|| ALLOWED.to_owned())
}

/// An absolute path, kept as written: AWS's agents compare paths as text.
pub(super) fn path(value: &Value, _: &mut Remarks) -> Parsed<PathBuf> {
    let text = single(value).map(|scalar| scalar.text.as_str());
    text.filter(|text| Path::new(text).is_absolute() && !text.chars().any(char::is_control))
        .map(PathBuf::from)
        .ok_or_else(|| "an absolute path".to_owned())
}

/// One segment of a path.
pub(super) fn file_name(value: &Value, _: &mut Remarks) -> Parsed<FileName> {
    single(value)
        .and_then(|scalar| FileName::new(&scalar.text))
        .ok_or_else(|| {
            format!(
                "one file name of at most {} bytes, without slashes",
                FileName::LONGEST
            )
        })
}

/// The directory beside the agent's own ones under `root_dir`.
pub(super) fn tracking_directory(value: &Value, remarks: &mut Remarks) -> Parsed<FileName> {
    let name = file_name(value, remarks)?;
    match name.as_str() {
        "deployment-instructions" | "deployment-logs" => {
            Err("a directory name that root_dir does not use for something else".to_owned())
        }
        _ => Ok(name),
    }
}

/// The name of a user or a group; whether it exists is asked when it is needed.
pub(super) fn account(value: &Value, _: &mut Remarks) -> Parsed<String> {
    let text = single(value).map(|scalar| scalar.text.as_str());
    let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | '/');
    text.filter(|text| !text.is_empty() && !text.contains(bad))
        .map(str::to_owned)
        .ok_or_else(|| "the name of an account".to_owned())
}

/// A version, which becomes the value of an HTTP header.
pub(super) fn version(value: &Value, _: &mut Remarks) -> Parsed<String> {
    let text = single(value).map(|scalar| scalar.text.as_str());
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+');
    text.filter(|text| (1..=64).contains(&text.len()) && text.bytes().all(good))
        .map(str::to_owned)
        .ok_or_else(|| "a version such as 2.1.0".to_owned())
}

/// A service's address.
pub(super) fn endpoint(value: &Value, remarks: &mut Remarks) -> Parsed<Endpoint> {
    let endpoint = single(value)
        .and_then(|scalar| Endpoint::parse(&scalar.text))
        .ok_or("an https:// or http:// URL without credentials or query")?;
    if endpoint.is_plain_http() {
        remarks.push(WarningKind::PlainHttp);
    }
    Ok(endpoint)
}

/// The proxy's address.
pub(super) fn proxy(value: &Value, _: &mut Remarks) -> Parsed<ProxyUri> {
    single(value)
        .and_then(|scalar| ProxyUri::parse(&scalar.text))
        .ok_or_else(|| "a URL of the form http://[user:password@]host[:port]".to_owned())
}

/// The items of a list, or the parts of a text between commas and blanks.
fn words(value: &Value) -> Option<Vec<&str>> {
    let parts = |text| str::split(text, |c: char| c == ',' || c.is_whitespace());
    let words: Vec<&str> = match value {
        Value::Scalar(scalar) => parts(&scalar.text).collect(),
        Value::List(items) => {
            let items: Option<Vec<&Scalar>> = items.iter().map(|item| single(item)).collect();
            items?.into_iter().flat_map(|s| parts(&s.text)).collect()
        }
        Value::Null | Value::Other(_) => return None,
    };
    Some(words.into_iter().filter(|word| !word.is_empty()).collect())
}

/// Hosts that are reached without the proxy.
pub(super) fn hosts(value: &Value, _: &mut Remarks) -> Parsed<Vec<String>> {
    words(value)
        .filter(|hosts| !hosts.iter().any(|host| host.contains(char::is_control)))
        .map(|hosts| hosts.into_iter().map(str::to_owned).collect())
        .ok_or_else(|| "host names, as a list or separated by commas".to_owned())
}

/// The services that are reached through the proxy.
pub(super) fn proxy_for(value: &Value, _: &mut Remarks) -> Parsed<ProxyFor> {
    words(value)
        .and_then(ProxyFor::from_words)
        .ok_or_else(|| "a list of control, s3 and github".to_owned())
}

/// One of a setting's words; a Ruby symbol (`:wait`) is the same word.
pub(super) fn choice<T: Choice>(value: &Value, _: &mut Remarks) -> Parsed<T> {
    let word = single(value).map(|scalar| scalar.text.as_str());
    let word = word.map(|word| word.strip_prefix(':').unwrap_or(word));
    T::ALL
        .iter()
        .copied()
        .find(|choice| word == Some(choice.word()))
        .ok_or_else(|| {
            let words: Vec<&str> = T::ALL.iter().map(|choice| choice.word()).collect();
            words.join(" or ")
        })
}
