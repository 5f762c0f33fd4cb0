//! The discovery services: shells over the state machines of `watershed-xds`. They move messages,
//! and keep a registry of who is connected and what each proxy has acknowledged. What to send, and
//! when, is decided there; what there is to send, in [`crate::resources`].

mod fleets;
mod peer;
mod record;
mod registry;
mod services;
mod session;
#[cfg(test)]
mod tests;
mod view;
mod wire;

pub use fleets::Fleets;
pub use peer::Peer;
pub use registry::Registry;
pub use services::Ads;
pub use view::FleetView;
