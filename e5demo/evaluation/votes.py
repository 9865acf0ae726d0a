"""Blind votes: which of two retrievers' answers to a query a person takes for the better one."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pandas as pd
from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from e5demo.evaluation.comparison import CONFIDENCE

Choice = Literal["left", "right", "tie", "bad"]  # `bad`: neither answer is any good
LOCK_SECONDS = 30


@dataclass(frozen=True)
class Side:
    """One retriever's answer: ids by rank, and the first one's text ('' where none was found).
    `model` is the fingerprint of the weights that it read with, where it has any."""

    retriever: str
    passage_ids: tuple[str, ...]
    first: str
    model: str | None = None


@dataclass(frozen=True)
class Vote:
    """A choice, and all that was asked for: in which corpus, how many hits, of what length.
    `at` is in seconds since 1970."""

    query: str
    left: Side
    right: Side
    choice: Choice
    dataset: str
    corpus: str
    max_length: int
    k: int
    at: float
    split: str = ""
    agencies: tuple[str, ...] = ()
    since: str = ""
    until: str = ""

    @property
    def winner(self) -> Side | None:
        return {"left": self.left, "right": self.right}.get(self.choice)

    @property
    def loser(self) -> Side | None:
        return {"left": self.right, "right": self.left}.get(self.choice)


LINE = TypeAdapter(Vote)


class VoteBook:
    """Votes in a file, a line each, by any number of processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, vote: Vote) -> None:
        """On disk when this returns. Raises ValueError for what `votes` could not read again."""
        line = LINE.dump_json(vote, warnings=False)
        LINE.validate_json(line)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self.path.with_name(f".{self.path.name}.lock")
        with FileLock(lock, timeout=LOCK_SECONDS), self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash tore the last line: this vote is not to join it
                    file.write(b"\n")
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def votes(self) -> list[Vote]:
        """Oldest first. A line that a crash left half-written is no vote."""
        lines = self.path.read_bytes().split(b"\n") if self.path.is_file() else []
        return [vote for line in lines if (vote := _read(line))]


@dataclass(frozen=True)
class Tally:
    """How often each of two retrievers was preferred. `share` is the second's of the votes that
    decided, with its 95% interval; all three are None where none did."""

    first: int
    second: int
    ties: int
    bad: int
    share: float | None
    low: float | None
    high: float | None


def tally(votes: Iterable[Vote], a: str, b: str) -> Tally:
    """Of the votes between retrievers `a` and `b`, whichever side each stood on.

    The interval is Wilson's (1927), which holds for few votes and for shares of 0 and 1 too.
    """
    between = [vote for vote in votes if {vote.left.retriever, vote.right.retriever} == {a, b}]
    winners = [vote.winner.retriever for vote in between if vote.winner]
    choices = [vote.choice for vote in between]
    first, second = winners.count(a), winners.count(b)
    share, low, high = _share(second, first + second)
    return Tally(first, second, choices.count("tie"), choices.count("bad"), share, low, high)


def votes_table(votes: Iterable[Vote]) -> pd.DataFrame:
    """A row per vote, for `write_spreadsheet`. `left`, `right` and `winner` are retrievers; the
    winner of a vote that decided nothing is ''."""
    columns = ["at", "dataset", "query", "left", "right", "choice", "winner", "corpus", "k",
               "max_length", "left_first", "right_first"]  # fmt: skip
    rows = [
        (
            datetime.fromtimestamp(vote.at, UTC).isoformat(timespec="seconds"),
            vote.dataset,
            vote.query,
            vote.left.retriever,
            vote.right.retriever,
            vote.choice,
            vote.winner.retriever if vote.winner else "",
            vote.corpus,
            vote.k,
            vote.max_length,
            vote.left.first,
            vote.right.first,
        )
        for vote in votes
    ]
    return pd.DataFrame(rows, columns=columns)


def triplets(votes: Iterable[Vote]) -> pd.DataFrame:
    """`query`, `positive`, `negative` for training: the preferred first passage and the other one.

    Only where a vote decided between two that differ; the same three texts stand there once.
    """
    rows = [
        (vote.query, vote.winner.first, vote.loser.first)
        for vote in votes
        if vote.winner and vote.loser
    ]
    found = pd.DataFrame(rows, columns=["query", "positive", "negative"], dtype="object")
    there = (found["positive"] != "") & (found["negative"] != "")
    differ = found["positive"] != found["negative"]
    return found[there & differ].drop_duplicates(ignore_index=True)


def _read(line: bytes) -> Vote | None:
    try:
        return LINE.validate_json(line)
    except ValidationError:
        return None


def _share(won: int, decided: int) -> tuple[float | None, float | None, float | None]:
    if not decided:
        return None, None, None
    from scipy import stats  # half a second, that the page's start need not wait for

    interval = stats.binomtest(won, decided).proportion_ci(CONFIDENCE, method="wilson")
    return won / decided, float(interval.low), float(interval.high)
