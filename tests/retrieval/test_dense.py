import numpy as np
import pytest
from fakes import FakeEncoder, corpus_of

from e5demo.retrieval import index as index_module
from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.dense import DenseRetriever
from e5demo.retrieval.index import TIE_MARGIN
from e5demo.retrieval.reduction import Reduction
from tests.retrieval.test_index import clouds, unit_vectors


class TableEncoder(FakeEncoder):
    """Each text has the vector that a table gives it."""

    def __init__(self, vectors):
        super().__init__()
        self.vectors = vectors

    def encode(self, texts, role):
        self.calls.append((role, list(texts)))
        return np.stack([self.vectors[text] for text in texts])


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


def test_the_first_128_dimensions_rank_by_their_own_cosine(tmp_path):
    rows = np.zeros((4, 130), np.float32)
    rows[:, :2] = [[0.6, 0.0], [0.24, 0.18], [0.0, 0.3], [0.1, 0.0]]
    rows[:, 129] = np.sqrt(1 - (rows[:, :2] ** 2).sum(axis=1))
    encoder = TableEncoder(dict(zip(["far", "near", "other", "query"], rows, strict=True)))
    cache = EmbeddingCache(tmp_path / "cache")
    short = DenseRetriever(
        corpus_of(["far", "near", "other"]), encoder, cache, precision="int8-128"
    )
    assert short.index.faiss.sa_code_size() == 128
    (found,) = short.search(["query"], 3)
    assert found.positions.tolist() == [0, 1, 2]  # whole vectors: the other two before
    assert found.scores == pytest.approx([1.0, 0.8, 0.0], abs=0.01)


def test_learned_dimensions_take_the_place_of_the_first(tmp_path):
    rows = np.zeros((3, 200), np.float32)
    rows[:, 150], rows[:, 151] = [1, 0.6, 0.8], [0, 0.8, 0.6]
    encoder = TableEncoder(dict(zip(["far", "near", "query"], rows, strict=True)))
    cache = EmbeddingCache(tmp_path / "cache")
    corpus = corpus_of(["far", "near"])

    def found(axes, precision="int8-128"):
        reduction = Reduction(np.zeros(200, np.float32), axes)
        retriever = DenseRetriever(corpus, encoder, cache, precision=precision, reduction=reduction)
        (ranking,) = retriever.search(["query"], 2)
        return retriever.index.faiss.sa_code_size(), dict(
            zip(ranking.positions.tolist(), ranking.scores.tolist(), strict=True)
        )

    last = np.eye(200, dtype=np.float32)[:, -128:]
    size, scores = found(last)
    assert size == 128
    assert scores == pytest.approx({0: 0.8, 1: 0.96}, abs=0.01)
    assert set(found(last[:, :64])[1].values()) == {0.0}  # not as many: the first, which are empty
    assert found(last, "float32")[0] == 4 * 200


def test_ties_stand_in_the_order_of_ids_in_cells_too(tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "FLAT_MOST", 100)
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
