//! A control plane that was started where few files may be open, as systems do it, and many connections to it.

use std::process::Command;

use tokio::net::TcpStream;
use watershed_tests::control_plane::ControlPlane;
use watershed_tests::http::Request;
use watershed_tests::{binaries, stack};

#[tokio::test]
async fn more_connections_are_taken_than_the_limit_of_open_files_it_was_started_with() {
    let folder = stack::folder();
    let mut control_plane = ControlPlane::stopped(folder.path());
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -S -n 64 && exec \"$@\"", "sh"])
        .arg(binaries::watershed());
    control_plane
        .start_by(limited, &["--insecure-open-api"])
        .await;
    let api = control_plane.api();
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(api.address()).await.unwrap());
    }
    // Connections are taken in their order, so that this one is answered after the others were.
    let response = api.send(&Request::get("/healthz")).await.unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(idle.len(), 200);
}
