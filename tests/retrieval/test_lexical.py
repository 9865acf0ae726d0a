import math

import numpy as np
import pytest
from fakes import corpus_of

from e5demo.retrieval.lexical import BM25Retriever, tokenise


def positions(passages, query, k=10):
    (ranking,) = BM25Retriever(corpus_of(passages)).search([query], k)
    assert len(ranking.scores) == len(ranking.positions)
    return ranking.positions.tolist()


def test_terms_are_stems_in_lower_case_without_stop_words_or_accents():
    text = "Les élections présidentielles, et l'ÉTÉ à Sète"  # 'été' is also 'been'
    assert tokenise([text], ids=False) == [["elect", "presidentiel", "ete", "set"]]


def test_only_passages_that_share_a_term_are_hits():
    passages = ["le train de nuit", "une baleine grise", "la baleine et le train"]
    assert positions(passages, "des baleines") == [1, 2]
    assert positions(passages, "des baleines", k=1) == [1]


def test_scores_by_hand():
    # Two words a passage, so the length factor is 1: idf x tf / (tf + 1), Lucene's with k1 1. So
    # short a text is all lead, and each word counts twice.
    passages = ["neige neige", "neige vin", "train budget"]
    (ranking,) = BM25Retriever(corpus_of(passages)).search(["neige"], 3)
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    np.testing.assert_allclose(ranking.scores, [idf * 4 / 5, idf * 2 / 3], rtol=1e-6)
    assert ranking.positions.tolist() == [0, 1]


def test_words_of_the_lead_count_twice():
    filler = [f"mot{i}" for i in range(39)]
    early, late = " ".join(["neige", *filler, "vin"]), " ".join(["vin", *filler, "neige"])
    (ranking,) = BM25Retriever(corpus_of([early, late])).search(["neige"], 2)
    # Equal lengths and a term in both: idf x tf / (tf + 1), tf 2 where it is among the first 40.
    idf = math.log(1 + 0.5 / 2.5)
    np.testing.assert_allclose(ranking.scores, [idf * 2 / 3, idf * 1 / 2], rtol=1e-6)
    assert ranking.positions.tolist() == [0, 1]


@pytest.mark.parametrize("query", ["élection", "election", "ÉLECTIONS", "e\u0301lection"])
def test_accents_and_case_do_not_matter(query):
    assert positions(["Une élection partielle", "Un budget"], query) == [0]
    assert positions(["Une election partielle", "Un budget"], query) == [0]


@pytest.mark.parametrize("query", ["cœur", "coeur", "CŒUR"])
def test_ligatures_do_not_matter(query):
    assert positions(["un cœur", "un coeur", "un train"], query) == [0, 1]


@pytest.mark.parametrize("query", ["", "   ", "le la les", "?!", "zyzzyva", "a"])
def test_a_query_without_a_known_term_has_no_hits(query):
    assert positions(["le train de nuit", "une baleine"], query) == []


def test_unknown_words_beside_known_ones_change_nothing():
    passages = ["le train de nuit", "une baleine"]
    assert positions(passages, "zyzzyva train") == positions(passages, "train") == [0]


def test_equal_scores_stand_in_the_order_of_ids():
    passages = ["vin blanc", "neige dure", "vin rouge", "neige molle", "neige sale"]
    assert positions(passages, "neige") == [1, 3, 4]
    assert positions(passages, "neige", k=2) == [1, 3]
    assert positions([f"neige {i:02}" for i in range(50)], "neige", k=5) == [0, 1, 2, 3, 4]


def test_a_corpus_without_any_term_has_no_hits():
    assert positions(["le la les un une des", "a b c d e f"], "train") == []


def test_a_passage_without_a_term_is_never_a_hit():
    assert positions(["le la les", "le train"], "train") == [1]
    assert positions(["le la les", "le train"], "le") == []
