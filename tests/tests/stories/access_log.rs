//! Envoy's access log comes back to the control plane: every entry that Envoy wrote is counted.

use watershed_tests::envoy::Transport;
use watershed_tests::traffic::{ask_all, units};
use watershed_tests::{Stack, eventually};

#[tokio::test]
async fn every_entry_of_the_access_log_is_counted() {
    let stack = Stack::with_chat(Transport::Delta).await;
    ask_all(stack.gateway(), &units(1_000)).await;
    eventually(
        "the control plane has counted what Envoy has written",
        async || {
            let stats = stack.envoy.admin().stats().await;
            let of = |name: &str| {
                stats
                    .get(&format!("access_logs.grpc_access_log.{name}"))
                    .copied()
            };
            let (written, dropped) = (
                of("logs_written").unwrap_or(0),
                of("logs_dropped").unwrap_or(0),
            );
            assert_eq!(dropped, 0, "Envoy dropped entries of an idle machine");
            let counted = stack
                .api()
                .metric("watershed_access_log_entries_total")
                .await;
            #[allow(clippy::cast_precision_loss, reason = "thousands")]
            let all = written >= 1_000 && (counted - written as f64).abs() < f64::EPSILON;
            if all {
                Ok(())
            } else {
                Err(format!("{counted} of {written}"))
            }
        },
    )
    .await;
}
