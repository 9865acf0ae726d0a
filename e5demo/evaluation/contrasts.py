"""Where two retrievers differ: each query's rank of the passage sought, and what changes."""

from typing import Literal, get_args

import numpy as np
import pandas as pd

from e5demo.data.corpus import Qrels

Contrast = Literal["differ", "gains", "losses", "wrong"]
CONTRASTS: tuple[Contrast, ...] = get_args(Contrast)


def gold_ranks(run: pd.DataFrame, qrels: Qrels) -> pd.Series:
    """Each query's best rank of a passage that answers it, by query id; NaN beyond the run."""
    pairs = [(query, passage) for query, answers in qrels.items() for passage in answers]
    sought = pd.DataFrame(pairs, columns=["query_id", "passage_id"])
    found = run.merge(sought, on=["query_id", "passage_id"])
    ranks = found.groupby("query_id")["rank"].min().reindex(list(qrels))
    return ranks.astype(float).rename_axis("query_id")


def gains(left: pd.Series, right: pd.Series) -> pd.Series:
    """Of reciprocal ranks, right less left: from 1 to 2 counts more than from 50 to 99."""
    return (1 / right).fillna(0) - (1 / left).fillna(0)


def contrasted(ranks: pd.DataFrame, left: str, right: str, kind: Contrast) -> pd.DataFrame:
    """The rows of that kind, the most telling first. `ranks` has a column for each retriever.

    `differ`: all whose rank is another; `gains` and `losses`: for the right one; `wrong`: first on
    neither side, the worst first.
    """
    gain = gains(ranks[left], ranks[right])
    if kind == "wrong":
        wrong = (ranks[left] != 1) & (ranks[right] != 1)
        best = ranks[[left, right]].min(axis=1).fillna(np.inf)
        return ranks[wrong].loc[best[wrong].sort_values(ascending=False, kind="stable").index]
    size = {"differ": gain.abs(), "gains": gain, "losses": -gain}[kind]
    order = size[size > 0].sort_values(ascending=False, kind="stable").index
    return ranks.loc[order]


def recall_curve(run: pd.DataFrame, qrels: Qrels, depth: int) -> np.ndarray:
    """Mean recall at each cutoff from 1 to `depth`: the same as `recall@k` of `metrics`."""
    rights = pd.DataFrame(
        [(query, one, 1 / len(answers)) for query, answers in qrels.items() for one in answers],
        columns=["query_id", "passage_id", "part"],
    )
    found = run[run["rank"] <= depth].merge(rights, on=["query_id", "passage_id"])
    parts = np.bincount(found["rank"], weights=found["part"], minlength=depth + 1)[1:]
    return np.cumsum(parts) / len(qrels)


def rank_shares(ranks: pd.Series, bounds: tuple[int, ...]) -> list[float]:
    """The share of queries whose rank is up to the first bound, the second, ..., and beyond."""
    places = np.searchsorted(bounds, ranks.fillna(np.inf), side="left")
    return (np.bincount(places, minlength=len(bounds) + 1) / max(len(ranks), 1)).tolist()
