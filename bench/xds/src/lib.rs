//! What the control plane's way to its proxies costs. The control plane is the program that is released,
//! as a process of its own ([`server`]); the proxies are simulated in this one ([`proxy`], [`fleet`]), each
//! with its own connection and its own stream of the aggregated incremental protocol, as Envoy has.
//! What is asked of them is in [`many_proxies`], [`many_experiments`], [`replicas`], and on a real Envoy in
//! [`rollback`]. Nothing here is a test: no figure can fail a build.

pub mod api;
pub mod documents;
pub mod envoy;
pub mod fleet;
pub mod many_experiments;
pub mod many_proxies;
pub mod proxy;
pub mod replicas;
pub mod rollback;
pub mod server;
pub mod summary;
pub mod upstream;
