import random

import pytest

from e5demo.evaluation.agreement import Move, agreements, moves, overlap, rank_biased_overlap


@pytest.mark.parametrize("length", [1, 2, 10, 100])
@pytest.mark.parametrize("persistence", [0.5, 0.9, 0.98])
def test_the_same_list_is_1_and_a_disjoint_one_0(length, persistence):
    one = [f"a{i}" for i in range(length)]
    other = [f"b{i}" for i in range(length)]
    assert rank_biased_overlap(one, one, persistence) == pytest.approx(1)
    assert rank_biased_overlap(one, other, persistence) == 0
    assert (overlap(one, one, 10), overlap(one, other, 10)) == (1, 0)


@pytest.mark.parametrize(
    ("left", "right", "persistence", "expected"),
    [
        # agreement at depths 1 and 2 is 0 and 1: 0.1/0.9 (0 + 1 x 0.81) + 1 x 0.81
        ("ab", "ba", 0.9, 0.09 + 0.81),
        # 1 and 1/2: (0.9 + 0.405)/9 + 0.5 x 0.81
        ("ab", "ac", 0.9, 0.145 + 0.405),
        # 0, 1/2 and 2/3: (0.405 + 0.486)/9 + 2/3 x 0.729
        ("abc", "cax", 0.9, 0.099 + 0.486),
        # p = 0.5, so (1 - p)/p = 1; 1, 1, 2/3: 0.5 + 0.25 + 2/3 x 0.125 + 2/3 x 0.125
        ("abc", "abd", 0.5, 0.75 + 1 / 6),
        # uneven, s = 1 of l = 3: X is 1 at each depth, and each depth d > 1 adds (d - 1)/d:
        # 0.5 x 1 + 0.25 (1/2 + 1/2) + 0.125 (1/3 + 2/3), then (0/3 + 1/1) x 0.125
        ("a", "abc", 0.5, 1.0),
        # uneven, found only beyond s: X = 0, 1: 0 + 0.25 (1/2 + 0), then (1/2 + 0) x 0.25
        ("b", "ab", 0.5, 0.25),
    ],
)
def test_rank_biased_overlap_by_hand(left, right, persistence, expected):
    assert rank_biased_overlap(left, right, persistence) == pytest.approx(expected)
    assert rank_biased_overlap(right, left, persistence) == pytest.approx(expected)


def test_agreement_at_the_top_weighs_more():
    top, bottom = list("abcdefghij"), list("abcdefghij")
    top[:2], bottom[-2:] = ["x", "y"], ["x", "y"]
    assert rank_biased_overlap("abcdefghij", bottom) > rank_biased_overlap("abcdefghij", top)
    assert overlap("abcdefghij", bottom, 10) == overlap("abcdefghij", top, 10) == 0.8


def test_it_stays_between_0_and_1_whatever_the_lists():
    draw = random.Random(0)
    for _ in range(300):
        left, right = ([draw.randrange(30) for _ in range(draw.randrange(12))] for _ in "lr")
        left, right = list(dict.fromkeys(left)), list(dict.fromkeys(right))
        assert -1e-12 <= rank_biased_overlap(left, right) <= 1 + 1e-12


def test_empty_lists_agree_with_each_other_alone():
    assert (rank_biased_overlap([], []), overlap([], [], 5)) == (1, 1)
    assert (rank_biased_overlap([], ["a"]), overlap([], ["a"], 5)) == (0, 0)


def test_overlap_looks_at_the_first_k_alone_and_a_short_list_cannot_hide():
    assert overlap("abcd", "cdab", 2) == 0
    assert overlap("abcd", "cdab", 4) == 1
    assert overlap("a", "abcd", 4) == 0.25  # BM25 found one, E5 fills its four


def test_each_two_columns_are_compared_the_left_one_first():
    found = agreements({"bm25": "abc", "baseline": "abd", "fusion": "xyz"}, k=2)
    assert [(one.left, one.right) for one in found] == [
        ("bm25", "baseline"), ("bm25", "fusion"), ("baseline", "fusion"),
    ]  # fmt: skip
    assert [(one.overlap, one.rbo) for one in found] == [(1, pytest.approx(1)), (0, 0), (0, 0)]


def test_a_hit_moved_up_down_stayed_or_is_new():
    assert moves("abcdef", "bacxf", k=5) == {
        "b": Move("up", 2),
        "a": Move("down", 1),
        "c": Move("same", 3),
        "x": Move("new", None),
        "f": Move("new", 6),
    }
