"""Extra training data from a person's judgement: a query, the passage that should win, another."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from e5demo.data.duplicates import near_groups, normalise
from e5demo.data.reading import preview
from e5demo.errors import NoTriplets, NotTriplets

COLUMNS = ["query", "positive", "negative"]


@dataclass(frozen=True)
class Extra:
    """How many triplets a training uses, and how many it leaves out to keep the test honest."""

    used: int = 0
    left_out: int = 0


def read_triplets(path: Path) -> pd.DataFrame:
    """A CSV's COLUMNS, tidied; its delimiter and encoding are found as a data set's are.

    Raises FileMissing, EmptyFile, NotACsv and the like, NotTriplets, NoTriplets.
    """
    _, frame = preview(path, rows=None)
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise NotTriplets(name=path.name, missing=", ".join(missing))
    triplets = tidied(frame)
    if triplets.empty:
        raise NoTriplets(name=path.name)
    return triplets


def tidied(frame: pd.DataFrame) -> pd.DataFrame:
    """COLUMNS stripped, without rows that lack a text, that say nothing, or that repeat another."""
    texts = frame[COLUMNS].astype("object").fillna("").map(str.strip)
    full = (texts != "").all(axis=1) & (texts["positive"] != texts["negative"])
    return texts[full].drop_duplicates(ignore_index=True)


def usable(triplets: pd.DataFrame, keys: pd.DataFrame, parts: pd.Series) -> pd.DataFrame:
    """Those none of whose texts is in the validation or the test split, nor a near-duplicate of
    a passage there.

    `keys` are the pairs' `twin_keys`, `parts` their splits: a text counts as the same whatever its
    case, accents and punctuation.
    """
    held = keys[(parts != "train").to_numpy()]
    texts = triplets[["positive", "negative"]].map(normalise)
    passages, given = list(set(held["passage"])), list(set(texts.to_numpy().ravel()))
    groups = near_groups([*passages, *given])
    taken = set(groups[: len(passages)])
    near = {text for text, at in zip(given, groups[len(passages) :], strict=True) if at in taken}
    leaks = triplets["query"].map(normalise).isin(set(held["title"]))
    leaks |= texts.isin(near.union(passages)).any(axis=1)
    return triplets[~leaks].reset_index(drop=True)


def add_triplets(pairs: pd.DataFrame, triplets: pd.DataFrame) -> pd.DataFrame:
    """The texts of `pairs`, then the triplets', each with one negative as all the negatives that
    a pair has."""
    negatives = [name for name in pairs.columns if name.startswith("negative_")]
    more = {"query": triplets["query"], "passage": triplets["positive"]}
    more |= dict.fromkeys(negatives, triplets["negative"])
    return pd.concat([pairs[list(more)], pd.DataFrame(more)], ignore_index=True)
