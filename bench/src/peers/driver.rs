//! What the peers have in common from outside: something that evaluates one flag for one context,
//! and the five works made of it. What does not live here: any peer.

use crate::case::{Answers, Case, Run};
use crate::work::{self, Experiment, Layout, Request, Round};
use std::hint::black_box;

/// A peer with a configuration in it.
pub trait Peer: Sized + 'static {
    /// Who it is in the figures.
    const NAME: &'static str;
    /// Whether it can keep experiments of a layer apart.
    const LAYERS: bool;
    /// The context of a request, as the peer wants it.
    type Context: 'static;

    /// Reads and compiles the configuration's bytes.
    ///
    /// # Errors
    /// Where the peer refuses it.
    fn load(config: &[u8]) -> anyhow::Result<Self>;

    /// The configuration for the experiments.
    ///
    /// # Errors
    /// Where it can't be written.
    fn config(experiments: &[Experiment]) -> anyhow::Result<Vec<u8>>;

    /// A request's six strings as a context.
    fn context(request: &Request) -> Self::Context;

    /// Whether the context gets a variant of the flag.
    fn evaluate(&self, flag: &str, context: &Self::Context) -> bool;
}

/// The works of a peer. `magnitude` is that of its single evaluation.
pub fn cases<P: Peer>(magnitude: u32) -> Vec<Case> {
    let case = |work, layout: Layout, magnitude, build| Case {
        work,
        by: P::NAME,
        answers: if P::LAYERS || layout != Layout::Layered {
            Answers::Exactly(layout.answers())
        } else {
            Answers::About(layout.answers())
        },
        magnitude,
        build,
    };
    vec![
        case("one-bound", Layout::One, magnitude, || {
            bound::<P>(Layout::One)
        }),
        case("one-raw", Layout::One, magnitude, || raw::<P>(Layout::One)),
        case("thousand-raw", Layout::Thousand, magnitude, thousand::<P>),
        case("layered", Layout::Layered, magnitude - 2, || {
            bound::<P>(Layout::Layered)
        }),
        case("unlayered", Layout::Unlayered, magnitude - 2, || {
            bound::<P>(Layout::Unlayered)
        }),
        Case {
            work: "compile",
            by: P::NAME,
            answers: Answers::Exactly(1_000),
            magnitude: 2,
            build: compile::<P>,
        },
    ]
}

fn contexts<P: Peer>() -> Vec<P::Context> {
    work::requests().iter().map(P::context).collect()
}

fn keys(experiments: &[Experiment]) -> Vec<String> {
    experiments.iter().map(|one| one.key.clone()).collect()
}

/// Every flag for a context that is there.
fn bound<P: Peer>(layout: Layout) -> anyhow::Result<Run> {
    let experiments = layout.experiments();
    let peer = P::load(&P::config(&experiments)?)?;
    let keys = keys(&experiments);
    let contexts = contexts::<P>();
    let mut round = Round::default();
    Ok(Box::new(move |times| {
        let mut answers = 0;
        round.each(&contexts, times, |context| {
            answers += given(&peer, &keys, black_box(context));
        });
        answers
    }))
}

fn given<P: Peer>(peer: &P, keys: &[String], context: &P::Context) -> u64 {
    let given = keys
        .iter()
        .filter(|key| black_box(peer.evaluate(black_box(key), context)));
    given.count() as u64
}

/// One flag for a context that is built anew.
fn raw<P: Peer>(layout: Layout) -> anyhow::Result<Run> {
    asking::<P>(
        P::config(&layout.experiments())?,
        keys(&layout.experiments()),
    )
}

/// One flag of 1,000 that give everybody a variant, another one each time.
fn thousand<P: Peer>() -> anyhow::Result<Run> {
    let whole = work::spread(1_000, 1_000);
    asking::<P>(P::config(&whole)?, keys(&whole))
}

fn asking<P: Peer>(config: Vec<u8>, keys: Vec<String>) -> anyhow::Result<Run> {
    let peer = P::load(&config)?;
    let requests = work::requests();
    let (mut round, mut asked) = (Round::default(), Round::default());
    Ok(Box::new(move |times| {
        let mut answers = 0;
        round.each(&requests, times, |request| {
            asked.each(&keys, 1, |key| {
                let context = P::context(black_box(request));
                answers += u64::from(black_box(peer.evaluate(black_box(key), &context)));
            });
        });
        answers
    }))
}

fn compile<P: Peer>() -> anyhow::Result<Run> {
    let config = P::config(&Layout::Thousand.experiments())?;
    let mut last = None;
    Ok(Box::new(move |times| {
        (0..times)
            .map(|_| {
                last = P::load(black_box(&config)).ok();
                if last.is_some() { 1_000 } else { 0 }
            })
            .sum()
    }))
}
