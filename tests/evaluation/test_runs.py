import numpy as np
from fakes import corpus_of

from e5demo.evaluation.runs import DEPTH, make_run, trec_scores
from e5demo.retrieval.search import Ranking


def ranking(positions, scores):
    return Ranking(np.array(positions, np.int64), np.array(scores, np.float32))


def test_a_row_per_hit_in_the_order_of_the_ranking():
    corpus = corpus_of(["un", "deux", "trois"])
    run = make_run(["q1", "q2"], [ranking([2, 0], [0.9, 0.5]), ranking([1], [0.7])], corpus)
    assert run["query_id"].tolist() == ["q1", "q1", "q2"]
    assert run["passage_id"].tolist() == ["p002", "p000", "p001"]
    assert run["rank"].tolist() == [1, 2, 1]
    np.testing.assert_allclose(run["score"], [0.9, 0.5, 0.7], rtol=1e-6)


def test_a_query_without_hits_has_no_row_and_changes_no_other_s_type():
    corpus = corpus_of(["un", "deux"])
    run = make_run(["q1", "q2"], [ranking([], []), ranking([1, 0], [1, 1])], corpus)
    assert run["query_id"].tolist() == ["q2", "q2"]
    assert run["rank"].dtype == np.int64
    assert make_run(["q1"], [ranking([], [])], corpus).empty


def test_trec_scores_are_whole_and_strictly_decrease_whatever_the_retriever_s():
    size = DEPTH + 50
    corpus = corpus_of([f"passage {i}" for i in range(size)])
    run = make_run(["q"], [ranking(range(size), [0.5] * size)], corpus)
    scores = list(trec_scores(run)["q"].values())
    assert list(trec_scores(run)["q"]) == list(corpus.ids)
    assert scores[:2] == [100.0, 99.0]
    assert (np.diff(scores) == -1).all()
