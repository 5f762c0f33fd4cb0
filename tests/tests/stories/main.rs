//! The stories: what a user of Watershed relies on, shown on real processes. One file per story; each
//! starts what it needs and leaves nothing running. What lives here: the list of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a panic is a failed test"
)]

mod access_log;
mod api_access;
mod api_document;
mod backup;
mod bad_configuration;
mod bootstraps;
mod command_line;
mod dashboard;
mod demo;
mod documented_commands;
mod documents;
mod durability;
mod evidence_after_a_crash;
mod evidence_in_clickhouse;
mod exposures_on_nats;
mod hostile_requests;
mod kubernetes;
mod life;
mod live_weights;
mod loss;
mod manifests;
mod mesh;
mod noticing_traps;
mod open_files;
mod openfeature;
mod outage;
mod outcome_header;
mod pipelines;
mod proxy_certificates;
mod readme;
mod releases;
mod replicas;
mod rollback;
mod sidecar;
mod slices;
mod soak;
mod split;
mod spoofed_headers;
mod static_configuration;
mod sticky_and_forced;
mod traces;
mod units;
mod upstreams;
mod usage;
mod what_the_upstream_sees;
