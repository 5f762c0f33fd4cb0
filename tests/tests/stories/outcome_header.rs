//! What an upstream says came of a request reaches the access log and not the client.

use serde_json::json;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use watershed_tests::eventually;
use watershed_tests::http::send;
use watershed_tests::sidecar::Sidecar;
use watershed_tests::traffic::request;

const LOGS: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\
    x-experiment-outcome: cost_usd=0.014, output_tokens=412\r\nx-kept: yes\r\n\r\n{}";

/// An upstream that tells an outcome with every answer.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    loop {
        head.push(stream.read_u8().await?);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            stream.write_all(ANSWER).await?;
        }
    }
}

#[tokio::test]
async fn an_outcome_that_an_upstream_tells_is_logged_and_hidden_from_the_client() {
    let upstream = upstream().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records");
    let mut sidecar = Sidecar::start(|mut bootstrap| {
        let logs = bootstrap.at(LOGS).as_array_mut().unwrap();
        logs.push(json!({
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": file,
                "log_format": { "text_format_source": { "inline_string":
                    "%FILTER_STATE(wasm.watershed.assignment:PLAIN)% seen:%RESP(x-experiment-outcome)%\n" } },
            },
        }));
        bootstrap.cluster("stable-a", upstream).cluster("candidate-b", upstream)
    })
    .await;
    sidecar.control_plane.start().await;
    sidecar.apply_experiment().await;
    eventually("an outcome is hidden", async || {
        let answer = send(sidecar.gateway(), &request("unit-1")).await;
        let answer = answer.map_err(|error| error.to_string())?;
        assert_eq!(
            (answer.status, answer.header("x-kept").as_deref()),
            (200, Some("yes"))
        );
        match answer.header("x-experiment-outcome") {
            None => Ok(()),
            Some(seen) => Err(seen),
        }
    })
    .await;
    eventually("the record says what the header said", async || {
        let log = std::fs::read(&file).map_err(|error| error.to_string())?;
        let log = String::from_utf8_lossy(&log).into_owned();
        let told = |line: &str| {
            line.contains("chat-model")
                && line.contains("cost_usd=0.014, output_tokens=412")
                && line.ends_with("seen:-")
        };
        if log.lines().any(told) {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    sidecar.envoy.assert_filter_unharmed().await;
}
