import csv
from dataclasses import replace

import pytest
from dispatches import COLUMNS, SPLIT
from fakes import FakeEngine

from e5demo.backend import Backend, timed
from e5demo.backend.library import Choices
from e5demo.config import PROMPTS, SAMPLE, EvaluationSettings, SplitSettings
from e5demo.data.browsing import Scope
from e5demo.errors import (
    EmptyQuery,
    TooDeep,
    UnknownRetriever,
)
from e5demo.evaluation.votes import Side, Vote
from e5demo.workspace import Workspace


def test_a_hit_has_its_article_s_fields_and_none_for_blank_ones(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    column = backend.search(corpus, "  zyx99 zyx07 zyx07 ", "bm25", k=2)
    first, second = column.hits
    assert (column.retriever, column.milliseconds > 0) == ("bm25", True)
    assert (first.rank, first.title, first.passage) == (
        1, "Une dépêche numéro zyx07", "Corps alpha7 beta7 zyx07 gamma7",
    )  # fmt: skip
    assert (first.date, first.agency, first.url) == ("2014-02-05", "AFP", "u/7")
    assert first.passage_id == dataset.pairs["passage_id"][7]
    assert (second.rank, second.date, second.agency, second.url) == (2, None, None, None)
    assert first.score > second.score > 0


def test_dense_search_ranks_by_the_encoder(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    column = backend.search(corpus, "De la neige", "baseline", k=3)
    assert column.hits[0].passage == "Il neige sur la baleine zyx99"
    assert [hit.rank for hit in column.hits] == [1, 2, 3]
    assert column.hits[0].score == pytest.approx(0.5**0.5)  # one word of the passage's two
    others = [hit.passage_id for hit in column.hits[1:]]
    assert others == sorted(others)
    assert backend.engine.fake.loaded


def test_search_refuses_what_it_cannot_do(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    with pytest.raises(EmptyQuery):
        backend.search(corpus, " \n", "bm25")
    with pytest.raises(UnknownRetriever):
        backend.search(corpus, "neige", "tfidf")
    assert backend.search(corpus, "introuvable", "bm25").hits == []


def test_votes_are_the_workspace_s_own(backend, tmp_path):
    side = Side("bm25", ("p1",), "Un article")
    vote = Vote("neige", side, replace(side, retriever="baseline"), "tie", "d", "all", 512, 10, 1.0)
    backend.votes.add(vote)
    assert backend.votes.votes() == [vote]
    assert backend.votes.path == tmp_path / "mine" / "votes.jsonl"
    assert Backend(Workspace(tmp_path / "other"), backend.engine).votes.votes() == []


def test_gold_is_every_article_of_a_title(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    ids = dataset.pairs["passage_id"]
    assert backend.gold(dataset, corpus, " Une dépêche numéro zyx05 ") == {ids[5], ids[40]}
    assert backend.gold(dataset, corpus, "La neige, autre titre") == {ids[6]}
    assert backend.gold(dataset, corpus, "Aucun titre") == set()


def test_evaluation_by_hand(backend, dataset):
    """BM25 finds each title's one article by its one word, and knows no other title."""
    done = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(cutoffs=(2,)))
    test = dataset.pairs[(backend.split(dataset, SPLIT).parts == "test").to_numpy()]
    assert (done.queries, done.passages) == (
        test["query_id"].nunique(), test["passage_id"].nunique(),
    )  # fmt: skip
    lost = test["query"].isin(["La neige, autre titre", "Un titre sans rien"]).sum()
    expected = (done.queries - lost) / done.queries
    assert done.metrics == pytest.approx(
        {"recall@2": expected, "mrr@2": expected, "ndcg@2": expected}
    )
    assert done.scores.index.tolist() == test["query_id"].drop_duplicates().tolist()
    measured = done.measured
    assert (measured.model, measured.weights, measured.prompts) == (None, None, None)
    assert backend.engine.fake.calls == []


def test_a_repeated_title_has_two_right_articles(backend, dataset):
    settings = EvaluationSettings(corpus="all", cutoffs=(1, 2))
    for seed in range(50):
        split = SplitSettings(seed=seed)
        parts = backend.split(dataset, split).parts
        if parts[5] == "test":
            break
    scores = backend.evaluate(dataset, "bm25", split, settings).scores
    assert scores.loc[dataset.pairs["query_id"][5], ["recall@1", "recall@2"]].tolist() == [0.5, 1]


def test_an_ablation_is_an_experiment_of_its_own_on_the_same_ground(backend, dataset):
    plain = backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings())
    ways = ({"prompts": "none"}, {"prompts": "swapped"}, {"precision": "int8"}, {"max_length": 64})
    for way in ways:
        found = backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(**way))
        assert found.id != plain.id
        assert found.measured.ground == plain.measured.ground
        assert found.measured.ablated == ("max_length" not in way)
    assert plain.query_milliseconds > 0
    assert not plain.measured.ablated
    assert len(backend.experiments()) == 5
    comparison = backend.compare(backend.experiments())
    assert len(comparison.differences) == 10 * 9


def test_ranks_are_those_of_what_is_searched_now(backend, dataset):
    choices = Choices(dataset.id, SPLIT)
    assert backend.measured_ranks(dataset, choices, "test", ["bm25", "baseline"]).empty
    backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(limit_queries=2))
    backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings())
    backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(precision="int8"))
    backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(max_length=64))
    backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(corpus="all"))
    ranks = backend.measured_ranks(dataset, choices, "test", ["bm25", "baseline"])
    assert list(ranks) == ["query", "bm25"]  # the other was measured in other ways alone
    assert len(ranks) == len(backend.split_rows(dataset, SPLIT, "test")["query_id"].unique())
    assert ranks["bm25"].min() == 1
    backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings())
    ranks = backend.measured_ranks(dataset, choices, "test", ["baseline", "bm25"])
    assert list(ranks) == ["query", "baseline", "bm25"]


