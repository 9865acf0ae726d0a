"""Exact search by inner product of unit vectors, in FAISS."""

from collections.abc import Sequence

import faiss
import numpy as np

from e5demo.data.corpus import Corpus
from e5demo.jobs import Progress, silent
from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.encoder import Encoder
from e5demo.retrieval.search import Ranking, top

# Fetched beyond k, so that a tie over the last place is settled by id and not by FAISS; where more
# than these tie, all are fetched.
TIE_MARGIN = 16


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
    ) -> None:
        self.corpus = corpus
        self.encoder = encoder
        self.cache = cache
        vectors, _ = cache.encode(encoder, "document", corpus.passages, progress)
        self.index = faiss.IndexFlatIP(vectors.shape[1])
        self.index.add(vectors)
        self._prepared: dict[str, np.ndarray] = {}

    def prepare(self, queries: Sequence[str], progress: Progress = silent) -> None:
        """Encode the queries, or read them from the cache, and keep their vectors in memory."""
        vectors, _ = self.cache.encode(self.encoder, "query", queries, progress)
        self._prepared = dict(zip(queries, vectors, strict=True))

    def search(self, queries: Sequence[str], k: int) -> list[Ranking]:
        prepared = self._prepared
        if all(query in prepared for query in queries):
            vectors = np.stack([prepared[query] for query in queries])
        else:
            vectors = self.encoder.encode(queries, "query")
        fetched = min(k + TIE_MARGIN, len(self.corpus))
        rankings = []
        for vector, scores, positions in zip(
            vectors, *self.index.search(vectors, fetched), strict=True
        ):
            if fetched < len(self.corpus) and scores[-1] == scores[k - 1]:
                ((scores,), (positions,)) = self.index.search(vector[None], len(self.corpus))
            rankings.append(top(scores, k, positions))
        return rankings
