import math

import pandas as pd
import pytest

from e5demo.evaluation.contrasts import contrasted, gains, gold_ranks

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
