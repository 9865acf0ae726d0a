import numpy as np
import pandas as pd
import pytest
from scipy import stats

from e5demo.evaluation.comparison import Interval, compare, holm, paired_difference, queries_needed

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


# --- many at once ------------------------------------------------------------------------------


def frames(*columns, metric="ndcg@10"):
    """Experiments a, b, ... with these scores per query."""
    index = [f"q{i}" for i in range(len(columns[0]))]
    named = zip("abcdefghij", columns, strict=False)
    return {name: pd.DataFrame({metric: values}, index) for name, values in named}


def random_frames(experiments, queries=400, gain=0.0, seed=0):
    draw = np.random.default_rng(seed)
    base = draw.random(queries)
    noise = draw.normal(0, 0.2, (experiments, queries))
    return frames(*(base + gain * i + noise[i] for i in range(experiments)))


def test_wins_ties_and_losses_are_the_right_one_s():
    (found,) = compare(frames([1, 0, 0.5, 0.2], [1, 1, 0.25, 0.2 + 1e-12])).differences
    assert (found.left, found.right, found.metric) == ("a", "b", "ndcg@10")
    assert (found.wins, found.ties, found.losses) == (1, 2, 1)
    assert found.mean == pytest.approx((1 - 0.25) / 4)


def test_each_two_are_compared_in_each_metric_that_all_have():
    scores = frames([1, 0], [0, 1], [1, 1])
    scores["a"]["mrr@10"] = scores["b"]["mrr@10"] = scores["c"]["mrr@10"] = 0.5
    scores["b"]["recall@3"] = 1.0
    found = compare(scores, resamples=100)
    assert [(d.metric, d.left, d.right) for d in found.differences] == [
        (metric, *pair) for metric in ("ndcg@10", "mrr@10") for pair in ("ab", "ac", "bc")
    ]
    assert found.of("b", "c", "mrr@10").verdict == "no_evidence"
    assert found.intervals["c"]["ndcg@10"] == Interval(1, 1, 1)
    told = compare(scores, ["ndcg@10"], pairs=[("c", "a")], resamples=100)
    assert [(d.left, d.right) for d in told.differences] == [("c", "a")]


def test_a_clear_gain_is_better_and_the_other_way_round_worse():
    scores = random_frames(2, gain=0.1)
    found = compare(scores).differences[0]
    assert (found.verdict, found.low > 0, found.p_value < 0.001) == ("better", True, True)
    back = compare(scores, pairs=[("b", "a")]).differences[0]
    assert (back.verdict, back.wins, back.losses) == ("worse", found.losses, found.wins)
    assert compare(random_frames(2)).differences[0].verdict == "no_evidence"


def test_the_permutation_test_by_hand():
    """Of three gains of 1 all eight sign patterns are as likely; two of them have a mean of 1."""
    (found,) = compare(frames([0, 0, 0], [1, 1, 1]), resamples=20_000).differences
    assert found.p_value == pytest.approx(2 / 8, abs=0.01)
    assert found.verdict == "no_evidence"  # though the interval is [1, 1]


@pytest.mark.parametrize("gain", [0.0, 0.01, 0.03])
def test_intervals_and_p_values_agree_with_scipy(gain):
    scores = random_frames(3, queries=300, gain=gain, seed=7)
    found = compare(scores).of("a", "b", "ndcg@10")
    left, right = scores["a"]["ndcg@10"].to_numpy(), scores["b"]["ndcg@10"].to_numpy()
    drawn = stats.bootstrap(
        (right - left,), np.mean, n_resamples=9999, method="percentile",
        rng=np.random.default_rng(0), batch=500,
    ).confidence_interval  # fmt: skip
    width = drawn.high - drawn.low
    assert (found.low, found.high) == pytest.approx((drawn.low, drawn.high), abs=width / 20)
    p_value = stats.permutation_test(
        (right, left), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples",
        n_resamples=9999, vectorized=True, batch=500, rng=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    assert found.p_value == pytest.approx(p_value, abs=0.02)


def test_an_experiment_s_interval_does_not_depend_on_what_stands_beside_it():
    scores = random_frames(3)
    alone = compare({"b": scores["b"]}).intervals["b"]["ndcg@10"]
    beside = compare(scores).intervals["b"]["ndcg@10"]
    assert (beside.low, beside.high) == pytest.approx((alone.low, alone.high), abs=1e-12)
    assert alone.mean == pytest.approx(scores["b"]["ndcg@10"].mean())


def test_holm_by_hand():
    """Sorted 0.01, 0.02, 0.04, 0.3 times 4, 3, 2, 1: 0.04, 0.06, 0.08, 0.3, none below the last."""
    assert holm(np.array([0.3, 0.01, 0.04, 0.02])) == pytest.approx([0.3, 0.04, 0.08, 0.06])
    assert holm(np.array([0.03, 0.02, 0.025])) == pytest.approx([0.06, 0.06, 0.06])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1, 1])


def test_queries_needed_by_hand():
    """Mean 0.1, standard deviation 0.5: (1.95996 + 0.84162)^2 x 25 = 196.2."""
    gains = np.array([0.1 - 0.5, 0.1 + 0.5] * 5_000)
    assert queries_needed(gains) == 197
    assert queries_needed(np.array([0.2, -0.2])) is None
    assert queries_needed(np.array([0.5, 0.5])) == 6  # 2 / 2^6 is the first p below 0.05
    assert queries_needed(np.array([0.5])) is None


def test_other_queries_are_refused():
    scores = frames([1, 0], [0, 1])
    scores["b"].index = ["q0", "q9"]
    with pytest.raises(ValueError, match="not the same"):
        compare(scores)


def test_verdicts_are_seldom_false_where_nothing_differs():
    """The whole simulation is in benchmarks/bench_verdicts.py; here, few trials and wide bounds."""
    false = families = 0
    for seed in range(60):
        found = compare(random_frames(5, queries=100, seed=seed), resamples=500).differences
        false += sum(d.p_value < 0.05 for d in found)
        families += any(d.verdict != "no_evidence" for d in found)
    assert 0.01 < false / 600 < 0.10
    assert families <= 9  # 3 expected; P(10 or more) is below 0.001
