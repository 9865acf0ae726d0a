import numpy as np
import pandas as pd
import pytest

from e5demo.errors import EmptySplit
from e5demo.training.recipe import make_recipe
from e5demo.training.validation import make_validator

# Title, article and split; 'c' has two articles in validation.
ROWS = [
    ("t", "p-t", "train"),
    ("a", "p-a", "validation"),
    ("b", "p-b", "validation"),
    ("c", "p-c1", "validation"),
    ("c", "p-c2", "validation"),
    ("x", "p-x", "test"),
]
PASSAGES = ["p-a", "p-b", "p-c1", "p-c2"]
SCORES = {
    "a": [0.9, 0.3, 0.2, 0.1],  # p-a is first: 1
    "b": [0.9, 0.3, 0.2, 0.1],  # p-b is second: 1 / log2(3)
    "c": [0.1, 0.5, 0.9, 0.3],  # the two are first and third: (1 + 1/2) / (1 + 1/log2(3))
}
SECOND = 1 / np.log2(3)
EXPECTED = {"a": 1.0, "b": SECOND, "c": 1.5 / (1 + SECOND)}


class Model:
    """Each passage is a direction of its own, so that a query's vector is its scores."""

    def __init__(self):
        self.encoded = []

    def encode_document(self, passages, normalize_embeddings, **_):
        assert normalize_embeddings
        self.encoded += passages
        return np.eye(4)[[PASSAGES.index(passage) for passage in passages]]

    def encode_query(self, queries, normalize_embeddings, **_):
        assert normalize_embeddings
        return np.array([SCORES[query] for query in queries])


def data(rows=ROWS):
    frame = pd.DataFrame(rows, columns=["query", "passage", "part"])
    pairs = frame.assign(query_id=frame["query"], passage_id=frame["passage"], row=frame.index)
    return pairs.assign(date=None, agency=None, url=None), frame["part"]


def test_ndcg_of_the_validation_titles_by_hand():
    model = Model()
    validate = make_validator(*data(), make_recipe("full", "notebook"))
    assert validate(model) == pytest.approx(np.mean(list(EXPECTED.values())))
    assert sorted(model.encoded) == PASSAGES  # none of train or test


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_is_asked_among_its_own_passages(seed):
    model = Model()
    settings = make_recipe("full", "notebook", validation_queries=1, seed=seed)
    score = make_validator(*data(), settings)(model)
    assert score == pytest.approx(1.0)  # no other title's passage is there to come before
    assert sorted(model.encoded) in (["p-a"], ["p-b"], ["p-c1", "p-c2"])
    again = Model()
    make_validator(*data(), settings)(again)
    assert again.encoded == model.encoded


def test_without_validation_titles_there_is_nothing_to_ask():
    with pytest.raises(EmptySplit, match="validation"):
        make_validator(*data([("t", "p-t", "train")]), make_recipe("full", "notebook"))
