//! Manifests: YAML files of `kind`, `key` and `spec`, as people keep them in a repository. Pure;
//! what a spec may hold is the model's to say, through the API.

use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

/// What a manifest describes, in the order in which they are applied: a kind names only earlier ones
/// and itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Kind {
    /// What is true of the whole installation.
    Settings,
    /// An upstream.
    Cluster,
    /// A rule with a name.
    Segment,
    /// A namespace of buckets.
    Layer,
    /// Units that no experiment may touch.
    Holdout,
    /// Hosts and paths with a default cluster.
    Service,
    /// What is measured.
    Metric,
    /// An experiment.
    Experiment,
}

impl Kind {
    /// The collection's name in the API.
    #[must_use]
    pub fn collection(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Cluster => "clusters",
            Self::Segment => "segments",
            Self::Layer => "layers",
            Self::Holdout => "holdouts",
            Self::Service => "services",
            Self::Metric => "metrics",
            Self::Experiment => "experiments",
        }
    }

    /// Every kind, in the order in which they are applied.
    pub const ALL: [Self; 8] = [
        Self::Settings,
        Self::Cluster,
        Self::Segment,
        Self::Layer,
        Self::Holdout,
        Self::Service,
        Self::Metric,
        Self::Experiment,
    ];

    /// The path of the one of this key in the API.
    #[must_use]
    pub fn path(self, key: &str) -> String {
        match self {
            Self::Settings => "/v1/settings".to_owned(),
            kind => format!("/v1/{}/{key}", kind.collection()),
        }
    }

    /// The word for one, as the API and its audit have it.
    #[must_use]
    pub fn word(self) -> String {
        format!("{self:?}").to_ascii_lowercase()
    }
}

impl FromStr for Kind {
    type Err = String;

    /// One or many, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.to_ascii_lowercase();
        let is = |kind: &Self| kind.word() == text || kind.collection() == text;
        Self::ALL.into_iter().find(is).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|kind| kind.collection()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// One document of a manifest file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it describes.
    pub kind: Kind,
    /// Its key; empty for settings, of which there is one.
    #[serde(default)]
    pub key: String,
    /// The body of `PUT /v1/{collection}/{key}`, or of `PUT /v1/settings`.
    pub spec: Value,
}

impl Manifest {
    /// The path of this resource in the API.
    #[must_use]
    pub fn path(&self) -> String {
        self.kind.path(&self.key)
    }

    /// The keys of the same kind that its spec names. Whatever has another shape than it should is
    /// the API's to refuse.
    fn names(&self) -> Vec<&str> {
        let mut found = Vec::new();
        match self.kind {
            Kind::Segment => collect(&self.spec, "segment", &mut found),
            Kind::Experiment => {
                let requires = self.spec.get("requires").unwrap_or(&Value::Null);
                collect(requires, "experiment", &mut found);
            }
            _ => {}
        }
        found
    }
}

/// The texts under `name`, at any depth.
fn collect<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                match value.as_str() {
                    Some(text) if field == name => found.push(text),
                    _ => collect(value, name, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, name, found)),
        _ => {}
    }
}

/// A file that is not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file or folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not a list of manifests.
    #[error("{path}: {fault}")]
    Parse {
        /// The file.
        path: String,
        /// Where and what.
        fault: String,
    },
    /// A folder without manifests is more likely a mistake than a wish.
    #[error("{0} holds no .yaml or .yml file")]
    Empty(String),
}

/// The manifests of `text`, a YAML stream.
///
/// # Errors
/// Says where the text stops being a manifest.
pub fn parse(path: &str, text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let fault = |fault: String| ManifestError::Parse {
        path: path.to_owned(),
        fault,
    };
    let manifests: Vec<Manifest> =
        serde_saphyr::from_multiple(text).map_err(|error| fault(error.to_string()))?;
    for manifest in &manifests {
        match (manifest.kind, manifest.key.is_empty()) {
            (Kind::Settings, false) => {
                return Err(fault(
                    "settings have no key: there is one document of them".to_owned(),
                ));
            }
            (Kind::Settings, true) | (_, false) => {}
            (kind, true) => return Err(fault(format!("a {kind:?} has no key"))),
        }
    }
    Ok(manifests)
}

/// The manifests of a file, or of all `.yaml` and `.yml` files of a folder, in the order in which
/// they must be applied.
///
/// # Errors
/// Names the file that cannot be read or parsed.
pub fn load(path: &Path) -> Result<Vec<Manifest>, ManifestError> {
    let mut manifests = Vec::new();
    for file in files(path)? {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file).map_err(|source| ManifestError::Read {
            path: name.clone(),
            source,
        })?;
        manifests.extend(parse(&name, &text)?);
    }
    manifests.sort_by_key(|m| m.kind);
    Ok(in_order(manifests))
}

