//! Links: where more is to be read about an experiment.

use super::check;
use super::fault::Faults;
use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most links of an experiment.
const MOST: usize = 32;

/// A link, as it is written and as it is kept.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What is there: `ticket`, `dashboard`, …
    pub name: String,
    /// Where it is: an absolute `https` or `http` URL.
    pub url: String,
}

impl Link {
    /// Validates a list of links, noting every fault.
    pub(super) fn list(links: &[Self], faults: &mut Faults) -> Option<Vec<Self>> {
        check::length(links.len(), &(0..=MOST), "/links", faults)?;
        for (index, link) in links.iter().enumerate() {
            let at = format!("/links/{index}");
            check::text(Some(&link.name), 256, &format!("{at}/name"), faults);
            if !is_web(&link.url) {
                let expected = "an absolute URL of http or https, of at most 2048 bytes";
                faults.add(format!("{at}/url"), "is not the URL of a page", expected);
            }
        }
        Some(links.to_vec())
    }
}

/// Whoever shows a link must not be made to run it: no `javascript:`.
fn is_web(url: &str) -> bool {
    let Ok(read) = url.parse::<Uri>() else {
        return false;
    };
    let host = read.host().is_some_and(|host| !host.is_empty());
    url.len() <= 2_048 && host && matches!(read.scheme_str(), Some("https" | "http"))
}
