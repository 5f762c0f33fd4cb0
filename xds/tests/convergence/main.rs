//! A simulated Envoy against a stream, over random schedules of snapshots, deliveries, delays and reconnects:
//! it always ends on the last snapshot, never sends traffic to a cluster that it does not have, and then
//! nothing more is said. The rules of the simulated Envoy (warming, derived subscriptions, refusals) are in
//! `envoy`; the two ways it speaks in `sotw` and `delta`; the snapshots in `world`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a simulation fails by panicking"
)]

mod delta;
mod envoy;
mod sotw;
mod world;

use std::collections::VecDeque;

use proptest::prelude::*;
use watershed_xds::{ResourceType, Snapshot, XdsStream};

use envoy::Envoy;
use world::World;

/// How a simulated Envoy speaks.
trait Speaker: Default {
    type Stream: XdsStream;
    /// Whether a reconnecting proxy tells enough for the server to keep what its routes need.
    const NAMES_WHAT_IT_HAS: bool;
    /// Whether a reconnect now could be told apart from one with nothing missing.
    fn may_reconnect(&self, envoy: &Envoy) -> bool;
    fn connect(&mut self, envoy: &Envoy) -> Vec<Request<Self>>;
    fn receive(&mut self, envoy: &mut Envoy, response: Response<Self>) -> Vec<Request<Self>>;
}

type Request<S> = <<S as Speaker>::Stream as XdsStream>::Request;
type Response<S> = <<S as Speaker>::Stream as XdsStream>::Response;

#[derive(Clone, Debug)]
enum Step {
    Publish(World),
    ToServer,
    ToProxy,
    Reconnect,
}

/// One proxy, one server stream and the messages between them.
struct Link<S: Speaker> {
    envoy: Envoy,
    speaker: S,
    stream: S::Stream,
    snapshot: Snapshot,
    up: VecDeque<Request<S>>,
    down: VecDeque<Response<S>>,
}

impl<S: Speaker> Link<S> {
    fn new(snapshot: Snapshot, half_taken: bool) -> Self {
        let mut link = Self {
            envoy: Envoy::new(S::NAMES_WHAT_IT_HAS, half_taken),
            speaker: S::default(),
            stream: S::Stream::default(),
            snapshot,
            up: VecDeque::new(),
            down: VecDeque::new(),
        };
        link.connect();
        link
    }

    fn connect(&mut self) {
        self.up.clear();
        self.down.clear();
        self.envoy.stream += 1;
        self.stream = S::Stream::default();
        assert!(self.stream.on_snapshot(&self.snapshot).is_empty());
        self.up.extend(self.speaker.connect(&self.envoy));
    }

    fn publish(&mut self, snapshot: Snapshot) {
        assert_eq!(snapshot.check_consistent(), Ok(()));
        self.snapshot = snapshot;
        self.down.extend(self.stream.on_snapshot(&self.snapshot));
    }

    fn deliver_up(&mut self) {
        if let Some(request) = self.up.pop_front() {
            self.down.extend(self.stream.on_request(request).unwrap());
        }
    }

    fn deliver_down(&mut self) {
        if let Some(response) = self.down.pop_front() {
            self.up
                .extend(self.speaker.receive(&mut self.envoy, response));
            self.envoy.check_routes();
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish(world) => self.publish(world.snapshot(Some(&self.snapshot))),
            Step::ToServer => self.deliver_up(),
            Step::ToProxy => self.deliver_down(),
            // A half taken response is not visible in what Envoy says it has; no server could mend that.
            Step::Reconnect
                if self.envoy.half_taken || !self.speaker.may_reconnect(&self.envoy) => {}
            Step::Reconnect => self.connect(),
        }
    }

    fn drain(&mut self) {
        for _ in 0..10_000 {
            if self.up.is_empty() && self.down.is_empty() {
                return;
            }
            self.deliver_up();
            self.deliver_down();
        }
        panic!("the two talk for ever");
    }

    fn check_end(&mut self, last: &World) {
        self.envoy.check_equals(last);
        for ty in ResourceType::ALL {
            let status = self.stream.status(ty);
            assert!(
                status.in_sync || !status.subscribed,
                "{ty:?} is not in sync: {status:?}"
            );
            assert_eq!(status.refusal, None);
        }
        let snapshot = last.snapshot(None);
        assert!(
            self.stream.on_snapshot(&snapshot).is_empty(),
            "something is said when all is said"
        );
    }
}

fn run<S: Speaker>(first: &World, steps: &[Step], last: &World, half_taken: bool) {
    let mut link = Link::<S>::new(first.snapshot(None), half_taken);
    for step in steps {
        link.step(step);
    }
    link.publish(last.snapshot(Some(&link.snapshot)));
    link.drain();
    link.check_end(last);
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => world::any().prop_map(Step::Publish),
        8 => Just(Step::ToServer),
        8 => Just(Step::ToProxy),
        1 => Just(Step::Reconnect),
    ]
}

/// The number of schedules; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_state_of_the_world_proxy_always_ends_on_the_last_snapshot(
        first in world::any(),
        steps in prop::collection::vec(step(), 0..80),
        last in world::good(),
        half_taken: bool,
    ) {
        run::<sotw::Sotw>(&first, &steps, &last, half_taken);
    }

    #[test]
    fn an_incremental_proxy_always_ends_on_the_last_snapshot(
        first in world::any(),
        steps in prop::collection::vec(step(), 0..80),
        last in world::good(),
        half_taken: bool,
    ) {
        run::<delta::Delta>(&first, &steps, &last, half_taken);
    }
}
