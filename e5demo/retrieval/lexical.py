"""BM25 with French stop words and stems, an article's lead counted twice: the yardstick that a
dense model has to beat."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from e5demo.data.corpus import Corpus
from e5demo.jobs import Progress, silent
from e5demo.retrieval.search import Ranking, top

# Chosen on validation titles, and no worse on other news: benchmarks/quality/README.md. The lead
# says what a news article is about; to count its words twice is BM25F (Robertson, Zaragoza and
# Taylor 2004) with the lead as a field of its own, of the same weight as the whole.
K1, B = 1.0, 0.5
LEAD = 40  # terms, some 70 words


class BM25Retriever:
    """BM25 (Lucene's variant). Only passages that share a term with the query are hits."""

    recall_of_flat = 1.0

    def __init__(self, corpus: Corpus) -> None:
        import bm25s  # with numba behind it, and not needed to open the page

        self.corpus = corpus
        self.index = bm25s.BM25(k1=K1, b=B)
        words = tokenise(corpus.passages)
        for terms in words.ids:
            terms.extend(terms[:LEAD])
        self.vocabulary = frozenset(words.vocab)
        if self.vocabulary:  # bm25s cannot index a corpus without a single term
            self.index.index(words, show_progress=False)

    def prepare(self, queries: Sequence[str], progress: Progress = silent) -> None:
        """Nothing: splitting queries into terms takes no time."""

    def encode(self, queries: Sequence[str]) -> None:
        """Nothing either."""

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> list[Ranking]:
        return [self._rank(terms, k, allowed) for terms in tokenise(queries, ids=False)]

    def _rank(self, terms: list[str], k: int, allowed: np.ndarray | None) -> Ranking:
        known = [term for term in terms if term in self.vocabulary]
        if not known:
            return Ranking(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
        scores = self.index.get_scores(known)
        matching = np.flatnonzero(scores > 0 if allowed is None else (scores > 0) & allowed)
        return top(scores[matching], k, matching)


def tokenise(texts: Sequence[str], *, ids: bool = True) -> Any:
    """Lower case, words of two letters or more, no stop words, French stems without accents."""
    import bm25s

    whole = [unicodedata.normalize("NFC", text) for text in texts]  # else 'é' may be two, split
    return bm25s.tokenize(
        whole, stopwords=list(stopwords()), stemmer=stems, return_ids=ids, show_progress=False
    )


@lru_cache(maxsize=1)
def stopwords() -> frozenset[str]:
    """French ones, but 'été': a stop word as a participle, it is a season in the news."""
    from bm25s.stopwords import STOPWORDS_FRENCH

    return frozenset(STOPWORDS_FRENCH) - {"été"}


def stems(words: Sequence[str]) -> list[str]:
    """Lower-case words' French stems without accents: what BM25 takes for the same word."""
    # Accents fall after stemming, which needs them: who types 'election' means 'élection'.
    return [_unaccented(stem) for stem in _stemmer().stemWords(list(words))]


def _unaccented(word: str) -> str:
    letters = unicodedata.normalize("NFKD", word.replace("œ", "oe").replace("æ", "ae"))
    return "".join(c for c in letters if not unicodedata.combining(c))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("french")
