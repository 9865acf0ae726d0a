import numpy as np
import pytest
from fakes import FakeEncoder, corpus_of

from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.dense import DenseRetriever
from e5demo.retrieval.fusion import FusionRetriever
from e5demo.retrieval.late import (
    LATE_WEIGHT,
    WITHIN,
    RerankRetriever,
    TokenCache,
    contenders,
    interaction,
)
from e5demo.retrieval.lexical import BM25Retriever
from e5demo.retrieval.search import Ranking

PASSAGES = ["le vin de table", "neige et train", "train", "neige sur la vigne et vin", "rien"]


@pytest.fixture
def rerank(tmp_path):
    return reranking(PASSAGES, tmp_path)


def reranking(passages, folder):
    corpus, encoder = corpus_of(passages), FakeEncoder()
    dense = DenseRetriever(corpus, encoder, EmbeddingCache(folder))
    return RerankRetriever(FusionRetriever(BM25Retriever(corpus), dense), encoder, TokenCache())


def test_interaction_is_the_mean_of_each_query_token_s_best_cosine():
    asked = np.array([[1, 0], [0, 1], [0.6, 0.8]])
    tokens = np.array([[0.8, 0.6], [0, -1]])
    assert interaction(asked, tokens) == pytest.approx((0.8 + 0.6 + 0.96) / 3)
    assert interaction(asked, np.empty((0, 2))) == interaction(np.empty((0, 2)), tokens) == 0


def test_late_interaction_is_added_to_the_fusion(rerank):
    """By hand: of each contender the interaction with the mean token taken off both sides."""
    query = "neige train"
    (fused,) = rerank.fusion.search([query], 200)
    (found,) = rerank.search([query], 5)
    tokens = [rerank.encoder.token_vectors(text, "document").vectors[1:-1] for text in PASSAGES]
    mean = np.concatenate(tokens).mean(axis=0)

    def centred(vectors):
        return (vectors - mean) / np.linalg.norm(vectors - mean, axis=1, keepdims=True)

    asked = centred(rerank.encoder.token_vectors(query, "query").vectors[1:-1])
    late = np.array([(asked @ centred(tokens[at]).T).max(axis=1).mean() for at in fused.positions])
    near = fused.scores >= fused.scores[0] - WITHIN
    assert 1 < near.sum() < len(near)
    total = fused.scores + np.where(near, LATE_WEIGHT * (late - late[near].min()), 0)
    assert dict(zip(found.positions, found.scores, strict=True)) == pytest.approx(
        dict(zip(fused.positions, total, strict=True)),
        abs=0.01,  # tokens are kept in float16
    )
    assert found.positions[0] == 1


def test_prepared_queries_get_the_same_ranking_and_read_each_passage_once(rerank, monkeypatch):
    monkeypatch.setattr("e5demo.retrieval.late.WITHIN", 10)
    queries = ["neige train", "vin", "train"]
    told = []
    typed = rerank.search(queries, 5)
    other = RerankRetriever(rerank.fusion, rerank.encoder, rerank.cache)
    read = []
    plain = other.encoder.token_vectors
    other.encoder.token_vectors = lambda text, role: read.append((role, text)) or plain(text, role)
    _ = other._centre
    read.clear()
    other.prepare(queries, lambda *step: told.append(step))
    assert sorted(text for role, text in read if role == "document") == sorted(PASSAGES)
    read.clear()
    for before, after in zip(typed, other.search(queries, 5), strict=True):
        assert before.positions.tolist() == after.positions.tolist()
        assert before.scores == pytest.approx(after.scores)
    assert not read
    assert told[-1] == ("encode", 4, 5)


def test_only_the_first_are_looked_at_and_the_rest_stay_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("e5demo.retrieval.late.RERANKED", 2)
    rerank = reranking(PASSAGES, tmp_path)
    (fused,) = rerank.fusion.search(["train"], 200)
    (found,) = rerank.search(["train"], 5)
    assert set(found.positions[:2]) == set(fused.positions[:2])
    assert found.positions[2:].tolist() == fused.positions[2:].tolist()


@pytest.mark.parametrize(
    ("scores", "near"),
    [
        ([9, 7, 5, 4.9, 2], [0, 1, 2]),
        ([9, 4.9, 4.8], []),  # the first is alone
        ([9], []),
        ([], []),
        ([1] * 30, list(range(20))),
    ],
)
def test_contenders_are_the_first_hits_near_the_first_one_if_there_are_any(scores, near):
    assert contenders(Ranking(np.arange(len(scores)), np.array(scores, float))) == near


def test_where_the_first_hit_is_alone_nothing_is_read_and_nothing_changes(tmp_path, monkeypatch):
    monkeypatch.setattr("e5demo.retrieval.late.WITHIN", 0.01)
    rerank = reranking(PASSAGES, tmp_path)
    fused = rerank.fusion.search(["vin de table"], 5)
    monkeypatch.setattr(rerank.encoder, "token_vectors", None)  # it would fail
    rerank.prepare(["vin de table"])
    for found in (rerank.search(["vin de table"], 5), rerank.search(["vin de table"], 3)):
        assert found[0].positions.tolist() == fused[0].positions[: len(found[0].positions)].tolist()


def test_filters_hold_and_an_empty_corpus_gives_nothing(rerank):
    allowed = np.array([True, False, False, False, True])
    (found,) = rerank.search(["train"], 5, allowed)
    assert set(found.positions) == {0, 4}
    (none,) = rerank.search(["train"], 5, np.zeros(5, bool))
    assert not len(none.positions)


def test_a_query_without_a_token_leaves_the_fusion_s_order(rerank):
    (fused,) = rerank.fusion.search([" "], 5)
    (found,) = rerank.search([" "], 5)
    assert found.positions.tolist() == fused.positions.tolist()


def test_the_cache_is_bounded_and_keeps_models_apart(monkeypatch):
    monkeypatch.setattr("e5demo.retrieval.late.KEPT_BYTES", 100)
    cache, made = TokenCache(), []

    def make(number):
        made.append(number)
        return np.full(10, number, np.float32)  # 40 bytes

    for number in (1, 2, 1, 3, 1, 2):  # 2 was of no use for longest when 3 came
        assert cache.get(("model", number), lambda n=number: make(n))[0] == number
    assert made == [1, 2, 3, 2]
    assert len(cache.get("large", lambda: np.zeros(1000))) == 1000  # given, and not kept
    assert cache.get(("other", 1), lambda: make(7))[0] == 7
