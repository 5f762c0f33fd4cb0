"""The same work by gbstats, spotify-confidence, scipy and statsmodels, on the inputs that bench-stats wrote.

usage: peers.py FOLDER > JSON
A line of the answer: {"work", "by", "ns", "value"}; the value shows that it is the same work.
"""

import importlib.metadata
import json
import statistics
import sys
import time

import numpy as np
from gbstats.frequentist.tests import (
    FrequentistConfig,
    SequentialConfig,
    SequentialTwoSidedTTest,
    TwoSidedTTest,
)
from gbstats.models.statistics import SampleMeanStatistic
from scipy import stats
from spotify_confidence.analysis.frequentist.sequential_bound_solver import bounds
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

folder = sys.argv[1]
found = []


def measure(work, by, run, at_most=0.5, least=3):
    """The median time of a run, over about `at_most` seconds."""
    value = run()
    times = []
    end = time.perf_counter() + at_most
    while len(times) < least or (time.perf_counter() < end and len(times) < 1000):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    found.append({"work": work, "by": by, "ns": statistics.median(times) * 1e9, "value": float(value)})


def version(name):
    return f"{name} {importlib.metadata.version(name)}"


for looks, least in ((14, 3), (100, 1)):
    t = np.arange(1, looks + 1) / looks
    measure(
        f"boundaries-{looks}",
        version("spotify-confidence"),
        lambda: bounds(t, 0.05, 2.0, 8.0, 2).bounds[-1],
        least=least,
    )

metrics = json.load(open(f"{folder}/metrics.json"))
arms = metrics[0]
a, b = arms[0], arms[1]


def statistic(arm):
    n, mean, variance = arm["n"], arm["mean"], arm["variance"]
    return SampleMeanStatistic(n=n, sum=n * mean, sum_squares=variance * (n - 1) + n * mean * mean)


def scipy_welch():
    sd = lambda arm: arm["variance"] ** 0.5
    return stats.ttest_ind_from_stats(
        b["mean"], sd(b), b["n"], a["mean"], sd(a), a["n"], equal_var=False
    ).pvalue


measure("welch", version("scipy"), scipy_welch)
measure(
    "welch",
    version("gbstats"),
    lambda: TwoSidedTTest(
        statistic(a), statistic(b), FrequentistConfig(difference_type="absolute")
    ).compute_result().p_value,
)
raw = [np.fromfile(f"{folder}/raw-{arm}.f64") for arm in "ab"]
weights = [DescrStatsW(values[:100_000]) for values in raw]
measure(
    "welch-raw-100000",
    version("statsmodels"),
    lambda: CompareMeans(weights[1], weights[0]).ttest_ind(usevar="unequal")[1],
)
measure(
    "welch-raw-100000",
    version("scipy"),
    lambda: stats.ttest_ind(raw[1][:100_000], raw[0][:100_000], equal_var=False).pvalue,
)


def sequence():
    return SequentialTwoSidedTTest(
        statistic(a),
        statistic(b),
        SequentialConfig(difference_type="absolute", sequential_tuning_parameter=metrics[0][0]["n"]),
    ).compute_result().p_value


measure("confidence-sequence", version("gbstats"), sequence)


def results():
    p = []
    for control, *treatments in metrics:
        for treatment in treatments:
            test = SequentialTwoSidedTTest(
                statistic(control),
                statistic(treatment),
                SequentialConfig(difference_type="absolute"),
            )
            p.append(test.compute_result().p_value)
    return multipletests(p, method="holm")[1].min()


measure("results-5x50", version("gbstats") + ", statsmodels", results)
measure(
    "ks-10m",
    version("scipy"),
    lambda: stats.ks_2samp(raw[0], raw[1], method="asymp").statistic,
    least=1,
)
json.dump(found, sys.stdout)
