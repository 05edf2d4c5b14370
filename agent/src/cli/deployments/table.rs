//! The list as a table that fits the terminal.

use super::words;
use crate::cli::group_labels::GroupLabels;
use crate::cli::terminal::{Colour, Paint, fitted};
use crate::cli::times;
use crate::history::{History, PastDeployment};

/// Group names and results may be long; so many characters of them tell enough.
const GROUP: usize = 24;
const RESULT: usize = 38;

/// A column that is narrower than this tells nothing.
const NARROWEST: usize = 12;

/// Between two columns.
const GAP: &str = "  ";

struct Row {
    id: String,
    group: String,
    began: String,
    took: String,
    result: String,
    colour: Option<Colour>,
    revision: String,
}

/// The lines of the table of some of `history`, its heading first; no longer than `width`, when there
/// is one.
pub(super) fn lines(
    history: &History,
    deployments: &[&PastDeployment],
    width: Option<usize>,
    paint: Paint,
) -> Vec<String> {
    let groups = GroupLabels::of(history);
    let mut rows = vec![heading()];
    rows.extend(deployments.iter().map(|past| row(past, &groups)));
    let mut layout = Layout::new(&rows);
    if let Some(width) = width {
        layout.fit(width);
    }
    rows.iter().map(|row| layout.line(row, paint)).collect()
}

fn heading() -> Row {
    Row {
        id: "  DEPLOYMENT".to_owned(),
        group: "GROUP".to_owned(),
        began: "BEGAN".to_owned(),
        took: "TOOK".to_owned(),
        result: "RESULT".to_owned(),
        colour: None,
        revision: "REVISION".to_owned(),
    }
}

fn row(past: &PastDeployment, groups: &GroupLabels<'_>) -> Row {
    let mark = if past.is_last_successful { '*' } else { ' ' };
    let took = past
        .ended
        .and_then(|ended| ended.duration_since(past.began).ok());
    let (result, colour) = words::result(past);
    Row {
        id: format!("{mark} {}", past.id),
        group: fitted(&groups.label(past), GROUP),
        began: times::local(past.began),
        took: took.map_or_else(|| "-".to_owned(), times::duration),
        result: fitted(&result, RESULT),
        colour: Some(colour),
        revision: words::revision(past),
    }
}

/// The widths of the columns; 0 for one that is left out.
struct Layout {
    id: usize,
    group: usize,
    began: usize,
    took: usize,
    result: usize,
    revision: usize,
}

impl Layout {
    fn new(rows: &[Row]) -> Self {
        let widest = |part: fn(&Row) -> &String| {
            rows.iter()
                .map(|row| part(row).chars().count())
                .max()
                .unwrap_or_default()
        };
        Self {
            id: widest(|row| &row.id),
            group: widest(|row| &row.group),
            began: widest(|row| &row.began),
            took: widest(|row| &row.took),
            result: widest(|row| &row.result),
            revision: widest(|row| &row.revision),
        }
    }

    fn total(&self) -> usize {
        let widths = [
            self.id,
            self.group,
            self.began,
            self.took,
            self.result,
            self.revision,
        ];
        let shown = widths.iter().filter(|width| **width > 0);
        shown.clone().sum::<usize>() + GAP.len() * shown.count().saturating_sub(1)
    }

    /// Takes from the columns what `width` does not have: from those first that tell least, and
    /// leaves columns out where that is not enough.
    fn fit(&mut self, width: usize) {
        self.narrow(width, |layout| &mut layout.revision, NARROWEST);
        self.narrow(width, |layout| &mut layout.group, NARROWEST);
        let columns: [fn(&mut Self) -> &mut usize; 3] = [
            |layout| &mut layout.took,
            |layout| &mut layout.group,
            |layout| &mut layout.revision,
        ];
        for column in columns {
            if self.total() > width {
                *column(self) = 0;
            }
        }
        self.narrow(width, |layout| &mut layout.result, NARROWEST);
        if self.total() > width {
            self.began = 0;
        }
    }

