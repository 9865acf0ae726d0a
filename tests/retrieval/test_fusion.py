from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeEncoder, corpus_of

from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.dense import DenseRetriever
from e5demo.retrieval.fusion import FusionRetriever, fuse
from e5demo.retrieval.lexical import BM25Retriever
from e5demo.retrieval.search import Ranking, top


def ranking(*positions):
    return Ranking(np.array(positions, np.int64), np.linspace(1, 0, len(positions)))


def test_scores_are_sums_of_reciprocal_ranks():
    fused = fuse([ranking(7, 3, 5), ranking(3, 9)], k=10)
    assert fused.positions.tolist() == [3, 7, 9, 5]
    assert fused.scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 63])


def test_two_middling_ranks_beat_one_first_place():
    fused = fuse([ranking(1, 2, 3), ranking(4, 2, 5)], k=1)
    assert fused.positions.tolist() == [2]  # 2/62 > 1/61


def test_equal_sums_stand_in_the_order_of_ids():
    assert fuse([ranking(8, 2), ranking(2, 8)], k=2).positions.tolist() == [2, 8]
    assert fuse([ranking(8), ranking(2), ranking(5)], k=2).positions.tolist() == [2, 5]


def test_a_member_without_hits_leaves_the_other_s_order():
    assert fuse([ranking(), ranking(4, 1)], k=5).positions.tolist() == [4, 1]
    assert len(fuse([ranking(), ranking()], k=5).positions) == 0


def test_members_are_asked_beyond_k(tmp_path):
    """Passage 2 is BM25's second and dense's second: third of none, first of both together."""
    passages = ["vin vin vin vin", "neige", "neige vin vin", "train"]
    corpus = corpus_of(passages)
    lexical = BM25Retriever(corpus)
    dense = DenseRetriever(corpus, FakeEncoder(), EmbeddingCache(tmp_path))
    dense.prepare(["vin"])
    query = ["vin"]
    assert lexical.search(query, 4)[0].positions.tolist() == [0, 2]
    assert dense.search(query, 4)[0].positions.tolist() == [0, 2, 1, 3]
    (fused,) = FusionRetriever([lexical, dense]).search(query, 3)
    assert fused.positions.tolist() == [0, 2, 1]
    assert fused.scores.tolist() == pytest.approx([2 / 61, 2 / 62, 1 / 63])


def test_top_keeps_the_best_and_breaks_ties_by_position():
    scores = np.array([0.5, 0.9, 0.5, 0.9, 0.1])
    assert top(scores, 3).positions.tolist() == [1, 3, 0]
    assert top(scores, 3).scores.tolist() == [0.9, 0.9, 0.5]
    assert top(scores, 9).positions.tolist() == [1, 3, 0, 2, 4]
    assert top(scores, 3, np.array([9, 8, 7, 6, 5])).positions.tolist() == [6, 8, 7]


def test_a_fusion_is_as_exact_as_its_least_exact_member(tmp_path):
    cache = EmbeddingCache(tmp_path / "cache")
    corpus = corpus_of(["la neige", "le vin"])
    dense = DenseRetriever(corpus, FakeEncoder(), cache)
    assert FusionRetriever([BM25Retriever(corpus), dense]).recall_of_flat == 1
    dense.index = replace(dense.index, recall_of_flat=0.995)
    assert FusionRetriever([BM25Retriever(corpus), dense]).recall_of_flat == 0.995
