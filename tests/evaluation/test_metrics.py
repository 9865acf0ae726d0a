from math import log2

import numpy as np
import pandas as pd
import pytest

from e5demo.evaluation.metrics import average, score_run


def run_of(rankings, score=lambda rank: 1.0 / rank):
    rows = [
        (query, passage, rank, score(rank))
        for query, passages in rankings.items()
        for rank, passage in enumerate(passages, start=1)
    ]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "rank", "score"])


def test_scores_by_hand():
    run = run_of({"one": ["x", "a", "y"], "two": ["b", "x", "c", "y"], "none": ["x", "y"]})
    qrels = {"one": {"a": 1}, "two": {"b": 1, "c": 1}, "none": {"d": 1}}
    scores = score_run(run, qrels, (1, 2, 3))
    assert scores.loc["one"].to_dict() == pytest.approx({
        "recall@1": 0, "recall@2": 1, "recall@3": 1,
        "mrr@1": 0, "mrr@2": 1 / 2, "mrr@3": 1 / 2,
        "ndcg@1": 0, "ndcg@2": 1 / log2(3), "ndcg@3": 1 / log2(3),
    })  # fmt: skip
    ideal = 1 + 1 / log2(3)
    assert scores.loc["two"].to_dict() == pytest.approx({
        "recall@1": 1 / 2, "recall@2": 1 / 2, "recall@3": 1,
        "mrr@1": 1, "mrr@2": 1, "mrr@3": 1,
        "ndcg@1": 1, "ndcg@2": 1 / ideal, "ndcg@3": (1 + 1 / 2) / ideal,
    })  # fmt: skip
    assert (scores.loc["none"] == 0).all()
    means = average(scores)
    assert means["recall@2"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert means["mrr@3"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert type(means["mrr@3"]) is float


def test_a_query_without_hits_counts_as_0():
    scores = score_run(run_of({"one": ["a"]}), {"silent": {"b": 1}, "one": {"a": 1}}, (1,))
    assert scores.index.tolist() == ["silent", "one"]
    assert scores["recall@1"].tolist() == [0, 1]
    assert average(scores) == {"recall@1": 0.5, "mrr@1": 0.5, "ndcg@1": 0.5}
    empty = score_run(run_of({}), {"one": {"a": 1}}, (1, 5))
    assert empty.to_numpy().tolist() == [[0.0] * 6]


def test_a_query_whose_answer_is_not_in_the_corpus_scores_0():
    scores = score_run(run_of({"one": ["a"], "two": ["a"]}), {"one": {"a": 1}, "two": {}}, (1,))
    assert scores["ndcg@1"].tolist() == [1, 0]


@pytest.mark.parametrize("score", [lambda rank: 0.5, lambda rank: float(rank)])
def test_the_rank_decides_and_not_the_score_or_the_id(score):
    """Ascending and descending ids: libraries break ties by one or the other."""
    rankings = {"up": ["a", "b", "c"], "down": ["c", "b", "a"]}
    qrels = {"up": {"b": 1}, "down": {"b": 1}}
    scores = score_run(run_of(rankings, score), qrels, (1, 2))
    for query in ("up", "down"):
        assert scores.loc[query, ["recall@1", "recall@2"]].tolist() == [0, 1]
        assert scores.loc[query, "mrr@2"] == 0.5
        assert scores.loc[query, "ndcg@2"] == pytest.approx(1 / log2(3))


def test_the_order_of_the_run_s_rows_does_not_matter():
    run = run_of({"one": ["x", "a"], "two": ["b", "y"]})
    qrels = {"one": {"a": 1}, "two": {"b": 1}}
    shuffled = run.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(score_run(run, qrels), score_run(shuffled, qrels))


def test_equals_the_notebook_s_formulas_for_one_right_passage():
    draw = np.random.default_rng(0)
    cutoffs = (1, 3, 5, 10, 100)
    passages = np.array([f"p{i:03}" for i in range(150)])
    rankings, ranks = {}, []
    for i in range(300):
        order = draw.permutation(passages)[:100]
        rankings[f"q{i}"] = order.tolist()
        found = np.flatnonzero(order == "p042")
        ranks.append(int(found[0]) + 1 if len(found) else np.inf)
    assert 50 < np.isinf(ranks).sum() < 150  # a third of the queries miss it
    scores = score_run(run_of(rankings), {query: {"p042": 1} for query in rankings}, cutoffs)
    ranks = np.array(ranks)
    for k in cutoffs:
        within = ranks <= k
        expected = {
            f"recall@{k}": within.astype(float),
            f"mrr@{k}": np.where(within, 1 / ranks, 0),
            f"ndcg@{k}": np.where(within, 1 / np.log2(ranks + 1), 0),
        }
        for name, values in expected.items():
            np.testing.assert_allclose(scores[name], values, atol=1e-9, err_msg=name)


@pytest.fixture(scope="module")
def random_runs():
    """A run of 100 ranks over 150 passages for 200 queries with one to four right ones."""
    draw = np.random.default_rng(1)
    passages = np.array([f"p{i:03}" for i in range(150)])
    rankings = {f"q{i}": draw.permutation(passages)[:100].tolist() for i in range(200)}
    qrels = {
        query: dict.fromkeys(draw.choice(passages, 1 + i % 4, replace=False).tolist(), 1)
        for i, query in enumerate(rankings)
    }
    return rankings, qrels


def test_equals_ranx(random_runs):
    from ranx import Qrels, Run, evaluate

    rankings, qrels = random_runs
    cutoffs = (1, 3, 10, 100)
    scores = score_run(run_of(rankings), qrels, cutoffs)
    run = Run({q: {p: float(100 - i) for i, p in enumerate(ids)} for q, ids in rankings.items()})
    names = [f"{name}@{k}" for name in ("recall", "mrr", "ndcg") for k in cutoffs]
    theirs = Qrels(qrels)
    evaluate(theirs, run, names, return_mean=False)
    for name in names:
        expected = pd.Series(dict(run.scores[name]))
        np.testing.assert_allclose(scores[name], expected[scores.index], atol=1e-9, err_msg=name)


def test_equals_sentence_transformers_evaluator(random_runs):
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    rankings, qrels = random_runs
    cutoffs = [1, 3, 10, 100]
    evaluator = InformationRetrievalEvaluator(
        dict.fromkeys(rankings, "text"),
        {passage: "text" for ids in rankings.values() for passage in ids},
        {query: set(answers) for query, answers in qrels.items()},
        mrr_at_k=cutoffs, ndcg_at_k=cutoffs, accuracy_at_k=[1], precision_recall_at_k=cutoffs,
        map_at_k=[1],
    )  # fmt: skip
    found = evaluator.compute_metrics(
        [[{"corpus_id": p, "score": 100 - i} for i, p in enumerate(rankings[query])]
         for query in evaluator.queries_ids]
    )  # fmt: skip
    means = score_run(run_of(rankings), qrels, cutoffs).mean()
    for k in cutoffs:
        assert means[f"recall@{k}"] == pytest.approx(found["recall@k"][k], abs=1e-9)
        assert means[f"mrr@{k}"] == pytest.approx(found["mrr@k"][k], abs=1e-9)
        assert means[f"ndcg@{k}"] == pytest.approx(found["ndcg@k"][k], abs=1e-9)
