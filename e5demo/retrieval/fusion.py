"""Fusion of BM25 and E5: the sum of their scores, each standardised among the best of both."""

from collections.abc import Sequence

import numpy as np

from e5demo.data.corpus import Corpus
from e5demo.jobs import Progress, silent
from e5demo.retrieval.search import Ranking, Retriever, top

DEPTH = 100  # ranks beyond this are not looked at
# Of BM25 beside E5's 1, chosen on validation titles: benchmarks/quality/README.md.
BM25_WEIGHT = 0.6


class FusionRetriever:
    """Fuses retrievers of one corpus, BM25 and a dense one."""

    def __init__(self, lexical: Retriever, dense: Retriever) -> None:
        self.members = [lexical, dense]
        self.corpus: Corpus = dense.corpus
        self.recall_of_flat = min(member.recall_of_flat for member in self.members)

    def prepare(self, queries: Sequence[str], progress: Progress = silent) -> None:
        for member in self.members:
            member.prepare(queries, progress)

    def encode(self, queries: Sequence[str]) -> None:
        for member in self.members:
            member.encode(queries)

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> list[Ranking]:
        """At most as many hits as the members' first 100 hold, whatever `k`: the order of the
        first must not depend on how many are asked for."""
        rankings = [member.search(queries, DEPTH, allowed) for member in self.members]
        return [fuse(of_query, (BM25_WEIGHT, 1.0), k) for of_query in zip(*rankings, strict=True)]


def fuse(rankings: Sequence[Ranking], weights: Sequence[float], k: int) -> Ranking:
    """The `k` best by the weighted sum of standardised scores of one query's rankings.

    Standardised is a score less the mean, over the standard deviation, of all passages that any of
    the rankings holds. One that a ranking lacks has its last score there, or 0 where the ranking
    ended early, as BM25's does after the last passage with a word of the query.
    """
    positions = np.unique(np.concatenate([ranking.positions for ranking in rankings]))
    total = np.zeros(len(positions))
    for ranking, weight in zip(rankings, weights, strict=True):
        least = ranking.scores[-1] if len(ranking.scores) >= DEPTH else 0.0
        scores = np.full(len(positions), least, dtype=np.float64)
        scores[np.searchsorted(positions, ranking.positions)] = ranking.scores
        total += weight * standardised(scores)
    return top(total, k, positions)


def standardised(scores: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1; zeros where all are the same."""
    if not len(scores) or np.ptp(scores) == 0:
        return np.zeros_like(scores)
    return (scores - scores.mean()) / scores.std()
