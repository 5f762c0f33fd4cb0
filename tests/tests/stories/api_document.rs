//! The API does what its document says, whatever is sent: Schemathesis makes requests from
//! `/openapi.json`, good ones and bad ones, and no answer is a server error or of another shape.

use std::path::Path;
use std::process::{Command, Output};

use watershed_tests::binaries;
use watershed_tests::control_plane::ControlPlane;

const KEY: &str = "a-key-for-schemathesis-0123456789";
/// For each operation. A run of them takes about a minute; the phase `coverage` would take two more.
const EXAMPLES: &str = "20";

/// What is followed has no end, and would be waited for.
const HOOKS: &str = r#"
import schemathesis

@schemathesis.hook
def filter_query(context, query):
    return not query or str(query.get("follow")).lower() != "true"
"#;

/// Schemathesis, where `setup/packages.sh` has brought it.
fn schemathesis(folder: &Path) -> Option<Command> {
    let packages = binaries::repository().join(".schemathesis/packages");
    if !packages.join("schemathesis").is_dir() {
        return None;
    }
    std::fs::write(folder.join("hooks.py"), HOOKS).unwrap();
    let mut command = Command::new("python3");
    command
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(folder)
        .args([
            "-c",
            "from schemathesis.cli import schemathesis; schemathesis()",
        ]);
    Some(command)
}

fn run(mut command: Command, url: &str) -> Output {
    command
        .args(["run", &format!("{url}/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {KEY}")])
        .args(["--phases", "examples,fuzzing"])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,\
             response_schema_conformance,unsupported_method",
        ])
        .args(["--max-examples", EXAMPLES])
        .args(["--seed", "1", "--no-shrink", "--workers", "2"])
        .args(["--request-timeout", "20", "--no-color"])
        .output()
        .expect("Schemathesis runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_that_the_document_allows_gets_an_answer_that_it_allows() {
    let folder = tempfile::tempdir().unwrap();
    let Some(command) = schemathesis(folder.path()) else {
        println!("skipped: there is no Schemathesis; setup/packages.sh brings it");
        return;
    };
    let mut control_plane = ControlPlane::stopped(folder.path());
    let arguments = ["--api-key", KEY, "--api-rate-limit", "0"];
    control_plane.start_with(&arguments).await;
    let url = format!("http://{}", control_plane.api().address());
    let output = tokio::task::spawn_blocking(move || run(command, &url));
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        control_plane.log_end()
    );
    // That it did something, and was let in.
    assert!(said.contains("generated"), "{said}");
    let answered = control_plane
        .api()
        .metric("watershed_api_requests_total")
        .await;
    assert!(answered > 500.0, "{answered} requests\n{said}");
    assert!(control_plane.api().metric("watershed_changes_total").await > 0.0);
}
