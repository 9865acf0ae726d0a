import numpy as np
import pandas as pd
import pytest

from e5demo.evaluation.comparison import paired_difference

LEFT = pd.Series([1.0, 0.0, 0.5, 0.25], index=["a", "b", "c", "d"])
RIGHT = pd.Series([1.0, 1.0, 0.25, 0.75], index=["a", "b", "c", "d"])


def draws(size, seed):
    left = np.random.default_rng(seed).random(size)
    index = [f"q{i}" for i in range(size)]
    gains = np.random.default_rng(seed + 1).normal(0.05, 0.2, size)
    return pd.Series(left, index), pd.Series(left + gains, index), gains


def test_the_mean_by_hand_lies_in_its_interval():
    found = paired_difference(LEFT, RIGHT)
    assert found.mean == (0 + 1 - 0.25 + 0.5) / 4
    assert -0.25 <= found.low < found.mean < found.high <= 1


def test_the_other_way_round_it_is_the_negative():
    found, other = paired_difference(LEFT, RIGHT), paired_difference(RIGHT, LEFT)
    assert other.mean == -found.mean
    assert (other.low, other.high) == pytest.approx((-found.high, -found.low), abs=0.03)


@pytest.mark.parametrize("gain", [0.0, 0.25])
def test_where_every_query_gains_the_same_nothing_is_unsure(gain):
    found = paired_difference(LEFT, LEFT + gain)
    assert (found.mean, found.low, found.high) == (gain, gain, gain)


def test_one_query_has_no_interval():
    found = paired_difference(LEFT[:1], RIGHT[:1] - 0.5)
    assert (found.mean, found.low, found.high) == (-0.5, -0.5, -0.5)


def test_the_order_of_the_queries_does_not_matter():
    shuffled = LEFT.iloc[[2, 0, 3, 1]]
    assert paired_difference(shuffled, RIGHT) == paired_difference(LEFT, RIGHT)
    assert paired_difference(shuffled, LEFT).high == 0
    left, right, _ = draws(50, 1)
    assert paired_difference(left, right[::-1]) == paired_difference(left, right)


@pytest.mark.parametrize("other", [RIGHT[:3], RIGHT.rename({"d": "e"}), RIGHT[:0]])
def test_other_queries_do_not_compare(other):
    with pytest.raises(ValueError, match="not the same"):
        paired_difference(LEFT, other)


def test_the_interval_is_about_a_plain_bootstrap_s():
    left, right, gains = draws(200, 5)
    draw = np.random.default_rng(0)
    means = [draw.choice(gains, len(gains)).mean() for _ in range(4000)]
    found = paired_difference(left, right)
    low, high = np.percentile(means, [2.5, 97.5])
    width = high - low
    assert (found.low, found.high) == pytest.approx((low, high), abs=width / 20)
    normal = 2 * 1.96 * gains.std() / np.sqrt(len(gains))
    assert width == pytest.approx(normal, rel=0.1)


def test_the_same_seed_gives_the_same_interval():
    left, right, _ = draws(50, 1)
    assert paired_difference(left, right) == paired_difference(left, right)
    assert paired_difference(left, right, seed=1) != paired_difference(left, right)
