"""A run, as in TREC: each query's ranking, made once, from which every figure and file is read."""

from collections.abc import Sequence

import pandas as pd

from e5demo.data.corpus import Corpus
from e5demo.retrieval.search import Ranking

DEPTH = 100  # ranks kept, enough for recall@100


def make_run(query_ids: Sequence[str], rankings: Sequence[Ranking], corpus: Corpus) -> pd.DataFrame:
    """A row per hit: `query_id`, `passage_id`, `rank` from 1, and the retriever's `score`."""
    ids = corpus.ids
    frames = [
        pd.DataFrame(
            {
                "query_id": query_id,
                "passage_id": ids[ranking.positions],
                "rank": range(1, len(ranking.positions) + 1),
                "score": ranking.scores,
            }
        )
        for query_id, ranking in zip(query_ids, rankings, strict=True)
    ]
    return pd.concat(frames, ignore_index=True)


def trec_scores(run: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The run for ir-measures. Whole-number scores strictly decrease with rank, since libraries
    break ties each in its own way and call a gap of 1e-10 a tie."""
    scores: dict[str, dict[str, float]] = {}
    for row in run[["query_id", "passage_id", "rank"]].itertuples(index=False):
        scores.setdefault(row.query_id, {})[row.passage_id] = float(DEPTH - row.rank + 1)
    return scores
