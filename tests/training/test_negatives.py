import pandas as pd
import pytest
from fakes import Known

from e5demo.training.negatives import add_negatives
from e5demo.training.recipe import make_recipe

PASSAGES = ["right", "twin", "hard", "easy", "far"]
SCORES = {"q": {"right": 10.0, "twin": 9.6, "hard": 9.5, "easy": 4.0}}  # 'far' is not found


def pairs_of(passages, *pairs):
    """Pairs by (query, passage), with the ids that `corpus_of` gives."""
    rows = [(query, f"p{passages.index(passage):03}", query, passage) for query, passage in pairs]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "query", "passage"])


def mined(retriever, pairs, count, **changes):
    settings = make_recipe("full", "notebook", hard_negatives=count, **changes)
    found = add_negatives(pairs, retriever, settings)
    names = [name for name in found if name.startswith("negative_")]
    assert names == [f"negative_{i + 1}" for i in range(len(names))]
    return found[names].to_numpy().tolist()


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        (0.0, ["twin", "hard"]),
        (0.05, ["hard", "easy"]),  # 9.5 is 0.95 x 10, and no more
        (0.06, ["easy", "far"]),  # what is missing is drawn, from the one that is no suspect
    ],
)
def test_what_scores_nearly_as_the_right_one_is_left_out(margin, expected):
    pairs = pairs_of(PASSAGES, ("q", "right"))
    assert mined(Known(PASSAGES, SCORES), pairs, 2, negative_margin=margin) == [expected]


def test_no_right_answer_of_the_same_title_is_a_negative():
    pairs = pairs_of(PASSAGES, ("q", "right"), ("q", "hard"))
    # 'hard' as the right one is worth 9.5, so that 'easy' alone is below 9.025
    assert mined(Known(PASSAGES, SCORES), pairs, 2) == [["easy", "far"], ["easy", "far"]]


def test_where_the_right_one_is_not_found_it_is_drawn_among_the_others():
    passages = ["right", "high", *(f"other {i}" for i in range(30))]
    pairs = pairs_of(passages, ("q", "right"))
    drawn = {
        text
        for seed in range(20)
        for text in mined(Known(passages, {"q": {"high": 9.0}}), pairs, 2, seed=seed)[0]
    }
    assert len(drawn) > 10
    assert not drawn & {"right", "high"}


def test_the_same_seed_draws_the_same_and_no_passage_twice():
    passages = [f"passage {i}" for i in range(40)]
    pairs = pairs_of(passages, *((f"q{i}", f"passage {i}") for i in range(40)))
    first, again, other = (mined(Known(passages, {}), pairs, 3, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    for pair, negatives in zip(pairs["passage"], first, strict=True):
        assert len({pair, *negatives}) == 4


def test_only_the_retriever_s_corpus_is_drawn_from_and_pairs_stay_as_they_were():
    pairs = pairs_of(PASSAGES, ("q", "right"), ("z", "far"))
    before = pairs.copy()
    retriever = Known(PASSAGES, SCORES)
    found = add_negatives(pairs, retriever, make_recipe("full", "notebook", hard_negatives=3))
    assert set(found.filter(like="negative_").to_numpy().ravel()) <= set(PASSAGES)
    pd.testing.assert_frame_equal(found[list(before)], before)
    pd.testing.assert_frame_equal(pairs, before)
    assert retriever.prepared == ["q", "z"]


def test_too_small_a_corpus_gives_fewer_to_all():
    pairs = pairs_of(PASSAGES, ("q", "right"), ("q", "twin"), ("z", "far"))
    found = mined(Known(PASSAGES, SCORES), pairs, 8)
    assert [len(negatives) for negatives in found] == [3, 3, 3]  # 'q' has two right ones of five
    alone = pairs_of(["right"], ("q", "right"))
    assert mined(Known(["right"], SCORES), alone, 1) == [[]]
