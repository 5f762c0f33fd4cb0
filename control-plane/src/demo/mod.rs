//! The demo: what it runs beside the control plane and Envoy.

pub mod model;
