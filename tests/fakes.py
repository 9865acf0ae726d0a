"""An encoder of keywords in E5's place: nothing loads torch, and every cosine is known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from e5demo.data.corpus import Corpus
from e5demo.retrieval.encoder import Role, Tokens
from e5demo.retrieval.engine import Engine
from e5demo.retrieval.search import Ranking, top

VOCABULARY = ("baleine", "budget", "neige", "train", "vin")


@dataclass(frozen=True)
class FakeSource:
    name: str = "fake"
    weights: str = "local"
    fingerprint: str = "fake-1"


class FakeEncoder:
    """One dimension per word of the vocabulary and a last one for texts without any of them."""

    backend, precision = "torch", "float32"

    def __init__(self, vocabulary: Sequence[str] = VOCABULARY, max_length: int = 512) -> None:
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.source = FakeSource()
        self.loaded = False
        self.calls: list[tuple[Role, list[str]]] = []

    @property
    def fingerprint(self) -> str:
        return self.source.fingerprint

    def key(self, role: Role) -> str:
        return f"{self.fingerprint}|{role}|{self.max_length}"

    def load(self) -> None:
        self.loaded = True

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        self.calls.append((role, list(texts)))
        has = np.array([[word in text.casefold() for word in self.vocabulary] for text in texts])
        vectors = np.column_stack([has, ~has.any(axis=1)]).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def token_vectors(self, text: str, role: Role) -> Tokens:
        """One token a word, each with the vector that it would have alone; a mark at each end."""
        words = list(re.finditer(r"\S+", text))
        vectors = [self.encode([word.group()], role)[0] for word in words]
        marks = np.ones((1, len(self.vocabulary) + 1), np.float32)
        rows = np.concatenate([marks, *(v[None] for v in vectors), marks])
        return Tokens(rows, [(0, 0), *(word.span() for word in words), (0, 0)])


class FakeEngine(Engine):
    """An engine whose encoders are one `FakeEncoder`, whatever the length."""

    def __init__(self, embeddings, encoder: FakeEncoder | None = None) -> None:
        super().__init__(embeddings, find_model=FakeSource)
        self.fake = encoder or FakeEncoder()

    def encoder(self, max_length: int, tuned=None, prompting="own") -> FakeEncoder:
        return self.fake


def corpus_of(passages: Sequence[str]) -> Corpus:
    """Passages with ids 'p000', 'p001', ... in the order given."""
    frame = pd.DataFrame({"passage": list(passages)})
    frame.index = pd.Index([f"p{i:03}" for i in range(len(frame))], name="passage_id")
    return Corpus(frame)


class Known:
    """A retriever of given scores: `scores[query][passage]`; what has none is not found."""

    def __init__(self, passages, scores):
        self.corpus = corpus_of(passages)
        self.scores = scores
        self.prepared = []

    def prepare(self, queries, progress=None):
        self.prepared += queries

    def search(self, queries, k):
        return [self._rank(self.scores.get(query, {}), k) for query in queries]

    def _rank(self, known, k):
        at = [i for i, passage in enumerate(self.corpus.passages) if passage in known]
        found = np.array([known[self.corpus.passages[i]] for i in at], dtype=float)
        return top(found, k, np.array(at, dtype=int)) if at else Ranking(np.array([], int), found)
