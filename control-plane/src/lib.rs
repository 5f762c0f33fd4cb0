//! The control plane of Watershed, as a library that the binary and its tests share. The rooms and
//! their arrows are described in ARCHITECTURE.md.

pub mod ads;
pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod demo;
pub mod evaluate;
pub mod evidence;
pub mod goodness;
pub mod import;
pub mod leader;
pub mod metrics;
pub mod model;
pub mod ofrep;
pub mod open_files;
pub mod percent;
pub mod publish;
pub mod replicas;
pub mod resources;
pub mod results;
pub mod schedule;
pub mod store;
pub mod tls;
pub mod traces;