def test_fusion_is_not_asked_for_more_than_it_ranks(backend, dataset):
    with pytest.raises(TooDeep, match="up to 100"):
        backend.evaluate(dataset, "fusion", SPLIT, EvaluationSettings(cutoffs=(10, 200)))
    found = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(cutoffs=(10, 200)))
    assert "recall@200" in found.metrics


def test_a_repeated_article_passes_a_filter_by_any_of_its_pairs(backend, tmp_path):
    rows = [["Un titre de l'AFP", "La même neige tombe partout", "", "AFP", ""],
            ["Un titre de Reuters", "La même neige tombe partout", "", "Reuters", ""]]  # fmt: skip
    path = tmp_path / "deux.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    corpus = backend.corpus(backend.import_csv(path), SPLIT, "all")
    for agency, count in (("AFP", 1), ("Reuters", 1), ("Autre", 0)):
        column = backend.search(corpus, "neige", "bm25", scope=Scope((agency,)))
        assert len(column.hits) == count


def test_the_article_sought_may_be_outside_the_filters(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    title = "Une dépêche numéro zyx07"
    assert len(backend.gold(dataset, corpus, title)) == 1
    assert backend.gold(dataset, corpus, title, Scope(("Autre",))) == set()


def test_all_queries_are_searched_as_each_is(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    queries = ["De la neige", "zyx07", "introuvable"]
    for name in ("bm25", "baseline", "fusion", "rerank"):
        table = backend.search_all(corpus, queries, name, k=3)
        for query in queries:
            single = backend.search(corpus, query, name, k=3)
            rows = table[table["query"] == query]["passage_id"].dropna()
            assert rows.tolist() == single.ranked[:3]


def test_evaluated_twice_is_one_experiment_with_cached_passages(backend, dataset):
    settings = EvaluationSettings()
    first = backend.evaluate(dataset, "fusion", SPLIT, settings)
    calls = len(backend.engine.fake.calls)
    assert first.cached_passages == 0
    again = Backend(backend.workspace, FakeEngine(backend.engine.cache.folder))
    second = again.evaluate(dataset, "fusion", SPLIT, settings)
    assert calls > 0
    timed = [len(texts) for role, texts in again.engine.fake.calls if role == "query"]
    assert timed == [1] * len(again.engine.fake.calls)  # one by one, to see what one takes
    assert (second.id, second.cached_passages) == (first.id, first.passages)
    assert second.metrics == first.metrics
    assert [one.id for one in again.experiments()] == [first.id]
    assert first.measured.prompts == PROMPTS
    assert (first.measured.model, first.measured.model_fingerprint) == ("fake", "fake-1")
    assert first.timings.keys() == {"encode_passages", "index", "encode_queries", "search"}


def test_a_sample_of_the_queries_leaves_the_corpus_as_it_is(backend, dataset):
    whole = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings())
    few = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(limit_queries=2))
    same = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(limit_queries=2))
    other = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(limit_queries=2, seed=1))
    assert (few.queries, few.passages) == (2, whole.passages)
    assert few.measured.corpus == whole.measured.corpus
    assert few.measured.ground != whole.measured.ground
    assert set(few.scores.index) < set(whole.scores.index)
    assert few.id == same.id
    assert few.id not in (whole.id, other.id)


def test_all_articles_are_searched_without_a_split(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    assert len(corpus) == dataset.pairs["passage_id"].nunique() == 42
    assert backend.corpus(dataset, SplitSettings(seed=1), "all") is corpus
    assert not dataset.has_twins
    assert backend.encode(corpus, 512) == (42, 0)
    assert backend.encode(corpus, 512) == (42, 42)


def test_time_is_noted_for_a_block_that_ends():
    timings = {}
    with timed(timings, "nothing"):
        pass
    assert 0 <= timings["nothing"] < 1


def test_the_sample_can_be_used(backend):
    assert SAMPLE.is_file()
    done = backend.evaluate(backend.sample(), "bm25", SPLIT, EvaluationSettings())
    assert done.metrics["recall@10"] > 0.5
