"""Two experiments on the same queries: how much better is one, and how sure is that?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

RESAMPLES = 9_999
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean over queries of right minus left, and its 95% interval."""

    mean: float
    low: float
    high: float


def paired_difference(left: pd.Series, right: pd.Series, seed: int = 42) -> Difference:
    """Of scores per query, each with the same index of query ids, in any order.

    The interval is the percentile bootstrap's over queries (Efron and Tibshirani 1993, ch. 13).
    Raises ValueError where the queries are not the same.
    """
    if set(left.index) != set(right.index):
        raise ValueError(f"{len(left)} and {len(right)} queries are not the same ones")
    gains = (right - left.loc[right.index]).sort_index().to_numpy()  # drawn in one order
    mean = float(gains.mean())
    if np.ptp(gains) == 0:  # nothing to draw differently
        return Difference(mean, mean, mean)
    drawn = stats.bootstrap(
        (gains,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
        batch=100,
    )
    low, high = drawn.confidence_interval
    return Difference(mean, float(low), float(high))
