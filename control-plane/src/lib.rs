//! The control plane: the model that people change through the API, its store, and the xDS that
//! proxies get of it.

pub mod model;
