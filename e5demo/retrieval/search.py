"""One Protocol for all retrievers, and the hits that they return."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from e5demo.data.corpus import Corpus
from e5demo.jobs import Progress, silent


@dataclass(frozen=True)
class Ranking:
    """One query's hits, best first: positions in the corpus and their scores, of equal length.

    Equal scores stand in ascending order of position, which is that of passage ids.
    """

    positions: np.ndarray
    scores: np.ndarray


class Retriever(Protocol):
    """Ranks a corpus's passages. Scores compare within one retriever only."""

    corpus: Corpus

    @property
    def recall_of_flat(self) -> float:
        """The share of the exact first 10 that a search finds, as measured; 1 where exact."""
        ...

    def prepare(self, queries: Sequence[str], progress: Progress = silent) -> None:
        """Do ahead what `search` needs for these queries (encode them, say), and keep it on disk:
        they will be asked again."""
        ...

    def encode(self, queries: Sequence[str]) -> None:
        """The same in memory alone, for queries that a person types; the last ones are kept."""
        ...

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> list[Ranking]:
        """A ranking of at most `k` hits for each query.

        `allowed`, a bool for each passage, says which may be hits; statistics of the corpus stay
        those of all passages.
        """
        ...


def top(scores: np.ndarray, k: int, positions: np.ndarray | None = None) -> Ranking:
    """The `k` best of `scores` in the order that `Ranking` promises.

    `positions` names each score's place in the corpus; without it, score i is of passage i.
    """
    if positions is None:
        positions = np.arange(len(scores))
    if k < len(scores):
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        kept = scores >= least  # all that tie with the last are in until the order is made
        scores, positions = scores[kept], positions[kept]
    order = np.lexsort((positions, -scores))[:k]
    return Ranking(positions[order], scores[order])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1; rows of zeros as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
