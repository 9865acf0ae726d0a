from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeEncoder, corpus_of

from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.dense import DenseRetriever
from e5demo.retrieval.fusion import FusionRetriever, fuse
from e5demo.retrieval.lexical import BM25Retriever
from e5demo.retrieval.search import Ranking, top


def ranking(**scores):
    """ranking(p3=2.0, p1=1.0): passage 3 first."""
    positions = [int(name[1:]) for name in scores]
    return Ranking(np.array(positions, np.int64), np.array(list(scores.values())))


def test_scores_are_weighted_sums_of_standardised_scores():
    """Of passages 1, 2, 3 the first ranking has 4, 2, 0: mean 2, deviation sqrt(8/3). The second
    ended early, so that 3 has 0 there: 9, 3, 0 turned round, mean 4, deviation sqrt(14)."""
    left, right = ranking(p1=4.0, p2=2.0, p3=0.0), ranking(p2=9.0, p1=3.0)
    fused = fuse([left, right], [0.5, 2.0], k=10)
    first, second = np.sqrt(8 / 3), np.sqrt(14)
    by_hand = {
        2: 0.5 * 0 / first + 2 * 5 / second,
        1: 0.5 * 2 / first + 2 * -1 / second,
        3: 0.5 * -2 / first + 2 * -4 / second,
    }
    assert fused.positions.tolist() == [2, 1, 3]
    assert fused.scores.tolist() == pytest.approx([by_hand[i] for i in (2, 1, 3)])


def test_who_is_not_in_a_whole_ranking_has_its_last_score_there(monkeypatch):
    monkeypatch.setattr("e5demo.retrieval.fusion.DEPTH", 2)
    fused = fuse([ranking(p1=3.0, p2=2.0), ranking(p5=9.0)], [1.0, 0.0], k=10)
    assert fused.positions.tolist() == [1, 2, 5]  # 3, 2, 2, and not 3, 2, 0
    assert fused.scores.tolist() == pytest.approx([np.sqrt(2), -np.sqrt(0.5), -np.sqrt(0.5)])


def test_a_clear_lead_counts_for_more_than_a_narrow_one():
    """By ranks alone both would be equal."""
    clear, narrow = ranking(p1=9.0, p2=1.0, p3=0.9), ranking(p2=5.1, p1=5.0, p3=1.0)
    assert fuse([clear, narrow], [1.0, 1.0], k=1).positions.tolist() == [1]


def test_equal_sums_stand_in_the_order_of_ids():
    twins = [ranking(p8=1.0, p2=1.0), ranking(p2=1.0, p8=1.0)]
    assert fuse(twins, [0.6, 1.0], k=2).positions.tolist() == [2, 8]


def test_a_member_without_hits_leaves_the_other_s_order():
    assert fuse([ranking(), ranking(p4=0.9, p1=0.8)], [0.6, 1], k=5).positions.tolist() == [4, 1]
    assert len(fuse([ranking(), ranking()], [0.6, 1.0], k=5).positions) == 0


def test_members_are_asked_beyond_k(tmp_path):
    """Passage 2 is BM25's second and dense's second."""
    passages = ["vin vin vin vin", "neige", "neige vin vin", "train"]
    corpus = corpus_of(passages)
    lexical = BM25Retriever(corpus)
    dense = DenseRetriever(corpus, FakeEncoder(), EmbeddingCache(tmp_path))
    dense.prepare(["vin"])
    query = ["vin"]
    assert lexical.search(query, 4)[0].positions.tolist() == [0, 2]
    assert dense.search(query, 4)[0].positions.tolist() == [0, 2, 1, 3]
    (fused,) = FusionRetriever(lexical, dense).search(query, 3)
    assert fused.positions.tolist() == [0, 2, 1]
    (one,) = FusionRetriever(lexical, dense).search(query, 1)
    assert one.scores[0] == fused.scores[0]  # the same, however many are asked for


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
    assert FusionRetriever(BM25Retriever(corpus), dense).recall_of_flat == 1
    dense.index = replace(dense.index, recall_of_flat=0.995)
    assert FusionRetriever(BM25Retriever(corpus), dense).recall_of_flat == 0.995
