"""Why a passage was found: where the query's words stand in it, and what each word weighs.

An aid to the eye: nothing here changes a ranking.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from e5demo.retrieval.encoder import E5Encoder, Tokens
from e5demo.retrieval.lexical import BM25Retriever, stems, stopwords

Span = tuple[int, int]
WORD = re.compile(r"\b\w\w+\b")  # bm25s's own
BEFORE, AFTER = "… ", " …"
KEPT_TERMS = 1 << 16  # words whose terms are remembered


class Word(NamedTuple):
    """`text[start:end]`, and the term that BM25 makes of it."""

    start: int
    end: int
    term: str


@dataclass(frozen=True)
class Snippet:
    """A part of a text on one line, and the places in it of the words that were looked for."""

    text: str
    marks: list[Span]


@dataclass(frozen=True)
class WordHeat:
    """What `text[start:end]` adds to a cosine.

    Shares are much the same whatever the other text is, since E5's vectors all point nearly the
    same way. `heat`, from -1 to 1, is for colours: how far the share lies above or below the one
    that the word would have of an equal cosine with its own text; the text's farthest is 1 or -1.
    """

    start: int
    end: int
    share: float
    heat: float


@dataclass(frozen=True)
class Heat:
    """A cosine split up twice: over the query's words and over the passage's.

    The shares of either's words and its rest (the prompt, the marks of begin and end) add up
    to the cosine.
    """

    cosine: float
    query_words: list[WordHeat]
    query_rest: float
    passage_words: list[WordHeat]
    passage_rest: float


def word_spans(text: str, terms: frozenset[str] | None = None) -> list[Word]:
    """The words of which `lexical.tokenise` makes terms, in order, at their places in `text`;
    only those with one of `terms`, where given."""
    read, places = _as_read(text)
    words = []
    for match in WORD.finditer(read):
        term = _term(match.group())
        if term is not None and (terms is None or term in terms):
            start, end = match.span()
            if places:
                start, end = places[start][0], places[end - 1][1]
            words.append(Word(start, end, term))
    return words


def marks(text: str, terms: frozenset[str]) -> list[Span]:
    """The places of the words whose term is among `terms`."""
    return [(word.start, word.end) for word in word_spans(text, terms)]


def snippet(text: str, terms: frozenset[str], size: int) -> Snippet:
    """At most `size` characters of `text`, cut between words, with the most different `terms`.

    Of equals the one with the most of them at all is taken, then the first: the text's start
    where it holds as much as any other part.
    """
    flat = " ".join(text.split())
    found = word_spans(flat, terms)
    start, end = _window(flat, found, size)
    before, after = BEFORE if start else "", AFTER if end < len(flat) else ""
    shift = len(before) - start
    shown = [(w.start + shift, w.end + shift) for w in _within(found, (start, end))]
    return Snippet(before + flat[start:end] + after, shown)


def term_scores(retriever: BM25Retriever, query: str, position: int) -> list[tuple[str, float]]:
    """The query's words that the passage at `position` has, and their scores, best first.

    They add up to the passage's score. Words of one term are one, named as written first: a
    repeated one counts as often as it is asked for.
    """
    words = word_spans(query)
    written = {word.term: query[word.start : word.end] for word in reversed(words)}
    scores = {
        term: times * float(retriever.index.get_scores([term])[position])
        for term, times in Counter(word.term for word in words).items()
        if term in retriever.vocabulary
    }
    best = sorted(scores, key=lambda term: -scores[term])
    return [(written[term], scores[term]) for term in best if scores[term] > 0]


def token_heat(encoder: E5Encoder, query: str, passage: str) -> Heat | None:
    """What each word adds to the cosine of `query` and `passage`, as far as the encoder reads.

    A text's vector is the mean of its tokens' vectors, so the cosine is a sum over them. None
    where the model makes its vectors in another way.
    """
    if not encoder.averages_tokens():
        return None
    asked = encoder.token_vectors(query, "query")
    read = encoder.token_vectors(passage, "document")
    means = [tokens.vectors.mean(axis=0, dtype=np.float64) for tokens in (asked, read)]
    of_query, of_passage = (mean / np.linalg.norm(mean) for mean in means)
    return Heat(
        float(of_query @ of_passage),
        *_by_word(query, asked, of_query, of_passage),
        *_by_word(passage, read, of_passage, of_query),
    )


def _as_read(text: str) -> tuple[str, list[Span]]:
    """`text` as BM25 reads it, and each character's place in `text`; no places where it keeps
    its own."""
    read = unicodedata.normalize("NFC", text).lower()
    if len(read) == len(text) and unicodedata.is_normalized("NFC", text):
        return read, []
    places = []
    for start, end in pairwise(_borders(text)):
        for letter in unicodedata.normalize("NFC", text[start:end]):
            places += [(start, end)] * len(letter.lower())  # 'İ' becomes two
    return read, places


def _borders(text: str) -> list[int]:
    """Where `text` can be parted so that NFC makes the same of the parts as of the whole."""
    borders = [0]
    for at, letter in enumerate(text[1:], start=1):
        if letter.isascii() or not _joins(text[borders[-1] : at], letter):
            borders.append(at)
    return [*borders, len(text)]


def _joins(before: str, letter: str) -> bool:
    """Whether NFC may make one of the two: of a letter and its accent, or of Korean letters."""
    if unicodedata.combining(unicodedata.normalize("NFD", letter)[0]):
        return True
    apart = [unicodedata.normalize("NFC", part) for part in (before, letter)]
    return unicodedata.normalize("NFC", before + letter) != "".join(apart)


@lru_cache(KEPT_TERMS)
def _term(word: str) -> str | None:
    return None if word in stopwords() else stems([word])[0]


def _window(flat: str, found: list[Word], size: int) -> Span:
    """Of the windows from the text's start and from each word found, the best; then moved back,
    so that what was found has words before it as well as behind."""
    starts = [0, *(flat.rfind(" ", 0, word.start) + 1 for word in found)]
    windows = [_cut(flat, start, size) for start in starts]
    start, end = max(windows, key=lambda window: _worth(found, window))  # the first of equals
    if start == 0:
        return start, end
    last = flat.find(" ", _within(found, (start, end))[-1].end)
    limit = start + size - len(BEFORE + AFTER)
    spare = max((limit - last) // 2 if last >= 0 else 0, limit - len(flat), 0)
    return _cut(flat, flat.find(" ", start - spare - 1, start) + 1, size)


def _cut(flat: str, start: int, size: int) -> Span:
    """From `start` as far as `size` allows, with the marks of what is left out."""
    room = size - len(BEFORE) if start else size
    if len(flat) - start <= room:
        return start, len(flat)
    limit = start + room - len(AFTER)
    space = flat.rfind(" ", start, limit + 1)
    return start, space if space > start else limit  # a word that is longer than all is cut


def _worth(found: list[Word], window: Span) -> tuple[int, int]:
    """How many different terms the window holds, and how many words of them."""
    terms = [word.term for word in _within(found, window)]
    return len(set(terms)), len(terms)


def _within(found: list[Word], window: Span) -> list[Word]:
    first = bisect_left(found, window[0], key=lambda word: word.start)
    return found[first : bisect_right(found, window[1], key=lambda word: word.end)]


def _by_word(
    text: str, tokens: Tokens, own: np.ndarray, other: np.ndarray
) -> tuple[list[WordHeat], float]:
    """What each word of `text`, and all else together, adds to the cosine of `own` and `other`.

    Words are what stands between blanks.
    """
    words = [match.span() for match in re.finditer(r"\S+", text)]
    ends = [end for _, end in words]
    # A token that is a blank alone goes with the word that follows.
    owners = np.array([bisect_left(ends, end) if end else -1 for _, end in tokens.offsets])
    owned = (owners >= 0) & (owners < len(words))
    parts = tokens.vectors / (tokens.vectors.astype(np.float64).sum(axis=0) @ own)
    shares, usual = parts @ other, parts @ own * (own @ other)  # each adds up to the cosine
    read = np.unique(owners[owned])
    share, more = (
        np.bincount(owners[owned], of_token[owned], len(words))[read]
        for of_token in (shares, shares - usual)
    )
    heat = more / max(np.abs(more).max(initial=0), 1e-12)
    values = zip(read.tolist(), share.tolist(), heat.tolist(), strict=True)
    return [WordHeat(*words[i], *both) for i, *both in values], float(shares[~owned].sum())
