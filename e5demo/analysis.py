"""Where a verdict comes from: by subset of the queries, and what the data themselves do to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from e5demo.data.corpus import Corpus, Queries
from e5demo.evaluation.comparison import Verdict
from e5demo.evaluation.experiments import Experiment
from e5demo.evaluation.leakage import (
    Check,
    copies_effect,
    effects,
    leaks,
    lenient_effect,
    outranked,
    passage_groups,
    repeated,
    several,
    verbatim,
)
from e5demo.evaluation.slices import Slice, compare_slices, query_features


@dataclass(frozen=True)
class Ground:
    """What experiments were measured on: the pairs with each one's split, the twins' keys, the
    corpus, the pairs that it was made of, and the queries."""

    pairs: pd.DataFrame
    parts: pd.Series
    twins: pd.DataFrame
    corpus: Corpus
    corpus_pairs: pd.DataFrame
    queries: Queries


@dataclass(frozen=True)
class CheckUp:
    """One check, and each experiment's means with and without the queries that it names."""

    check: Check
    effects: pd.DataFrame


@dataclass(frozen=True)
class Twins:
    """One experiment where near duplicates of the right passage count as right: how often one stood
    above it, and each metric so and as it is."""

    experiment: str
    outranked: Check
    effect: pd.DataFrame


def slices_of(
    ground: Ground, left: Experiment, right: Experiment, metric: str, overall: Verdict
) -> list[Slice]:
    """Those whose verdict is another than `overall` come first."""
    features = query_features(ground.pairs, ground.parts, ground.queries)
    return compare_slices(features, left.scores[metric], right.scores[metric], overall=overall)


def check_ups(ground: Ground, experiments: Sequence[Experiment]) -> list[CheckUp]:
    """Leaks from train, repeated passages, titles with several answers, titles found word for word
    in their passage."""
    scores: Mapping[str, pd.DataFrame] = {one.id: one.scores for one in experiments}
    checks = [
        *leaks(ground.pairs, ground.twins, ground.parts, ground.queries),
        repeated(ground.corpus_pairs, ground.queries),
        several(ground.queries),
        verbatim(ground.queries, ground.corpus),
    ]
    return [CheckUp(check, effects(scores, check.ids)) for check in checks]


def twins_of(ground: Ground, experiments: Sequence[Experiment]) -> list[Twins]:
    groups = passage_groups(ground.pairs, ground.twins, ground.corpus)
    return [
        Twins(
            one.id,
            outranked(one.run, ground.queries.qrels, groups),
            lenient_effect(one.run, ground.queries.qrels, groups, one.measured.cutoffs),
        )
        for one in experiments
    ]


def copies_of(ground: Ground, experiments: Sequence[Experiment]) -> dict[str, pd.DataFrame]:
    """By experiment: what it would be if a repeated passage's copies did not count as one."""
    return {
        one.id: copies_effect(one.run, ground.queries, ground.corpus_pairs, one.measured.cutoffs)
        for one in experiments
    }
