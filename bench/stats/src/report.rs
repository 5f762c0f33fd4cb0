//! What the studies found, as a page in Markdown with its plots, and whether all of it is as it must be.

use crate::plot::Plot;
use std::fmt::Write as _;
use std::path::Path;

/// One study.
#[derive(Clone, Debug, Default)]
pub struct Study {
    /// The heading.
    pub title: &'static str,
    /// What was done, and what must come out.
    pub text: String,
    /// The table's head.
    pub head: Vec<&'static str>,
    /// The table.
    pub rows: Vec<Vec<String>>,
    /// Pictures.
    pub plots: Vec<Plot>,
    /// What did not come out as it must.
    pub failures: Vec<String>,
}

impl Study {
    /// Notes a failure where `holds` is not so; gives the word for the table.
    pub fn check(&mut self, holds: bool, what: impl Into<String>) -> String {
        if holds {
            return "yes".into();
        }
        self.failures.push(what.into());
        "**no**".into()
    }

    fn markdown(&self) -> String {
        let mut text = format!("\n## {}\n\n{}\n", self.title, self.text);
        if !self.rows.is_empty() {
            let _ = write!(
                text,
                "\n| {} |\n|{}\n",
                self.head.join(" | "),
                " --- |".repeat(self.head.len())
            );
            for row in &self.rows {
                let _ = writeln!(text, "| {} |", row.join(" | "));
            }
        }
        for plot in &self.plots {
            let _ = write!(text, "\n![{}](validation/{}.svg)\n", plot.title, plot.file);
        }
        text
    }
}

/// Writes `VALIDATION.md` and `validation/` into `folder`; gives what failed.
///
/// # Errors
/// What the file system says.
pub fn write(folder: &Path, studies: &[Study]) -> anyhow::Result<Vec<String>> {
    let plots = folder.join("validation");
    std::fs::create_dir_all(&plots)?;
    let failures: Vec<String> = studies
        .iter()
        .flat_map(|study| study.failures.clone())
        .collect();
    let mut page = String::from(
        "# The statistics, validated by simulation\n\n\
         Written by `make validate-stats`, which simulates anew with the same seeds and fails where a guarantee does not\n\
         hold. Intervals around counted shares are exact (Clopper and Pearson) at 99%, so that of a hundred true guarantees\n\
         one may look broken; seeds are fixed, so it is the same one each time.\n",
    );
    let _ = match failures.as_slice() {
        [] => write!(page, "\nAll that must hold, holds.\n"),
        failures => write!(
            page,
            "\n**Does not hold:**\n\n- {}\n",
            failures.join("\n- ")
        ),
    };
    for study in studies {
        page.push_str(&study.markdown());
        for plot in &study.plots {
            std::fs::write(plots.join(format!("{}.svg", plot.file)), plot.svg())?;
        }
    }
    std::fs::write(folder.join("VALIDATION.md"), page)?;
    Ok(failures)
}

/// A share as a percentage.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

/// An interval of shares.
#[must_use]
pub fn range((low, high): (f64, f64)) -> String {
    format!("{} to {}", percent(low), percent(high))
}
