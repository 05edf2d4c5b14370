//! A strict reader of OpenMetrics text, which refuses also what the Prometheus text format does not
//! have: the file that the agent writes has to be valid in both.

use std::collections::{BTreeMap, BTreeSet};

/// The type of a family; others exist, but not in both formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Only grows.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution in buckets.
    Histogram,
}

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its name, without the suffixes of samples.
    pub name: String,
    /// Its type.
    pub kind: Type,
}

/// Names and values.
pub type Labels = Vec<(String, String)>;

/// A line with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name of its family.
    pub family: String,
    /// Its own name.
    pub name: String,
    /// Names and values, as they came.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// A whole text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition {
    /// In the order of the text.
    pub families: Vec<Family>,
    /// In the order of the text.
    pub samples: Vec<Sample>,
}

impl Exposition {
    /// Reads a text; says which line is wrong, and how.
    ///
    /// # Errors
    /// When it is not valid in both formats, or not whole.
    pub fn read(text: &str) -> Result<Self, String> {
        let body = text
            .strip_suffix("# EOF\n")
            .ok_or("the text does not end with # EOF")?;
        let mut read = Self::default();
        let mut described = BTreeSet::new();
        for line in body.split_inclusive('\n') {
            let at = |error: &str| format!("{error}: {line:?}");
            let line = line.strip_suffix('\n').ok_or_else(|| at("no line end"))?;
            match line.strip_prefix("# ") {
                Some(comment) => read.describe(comment, &mut described),
                None => read.sample(line),
            }
            .map_err(|error| at(&error))?;
        }
        read.check_descriptions(&described)?;
        read.check_samples()?;
        Ok(read)
    }

    /// The value of the only sample with this name and these labels.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self.samples.iter().filter(|sample| {
            sample.name == name
                && sample.labels.len() == labels.len()
                && labels.iter().all(|(name, value)| {
                    let mut own = sample.labels.iter();
                    own.any(|(own, has)| own == name && has == value)
                })
        });
        let value = found.next()?.value;
        found.next().is_none().then_some(value)
    }

    fn describe(&mut self, line: &str, described: &mut BTreeSet<String>) -> Result<(), String> {
        let (keyword, rest) = line.split_once(' ').ok_or("no keyword")?;
        let (name, rest) = rest.split_once(' ').ok_or("nothing after the name")?;
        if !is_name(name) {
            return Err("no name of a metric".to_owned());
        }
        if !described.insert(format!("{keyword} {name}")) {
            return Err("said twice".to_owned());
        }
        if keyword == "TYPE" {
            let kind = match rest {
                "counter" => Type::Counter,
                "gauge" => Type::Gauge,
                "histogram" => Type::Histogram,
                _ => return Err("a type that only one of the formats has".to_owned()),
            };
            if kind == Type::Counter && name.ends_with("_total") {
                return Err("a counter's family is named without _total".to_owned());
            }
            let name = name.to_owned();
            self.families.push(Family { name, kind });
            return Ok(());
        }
        // What describes a family stands together, at its beginning.
        let current = self.families.last().map(|family| family.name.as_str());
        let begun = self.samples.last().map(|sample| sample.family.as_str());
        if current != Some(name) || begun == Some(name) {
            return Err("not where its family begins".to_owned());
        }
        match keyword {
            "UNIT" if name.ends_with(&format!("_{rest}")) => Ok(()),
            "UNIT" => Err("the name does not end with the unit".to_owned()),
            // Escapes of quotes are in one of the formats only.
            "HELP" if rest.contains(['"', '\\']) || rest.is_empty() => {
                Err("a help that one of the formats cannot have".to_owned())
            }
            "HELP" => Ok(()),
            _ => Err("no keyword of the format".to_owned()),
        }
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let family = self.families.last().ok_or("a sample without a family")?;
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, rest) = line.split_at(end);
        let suffix = name
            .strip_prefix(family.name.as_str())
            .ok_or("not of the family above")?;
        let allowed: &[&str] = match family.kind {
            Type::Counter => &["_total"],
            Type::Gauge => &[""],
            Type::Histogram => &["_bucket", "_sum", "_count"],
        };
        if !allowed.contains(&suffix) {
            return Err("a suffix that the type does not have".to_owned());
        }
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
        // A second number would be a timestamp, which textfiles must not have.
        if value.contains(' ') {
            return Err("more than a value".to_owned());
        }
        let value: f64 = value.parse().map_err(|_| "no number".to_owned())?;
        if family.kind != Type::Gauge && (value < 0.0 || !value.is_finite()) {
            return Err("no count".to_owned());
        }
        let sample = Sample {
            family: family.name.clone(),
            name: name.to_owned(),
            labels,
            value,
        };
        self.samples.push(sample);
        Ok(())
    }

    fn check_descriptions(&self, described: &BTreeSet<String>) -> Result<(), String> {
        for Family { name, .. } in &self.families {
            if !described.contains(&format!("HELP {name}")) {
                return Err(format!("{name} has no help"));
            }
            let unit = ["seconds", "bytes"]
                .into_iter()
                .find(|unit| name.ends_with(&format!("_{unit}")));
            if unit.is_some() != described.contains(&format!("UNIT {name}")) {
                return Err(format!("{name} has a unit in its name or beside it only"));
            }
        }
        Ok(())
    }

    fn check_samples(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            let mut labels = sample.labels.clone();
            labels.sort();
            if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(format!("a label twice: {sample:?}"));
            }
            if !seen.insert((sample.name.clone(), labels)) {
                return Err(format!("a sample twice: {sample:?}"));
            }
        }
        let mut histograms = self.families.iter().filter(|f| f.kind == Type::Histogram);
        histograms.try_for_each(|family| self.check_histogram(&family.name))
    }

    /// Buckets are in order and cumulative, and the last one is infinite and has all.
    fn check_histogram(&self, name: &str) -> Result<(), String> {
        let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in self.samples.iter().filter(|s| s.family == name) {
            let (bound, labels): (Vec<_>, Vec<_>) =
                sample.labels.iter().cloned().partition(|(l, _)| l == "le");
            let series = buckets.entry(labels).or_default();
            match bound.first() {
                None if sample.name.ends_with("_bucket") => {
                    return Err(format!("a bucket without a bound: {sample:?}"));
                }
                None => {}
                Some((_, bound)) => {
                    if bound != "+Inf" && !bound.contains('.') {
                        return Err(format!(
                            "a bound that is not in its canonical form: {bound}"
                        ));
                    }
                    let bound = bound.parse().map_err(|_| "no bound".to_owned())?;
                    series.push((bound, sample.value));
                }
            }
        }
        for (labels, buckets) in &buckets {
            let pairs: Vec<(&str, &str)> = labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let count = self.value(&format!("{name}_count"), &pairs);
            let last = buckets.last().copied();
            let rising = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
            if !buckets.windows(2).all(rising)
                || last.map(|(bound, _)| bound) != Some(f64::INFINITY)
                || count.is_none()
                || last.map(|(_, value)| value) != count
                || self.value(&format!("{name}_sum"), &pairs).is_none()
            {
                return Err(format!("the histogram {name}{labels:?} is not one"));
            }
        }
        Ok(())
    }
}

