//! Outcomes over gRPC (`watershed.outcomes.v1`): the same as `POST /v1/outcomes`, on a stream that stays
//! open. Each report passes the gate by itself: a key that was revoked ends the stream, and a stream is no
//! way around a key's rate.

use super::AppState;
use super::auth::remote;
use super::error::Problem;
use super::idempotency::is_key;
use super::outcomes::{Receipt, desk, keep, unkept};
use crate::auth::Role;
use crate::evidence::desk::Desk;
use crate::evidence::report::{Context, OutcomeSpec, Report};
use crate::model::Faults;
use futures::Stream;
use futures::stream::{BoxStream, try_unfold};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use tonic::{Code, Request, Response, Status, Streaming, async_trait};
use watershed_proto::outcomes::v1::outcome::Value as Given;
use watershed_proto::outcomes::v1::outcome_service_server::{OutcomeService, OutcomeServiceServer};
use watershed_proto::outcomes::v1::{
    Fault, Outcome, ReportOutcomesRequest, ReportOutcomesResponse,
};

/// The largest report that is read, in bytes: ten thousand outcomes with long names.
const MAX_REPORT_BYTES: usize = 8 * 1024 * 1024;

/// Where the one method is, and what answers there.
pub(super) fn service(api: &AppState) -> (&'static str, OutcomeServiceServer<Reports>) {
    let service = OutcomeServiceServer::new(Reports { api: api.clone() });
    let service = service.max_decoding_message_size(MAX_REPORT_BYTES);
    (
        "/watershed.outcomes.v1.OutcomeService/ReportOutcomes",
        service,
    )
}

/// Takes reports.
pub(super) struct Reports {
    api: AppState,
}

/// One stream of reports.
struct Open {
    api: AppState,
    desk: Arc<Desk>,
    headers: HeaderMap,
    peer: Option<IpAddr>,
    reports: Streaming<ReportOutcomesRequest>,
}

#[async_trait]
impl OutcomeService for Reports {
    type ReportOutcomesStream = BoxStream<'static, Result<ReportOutcomesResponse, Status>>;

    async fn report_outcomes(
        &self,
        request: Request<Streaming<ReportOutcomesRequest>>,
    ) -> Result<Response<Self::ReportOutcomesStream>, Status> {
        let open = Open {
            desk: desk(&self.api).map_err(|problem| status(&problem))?,
            api: self.api.clone(),
            peer: remote(request.extensions().get()),
            headers: request.metadata().clone().into_headers(),
            reports: request.into_inner(),
        };
        // Not by the layer of the other endpoints, whose refusals are JSON.
        open.admit().await.map_err(|problem| status(&problem))?;
        Ok(Response::new(Box::pin(receipts(open))))
    }
}

/// A receipt for each report; ends with the reports, or with what went wrong.
fn receipts(open: Open) -> impl Stream<Item = Result<ReportOutcomesResponse, Status>> + Send {
    try_unfold(open, |mut open| async move {
        let Some(report) = open.reports.message().await? else {
            return Ok(None);
        };
        let receipt = open.receive(report).await?;
        Ok(Some((receipt, open)))
    })
}

impl Open {
    async fn receive(
        &self,
        report: ReportOutcomesRequest,
    ) -> Result<ReportOutcomesResponse, Status> {
        self.admit().await.map_err(|problem| status(&problem))?;
        let ReportOutcomesRequest {
            outcomes,
            report_key,
        } = report;
        if !report_key.is_empty() && !is_key(report_key.as_bytes()) {
            return Err(Status::invalid_argument(
                "report_key is not 1 to 128 visible ASCII characters",
            ));
        }
        let (model, units) = (self.api.control.model(), self.desk.units.clone());
        let now = (self.api.clock)();
        // Ten thousand hashes take a moment that other requests must not wait for.
        let read = tokio::task::spawn_blocking(move || {
            let context = Context {
                model: &model,
                units: &units,
                now,
                report_key: (!report_key.is_empty()).then_some(report_key.as_str()),
            };
            Report::of(outcomes.into_iter().map(spec).collect(), context)
        });
        let read = read.await.map_err(|_| status(&Problem::internal()))?;
        let report = read.map_err(|fault| Status::invalid_argument(fault.to_string()))?;
        let receipt = keep(&self.desk, report).await;
        let receipt = receipt.map_err(|fault| status(&unkept(fault)))?;
        Ok(told(&receipt))
    }

    async fn admit(&self) -> Result<(), Problem> {
        let principal = self.api.gate.admit(&self.headers, self.peer).await?;
        self.api.gate.permit(&principal, Role::Reporter)
    }
}

/// The outcome as JSON would have it; what it can't have is refused there, with the field's name.
fn spec(outcome: Outcome) -> OutcomeSpec {
    let given = |text: String| (!text.is_empty()).then_some(text);
    OutcomeSpec {
        experiment: given(outcome.experiment),
        unit_type: given(outcome.unit_type),
        unit: outcome.unit,
        metric: outcome.metric,
        value: match outcome.value {
            Some(Given::Number(number)) => number.into(),
            Some(Given::Flag(flag)) => flag.into(),
            None => Value::Null,
        },
        time: outcome.time.map(|time| {
            let known = Timestamp::new(time.seconds, time.nanos);
            known.map_or_else(
                |_| format!("{} s, {} ns", time.seconds, time.nanos),
                |it| it.to_string(),
            )
        }),
        idempotency_key: given(outcome.idempotency_key),
        context: None,
    }
}

fn told(receipt: &Receipt) -> ReportOutcomesResponse {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    ReportOutcomesResponse {
        accepted: count(receipt.accepted),
        duplicate: count(receipt.duplicate),
        refused: count(receipt.refused),
        faults: faults(&receipt.errors),
    }
}

fn faults(faults: &Faults) -> Vec<Fault> {
    let fault = |fault: &crate::model::Fault| Fault {
        pointer: fault.pointer.clone(),
        message: fault.message.clone(),
        expected: fault.expected.clone(),
    };
    faults.iter().map(fault).collect()
}

/// A problem as gRPC has it, by the mapping of HTTP's codes that its specification gives.
fn status(problem: &Problem) -> Status {
    let code = match problem.status() {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::Internal,
    };
    Status::new(code, problem.detail())
}
