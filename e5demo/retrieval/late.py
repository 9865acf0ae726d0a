"""The fusion's first hits, ranked anew by late interaction of E5's own token vectors.

Late interaction (ColBERT: Khattab and Zaharia 2020) compares each token of the query with the token
of the passage that is nearest to it, where E5's one vector has to stand for the whole passage. It
takes no weights but E5's. A passage is read to its end here, or as far as E5 can: what would blur
its one vector finds its own word of the query.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain
from threading import Lock

import numpy as np
from cachetools import LRUCache

from e5demo.data.corpus import Corpus
from e5demo.jobs import Progress, silent
from e5demo.retrieval.encoder import Encoder, Role
from e5demo.retrieval.fusion import DEPTH, FusionRetriever
from e5demo.retrieval.search import Ranking, top, unit

# Chosen on validation titles: benchmarks/quality/README.md.
RERANKED = 20  # of the fusion's hits at most: of 50 the ranking is no better
WITHIN = 4.0  # less than the first hit's score: one further behind hardly ever catches up
LATE_WEIGHT = 30.0  # of a mean cosine, beside the fusion's score
TRAINED_WEIGHT = 80.0  # where tokens were trained for it
CENTRE_PASSAGES = 32  # from which the mean token is taken
LATE_LENGTH = 512  # tokens of a passage that are compared, as many as E5 reads
KEPT_BYTES = 100_000_000  # of token vectors in memory: 220 KB a passage of 290 tokens


class TokenCache:
    """Token vectors of the passages looked at last, for all models and corpora; safe under
    threads."""

    def __init__(self) -> None:
        self._kept: LRUCache = LRUCache(KEPT_BYTES, getsizeof=lambda vectors: vectors.nbytes)
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            found = make()
            with self._lock, suppress(ValueError):  # one that is larger than all that is kept
                self._kept[key] = found
        return found


class RerankRetriever:
    """Adds late interaction to the score of the fusion's contenders: its first hits, as far as
    they are near enough to each other. Where the first has none near it, nothing is read.

    A passage's tokens are computed when it is a contender, some 50 ms each on two cores; those of
    the last ones are kept. `encoder` is to read `LATE_LENGTH` tokens of them.
    """

    def __init__(
        self,
        fusion: FusionRetriever,
        encoder: Encoder,
        cache: TokenCache,
        weight: float = LATE_WEIGHT,
    ) -> None:
        self.fusion = fusion
        self.weight = weight
        self.encoder = encoder
        self.cache = cache
        self.corpus: Corpus = fusion.corpus
        self.recall_of_flat = fusion.recall_of_flat
        self._prepared: dict[str, dict[int, float]] = {}

    def prepare(self, queries: Sequence[str], progress: Progress = silent) -> None:
        """Score all queries' contenders, passage by passage: each is read once, however many
        queries it is a contender of."""
        self.fusion.prepare(queries, progress)
        askers: dict[int, list[str]] = defaultdict(list)
        for query, ranking in zip(queries, self.fusion.search(queries, RERANKED), strict=True):
            for position in contenders(ranking):
                askers[position].append(query)
        asking = list(dict.fromkeys(chain.from_iterable(askers.values())))
        asked = {}
        for done, query in enumerate(asking):
            progress("encode", done, len(asking))
            asked[query] = self._centred(_own(self.encoder, query, "query"))
        found: dict[str, dict[int, float]] = {query: {} for query in queries}
        for done, position in enumerate(sorted(askers)):
            progress("encode", done, len(askers))
            tokens = self._centred(_own(self.encoder, self._passages[position], "document"))
            for query in askers[position]:
                found[query][position] = interaction(asked[query], tokens)
        self._prepared = found

    def encode(self, queries: Sequence[str]) -> None:
        self.fusion.encode(queries)

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> list[Ranking]:
        """At most as many hits as the fusion has."""
        fused = self.fusion.search(queries, 2 * DEPTH, allowed)
        return [self._rerank(*pair, k) for pair in zip(queries, fused, strict=True)]

    def _rerank(self, query: str, fused: Ranking, k: int) -> Ranking:
        first = contenders(fused)
        known = self._prepared.get(query, {})
        new = [position for position in first if position not in known]
        if new:
            asked = self._centred(_own(self.encoder, query, "query"))
            known = known | {at: interaction(asked, self._passage_tokens(at)) for at in new}
        total = fused.scores.copy()
        if first:  # whose least counts for all that was not looked at
            late = np.array([known[position] for position in first])
            total[: len(first)] += self.weight * (late - late.min())
        return top(total, k, fused.positions)

    def _passage_tokens(self, position: int) -> np.ndarray:
        return self._centred(self._kept_tokens(position).astype(np.float32))

    def _kept_tokens(self, position: int) -> np.ndarray:
        key = self._model, self.corpus.ids[position]
        passage = self._passages[position]
        return self.cache.get(
            key, lambda: _own(self.encoder, passage, "document").astype(np.float16)
        )

    def _centred(self, vectors: np.ndarray) -> np.ndarray:
        """Unit vectors, less the mean token first."""
        return unit(vectors - self._centre)

    @cached_property
    def _passages(self) -> list[str]:
        return self.corpus.passages

    @cached_property
    def _model(self) -> str:
        """Asked once: a key looks whether the model's files are the same still."""
        return self.encoder.key("document")

    @cached_property
    def _centre(self) -> np.ndarray:
        """The mean token of some passages. All of E5's tokens lean its way, and what they have in
        common tells none from another."""
        return self.cache.get(("centre", self._model, self.corpus.fingerprint), self._mean_token)

    def _mean_token(self) -> np.ndarray:
        spread = np.linspace(0, len(self._passages) - 1, CENTRE_PASSAGES).astype(int)
        some = [self._kept_tokens(at) for at in np.unique(spread)]
        return np.concatenate(some).mean(axis=0, dtype=np.float32)


def contenders(fused: Ranking) -> list[int]:
    """Positions of the first hits that are near enough to the first; none where it is alone."""
    near = fused.positions[:RERANKED][fused.scores[:RERANKED] >= fused.scores[:1] - WITHIN]
    return near.tolist() if len(near) > 1 else []


def interaction(asked: np.ndarray, tokens: np.ndarray) -> float:
    """The mean over the query's tokens of the greatest cosine with any of the passage's.

    Both are unit vectors, of shapes (tokens, dimensions). 0 where either has none.
    """
    if not len(asked) or not len(tokens):
        return 0.0
    cosines = asked.astype(np.float32) @ tokens.astype(np.float32).T
    return float(cosines.max(axis=1).mean())


def _own(encoder: Encoder, text: str, role: Role) -> np.ndarray:
    """The vectors of the text's own tokens, without the prompt's and the marks of its ends."""
    tokens = encoder.token_vectors(text, role)
    places = np.array(tokens.offsets).reshape(-1, 2)
    return tokens.vectors[places[:, 1] > places[:, 0]]
