"""Ways to alter a pair's texts for training."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from e5demo.retrieval.lexical import tokenise

WORDS = re.compile(r"\S+")
WINDOW_CHARS = 250  # some 64 tokens of French news
STRIDE_CHARS = 125
DROPPED = 0.2  # of a title's words
LEAST_WORDS = 4  # that are left of a title


def lead(query: str, passage: str, draw: np.random.Generator) -> str:
    return passage


def window(query: str, passage: str, draw: np.random.Generator) -> str:
    """From the beginning of any word on, while a window's length is left."""
    starts = [word.start() for word in WORDS.finditer(passage)]
    room = [start for start in starts if start <= len(passage) - WINDOW_CHARS] or [0]
    return passage[int(draw.choice(room)) :]


def overlap(query: str, passage: str, draw: np.random.Generator) -> str:
    """The window with most of the title's stems, the first of several."""
    starts = [word.start() for word in WORDS.finditer(passage)] or [0]
    spaced = [starts[0]]
    for start in starts:
        if start >= spaced[-1] + STRIDE_CHARS and start <= len(passage) - WINDOW_CHARS:
            spaced.append(start)
    asked, *windows = tokenise(
        [query, *(passage[start : start + WINDOW_CHARS] for start in spaced)], ids=False
    )
    shared = [len(set(asked) & set(words)) for words in windows]
    return passage[spaced[int(np.argmax(shared))] :]


def whole(query: str, draw: np.random.Generator) -> str:
    return query


def dropped(query: str, draw: np.random.Generator) -> str:
    """Less a fifth of its words, drawn at random."""
    words = query.split()
    kept = [word for word in words if draw.random() >= DROPPED]
    return " ".join(kept if len(kept) >= LEAST_WORDS else words)


def cut(query: str, draw: np.random.Generator) -> str:
    """Its first words, at least half of them."""
    words = query.split()
    least = min(len(words), max(LEAST_WORDS, len(words) // 2))
    return " ".join(words[: int(draw.integers(least, len(words) + 1))])


PASSAGES: dict[str, Callable[[str, str, np.random.Generator], str]] = {
    "lead": lead,
    "window": window,
    "overlap": overlap,
}
QUERIES: dict[str, Callable[[str, np.random.Generator], str]] = {
    "whole": whole,
    "dropped": dropped,
    "cut": cut,
}


def altered(
    queries: Sequence[str],
    passages: Sequence[str],
    how_query: str,
    how_passage: str,
    draw: np.random.Generator,
) -> tuple[list[str], list[str]]:
    """Queries and passages of the same pairs, altered anew at each call."""
    pairs = list(zip(queries, passages, strict=True))
    return (
        [QUERIES[how_query](query, draw) for query, _ in pairs],
        [PASSAGES[how_passage](query, passage, draw) for query, passage in pairs],
    )
