"""Exact search by inner product of unit vectors, in FAISS."""

from collections.abc import Sequence
from threading import Lock

import faiss
import numpy as np
from cachetools import LRUCache

from e5demo.config import Precision
from e5demo.data.corpus import Corpus
from e5demo.jobs import Progress, silent
from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.encoder import Encoder
from e5demo.retrieval.search import Ranking, top

# Fetched beyond k, so that a tie over the last place is settled by id and not by FAISS; where more
# than these tie, all are fetched.
TIE_MARGIN = 16
THREADS = faiss.omp_get_max_threads()
KEPT_TYPED = 4096  # vectors of queries that were typed or pasted; some 6 MB


class DenseRetriever:
    """Passages and queries are encoded by `encoder`, or read from `cache` where they were before.

    Building it encodes what is not in the cache yet, which may take long: see `progress`.
    """

    def __init__(
        self,
        corpus: Corpus,
        encoder: Encoder,
        cache: EmbeddingCache,
        progress: Progress = silent,
        precision: Precision = "float32",
    ) -> None:
        self.corpus = corpus
        self.encoder = encoder
        self.cache = cache
        vectors, _ = cache.encode(encoder, "document", corpus.passages, progress)
        self.index = _index(vectors, precision)
        self._prepared: dict[str, np.ndarray] = {}
        self._typed: LRUCache = LRUCache(KEPT_TYPED)
        self._lock = Lock()

    def prepare(self, queries: Sequence[str], progress: Progress = silent) -> None:
        """Encode the queries, or read them from the cache, and keep their vectors in memory."""
        vectors, _ = self.cache.encode(self.encoder, "query", queries, progress)
        self._prepared = dict(zip(queries, vectors, strict=True))

    def encode(self, queries: Sequence[str]) -> None:
        self._vectors(queries)

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> list[Ranking]:
        vectors = self._vectors(queries)
        most, options = len(self.corpus), None
        if allowed is not None:
            most = int(allowed.sum())
            selected = faiss.IDSelectorBatch(np.flatnonzero(allowed))
            options = faiss.SearchParameters(sel=selected)  # type: ignore[call-arg]
        if most == 0:
            return [Ranking(np.empty(0, np.int64), np.empty(0, np.float32))] * len(queries)
        # Faiss's threads alone as long as it is imported before torch: they would share them else.
        # For one query a second thread costs more than it does: 2.8 ms, not 0.9, for 20,000.
        faiss.omp_set_num_threads(1 if len(queries) == 1 else THREADS)
        fetched = min(k + TIE_MARGIN, most)
        rankings = []
        for vector, scores, positions in zip(
            vectors, *self.index.search(vectors, fetched, params=options), strict=True
        ):
            if fetched < most and scores[-1] == scores[k - 1]:
                ((scores,), (positions,)) = self.index.search(vector[None], most, params=options)
            rankings.append(top(scores, k, positions))
        return rankings

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


def _index(vectors: np.ndarray, precision: Precision) -> faiss.Index:
    """Exact, or of passages in 8 bits a dimension, each dimension between its extremes."""
    dimensions, metric = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    index: faiss.Index = faiss.IndexFlatIP(dimensions)
    if precision == "int8":
        index = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_8bit, metric)
        index.train(vectors)
    index.add(vectors)
    return index
