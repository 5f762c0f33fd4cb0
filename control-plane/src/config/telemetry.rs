//! When telemetry counts as missing.

use std::time::Duration;
use watershed_evidence::loss::DEFAULT_THRESHOLD;
use watershed_evidence::reconcile::Reconciler;

/// How what arrived is held against what proxies counted.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryConfig {
    /// The share of an experiment's access-log entries that may be missing before its telemetry does: 0
    /// to 1.
    #[arg(long, value_name = "SHARE", default_value_t = DEFAULT_THRESHOLD, value_parser = share)]
    pub telemetry_missing_over: f64,
    /// How long after a proxy told its counts the entries of its requests may still come, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = Reconciler::SETTLE.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub telemetry_settle_seconds: u64,
}

impl TelemetryConfig {
    /// [`TelemetryConfig::telemetry_settle_seconds`] as a duration.
    #[must_use]
    pub fn settle(&self) -> Duration {
        Duration::from_secs(self.telemetry_settle_seconds)
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: Option<f64> = text.parse().ok();
    let share = share.filter(|it| (0.0..=1.0).contains(it));
    share.ok_or_else(|| format!("{text:?} is not a share from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_from_0_to_1() {
        assert_eq!(share("0.05"), Ok(0.05));
        for text in ["", "x", "-0.1", "1.5", "NaN", "inf"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
