"""Experiments on the same queries: how much better is one, and how sure is that?

Resamples are drawn once and serve every experiment, metric and pair, so that many comparisons cost
little more than one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import NormalDist
from typing import Literal

import numpy as np
import pandas as pd

RESAMPLES = 10_000
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
POWER = 0.8  # the chance of seeing a difference that is there
BATCH = 250  # resamples held in memory at once
LEAST_QUERIES = 6  # of fewer, even all gains alike have a p above 0.05: 2 / 2^5
ROUNDING = 1e-9  # means closer than this are equal

Verdict = Literal["better", "worse", "no_evidence"]


@dataclass(frozen=True)
class Interval:
    """A mean over queries and its 95% interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Right less left, in one metric.

    `p_value` is that of the paired permutation test, `p_corrected` the same after Holm (1979) for
    all pairs compared in this metric. `wins`, `ties` and `losses` are queries, of the right one.
    `queries_needed` is about how many it takes to see a difference of this size with a chance of
    80% (None where there is none).
    """

    left: str
    right: str
    metric: str
    mean: float
    low: float
    high: float
    p_value: float
    p_corrected: float
    wins: int
    ties: int
    losses: int
    queries_needed: int | None
    verdict: Verdict

    @property
    def turned(self) -> "Difference":
        """Left against right."""
        verdicts: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
        return replace(
            self,
            left=self.right,
            right=self.left,
            mean=-self.mean,
            low=-self.high,
            high=-self.low,
            wins=self.losses,
            losses=self.wins,
            verdict=verdicts.get(self.verdict, self.verdict),
        )


@dataclass(frozen=True)
class Comparison:
    """`intervals` by experiment and metric; `differences` of each two, metric by metric."""

    intervals: dict[str, dict[str, Interval]]
    differences: list[Difference]

    def of(self, left: str, right: str, metric: str) -> Difference:
        """Right against left, whichever way round they were compared. Raises KeyError."""
        for one in self.differences:
            if one.metric == metric and (one.left, one.right) == (left, right):
                return one
            if one.metric == metric and (one.left, one.right) == (right, left):
                return one.turned
        raise KeyError((left, right, metric))


def compare(
    scores: Mapping[str, pd.DataFrame],
    metrics: Sequence[str] | None = None,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 42,
) -> Comparison:
    """Of scores per query (as `metrics.score_run` gives them) by experiment.

    `metrics` are those that all have, `pairs` (left, right) each two in the order given, unless
    told. Raises ValueError where the queries are not the same.
    """
    names = list(scores)
    metrics = metrics or [m for m in scores[names[0]] if all(m in s for s in scores.values())]
    pairs = list(combinations(names, 2)) if pairs is None else pairs
    table = _aligned(scores, metrics)  # (queries, metrics x experiments)
    draw = np.random.default_rng(seed)
    means = np.concatenate([w @ table for w in _weights(draw, len(table), resamples)])
    place = {(m, n): i for i, (m, n) in enumerate((m, n) for m in metrics for n in names)}
    bounds = _bounds(means)
    intervals = {
        n: {m: Interval(float(table[:, place[m, n]].mean()), *bounds[place[m, n]]) for m in metrics}
        for n in names
    }
    differences = []
    for metric in metrics:
        left, right = ([place[metric, pair[side]] for pair in pairs] for side in (0, 1))
        gains = table[:, right] - table[:, left]
        ranges = _bounds(means[:, right] - means[:, left])
        p_values = _permutation_test(gains, draw, resamples)
        for i, (pair, corrected) in enumerate(zip(pairs, holm(p_values), strict=True)):
            found = ranges[i]
            differences.append(
                _difference(*pair, metric, gains[:, i], found, p_values[i], corrected)
            )
    return Comparison(intervals, differences)


def paired_difference(left: pd.Series, right: pd.Series, seed: int = 42) -> Interval:
    """Right less left of two scores per query. Raises ValueError where they are not of the same."""
    scores = {"left": left.to_frame("score"), "right": right.to_frame("score")}
    table = _aligned(scores, ["score"])
    gains = table[:, [1]] - table[:, [0]]
    draw = np.random.default_rng(seed)
    means = np.concatenate([w @ gains for w in _weights(draw, len(gains), RESAMPLES)])
    return Interval(float(gains.mean()), *_bounds(means)[0])


def holm(p_values: np.ndarray) -> np.ndarray:
    """Corrected so that any false verdict among all is as rare as for one (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    corrected = np.empty_like(stepped)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def queries_needed(gains: np.ndarray) -> int | None:
    """So many queries show a mean gain like this one's with a chance of 80%, at 5% two-sided and
    uncorrected: by the normal approximation, ((z_0.975 + z_0.8) sd / mean)^2; never fewer than the
    test takes to show anything. None without a gain, or from a single query."""
    if len(gains) < 2 or abs(gains.mean()) < ROUNDING:
        return None
    z = NormalDist().inv_cdf(1 - ALPHA / 2) + NormalDist().inv_cdf(POWER)
    needed = np.ceil((z * gains.std(ddof=1) / gains.mean()) ** 2)
    return max(LEAST_QUERIES, int(needed))


def _difference(
    left: str,
    right: str,
    metric: str,
    gains: np.ndarray,
    bounds: tuple[float, float],
    p_value: float,
    p_corrected: float,
) -> Difference:
    low, high = bounds
    verdict: Verdict = "no_evidence"
    if p_corrected < ALPHA and (low > 0 or high < 0):  # by test and interval both
        verdict = "better" if low > 0 else "worse"
    return Difference(
        left=left,
        right=right,
        metric=metric,
        mean=float(gains.mean()),
        low=low,
        high=high,
        p_value=float(p_value),
        p_corrected=float(p_corrected),
        wins=int((gains > ROUNDING).sum()),
        ties=int((np.abs(gains) <= ROUNDING).sum()),
        losses=int((gains < -ROUNDING).sum()),
        queries_needed=queries_needed(gains),
        verdict=verdict,
    )


def _aligned(scores: Mapping[str, pd.DataFrame], metrics: Sequence[str]) -> np.ndarray:
    """A row per query, in one order for all; a column per metric and experiment."""
    first, *others = scores.values()
    index = first.index.sort_values()
    for other in others:
        if not other.index.sort_values().equals(index):
            raise ValueError(f"{len(first)} and {len(other)} queries are not the same ones")
    columns = [frame[m].reindex(index).to_numpy() for m in metrics for frame in scores.values()]
    return np.column_stack(columns).astype(np.float64)


def _weights(draw: np.random.Generator, queries: int, resamples: int) -> Iterator[np.ndarray]:
    """How often each query is in a resample, over how many there are: (some resamples, queries)."""
    for begin in range(0, resamples, BATCH):
        rows = min(BATCH, resamples - begin)
        drawn = draw.integers(0, queries, (rows, queries))
        drawn += np.arange(rows)[:, None] * queries
        counts = np.bincount(drawn.ravel(), minlength=rows * queries)
        yield counts.reshape(rows, queries) / queries


def _bounds(means: np.ndarray) -> list[tuple[float, float]]:
    """Of each column the percentile bootstrap's interval (Efron and Tibshirani 1993, ch. 13)."""
    lows, highs = np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
    return list(zip(lows.tolist(), highs.tolist(), strict=True))


def _permutation_test(gains: np.ndarray, draw: np.random.Generator, resamples: int) -> np.ndarray:
    """Two-sided p of each column: were left and right the same, each gain could have the other sign
    (Fisher's paired test; one is added, as in Phipson and Smyth 2010)."""
    queries = len(gains)
    observed = np.abs(gains.mean(axis=0)) - ROUNDING
    as_far = np.zeros(gains.shape[1])
    for begin in range(0, resamples, BATCH):
        rows = min(BATCH, resamples - begin)
        signs = draw.integers(0, 2, (rows, queries), dtype=np.int8) * 2.0 - 1
        as_far += (np.abs(signs @ gains / queries) >= observed).sum(axis=0)
    return (as_far + 1) / (resamples + 1)
