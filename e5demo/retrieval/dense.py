"""Dense retrieval: passages and queries as E5's unit vectors, ranked by inner product."""

from collections.abc import Sequence
from threading import Lock

import numpy as np
from cachetools import LRUCache

from e5demo.config import DIMENSIONS, Precision
from e5demo.data.corpus import Corpus
from e5demo.jobs import Progress, silent
from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.encoder import Encoder
from e5demo.retrieval.index import TIE_MARGIN, IndexKind, build_index
from e5demo.retrieval.reduction import Reduction
from e5demo.retrieval.search import Ranking, top, unit

KEPT_TYPED = 4096  # vectors of queries that were typed or pasted; some 6 MB


class DenseRetriever:
    """Passages and queries are encoded by `encoder`, or read from `cache` where they were before.

    Building it encodes what is not in the cache yet, which may take long: see `progress`. Rankings
    are exact while `index_kind` is flat; else see `VectorIndex`. Where `precision` is of fewer
    dimensions, they are those of `reduction` if it has as many, and else the first.
    """

    def __init__(
        self,
        corpus: Corpus,
        encoder: Encoder,
        cache: EmbeddingCache,
        progress: Progress = silent,
        precision: Precision = "float32",
        reduction: Reduction | None = None,
    ) -> None:
        self.corpus = corpus
        self.encoder = encoder
        self.cache = cache
        self.dimensions = DIMENSIONS.get(precision)
        fits = reduction is not None and reduction.axes.shape[1] == self.dimensions
        self.reduction = reduction if fits else None
        passages = corpus.passages
        cache.fill(encoder, "document", passages, progress)

        def read(places: np.ndarray) -> np.ndarray:
            texts = [passages[i] for i in places.tolist()]
            return self._searched(cache.encode(encoder, "document", texts)[0])

        self.index = build_index(read, len(passages), precision, folder=cache.folder)
        self._prepared: dict[str, np.ndarray] = {}
        self._typed: LRUCache = LRUCache(KEPT_TYPED)
        self._lock = Lock()

    @property
    def index_kind(self) -> IndexKind:
        return self.index.kind

    @property
    def recall_of_flat(self) -> float:
        """The share of the exact first 10 that a search finds, as measured; 1 where exact."""
        return self.index.recall_of_flat

    def prepare(self, queries: Sequence[str], progress: Progress = silent) -> None:
        """Encode the queries, or read them from the cache, and keep their vectors in memory."""
        vectors, _ = self.cache.encode(self.encoder, "query", queries, progress)
        self._prepared = dict(zip(queries, vectors, strict=True))

    def encode(self, queries: Sequence[str]) -> None:
        self._vectors(queries)

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> list[Ranking]:
        vectors = self._searched(self._vectors(queries))
        most = len(self.corpus) if allowed is None else int(allowed.sum())
        if most == 0:
            return [Ranking(np.empty(0, np.int64), np.empty(0, np.float32))] * len(queries)
        fetched = min(k + TIE_MARGIN, most)
        found = self.index.search(vectors, fetched, allowed)
        rankings = []
        for vector, scores, positions in zip(vectors, *found, strict=True):
            while len(scores) < most and scores[-1] == scores[k - 1]:
                more = min(8 * len(scores), most)
                ((scores,), (positions,)) = self.index.search(vector[None], more, allowed)
            rankings.append(top(scores, k, positions))
        return rankings

    def _searched(self, vectors: np.ndarray) -> np.ndarray:
        """In the dimensions that are searched, of unit length again."""
        if self.reduction:
            return self.reduction.apply(vectors)
        return unit(vectors[:, : self.dimensions]) if self.dimensions else vectors

    def _vectors(self, queries: Sequence[str]) -> np.ndarray:
        """float32 of shape (len(queries), dimensions); encoded where they are not known yet."""
        known = self._known(queries)
        new = list(dict.fromkeys(query for query in queries if query not in known))
        if new:
            known |= zip(new, self.encoder.encode(new, "query"), strict=True)
            with self._lock:
                self._typed.update((query, known[query]) for query in new)
        return np.stack([known[query] for query in queries])

    def _known(self, queries: Sequence[str]) -> dict[str, np.ndarray]:
        with self._lock:
            places = (self._typed, self._prepared)
            return {query: place[query] for place in places for query in queries if query in place}
