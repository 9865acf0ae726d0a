import numpy as np
import pandas as pd
import pytest

from e5demo.data.corpus import Corpus, Queries
from e5demo.evaluation import projection
from e5demo.evaluation.projection import cluster, draw_sample, make_map, methods, project


def corpus_of(count):
    ids = pd.Index([f"p{i:02}" for i in range(count)], name="passage_id")
    told = {"title": [f"Titre {i}" for i in range(count)], "passage": "Texte.", "agency": None}
    return Corpus(pd.DataFrame(told, ids))


QUERIES = Queries(
    {"a": "Titre 3", "b": "Titre 1", "c": "Titre 5"},
    {"a": {"p03": 1}, "b": {"p01": 1, "p02": 1}, "c": {"p05": 1}},
)
GAIN = pd.Series({"a": 0.0, "b": -0.75, "c": 0.5})


def test_a_sample_has_the_queries_that_moved_most_and_their_passages(monkeypatch):
    monkeypatch.setattr(projection, "MOST_QUERIES", 2)
    monkeypatch.setattr(projection, "MOST_PASSAGES", 5)
    sample = draw_sample(corpus_of(9), QUERIES, GAIN)
    assert sample.queries[["query_id", "passage_id", "query"]].to_numpy().tolist() == [
        ["b", "p01", "Titre 1"], ["b", "p02", "Titre 1"], ["c", "p05", "Titre 5"],
    ]  # fmt: skip
    assert sample.passages.index[:3].tolist() == ["p01", "p02", "p05"]
    assert (len(sample.passages), sample.total) == (5, 9)
    assert sample.passages.index.is_unique
    assert sample.passages["gain"].head(3).tolist() == [-0.75, -0.75, 0.5]


def test_a_small_corpus_is_drawn_whole_and_the_unasked_have_no_gain():
    sample = draw_sample(corpus_of(6), QUERIES, GAIN)
    assert sorted(sample.passages.index) == [f"p{i:02}" for i in range(6)]
    gain = sample.passages["gain"].sort_index()
    np.testing.assert_array_equal(gain, [np.nan, -0.75, -0.75, 0.0, np.nan, 0.5])
    again = draw_sample(corpus_of(6), QUERIES, GAIN)
    pd.testing.assert_frame_equal(sample.passages, again.passages)


def test_one_plane_for_all_is_that_of_their_common_variance():
    """Two states in a plane of five dimensions, one moved along its first axis: distances within
    and between them are kept."""
    rng = np.random.default_rng(0)
    plane = np.linalg.qr(rng.normal(size=(5, 2)))[0]
    before = rng.normal(size=(20, 2)) * [3, 1]
    after = before + np.array([10, 0])
    (left, right), share = project([before @ plane.T, after @ plane.T])
    assert share == pytest.approx(1)
    assert np.linalg.norm(left[0] - left[1]) == pytest.approx(
        np.linalg.norm(before[0] - before[1]), rel=1e-4
    )
    np.testing.assert_allclose(np.linalg.norm(right - left, axis=1), 10, rtol=1e-4)


def test_clusters_are_named_by_the_words_that_set_them_apart():
    vectors = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    titles = ["La neige tombe", "Neige au col", "La neige fond", "Le vin nouveau", "Vin rare",
              "Un vin de pays"]  # fmt: skip
    names = cluster(vectors, titles, 2)
    assert len(set(names[:3])) == len(set(names[3:])) == 1
    assert names[0].startswith("neige, ")
    assert names[3].startswith("vin, ")


def test_clusters_without_words_are_told_apart_by_number():
    assert set(cluster(np.eye(3), ["1", "2", "3"], 9)) == {"—", "— (2)", "— (3)"}


def test_a_map_has_each_models_passages_and_queries():
    sample = draw_sample(corpus_of(6), QUERIES, GAIN)
    rng = np.random.default_rng(1)
    vectors = {name: (rng.normal(size=(6, 8)), rng.normal(size=(4, 8))) for name in ("x", "y")}
    found = make_map(sample, vectors, "pca")
    shapes = {name: (a.shape, b.shape) for name, (a, b) in found.places.items()}
    assert shapes == {"x": ((6, 2), (4, 2)), "y": ((6, 2), (4, 2))}
    assert len(found.clusters) == 6
    assert 0 < found.share < 1


def test_umap_is_offered_where_it_is_installed(monkeypatch):
    for spec, offered in ((None, ["pca"]), ("there", ["pca", "umap"])):
        monkeypatch.setattr(projection, "find_spec", lambda _, spec=spec: spec)
        assert methods() == offered
