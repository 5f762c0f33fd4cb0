//! The questions that come before any effect: is the split the configured one, did the telemetry arrive, are units in
//! one variant only, do A/A tests of this installation behave. The first two withhold the verdict.

use super::answer::{Check, CheckName, EffectInterval, Status, Trust};
use super::input::{Evidence, Phase};
use crate::sequential::msprt::Estimate;
use crate::trust::{aa, srm, twyman};
use crate::{Result, StatsError};

/// How near the configured split the watched test's alternatives are.
const CONCENTRATION: f64 = 10_000.0;

/// The level of the A/A tests' own test: a warning, so that a false one costs little.
const AA_ALPHA: f64 = 0.01;

/// How large lifts usually are, as a standard deviation: most changes of a product bring less than a tenth.
const USUAL_LIFT: f64 = 0.2;

/// Below this p-value a lift is too good, or too bad, to be likely.
const TWYMAN_ALPHA: f64 = 0.01;

/// Whether a lift is too large to be likely; nothing where it is not.
pub(super) fn twyman(variant: &str, lift: EffectInterval) -> Option<Check> {
    let estimate = Estimate {
        value: lift.estimate,
        variance: lift.standard_error * lift.standard_error,
    };
    let found = twyman::surprise(estimate, USUAL_LIFT).ok()?;
    (found.p < TWYMAN_ALPHA).then(|| Check {
        status: Status::Warn,
        p: Some(found.p),
        share: Some(lift.estimate),
        threshold: Some(TWYMAN_ALPHA),
        ..unknown(
            CheckName::Twyman,
            format!(
                "{variant}: a lift of {:.0}% is larger than changes usually bring; look for an error first",
                100.0 * lift.estimate
            ),
        )
    })
}

/// All checks of the experiment as a whole.
pub(super) fn all(evidence: &Evidence) -> Result<Trust> {
    let checks = vec![
        sample_ratio(evidence)?,
        telemetry(evidence),
        contamination(evidence),
        aa_history(evidence)?,
    ];
    Ok(Trust {
        valid: checks.iter().all(|check| check.status != Status::Fail),
        checks,
    })
}

pub(super) fn unknown(name: CheckName, detail: impl Into<String>) -> Check {
    Check {
        name,
        status: Status::Unknown,
        p: None,
        always_valid_p: None,
        share: None,
        threshold: None,
        detail: detail.into(),
    }
}

fn counts(phase: &Phase) -> Vec<f64> {
    phase.units.iter().map(|units| *units as f64).collect()
}

fn sample_ratio(evidence: &Evidence) -> Result<Check> {
    let name = CheckName::SampleRatio;
    let threshold = evidence.plan.sample_ratio_alpha;
    let phases: Vec<(Vec<f64>, &[f64])> = evidence
        .phases
        .iter()
        .filter(|phase| phase.weights.iter().filter(|weight| **weight > 0.0).count() > 1)
        .map(|phase| (counts(phase), phase.weights.as_slice()))
        .collect();
    let borrowed: Vec<(&[f64], &[f64])> = phases
        .iter()
        .map(|(counts, weights)| (counts.as_slice(), *weights))
        .collect();
    let mismatch = match srm::phases(&borrowed) {
        Ok(mismatch) => mismatch,
        Err(StatsError::InsufficientData { .. } | StatsError::EmptyInput { .. }) => {
            return Ok(unknown(name, "no units in two variants yet"));
        }
        Err(StatsError::UnexpectedArm { .. }) => {
            return Ok(Check {
                status: Status::Fail,
                threshold: Some(threshold),
                ..unknown(name, "a variant of weight 0 has units")
            });
        }
        Err(error) => return Err(error),
    };
    // Phases follow each other, so that the evidence of one multiplies with that of the next.
    let mut evidence_against = 0.0;
    for (counts, weights) in &borrowed {
        let mut watch = srm::Watch::new(weights, CONCENTRATION)?;
        watch.look(counts)?;
        evidence_against += watch.log_bayes_factor();
    }
    let failed = mismatch.p < threshold;
    let word = if failed {
        "the variants do not have the units that their weights promise"
    } else {
        "the variants have the units that their weights promise"
    };
    Ok(Check {
        status: if failed { Status::Fail } else { Status::Pass },
        p: Some(mismatch.p),
        always_valid_p: Some((-evidence_against).min(0.0).exp()),
        threshold: Some(threshold),
        ..unknown(
            name,
            format!(
                "{word}: chi-squared {:.2} with {} degrees of freedom over {} phase(s)",
                mismatch.chi2,
                mismatch.df,
                borrowed.len()
            ),
        )
    })
}

fn telemetry(evidence: &Evidence) -> Check {
    let name = CheckName::Telemetry;
    let threshold = evidence.plan.telemetry_threshold;
    let Some(telemetry) = evidence.telemetry.filter(|it| it.counted > 0) else {
        return unknown(name, "how much telemetry is missing was not measured");
    };
    let missing = telemetry.counted.saturating_sub(telemetry.arrived);
    let share = missing as f64 / telemetry.counted as f64;
    let failed = share > threshold;
    Check {
        status: if failed { Status::Fail } else { Status::Pass },
        share: Some(share),
        threshold: Some(threshold),
        ..unknown(
            name,
            format!(
                "{missing} of {} assignments that proxies counted did not arrive",
                telemetry.counted
            ),
        )
    }
}

fn contamination(evidence: &Evidence) -> Check {
    let name = CheckName::Contamination;
    let threshold = evidence.plan.contamination_threshold;
    let units: u64 = evidence
        .phases
        .iter()
        .flat_map(|phase| &phase.units)
        .fold(0, |sum, units| sum.saturating_add(*units));
    if units == 0 {
        return unknown(name, "no units yet");
    }
    let share = (evidence.contaminated as f64 / units as f64).min(1.0);
    Check {
        status: if share > threshold {
            Status::Warn
        } else {
            Status::Pass
        },
        share: Some(share),
        threshold: Some(threshold),
        ..unknown(
            name,
            format!(
                "{} of {units} units were seen in more than one variant",
                evidence.contaminated
            ),
        )
    }
}

fn aa_history(evidence: &Evidence) -> Result<Check> {
    let name = CheckName::AaHistory;
    if evidence.aa_history.is_empty() {
        return Ok(unknown(name, "no A/A test of this installation is known"));
    }
    let found = aa::history(&evidence.aa_history, evidence.plan.alpha)?;
    Ok(Check {
        status: if found.p_more < AA_ALPHA {
            Status::Warn
        } else {
            Status::Pass
        },
        p: Some(found.p_more),
        share: Some(found.rejected / found.tests),
        threshold: Some(AA_ALPHA),
        ..unknown(
            name,
            format!(
                "{} of {} A/A tests found an effect at the level {}",
                found.rejected, found.tests, evidence.plan.alpha
            ),
        )
    })
}
