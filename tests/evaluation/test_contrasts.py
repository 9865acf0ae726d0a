import math

import numpy as np
import pandas as pd
import pytest

from e5demo.evaluation.contrasts import (
    contrasted,
    gains,
    gold_ranks,
    rank_shares,
    recall_curve,
)
from e5demo.evaluation.metrics import score_run

RANKS = pd.DataFrame(
    {
        "query": ["up", "down", "same", "found", "lost", "nowhere", "little"],
        "left": [7, 1, 1, math.nan, 2, math.nan, 50],
        "right": [1, 3, 1, 4, math.nan, math.nan, 40],
    },
    index=list("udsflnt"),
)


def test_the_rank_is_that_of_the_best_passage_that_answers():
    run = pd.DataFrame(
        [("q1", "a", 1), ("q1", "b", 2), ("q1", "c", 3), ("q2", "a", 1), ("q3", "b", 1)],
        columns=["query_id", "passage_id", "rank"],
    )
    ranks = gold_ranks(run, {"q1": {"c": 1, "b": 1}, "q2": {"c": 1}, "q3": {"b": 1}})
    assert ranks.index.tolist() == ["q1", "q2", "q3"]
    assert ranks["q1"] == 2
    assert math.isnan(ranks["q2"])
    assert ranks["q3"] == 1


def test_a_gain_is_one_of_reciprocal_ranks():
    found = gains(RANKS["left"], RANKS["right"])
    expected = [1 - 1 / 7, 1 / 3 - 1, 0, 1 / 4, -1 / 2, 0, 1 / 40 - 1 / 50]
    assert found.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "queries"),
    [
        ("differ", ["up", "down", "lost", "found", "little"]),
        ("gains", ["up", "found", "little"]),
        ("losses", ["down", "lost"]),
        ("wrong", ["nowhere", "little", "found", "lost"]),  # the worst first
    ],
)
def test_the_most_telling_come_first(kind, queries):
    assert contrasted(RANKS, "left", "right", kind)["query"].tolist() == queries


def test_the_recall_curve_is_recall_at_every_cutoff():
    draw = np.random.default_rng(0)
    rows = [(f"q{q}", f"p{p}", rank) for q in range(20)
            for rank, p in enumerate(draw.permutation(30)[:10], start=1)]  # fmt: skip
    run = pd.DataFrame(rows, columns=["query_id", "passage_id", "rank"]).assign(score=0.0)
    qrels = {f"q{q}": {f"p{p}": 1 for p in draw.permutation(30)[: 1 + q % 3]} for q in range(20)}
    curve = recall_curve(run, qrels, 10)
    scores = score_run(run, qrels, range(1, 11)).mean()
    assert curve.tolist() == pytest.approx([scores[f"recall@{k}"] for k in range(1, 11)])


def test_shares_of_ranks_by_range():
    ranks = pd.Series([1, 1, 2, 5, 6, 100, math.nan, 101])
    assert rank_shares(ranks, (1, 5, 10, 100)) == [2 / 8, 2 / 8, 1 / 8, 1 / 8, 2 / 8]
