from dataclasses import replace

import pandas as pd
import pytest

from e5demo.errors import UnknownExperiment
from e5demo.evaluation.experiments import (
    LIBRARIES,
    Measured,
    list_experiments,
    method_of,
    open_experiment,
    save_experiment,
)

MEASURED = Measured(
    retriever="baseline",
    data="data-1",
    corpus="corpus-1",
    queries="queries-1",
    corpus_kind="test",
    split={"mode": "grouped", "seed": 42},
    cutoffs=(1, 5),
    model="e5",
    weights="hub",
    model_fingerprint="model-1",
    prompts={"query": "query: ", "document": "passage: "},
    max_length=512,
    precision="float32",
)
SCORES = pd.DataFrame({"recall@1": [1.0, 0.0]}, index=pd.Index(["q1", "q2"], name="query_id"))
RUN = pd.DataFrame({"query_id": ["q1"], "passage_id": ["p1"], "rank": [1], "score": [0.9]})


def save(folder, measured=MEASURED, **changes):
    told = {
        "dataset": "news-1",
        "queries": 2,
        "passages": 10,
        "metrics": {"recall@1": 0.5},
        "timings": {"index": 1.0, "search": 0.25},
        "cached_passages": 3,
    }
    return save_experiment(folder, measured, SCORES, RUN, **(told | changes))


def test_saved_and_opened_is_the_same(tmp_path):
    saved = save(tmp_path)
    opened = open_experiment(saved.folder)
    assert opened == saved
    assert opened.measured == MEASURED
    assert opened.measured.id == opened.id == opened.folder.name
    assert opened.seconds == 1.25
    assert (opened.dataset, opened.queries, opened.cached_passages) == ("news-1", 2, 3)
    assert opened.versions.keys() == set(LIBRARIES)
    pd.testing.assert_frame_equal(opened.scores, SCORES)
    pd.testing.assert_frame_equal(opened.run, RUN)


@pytest.mark.parametrize(
    ("retriever", "method", "told"),
    [
        ("baseline", 1, "192"),
        ("fusion:full-1", 2, "192"),
        ("rerank", 4, "192 + 512"),
        ("rerank:full-1", 4, "192 + 512"),
        ("rerank:full-1", 2, "192"),  # of before articles were read to their end
    ],
)
def test_tokens_read_to_rerank_are_told_beside_the_vectors(retriever, method, told):
    of_192 = replace(MEASURED, retriever=retriever, method=method, max_length=192)
    assert of_192.tokens_told == told
    assert replace(of_192, retriever="bm25", max_length=None).tokens_told == "—"


def test_the_same_measurement_takes_the_old_one_s_place(tmp_path):
    first = save(tmp_path)
    again = save(tmp_path, metrics={"recall@1": 0.75})
    assert again.id == first.id
    assert again.created > first.created
    assert [one.metrics for one in list_experiments(tmp_path)] == [{"recall@1": 0.75}]
    assert list(tmp_path.iterdir()) == [again.folder]


@pytest.mark.parametrize(
    "change",
    [
        {"retriever": "bm25"},
        {"data": "data-2"},
        {"corpus": "corpus-2"},
        {"queries": "queries-2"},
        {"split": {"mode": "grouped", "seed": 43}},
        {"cutoffs": (1, 10)},
        {"weights": "bundled-4bit"},
        {"model_fingerprint": "model-2"},
        {"prompts": None},
        {"max_length": 256},
        {"method": 2},
    ],
)
def test_another_measurement_stands_beside(tmp_path, change):
    first, other = save(tmp_path), save(tmp_path, replace(MEASURED, **change))
    assert other.id != first.id
    assert [one.id for one in list_experiments(tmp_path)] == [other.id, first.id]  # newest first


def test_the_ground_is_data_corpus_and_queries_alone():
    assert replace(MEASURED, retriever="bm25", max_length=None).ground == MEASURED.ground
    for name in ("data", "corpus", "queries"):
        assert replace(MEASURED, **{name: "other"}).ground != MEASURED.ground


def test_an_unknown_experiment_is_named(tmp_path):
    with pytest.raises(UnknownExperiment, match="no experiment baseline-00000000"):
        open_experiment(tmp_path / "baseline-00000000")
    assert list_experiments(tmp_path / "none") == []


def test_an_evaluation_of_an_earlier_method_is_told_apart():
    now = replace(MEASURED, retriever="fusion:full-1", method=method_of("fusion:full-1"))
    assert (now.method, now.ablated) == (2, False)
    before = replace(now, method=1)
    assert (before.ablations, before.ablated) == (["outdated"], True)
    assert not MEASURED.ablated  # a dense retriever ranks as it always did
