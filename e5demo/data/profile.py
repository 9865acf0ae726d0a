"""What a data set looks like: its columns, its agencies and years, its repeats."""

from dataclasses import dataclass

import pandas as pd

FIELDS = ("query", "passage", "date", "agency", "url")


@dataclass(frozen=True)
class FieldProfile:
    """One column: values filled and distinct, and lengths in characters (0 where empty)."""

    name: str
    filled: int
    distinct: int
    shortest: int
    median: int
    longest: int
    first: str
    last: str


@dataclass(frozen=True)
class Repeat:
    """Pairs that share a title, an article or nearly an article; `rows` are the CSV's, from 1."""

    kind: str
    titles: list[str]
    rows: list[int]


def profile(pairs: pd.DataFrame) -> list[FieldProfile]:
    """A profile for each column that holds anything."""
    profiles = []
    for name in FIELDS:
        values = pairs[name].dropna()
        if values.empty:
            continue
        lengths = values.str.len()
        profiles.append(
            FieldProfile(
                name,
                len(values),
                int(values.nunique()),
                int(lengths.min()),
                int(lengths.median()),
                int(lengths.max()),
                str(values.min()),
                str(values.max()),
            )
        )
    return profiles


def agencies(pairs: pd.DataFrame) -> list[str]:
    """By the number of their articles, the most first."""
    return pairs["agency"].dropna().value_counts().index.tolist()


def repeats(pairs: pd.DataFrame, twins: pd.DataFrame) -> list[Repeat]:
    """Groups of two and more by each of `twin_keys`, the largest first.

    A group of near-duplicates is listed only where its articles are not all equal, one of titles
    only where its articles differ.
    """
    found = []
    # The narrower key first: equal passages, then nearly equal ones, then equal titles.
    for kind, unless in (("passage", None), ("near", "passage"), ("title", "near")):
        repeated = twins[twins.duplicated(kind, keep=False)]
        for _, group in repeated.groupby(kind, sort=False):
            if unless and group[unless].nunique() == 1:
                continue
            rows = pairs.loc[group.index]
            found.append(Repeat(kind, rows["query"].tolist(), rows["row"].tolist()))
    return sorted(found, key=lambda repeat: -len(repeat.rows))
