//! Times of all cases, by criterion. What does not live here: what they mean; `engine report` puts
//! them beside their targets.
//!
//! The clock is the thread's own processor time: waiting for a machine that others use, too, is not
//! part of any engine.
#![allow(missing_docs, clippy::panic)]

use cpu_time::ThreadTime;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;

fn engine(criterion: &mut Criterion) {
    for case in watershed_bench::case::all() {
        let mut run = (case.build)().unwrap_or_else(|error| panic!("{}: {error:#}", case.name()));
        criterion
            .benchmark_group(case.work)
            .bench_function(case.by, |bencher| {
                bencher.iter_custom(|times| {
                    let start = ThreadTime::now();
                    black_box(run(times));
                    start.elapsed()
                });
            });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(50);
    targets = engine
}
criterion_main!(benches);
