import re
from dataclasses import replace

import pytest
from fakes import FakeEngine

from e5demo.backends import Backends
from e5demo.config import SplitSettings
from e5demo.evaluation.votes import Side, Vote
from e5demo.ui.asked import read
from e5demo.ui.votes import ballot_page, votes_on


@pytest.fixture
def backend(tmp_path):
    return Backends(FakeEngine(tmp_path)).of(None)


def ballot(**changes):
    left, right = Side("bm25", ("a",), "Un"), Side("lora-1", ("b",), "Deux", "f" * 8)
    told = {"query": "q", "left": left, "right": right, "choice": "tie", "dataset": "d"}
    told |= {"corpus": "all", "max_length": 512, "k": 3, "at": 0.0, "agencies": ("AFP",)}
    return Vote(**told | changes)


def test_nothing_on_a_ballot_tells_whose_answers_stand_where(backend):
    corpus = backend.corpus(backend.sample(), backend.choices().split, "all")
    query = "Une baleine égarée dans le port"
    columns = [backend.search(corpus, query, name, k=5) for name in ("bm25", "baseline")]
    page = ballot_page("fr", query, columns)
    assert page.count("<li>") == 10
    assert not re.search("bm25|baseline|BM25|E5|kind-|<em|<mark|ms\\b", page)
    swapped = ballot_page("fr", query, columns[::-1])
    sections = re.findall("<ol>.*?</ol>", page)
    assert re.findall("<ol>.*?</ol>", swapped) == sections[::-1]


def test_a_vote_is_for_what_was_shown_and_counts_once(backend):
    first = backend.keep_ballot(ballot())
    second = backend.keep_ballot(ballot(query="r"))
    assert backend.cast(second, "left")
    assert backend.cast(first, "bad")
    assert not backend.cast(first, "left")
    assert not backend.cast("", "left")
    votes = backend.votes.votes()
    assert [(vote.query, vote.choice, vote.agencies) for vote in votes] == [
        ("r", "left", ("AFP",)),
        ("q", "bad", ("AFP",)),
    ]
    assert votes[0].at > 0
    assert votes[0].right.model == "f" * 8


def test_votes_on_other_splits_and_weights_are_about_other_answers(backend):
    choices, sample = backend.choices(), backend.sample()
    weights = backend.model_of("baseline")
    told = {"dataset": sample.id, "corpus": "test", "max_length": choices.max_length}
    right = Side("baseline", ("b",), "Deux", weights)
    told |= {"split": f"{choices.split.mode} {choices.split.seed}", "right": right, "agencies": ()}
    other = replace(right, model="other")
    elsewhere = [{"split": "grouped 43"}, {"split": "grouped 42 0.3 0.15"}, {"corpus": "all"}]
    for changes in ({}, *elsewhere, {"right": other}, {"agencies": ("AFP",)}, {"until": "2020"}):
        backend.cast(backend.keep_ballot(ballot(**told | changes)), "left")
    assert len(votes_on(backend, read(["bm25", "baseline"], "test", 10, [], "", ""))) == 1
    backend.choose(replace(choices, split=SplitSettings(test_share=0.3)))
    (found,) = votes_on(backend, read(["bm25", "baseline"], "test", 10, [], "", ""))
    assert found.split == "grouped 42 0.3 0.15"


def test_no_model_is_looked_for_before_there_is_a_vote(backend, monkeypatch):
    monkeypatch.setattr(backend.engine, "find_model", lambda: pytest.fail("looked for a model"))
    assert votes_on(backend, read(["bm25", "baseline"], "all", 10, [], "", "")) == []


def test_a_vote_that_could_not_be_written_can_be_cast_again(backend, monkeypatch):
    kept = backend.keep_ballot(ballot())

    def fail(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("e5demo.evaluation.votes.VoteBook.add", fail)
        with pytest.raises(OSError, match="disk full"):
            backend.cast(kept, "left")
    assert backend.cast(kept, "left")
    assert len(backend.votes.votes()) == 1
