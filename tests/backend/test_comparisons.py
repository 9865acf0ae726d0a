from dataclasses import replace

import pytest
from dispatches import SPLIT
from fakes import FakeSource

from e5demo.config import EvaluationSettings
from e5demo.errors import (
    NotComparable,
    NoVectors,
    SplitRedrawn,
)
from e5demo.evaluation.experiments import open_experiment


def test_a_map_draws_the_models_that_have_vectors_once_each(backend, dataset):
    made = {
        name: backend.evaluate(dataset, name, SPLIT, EvaluationSettings())
        for name in ("bm25", "baseline", "fusion")
    }
    calls = len(backend.engine.fake.calls)
    both = backend.news_map(made["baseline"], made["fusion"], "pca")
    assert list(both.places) == [made["baseline"].id]  # fusion reads with the same model
    assert list(backend.news_map(made["bm25"], made["fusion"], "pca").places) == [made["fusion"].id]
    assert len(backend.engine.fake.calls) == calls  # all read from the cache
    passages, queries = both.places[made["baseline"].id]
    assert len(passages) == len(both.sample.passages) == both.sample.total
    assert len(queries) == len(both.sample.queries)
    with pytest.raises(NoVectors, match="Neither bm25 nor bm25"):
        backend.news_map(made["bm25"], made["bm25"], "pca")


def test_a_map_is_not_drawn_with_other_weights_than_were_measured(backend, dataset):
    made = [backend.evaluate(dataset, n, SPLIT, EvaluationSettings()) for n in ("bm25", "baseline")]
    backend.engine.find_model = lambda: FakeSource(fingerprint="fake-2")
    with pytest.raises(NoVectors):
        backend.news_map(*made, "pca")


def test_what_is_asked_of_an_evaluation_is_asked_of_the_reading_in_use(backend, dataset, path):
    columns = {**dataset.columns, "agency": None, "date": None}
    bare = backend.import_csv(path, columns=columns)
    made = backend.evaluate(bare, "bm25", SPLIT, EvaluationSettings())
    backend.choose(replace(backend.choices(), dataset=dataset.id))
    assert backend.ground(made).pairs["agency"].notna().any()
    backend.delete_dataset(bare.id)  # its evaluation is one of the other reading's too
    assert backend.experiment(made.id).dataset == bare.id
    assert backend.queries_of(made).texts.keys() == set(made.scores.index)
    backend.delete_dataset(dataset.id)
    assert backend.experiments() == []


def test_queries_of_a_split_that_is_drawn_otherwise_now_are_not_made_up(backend, dataset):
    made = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings())
    made.scores.rename(index={made.scores.index[0]: "gone"}).to_parquet(
        made.folder / "scores.parquet"
    )
    with pytest.raises(SplitRedrawn, match=made.id):
        backend.queries_of(open_experiment(made.folder))


def test_experiments_on_other_ground_or_with_other_cutoffs_do_not_compare(backend, dataset):
    first = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings())
    whole = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(corpus="all"))
    third = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(cutoffs=(3,)))
    with pytest.raises(NotComparable, match="corpus"):
        backend.compare([first, whole])
    with pytest.raises(NotComparable, match="cutoffs"):
        backend.compare([first, third])
