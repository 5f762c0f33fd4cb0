//! `watershed export`: the whole state as YAML, for a backup.

use super::output::{self, yaml};
use super::server::ServerArgs;
use anyhow::Context as _;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Arguments of `watershed export`.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// The file to write, readable by you alone: there are secrets in it. Standard output where not
    /// given.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Writes the export.
///
/// # Errors
/// The API's problem, or a file that cannot be written.
pub async fn run(args: ExportArgs) -> anyhow::Result<()> {
    let state = args.server.client().get("/v1/export").await?;
    let text = yaml(&state)?;
    match &args.file {
        Some(file) => {
            write(file, &text).with_context(|| format!("write {}", file.display()))?;
            let documents = state.get("documents").and_then(Value::as_array);
            let count = documents.map_or(0, Vec::len);
            eprintln!("{count} documents in {}", file.display());
        }
        None => output::print(&text)?,
    }
    Ok(())
}

/// Beside it first, so that an older backup is only replaced by a whole one.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut out = options.open(&part)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    std::fs::rename(&part, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_as_yaml_is_read_back_as_it_was() {
        for text in [
            "",
            " ",
            "a: b",
            "- x",
            "yes",
            "null",
            "1e3",
            "0x1f",
            "2026-01-31",
            "line\nline\n",
            "a very long line ".repeat(40).as_str(),
            "tab\tquote\"'#",
            "é ☃ \u{2028}",
            "~",
            "{}",
            "|",
        ] {
            let state =
                json!({"documents": [{"text": text, "n": 9_007_199_254_740_993_u64, "f": 0.1}]});
            let read: Value = serde_saphyr::from_str(&yaml(&state).unwrap()).unwrap();
            assert_eq!(read, state, "{text:?}");
        }
    }

    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.yaml");
        write(&file, "a: 1\n").unwrap();
        write(&file, "a: 2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a: 2\n");
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
