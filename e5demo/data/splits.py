"""Train, validation and test: as the recipe draws them, or with the same news kept together."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from e5demo.config import SplitSettings
from e5demo.data.duplicates import families
from e5demo.errors import EmptySplit

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """`parts` names each pair's split, in the pairs' order. Leaks count evaluation rows.

    `leaks`: rows of validation and test that share a normalised title or passage, or a
    near-duplicate group, with a row of train. `plain_leaks`: the same for the plain draw.
    """

    parts: pd.Series
    settings: SplitSettings
    leaks: int
    plain_leaks: int

    @property
    def sizes(self) -> dict[str, int]:
        counts = self.parts.value_counts()
        return {name: int(counts.get(name, 0)) for name in SPLITS}

    @property
    def leaks_avoided(self) -> int:
        return self.plain_leaks - self.leaks


@dataclass(frozen=True)
class Leak:
    """A pair of validation or test and the title of a twin in train."""

    part: str
    title: str
    train_title: str


def make_split(keys: pd.DataFrame, settings: SplitSettings) -> Split:
    """Split pairs, described by their `twin_keys`. Raises EmptySplit."""
    plain = draw_plain(len(keys), settings)
    parts = plain if settings.mode == "notebook" else draw_grouped(families(keys), settings)
    _check_filled(parts)
    return Split(parts, settings, int(leaking(keys, parts).sum()), int(leaking(keys, plain).sum()))


def draw_plain(size: int, settings: SplitSettings) -> pd.Series:
    """The recipe's two calls: the test share of all, then the validation share of the rest."""
    from sklearn.model_selection import train_test_split

    parts = pd.Series("train", index=range(size))
    options = {"random_state": settings.seed, "shuffle": True}
    try:
        rest, test = train_test_split(parts.index, test_size=settings.test_share, **options)
        _, validation = train_test_split(rest, test_size=settings.validation_share, **options)
    except ValueError as error:  # too few rows for these shares
        raise EmptySplit(pairs=size, split="train") from error
    parts[test], parts[validation] = "test", "validation"
    return parts


def draw_grouped(family: np.ndarray, settings: SplitSettings) -> pd.Series:
    """Whole families in random order, each to the first of test, validation with room for it.

    Sizes are the plain draw's to within the last family that did not fit.
    """
    wanted = draw_plain(len(family), settings).value_counts()
    members = pd.Series(np.arange(len(family))).groupby(family).agg(list)
    parts = np.full(len(family), "train", dtype=object)
    room = {name: int(wanted[name]) for name in ("test", "validation")}
    for number in np.random.default_rng(settings.seed).permutation(len(members)):
        rows = members.iloc[number]
        name = next((n for n, left in room.items() if len(rows) <= left), None)
        if name:
            room[name] -= len(rows)
            parts[rows] = name
    return pd.Series(parts, index=range(len(family)))


def leaking(keys: pd.DataFrame, parts: pd.Series) -> pd.Series:
    """True for rows of validation and test with a twin in train by any key."""
    train = keys[(parts == "train").to_numpy()]
    twin = np.logical_or.reduce([keys[name].isin(set(train[name])).to_numpy() for name in keys])
    return pd.Series(twin, index=parts.index) & (parts != "train")


def leak_examples(
    pairs: pd.DataFrame, keys: pd.DataFrame, settings: SplitSettings, limit: int = 5
) -> list[Leak]:
    """Some of the plain draw's leaks, each beside a train pair that it repeats."""
    parts = draw_plain(len(keys), settings)
    train = keys[(parts == "train").to_numpy()]
    found = []
    for row in keys.index[leaking(keys, parts).to_numpy()][:limit]:
        same = train.eq(keys.loc[row]).any(axis=1)
        twin = pairs.loc[same.idxmax(), "query"]
        found.append(Leak(parts[row], pairs.loc[row, "query"], twin))
    return found


def _check_filled(parts: pd.Series) -> None:
    for name in SPLITS:
        if not (parts == name).any():
            raise EmptySplit(pairs=len(parts), split=name)