    /// Makes a column as narrow as `width` demands, but not narrower than `least`.
    fn narrow(&mut self, width: usize, column: fn(&mut Self) -> &mut usize, least: usize) {
        let excess = self.total().saturating_sub(width);
        let column = column(self);
        if *column > least {
            *column = column.saturating_sub(excess).max(least);
        }
    }

    fn line(&self, row: &Row, paint: Paint) -> String {
        let cells = [
            (&row.id, self.id, None),
            (&row.group, self.group, None),
            (&row.began, self.began, None),
            (&row.took, self.took, None),
            (&row.result, self.result, row.colour),
            (&row.revision, self.revision, None),
        ];
        let mut line = String::new();
        for (text, width, colour) in cells.into_iter().filter(|(_, width, _)| *width > 0) {
            if !line.is_empty() {
                line.push_str(GAP);
            }
            let text = fitted(text, width);
            let blanks = " ".repeat(width - text.chars().count());
            match colour {
                Some(colour) => line.push_str(&paint.text(colour, &text)),
                None => line.push_str(&text),
            }
            line.push_str(&blanks);
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::deployment::DeploymentId;
    use crate::diagnostics::Code;
    use crate::history::{DeploymentResult, Requester};

    fn past(id: &str) -> PastDeployment {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        PastDeployment {
            id: DeploymentId::new(id).unwrap(),
            group_id: None,
            group_name: Some("Group\u{1b}[2J".into()),
            application: None,
            revision: Some("s3://revisions/application/version-1.zip".into()),
            requester: Requester::Service,
            began,
            ended: Some(began + Duration::from_secs(70)),
            result: DeploymentResult::Failed {
                event: "ApplicationStart".into(),
                code: Some(Code::ScriptFailed),
                message: "why".into(),
            },
            held: None,
            is_most_recent: true,
            is_last_successful: id == "d-1",
            events: Vec::new(),
        }
    }

    /// The table without the time, which depends on where the test runs.
    fn table(width: Option<usize>) -> Vec<String> {
        let (one, two) = (past("d-1"), past("d-TWO"));
        let began = times::local(one.began);
        lines(
            &History::default(),
            &[&one, &two],
            width,
            Paint::with(false),
        )
        .iter()
        .map(|line| line.replace(&began, "YYYY-MM-DD HH:MM:SS"))
        .collect()
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(
            table(None),
            [
                "  DEPLOYMENT  GROUP      BEGAN                TOOK        RESULT                               REVISION",
                "* d-1         Group [2J  YYYY-MM-DD HH:MM:SS  1 min 10 s  failed in ApplicationStart (code 4)  s3://revisions/application/version-1.zip",
                "  d-TWO       Group [2J  YYYY-MM-DD HH:MM:SS  1 min 10 s  failed in ApplicationStart (code 4)  s3://revisions/application/version-1.zip",
            ]
        );
    }

    #[test]
    fn a_narrow_terminal_gets_narrower_columns_then_fewer() {
        for width in (0..150).rev() {
            for line in table(Some(width)) {
                // What identifies a deployment and its result is always there.
                let least = "  DEPLOYMENT".len() + GAP.len() + NARROWEST;
                assert!(line.chars().count() <= width.max(least), "{width}: {line}");
            }
        }
        let row = |width| table(Some(width))[1].clone();
        assert!(row(110).ends_with("  s3://re…n-1.zip"), "{}", row(110));
        assert!(
            !row(90).contains("1 min") && row(90).contains("s3:"),
            "{}",
            row(90)
        );
        assert_eq!(
            row(60),
            "* d-1         YYYY-MM-DD HH:MM:SS  failed in Ap…art (code 4)"
        );
        assert_eq!(row(30), "* d-1         faile…ode 4)");
    }

    #[test]
    fn only_results_are_coloured() {
        let one = past("d-1");
        let coloured = lines(&History::default(), &[&one], None, Paint::with(true));
        assert!(!coloured[0].contains('\x1b'));
        assert_eq!(coloured[1].matches('\x1b').count(), 2, "{}", coloured[1]);
    }
}
