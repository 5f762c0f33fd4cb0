//! Manifests: YAML files of `kind`, `key` and `spec`, as people keep them in a repository. Pure;
//! what a spec may hold is the model's to say, through the API.

use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// What a manifest describes, in the order in which they must be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Kind {
    /// An upstream.
    Cluster,
    /// A namespace of buckets.
    Layer,
    /// Hosts and paths with a default cluster.
    Service,
    /// An experiment.
    Experiment,
}

impl Kind {
    /// The collection's name in the API.
    #[must_use]
    pub fn collection(self) -> &'static str {
        match self {
            Self::Cluster => "clusters",
            Self::Layer => "layers",
            Self::Service => "services",
            Self::Experiment => "experiments",
        }
    }
}

/// One document of a manifest file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it describes.
    pub kind: Kind,
    /// Its key.
    pub key: String,
    /// The body of `PUT /v1/{collection}/{key}`.
    pub spec: Value,
}

impl Manifest {
    /// The path of this resource in the API.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/v1/{}/{}", self.kind.collection(), self.key)
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
    serde_saphyr::from_multiple(text).map_err(|fault| ManifestError::Parse {
        path: path.to_owned(),
        fault: fault.to_string(),
    })
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
    Ok(manifests)
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
    fn garbage_names_the_file_and_the_fault() {
        for text in [
            "kind: Widget\nkey: a\nspec: {}",
            "kind: Layer",
            "[",
            "kind: Layer\nkey: a\nspec: {}\nfoo: 1",
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
