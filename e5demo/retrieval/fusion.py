"""Reciprocal-rank fusion (Cormack, Clarke and Büttcher 2009): sum of 1 / (60 + rank)."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from e5demo.data.corpus import Corpus
from e5demo.jobs import Progress, silent
from e5demo.retrieval.search import Ranking, Retriever, top

RRF_K = 60  # the paper's constant
DEPTH = 100  # ranks beyond this are not looked at


class FusionRetriever:
    """Fuses retrievers of one corpus; scores are sums of reciprocal ranks."""

    def __init__(self, members: Sequence[Retriever]) -> None:
        self.members = members
        self.corpus: Corpus = members[0].corpus
        self.recall_of_flat = min(member.recall_of_flat for member in members)

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
        return [fuse(of_query, k) for of_query in zip(*rankings, strict=True)]


def fuse(rankings: Sequence[Ranking], k: int) -> Ranking:
    """The `k` best by reciprocal-rank fusion of one query's rankings."""
    sums: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, position in enumerate(ranking.positions.tolist(), start=1):
            sums[position] += 1 / (RRF_K + rank)
    return top(np.fromiter(sums.values(), float), k, np.fromiter(sums, np.int64))
