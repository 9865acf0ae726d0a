"""Do the intervals cover, are verdicts seldom false, and how long do many comparisons take?

Experiments are simulated: most queries score alike in both, some gain or lose much, as ranks do.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from e5demo.evaluation.comparison import compare

QUERIES = 500
KNOWN = 0.02  # the difference that is there


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--families", type=int, default=300)
    parser.add_argument("--resamples", type=int, default=2000)
    options = parser.parse_args()
    covered = false = 0
    for seed in range(options.trials):
        draw = np.random.default_rng(seed)
        scores = _experiments(draw, 2, gain=KNOWN)
        (found,) = compare(scores, resamples=options.resamples, seed=seed).differences
        covered += found.low <= KNOWN <= found.high
        scores = _experiments(draw, 2)
        (found,) = compare(scores, resamples=options.resamples, seed=seed).differences
        false += found.verdict != "no_evidence"
    print(json.dumps({"trials": options.trials, "queries": QUERIES,
                      "intervals_that_cover": covered / options.trials,
                      "false_verdicts": false / options.trials}), flush=True)  # fmt: skip
    families = 0
    for seed in range(options.families):
        scores = _experiments(np.random.default_rng(10**6 + seed), 10)
        found = compare(scores, resamples=10_000, seed=seed).differences
        families += any(one.verdict != "no_evidence" for one in found)
    told = {"families": options.families, "comparisons": 45}
    share = {"families_with_a_false_verdict": families / options.families}
    print(json.dumps(told | share), flush=True)
    scores = _experiments(np.random.default_rng(0), 10, queries=6147)
    took = []
    for _ in range(3):
        began = time.perf_counter()
        compare(scores, resamples=10_000)
        took.append(round(time.perf_counter() - began, 2))
    print(json.dumps({"queries": 6147, "comparisons": 45, "resamples": 10_000, "seconds": took}))


def _experiments(
    draw: np.random.Generator, count: int, gain: float = 0.0, queries: int = QUERIES
) -> dict[str, pd.DataFrame]:
    """Experiment number i is better than the first by i times `gain`, in the mean of many."""
    base = draw.random(queries)
    index = [f"q{i}" for i in range(queries)]
    scores = {}
    for number in range(count):
        moved = draw.random(queries) < 0.3
        noise = np.where(moved, draw.normal(0, 0.4, queries), 0.0)
        scores[f"e{number}"] = pd.DataFrame({"ndcg@10": base + gain * number + noise}, index)
    return scores


if __name__ == "__main__":
    main()
