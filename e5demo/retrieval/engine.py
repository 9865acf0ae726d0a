"""Loaded models and built indexes, shared by all who ask; bounded, and safe under threads."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition

from cachetools import LRUCache, cachedmethod

from e5demo.config import DIMENSIONS, Precision, Prompting
from e5demo.data.corpus import Corpus
from e5demo.errors import UnknownRetriever
from e5demo.jobs import Progress, silent
from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.fusion import FusionRetriever
from e5demo.retrieval.late import (
    LATE_LENGTH,
    LATE_WEIGHT,
    TRAINED_WEIGHT,
    RerankRetriever,
    TokenCache,
)
from e5demo.retrieval.lexical import BM25Retriever
from e5demo.retrieval.models import ModelSource, base_model
from e5demo.retrieval.reduction import Reduction
from e5demo.retrieval.search import Retriever

RETRIEVERS = ("bm25", "baseline", "fusion", "rerank")
DENSE = ("baseline", "fusion", "rerank")  # those that need the model
OVER = ("fusion", "rerank")  # made of BM25 and a dense one, the base's or a tuned model's
KEPT_ENCODERS = 9  # four columns of models, each reranked, and one for a job's estimate
KEPT_INDEXES = 6
CHARS_PER_TOKEN = 4  # French news in E5's vocabulary: 1,190 characters give 279 tokens
RATE_SAMPLE = 16  # passages timed to estimate how long a corpus takes


class Engine:
    """Builds retrievers by name. `find_model` is asked once, when a model is first needed."""

    def __init__(
        self, embeddings: Path, find_model: Callable[[], ModelSource] = base_model
    ) -> None:
        self.cache = EmbeddingCache(embeddings)
        self.find_model = find_model
        self._encoders: LRUCache = LRUCache(KEPT_ENCODERS)
        self._bm25s: LRUCache = LRUCache(KEPT_INDEXES)
        self._denses: LRUCache = LRUCache(KEPT_INDEXES)
        self._tokens = TokenCache()
        # A condition each: who waits for one corpus's encoding does not hold up BM25.
        self._encoder_ready, self._bm25_ready = Condition(), Condition()
        self._dense_ready = Condition()
        self._rates: dict[int, float] = {}  # seconds per unit of work, by max length

    @cachedmethod(
        lambda self: self._encoders,
        key=lambda self, length, tuned=None, prompting="own": (length, tuned, prompting),
        condition=lambda self: self._encoder_ready,
    )
    def encoder(
        self, max_length: int, tuned: ModelSource | None = None, prompting: Prompting = "own"
    ) -> E5Encoder:
        """The base or a tuned model cut at `max_length` tokens. Raises NoWeights, NotAModel."""
        return E5Encoder(tuned or self.find_model(), max_length, prompting)

    def retriever(
        self,
        name: str,
        corpus: Corpus,
        max_length: int,
        progress: Progress = silent,
        tuned: ModelSource | None = None,
        prompting: Prompting = "own",
        precision: Precision = "float32",
    ) -> Retriever:
        """Build, or take, the retriever; a dense one encodes its corpus first if need be.

        `tuned` takes the base model's place in all but `bm25`; `prompting` and
        `precision` are for ablations.

        Raises UnknownRetriever, NoWeights, NotAModel.
        """
        if name not in RETRIEVERS:
            raise UnknownRetriever(retriever=name, known=", ".join(RETRIEVERS))
        if name == "bm25":
            return self._bm25(corpus)
        dense = self._dense(corpus, max_length, progress, tuned, prompting, precision)
        if name == "baseline":
            return dense
        fusion = FusionRetriever(self._bm25(corpus), dense)
        if name == "fusion":
            return fusion
        weight = TRAINED_WEIGHT if tuned and tuned.tokens else LATE_WEIGHT
        return RerankRetriever(fusion, self._token_encoder(tuned, prompting), self._tokens, weight)

    def load(self, name: str, max_length: int, tuned: ModelSource | None = None) -> None:
        """What a dense retriever reads with, so that no query waits for it."""
        self.encoder(max_length, tuned).load()
        if name == "rerank":
            self._token_encoder(tuned).load()

    def unencoded(
        self, corpus: Corpus, max_length: int, tuned: ModelSource | None = None
    ) -> list[str]:
        """The corpus's passages that are in no cache yet."""
        if (corpus.fingerprint, max_length, tuned, "own", "float32") in self._denses:
            return []
        encoder = self.encoder(max_length, tuned)
        return self.cache.missing(encoder, "document", corpus.passages)

    def seconds_to_encode(self, passages: Sequence[str], max_length: int) -> float:
        """From a few of average length, timed on this machine once per `max_length`."""
        encoder = self.encoder(max_length)
        encoder.load()
        if max_length not in self._rates and passages:
            mean = _work(passages, max_length) / len(passages)
            nearest = sorted(passages, key=lambda text: abs(_work([text], max_length) - mean))
            sample = nearest[:RATE_SAMPLE]
            encoder.encode(sample[:2], "document")  # the first call is slower than the rest
            began = time.perf_counter()
            encoder.encode(sample, "document")
            self._rates[max_length] = (time.perf_counter() - began) / _work(sample, max_length)
        return self._rates.get(max_length, 0.0) * _work(passages, max_length)

    def _token_encoder(self, tuned: ModelSource | None, prompting: Prompting = "own") -> E5Encoder:
        return self.encoder(LATE_LENGTH, (tuned.tokens if tuned else None) or tuned, prompting)

    @cachedmethod(
        lambda self: self._bm25s,
        key=lambda self, corpus: corpus.fingerprint,
        condition=lambda self: self._bm25_ready,
    )
    def _bm25(self, corpus: Corpus) -> Retriever:
        return BM25Retriever(corpus)

    @cachedmethod(
        lambda self: self._denses,
        key=lambda self, corpus, length, _, *way: (corpus.fingerprint, length, *way),
        condition=lambda self: self._dense_ready,
    )
    def _dense(
        self,
        corpus: Corpus,
        max_length: int,
        progress: Progress,
        tuned: ModelSource | None,
        prompting: Prompting,
        precision: Precision,
    ) -> Retriever:
        from e5demo.retrieval.dense import DenseRetriever  # with faiss, as the page opens without

        encoder = self.encoder(max_length, tuned, prompting)
        learned = tuned.reduction if tuned and precision in DIMENSIONS else None
        reduction = Reduction.read(learned) if learned else None
        return DenseRetriever(corpus, encoder, self.cache, progress, precision, reduction)


def _work(passages: Sequence[str], max_length: int) -> int:
    """Roughly proportional to the time that encoding takes: characters read before the cut."""
    return sum(min(len(passage), CHARS_PER_TOKEN * max_length) for passage in passages)
