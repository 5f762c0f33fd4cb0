//! Outcomes over gRPC, with the generated client on the router itself.

use super::*;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use watershed_proto::outcomes::v1::outcome::Value as Given;
use watershed_proto::outcomes::v1::outcome_service_client::OutcomeServiceClient;
use watershed_proto::outcomes::v1::{Outcome, ReportOutcomesRequest, ReportOutcomesResponse};

fn outcome() -> Outcome {
    Outcome {
        unit_type: "user".to_owned(),
        unit: "u".to_owned(),
        metric: "cost".to_owned(),
        value: Some(Given::Number(1.5)),
        ..Outcome::default()
    }
}

fn report(outcomes: Vec<Outcome>) -> ReportOutcomesRequest {
    ReportOutcomesRequest {
        outcomes,
        report_key: String::new(),
    }
}

/// Sends all reports on one stream; the receipts, and how it ended.
async fn send(
    server: &Server,
    key: Option<&str>,
    reports: Vec<ReportOutcomesRequest>,
) -> (Vec<ReportOutcomesResponse>, Option<Status>) {
    let mut client = OutcomeServiceClient::new(server.router.clone());
    let mut request = tonic::Request::new(tokio_stream::iter(reports));
    if let Some(key) = key {
        let bearer: MetadataValue<_> = format!("Bearer {key}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
    }
    let mut stream = match client.report_outcomes(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return (Vec::new(), Some(status)),
    };
    let mut receipts = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(receipt)) => receipts.push(receipt),
            Ok(None) => return (receipts, None),
            Err(status) => return (receipts, Some(status)),
        }
    }
}

fn counts(receipt: &ReportOutcomesResponse) -> (u32, u32, u32) {
    (receipt.accepted, receipt.duplicate, receipt.refused)
}

#[tokio::test]
async fn each_report_on_a_stream_has_its_receipt_and_is_kept_once() {
    let server = Server::filled().await;
    let named = ReportOutcomesRequest {
        report_key: "report-1".to_owned(),
        ..report(vec![outcome(), outcome()])
    };
    let flagged = Outcome {
        value: Some(Given::Flag(true)),
        idempotency_key: "k".to_owned(),
        ..outcome()
    };
    let reports = vec![named.clone(), named, report(vec![flagged])];
    let (receipts, end) = send(&server, None, reports).await;
    assert!(end.is_none(), "{end:?}");
    let all: Vec<_> = receipts.iter().map(counts).collect();
    assert_eq!(all, [(2, 0, 0), (0, 2, 0), (1, 0, 0)]);
    let kept = server.kept.outcomes.lock().unwrap();
    let expected = UnitHasher::new(&[7; 32], Privacy::Hashed).unit("user", "u");
    assert!(kept.len() == 3 && kept.iter().all(|it| it.unit == expected));
}

#[tokio::test]
async fn garbage_costs_only_itself_and_its_field_is_named() {
    let server = Server::filled().await;
    let time = prost_types::Timestamp {
        seconds: i64::MAX,
        nanos: -1,
    };
    let garbage = [
        (
            "/0/unit",
            Outcome {
                unit: String::new(),
                ..outcome()
            },
        ),
        (
            "/1/value",
            Outcome {
                value: None,
                ..outcome()
            },
        ),
        (
            "/2/value",
            Outcome {
                value: Some(Given::Number(f64::NAN)),
                ..outcome()
            },
        ),
        (
            "/3/time",
            Outcome {
                time: Some(time),
                ..outcome()
            },
        ),
        (
            "/4/metric",
            Outcome {
                metric: "\u{0}".to_owned(),
                ..outcome()
            },
        ),
        (
            "/5/experiment",
            Outcome {
                experiment: "none".to_owned(),
                ..outcome()
            },
        ),
    ];
    let (pointers, mut outcomes): (Vec<_>, Vec<_>) = garbage.into_iter().unzip();
    outcomes.push(outcome());
    let (receipts, end) = send(&server, None, vec![report(outcomes)]).await;
    assert!(end.is_none(), "{end:?}");
    assert_eq!(counts(&receipts[0]), (1, 0, 6));
    let named: Vec<_> = receipts[0]
        .faults
        .iter()
        .map(|it| it.pointer.as_str())
        .collect();
    assert_eq!(named, pointers);
}

#[tokio::test]
async fn what_is_no_report_ends_the_stream_and_earlier_receipts_count() {
    let server = Server::filled().await;
    let unnamed = ReportOutcomesRequest {
        report_key: "no spaces".to_owned(),
        ..report(vec![outcome()])
    };
    for bad in [unnamed, report(vec![outcome(); 10_001])] {
        let (receipts, end) = send(&server, None, vec![report(vec![outcome()]), bad]).await;
        assert_eq!(receipts.iter().map(counts).collect::<Vec<_>>(), [(1, 0, 0)]);
        assert_eq!(end.unwrap().code(), Code::InvalidArgument);
    }
    *server.kept.is_gone.lock().unwrap() = true;
    let (receipts, end) = send(&server, None, vec![report(vec![outcome()])]).await;
    assert_eq!(
        (receipts.len(), end.unwrap().code()),
        (0, Code::Unavailable)
    );
}

#[tokio::test]
async fn who_has_no_key_that_may_report_does_not() {
    let server = Server::locked().await;
    for (key, code) in [
        (None, Code::Unauthenticated),
        (Some("wrong"), Code::Unauthenticated),
    ] {
        let (receipts, end) = send(&server, key, vec![report(vec![outcome()])]).await;
        assert_eq!((receipts.len(), end.unwrap().code()), (0, code));
    }
    let (receipts, end) = send(&server, Some(KEY), vec![report(vec![outcome()])]).await;
    assert!(end.is_none() && receipts.len() == 1, "{end:?}");
    assert_eq!(server.kept.outcomes.lock().unwrap().len(), 1);
}