/// Reads labels up to the bracket that closes them; returns what follows.
fn labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("no label")?;
        if !is_name(name) || name.contains(':') {
            return Err("no name of a label".to_owned());
        }
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().ok_or("no end of the label")? {
                (index, '"') => break index,
                (_, '\\') => value.push(match characters.next().map(|(_, c)| c) {
                    Some('n') => '\n',
                    Some(c @ ('\\' | '"')) => c,
                    _ => return Err("no escape of the format".to_owned()),
                }),
                (_, c) => value.push(c),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &after[end + 1..];
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        rest = rest.strip_prefix(',').ok_or("no comma between labels")?;
    }
}

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.chars().all(legal) && text.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Exposition;

    const GOOD: &str = "# TYPE a counter\n# HELP a A.\na_total{l=\"x\\\"y\"} 1\n# EOF\n";

    #[test]
    fn what_is_right_is_read() {
        let read = Exposition::read(GOOD).unwrap();
        assert_eq!(read.value("a_total", &[("l", "x\"y")]), Some(1.0));
    }

    #[rstest]
    #[case::cut("# TYPE a counter\n# HELP a A.\na_total 1\n")]
    #[case::timestamp("# TYPE a counter\n# HELP a A.\na_total 1 2\n# EOF\n")]
    #[case::total("# TYPE a_total counter\n# HELP a_total A.\na_total 1\n# EOF\n")]
    #[case::type_of_one("# TYPE a info\n# HELP a A.\na_info 1\n# EOF\n")]
    #[case::twice("# TYPE a gauge\n# HELP a A.\na 1\na 1\n# EOF\n")]
    #[case::unit("# TYPE a gauge\n# UNIT a seconds\n# HELP a A.\na 1\n# EOF\n")]
    #[case::no_help("# TYPE a gauge\na 1\n# EOF\n")]
    #[case::stray("# TYPE a gauge\n# HELP a A.\nb 1\n# EOF\n")]
    #[case::negative("# TYPE a counter\n# HELP a A.\na_total -1\n# EOF\n")]
    #[case::not_cumulative(
        "# TYPE a histogram\n# HELP a A.\na_bucket{le=\"1.0\"} 2\na_bucket{le=\"+Inf\"} 1\n\
         a_sum 1\na_count 1\n# EOF\n"
    )]
    fn what_is_wrong_is_refused(#[case] text: &str) {
        assert!(Exposition::read(text).is_err());
    }
}
