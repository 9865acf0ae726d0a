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
