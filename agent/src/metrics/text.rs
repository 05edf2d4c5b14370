//! The text format: OpenMetrics 1.0, of which only what the Prometheus text format (0.0.4) reads
//! too is used.
//!
//! node_exporter's textfile collector reads the latter and refuses a file whole when one line is
//! not of it. So there are no timestamps, no types that it does not know (`info`, `unknown`) and no
//! exemplars; `# UNIT` and `# EOF` are comments to it. A counter's `# TYPE` and `# HELP` name its
//! family, without `_total`, as OpenMetrics wants: Prometheus then takes its samples for untyped,
//! which changes nothing for `rate()`.

use std::fmt::{Display, Write as _};

use super::histogram::Histogram;

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric by its name, which ends with its unit where it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// In base units; none: a number.
    pub(super) unit: Option<&'static str>,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

impl Family {
    /// The name under which its samples are asked for (those of a histogram have suffixes).
    pub(super) fn sample(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

/// The text as far as it is written.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
}

/// Values of labels, in the order of [`Family::labels`].
type Labels<'a> = &'a [&'a str];

impl Text {
    /// Begins a family. Its samples follow, and no others.
    pub(super) fn family(&mut self, family: &Family) {
        let Family {
            name, kind, unit, ..
        } = family;
        self.line(format_args!("# TYPE {name} {}", kind.name()));
        if let Some(unit) = unit {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {}", escaped(family.help)));
    }

    /// A sample of a counter or a gauge.
    pub(super) fn sample(&mut self, family: &Family, labels: Labels<'_>, value: impl Display) {
        let labels = rendered(family, labels, None);
        self.line(format_args!("{}{labels} {value}", family.sample()));
    }

    /// A distribution.
    pub(super) fn histogram(&mut self, family: &Family, labels: Labels<'_>, of: &Histogram) {
        let name = family.name;
        for (bound, count) in of.cumulative() {
            let bound = if bound.is_infinite() {
                "+Inf".to_owned()
            } else {
                // 1.0, not 1: the canonical form of OpenMetrics.
                format!("{bound:?}")
            };
            let labels = rendered(family, labels, Some(&bound));
            self.line(format_args!("{name}_bucket{labels} {count}"));
        }
        let labels = rendered(family, labels, None);
        self.line(format_args!("{name}_sum{labels} {}", of.sum()));
        self.line(format_args!("{name}_count{labels} {}", of.count()));
    }

    /// The whole text.
    pub(super) fn end(mut self) -> String {
        self.line(format_args!("{END}"));
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// The last line: a text without it is not whole.
pub(super) const END: &str = "# EOF";

fn rendered(family: &Family, values: Labels<'_>, bound: Option<&str>) -> String {
    let bound = bound.map(|bound| ("le", bound));
    let pairs: Vec<String> = family
        .labels
        .iter()
        .copied()
        .zip(values.iter().copied())
        .chain(bound)
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", pairs.join(","))
    }
}

/// As both formats want it in values of labels; in helps, which have no quotes, too.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FAMILY: Family = Family {
        name: "things",
        kind: Kind::Counter,
        unit: None,
        labels: &["kind"],
        help: "Things.",
    };

    #[test]
    fn values_of_labels_are_escaped() {
        let mut text = Text::default();
        text.family(&FAMILY);
        text.sample(&FAMILY, &["a\\b\"c\nd"], 3);
        assert_eq!(
            text.end(),
            "# TYPE things counter\n# HELP things Things.\n\
             things_total{kind=\"a\\\\b\\\"c\\nd\"} 3\n# EOF\n"
        );
    }

    #[test]
    fn buckets_are_cumulative_and_the_last_one_has_all() {
        let family = Family {
            name: "time_seconds",
            kind: Kind::Histogram,
            unit: Some("seconds"),
            ..FAMILY
        };
        let mut histogram = Histogram::default();
        for milliseconds in [50, 100, 101, 700, 5000, 4_000_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let mut text = Text::default();
        text.family(&family);
        text.histogram(&family, &["x"], &histogram);
        let text = text.end();
        let found: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("time_seconds_bucket{kind=\"x\",le="))
            .collect();
        assert_eq!(
            found,
            [
                "\"0.1\"} 2",
                "\"0.5\"} 3",
                "\"1.0\"} 4",
                "\"5.0\"} 5",
                "\"10.0\"} 5",
                "\"30.0\"} 5",
                "\"60.0\"} 5",
                "\"120.0\"} 5",
                "\"300.0\"} 5",
                "\"600.0\"} 5",
                "\"1800.0\"} 5",
                "\"3600.0\"} 5",
                "\"+Inf\"} 6",
            ]
        );
        assert!(text.starts_with("# TYPE time_seconds histogram\n# UNIT time_seconds seconds\n"));
        assert!(text.contains("time_seconds_sum{kind=\"x\"} 4005.951\n"));
        assert!(text.contains("time_seconds_count{kind=\"x\"} 6\n"));
    }
}