/// What is named goes before what names it. Where some name one another in a circle, the API says so.
pub(super) fn in_order(manifests: Vec<Manifest>) -> Vec<Manifest> {
    let place =
        |(index, manifest): (usize, &Manifest)| ((manifest.kind, manifest.key.clone()), index);
    let places: BTreeMap<(Kind, String), usize> = manifests.iter().enumerate().map(place).collect();
    let before: Vec<Vec<usize>> = manifests
        .iter()
        .map(|manifest| {
            let named = manifest.names().into_iter();
            named
                .filter_map(|name| places.get(&(manifest.kind, name.to_owned())).copied())
                .collect()
        })
        .collect();
    let mut waiting: Vec<Option<Manifest>> = manifests.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    for first in 0..waiting.len() {
        // Each is looked at twice: once for those before it, and once to be taken itself.
        let mut next = vec![(first, false)];
        let mut seen = BTreeSet::new();
        while let Some((index, ready)) = next.pop() {
            if ready {
                ordered.extend(waiting.get_mut(index).and_then(Option::take));
            } else if seen.insert(index) && waiting.get(index).is_some_and(Option::is_some) {
                next.push((index, true));
                let before = before.get(index).into_iter().flatten();
                next.extend(before.map(|index| (*index, false)));
            }
        }
    }
    ordered
}

fn files(path: &Path) -> Result<Vec<std::path::PathBuf>, ManifestError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |source| ManifestError::Read {
        path: path.display().to_string(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(ManifestError::Empty(path.display().to_string()));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_holds_several_manifests() {
        let text = "kind: Layer\nkey: models\nspec: {}\n---\nkind: Cluster\nkey: a\nspec: {endpoints: []}\n";
        let got = parse("x.yaml", text).unwrap();
        assert_eq!(
            got.iter().map(Manifest::path).collect::<Vec<_>>(),
            ["/v1/layers/models", "/v1/clusters/a"]
        );
    }

    #[test]
    fn a_folder_is_applied_in_the_order_of_what_depends_on_what() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("a.yaml"),
            "kind: Experiment\nkey: e\nspec: {}\n",
        )
        .unwrap();
        std::fs::write(
            folder.path().join("b.yml"),
            "kind: Cluster\nkey: c\nspec: {}\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("README.md"), "not: a manifest").unwrap();
        let kinds: Vec<_> = load(folder.path())
            .unwrap()
            .iter()
            .map(|m| m.kind)
            .collect();
        assert_eq!(kinds, [Kind::Cluster, Kind::Experiment]);
    }

    #[test]
    fn what_is_required_is_applied_before_what_requires_it() {
        let folder = tempfile::tempdir().unwrap();
        let text = "
kind: Experiment
key: a
spec: {requires: [{experiment: b}, {experiment: elsewhere}]}
---
kind: Experiment
key: b
spec: {requires: [{experiment: c, not: true}]}
---
kind: Segment
key: outer
spec: {rule: {any: [{segment: inner}, {header: segment, present: true}]}}
---
kind: Experiment
key: c
spec: {requires: nonsense}
---
kind: Segment
key: inner
spec: {rule: {header: a, present: true}}
---
kind: Settings
spec: {trust: mesh}
---
kind: Experiment
key: circle
spec: {requires: [{experiment: circle}]}
";
        std::fs::write(folder.path().join("all.yaml"), text).unwrap();
        let paths: Vec<String> = load(folder.path())
            .unwrap()
            .iter()
            .map(Manifest::path)
            .collect();
        assert_eq!(
            paths,
            [
                "/v1/settings",
                "/v1/segments/inner",
                "/v1/segments/outer",
                "/v1/experiments/c",
                "/v1/experiments/b",
                "/v1/experiments/a",
                "/v1/experiments/circle",
            ]
        );
    }

    #[test]
    fn garbage_names_the_file_and_the_fault() {
        for text in [
            "kind: Widget\nkey: a\nspec: {}",
            "kind: Layer",
            "[",
            "kind: Layer\nkey: a\nspec: {}\nfoo: 1",
            "kind: Layer\nspec: {}",
            "kind: Settings\nkey: a\nspec: {}",
        ] {
            let fault = parse("bad.yaml", text).unwrap_err().to_string();
            assert!(fault.starts_with("bad.yaml: "), "{fault}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(load(folder.path()), Err(ManifestError::Empty(_))));
        assert!(matches!(
            load(&folder.path().join("none.yaml")),
            Err(ManifestError::Read { .. })
        ));
    }
}
