import numpy as np
import pytest

from e5demo.retrieval import index as index_module
from e5demo.retrieval.index import RECALL, build_index
from e5demo.retrieval.shards import STORED, as_read


def unit_vectors(count, dimensions=16):
    """Such as the cache gives them back."""
    vectors = np.random.default_rng(0).normal(size=(count, dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return as_read(vectors.astype(STORED))[0]


def clouds(count, around=60, dimensions=16):
    """Vectors near one of a few others, as passages of the same matter are."""
    draw = np.random.default_rng(2)
    vectors = unit_vectors(around, dimensions)[draw.integers(0, around, count)]
    vectors = vectors + draw.normal(scale=0.1, size=vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return as_read(vectors.astype(STORED))[0]


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """4,000 vectors and their approximate index."""
    vectors = clouds(4000)
    folder = tmp_path_factory.mktemp("index")
    return vectors, build_index(vectors.__getitem__, 4000, kind="ivf", folder=folder)


def best(vectors, query, k, allowed=None):
    scores = vectors @ query
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    return np.argsort(-scores, kind="stable")[:k]


def test_cells_find_nearly_what_flat_finds_and_know_how_much(cells):
    vectors, index = cells
    queries = clouds(4200)[4000:]
    scores, positions = index.search(queries, 26)
    exact = [best(vectors, query, 10) for query in queries]
    shared = [np.isin(e, p[:10]).mean() for e, p in zip(exact, positions, strict=True)]
    assert RECALL <= index.recall_of_flat <= 1
    assert np.mean(shared) > 0.97
    assert index.probes < index.cells  # not by looking at all
    for query, told, found in zip(queries, scores, positions, strict=True):
        np.testing.assert_allclose(told, vectors[found] @ query, atol=1e-4)
        assert (np.diff(told) <= 0).all()


def test_where_neighbours_are_everywhere_more_cells_are_looked_at(tmp_path):
    vectors = unit_vectors(3000, 24)
    index = build_index(vectors.__getitem__, 3000, kind="ivf", folder=tmp_path)
    assert index.probes >= index.cells / 4
    assert index.recall_of_flat >= RECALL


def test_the_recall_is_that_of_the_cells_looked_at(cells, monkeypatch):
    vectors, index = cells
    monkeypatch.setattr(index_module, "RECALL", 0)
    monkeypatch.setattr(index_module, "PROBED", index.cells)  # one cell
    poor = build_index(vectors.__getitem__, 4000, kind="ivf")
    assert poor.probes == 1
    questions = index_module._Questions(vectors)  # the cells were trained on all of them
    exact = [best(vectors, question, 10) for question in questions.vectors]
    found = poor.search(questions.vectors, 26)[1][:, :10]
    shared = np.mean([np.isin(*two).mean() for two in zip(exact, found, strict=True)])
    assert poor.recall_of_flat == pytest.approx(shared, abs=0.005)
    assert shared < RECALL


@pytest.mark.parametrize("allowed_count", [1, 7, 40, 2000])
def test_filters_are_kept_by_cells_and_fill_what_is_asked_for(cells, allowed_count):
    vectors, index = cells
    allowed = np.zeros(4000, bool)
    allowed[np.random.default_rng(3).permutation(4000)[:allowed_count]] = True
    k = min(allowed_count, 30)
    queries = clouds(4020)[4000:]
    _, positions = index.search(queries, k, allowed)
    assert allowed[positions].all()
    assert all(len(set(found.tolist())) == k for found in positions)
    exact = [best(vectors, query, min(k, 10), allowed) for query in queries]
    shared = [np.isin(*two).mean() for two in zip(exact, positions, strict=True)]
    assert np.mean(shared) > (0.999 if allowed_count <= 40 else 0.97)


def test_all_vectors_are_found_where_all_are_asked_for(cells):
    vectors, index = cells
    _, (positions,) = index.search(vectors[:1], 4000)
    assert sorted(positions.tolist()) == list(range(4000))
    assert np.diff((vectors @ vectors[0])[positions]).max() < 1e-4


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_vectors_are_read_by_batches(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(index_module, "BATCH", 300)
    monkeypatch.setattr(index_module, "TRAINED", 1000)
    vectors, asked = clouds(2000), []

    def read(places):
        asked.append(len(places))
        return vectors[places]

    index = build_index(read, 2000, kind=kind, folder=tmp_path)
    assert max(asked) <= 1000
    assert asked[-7:] == [300] * 6 + [200]
    assert index.faiss.ntotal == 2000
    assert list(tmp_path.iterdir()) == []  # the file of exact vectors has no name
