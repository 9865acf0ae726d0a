"""How far two rankings of one query agree, and how each hit moved from the one to the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

PERSISTENCE = 0.9  # the first ten ranks then weigh 86% (Webber et al. 2010, section 5.2)


@dataclass(frozen=True)
class Agreement:
    """Of two columns: the share of their first k that they have in common, and rank-biased overlap;
    both from 0 (disjoint) to 1 (the same)."""

    left: str
    right: str
    overlap: float
    rbo: float


@dataclass(frozen=True)
class Move:
    """Where a hit of the right ranking stood in the left one; `before` is None where nowhere."""

    kind: Literal["same", "up", "down", "new"]
    before: int | None


def agreements(rankings: Mapping[str, Sequence[str]], k: int) -> list[Agreement]:
    """Of each two of these rankings (passage ids by retriever, best first), the left one first."""
    return [
        Agreement(left, right, overlap(rankings[left], rankings[right], k),
                  rank_biased_overlap(rankings[left][:k], rankings[right][:k]))
        for left, right in combinations(rankings, 2)
    ]  # fmt: skip


def overlap(left: Sequence[str], right: Sequence[str], k: int) -> float:
    """The ids that both first k hold, in parts of the longer one; 1 where both are empty."""
    first, second = set(left[:k]), set(right[:k])
    longer = max(len(first), len(second))
    return len(first & second) / longer if longer else 1.0


def rank_biased_overlap(
    left: Sequence[str], right: Sequence[str], persistence: float = PERSISTENCE
) -> float:
    """Extrapolated rank-biased overlap, of lists of any length: equation 32 of Webber, Moffat and
    Zobel 2010, 'A similarity measure for indefinite rankings'. 1 where both are empty."""
    short, long = sorted((list(left), list(right)), key=len)
    if not short:
        return 1.0 if not long else 0.0
    s, p = len(short), persistence
    seen: tuple[set[str], set[str]] = set(), set()
    common, common_at_s, total = 0, 0, 0.0
    for depth, of_long in enumerate(long, start=1):
        seen[1].add(of_long)
        common += of_long in seen[0]
        if depth <= s:
            seen[0].add(short[depth - 1])
            common += short[depth - 1] in seen[1]
        if depth == s:
            common_at_s = common
        beyond = common_at_s * (depth - s) / (s * depth) if depth > s else 0.0
        total += (common / depth + beyond) * p**depth
    at_end = (common - common_at_s) / len(long) + common_at_s / s
    return (1 - p) / p * total + at_end * p ** len(long)


def moves(left: Sequence[str], right: Sequence[str], k: int) -> dict[str, Move]:
    """How each of the right one's first k moved: against its rank in the left one, which may be
    beyond k ('new' among the first k then)."""
    before = {passage_id: rank for rank, passage_id in enumerate(left, start=1)}
    return {
        passage_id: _move(before.get(passage_id), rank, k)
        for rank, passage_id in enumerate(right[:k], start=1)
    }


def _move(before: int | None, rank: int, k: int) -> Move:
    if before is None or before > k:
        return Move("new", before)
    kind: Literal["same", "up", "down"] = "same"
    if rank != before:
        kind = "up" if rank < before else "down"
    return Move(kind, before)
