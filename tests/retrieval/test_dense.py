import numpy as np
import pytest
from fakes import FakeEncoder, corpus_of

from e5demo.retrieval import dense as dense_module
from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.dense import RECALL, TIE_MARGIN, DenseRetriever, build_index
from e5demo.retrieval.shards import STORED, as_read


class TableEncoder(FakeEncoder):
    """Each text has the vector that a table gives it."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = vectors

    def encode(self, texts, role):
        self.calls.append((role, list(texts)))
        return np.stack([self.vectors[text] for text in texts])


def unit_vectors(count, dimensions=16):
    """Such as the cache gives them back."""
    vectors = np.random.default_rng(0).normal(size=(count, dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return as_read(vectors.astype(STORED))[0]


def dense(tmp_path, passages, encoder):
    return DenseRetriever(corpus_of(passages), encoder, EmbeddingCache(tmp_path / "cache"))


@pytest.mark.parametrize("k", [1, 10, 100, 300])
def test_equals_brute_force(tmp_path, k):
    passages = [f"passage {i}" for i in range(300)]
    queries = [f"query {i}" for i in range(40)]
    vectors = unit_vectors(340)
    encoder = TableEncoder(dict(zip(passages + queries, vectors, strict=True)))
    rankings = dense(tmp_path, passages, encoder).search(queries, k)
    cosines = vectors[300:] @ vectors[:300].T
    for ranking, scores in zip(rankings, cosines, strict=True):
        expected = np.argsort(-scores, kind="stable")[:k]
        assert ranking.positions.tolist() == expected.tolist()
        np.testing.assert_allclose(ranking.scores, scores[expected], atol=1e-6)


def test_k_beyond_the_corpus_gives_every_passage_once(tmp_path):
    (ranking,) = dense(tmp_path, ["neige", "train", "vin"], FakeEncoder()).search(["train"], 50)
    assert ranking.positions.tolist() == [1, 0, 2]
    assert ranking.scores.tolist() == [1, 0, 0]


def test_equal_scores_stand_in_the_order_of_ids(tmp_path):
    passages = ["vin 0", "neige 1", "vin 2", "neige 3", "neige 4"]
    (ranking,) = dense(tmp_path, passages, FakeEncoder()).search(["la neige"], 5)
    assert ranking.positions.tolist() == [1, 3, 4, 0, 2]


@pytest.mark.parametrize("tied", [8, TIE_MARGIN + 4, 40, 500])
@pytest.mark.parametrize("k", [3, 100])
def test_a_tie_over_the_last_place_is_settled_by_id(tmp_path, tied, k):
    """However many tie: the worse passages first, so that FAISS sees the better ones last."""
    passages = [*(f"vin {i}" for i in range(200)), *(f"neige {i}" for i in range(tied))]
    (ranking,) = dense(tmp_path, passages, FakeEncoder()).search(["neige"], k)
    assert ranking.positions.tolist() == [*range(200, 200 + tied), *range(200)][:k]


def test_few_words_give_the_same_ranking_as_brute_force_with_all_its_ties(tmp_path):
    draw = np.random.default_rng(1)
    words = draw.integers(0, 4, 455)
    table = {f"passage {i}": np.eye(4, dtype=np.float32)[w] for i, w in enumerate(words)}
    queries = {f"query {i}": v for i, v in enumerate(unit_vectors(30, 4))}
    retriever = dense(tmp_path, list(table), TableEncoder(table | queries))
    rankings = retriever.search(list(queries), 100)
    for ranking, query in zip(rankings, queries.values(), strict=True):
        expected = np.lexsort((np.arange(455), -query[words]))[:100]
        assert ranking.positions.tolist() == expected.tolist()


def test_prepared_queries_are_not_encoded_again(tmp_path):
    encoder = FakeEncoder()
    retriever = dense(tmp_path, ["la neige", "le vin"], encoder)
    assert encoder.calls == [("document", ["la neige", "le vin"])]
    retriever.prepare(["vin", "neige"])
    encoder.calls.clear()
    found = retriever.search(["neige", "vin"], 1)
    assert [ranking.positions.tolist() for ranking in found] == [[0], [1]]
    assert encoder.calls == []
    retriever.search(["train"], 1)
    assert encoder.calls == [("query", ["train"])]


def test_int8_passages_are_nearly_as_good_and_filtered_alike(tmp_path):
    passages = [f"passage {i}" for i in range(400)]
    queries = [f"query {i}" for i in range(30)]
    vectors = unit_vectors(430)
    encoder = TableEncoder(dict(zip(passages + queries, vectors, strict=True)))
    cache = EmbeddingCache(tmp_path / "cache")
    exact = DenseRetriever(corpus_of(passages), encoder, cache)
    coarse = DenseRetriever(corpus_of(passages), encoder, cache, precision="int8")
    assert coarse.index.faiss.sa_code_size() == 16  # a byte a dimension
    allowed = np.arange(400) % 2 == 0
    for mask in (None, allowed):
        both = [one.search(queries, 10, mask) for one in (exact, coarse)]
        shared = [len(set(a.positions) & set(b.positions)) for a, b in zip(*both, strict=True)]
        assert np.mean(shared) > 9
        assert mask is None or all(mask[r.positions].all() for r in both[1])


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
    monkeypatch.setattr(dense_module, "RECALL", 0)
    monkeypatch.setattr(dense_module, "PROBED", index.cells)  # one cell
    poor = build_index(vectors.__getitem__, 4000, kind="ivf")
    assert poor.probes == 1
    questions = dense_module._Questions(vectors)  # the cells were trained on all of them
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


def test_ties_stand_in_the_order_of_ids_in_cells_too(tmp_path, monkeypatch):
    monkeypatch.setattr(dense_module, "FLAT_MOST", 100)
    vectors = clouds(2000)
    vectors[100:1900:30] = vectors[7]  # 60 that are the same, and the one they are like
    table = {f"passage {i}": vector for i, vector in enumerate(vectors)} | {"query": vectors[7]}
    retriever = dense(tmp_path, list(table)[:-1], TableEncoder(table))
    assert retriever.index_kind == "ivf"
    assert 0.9 < retriever.recall_of_flat <= 1
    for k in (3, 20, 61):
        (ranking,) = retriever.search(["query"], k)
        assert ranking.positions.tolist() == [7, *range(100, 1900, 30)][:k]
    allowed = np.arange(2000) % 60 == 10
    (ranking,) = retriever.search(["query"], 30, allowed)
    assert ranking.positions.tolist() == list(range(130, 1900, 60))


def test_small_corpora_are_searched_exactly(tmp_path):
    retriever = dense(tmp_path, ["neige", "vin"], FakeEncoder())
    assert (retriever.index_kind, retriever.recall_of_flat) == ("flat", 1)


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_vectors_are_read_by_batches(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(dense_module, "BATCH", 300)
    monkeypatch.setattr(dense_module, "TRAINED", 1000)
    vectors, asked = clouds(2000), []

    def read(places):
        asked.append(len(places))
        return vectors[places]

    index = build_index(read, 2000, kind=kind, folder=tmp_path)
    assert max(asked) <= 1000
    assert asked[-7:] == [300] * 6 + [200]
    assert index.faiss.ntotal == 2000
    assert list(tmp_path.iterdir()) == []  # the file of exact vectors has no name
