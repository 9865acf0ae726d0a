import numpy as np
import pandas as pd

from e5demo import figures
from e5demo.evaluation.projection import NewsMap, Sample
from e5demo.ui.compared import Compared
from e5demo.ui.news_map import draw, groups, told
from tests.ui.test_compare_views import experiment
from tests.ui.test_html import EVIL, Seen


def mapped(agencies, gains, places=None):
    index = pd.Index([f"p{i}" for i in range(len(gains))], name="passage_id")
    table = pd.DataFrame({"title": "Titre", "agency": agencies, "gain": gains}, index)
    queries = pd.DataFrame({"query_id": [], "passage_id": [], "query": []})
    return NewsMap(Sample(table, queries, 1000), ["a"] * len(gains), places or {}, 0.125)


def test_passages_are_grouped_by_what_became_of_their_rank():
    found = groups("fr", mapped(None, [0.5, -0.1, 0.0, None, 0.25]), "change")
    assert {name: mask for name, (_, mask) in found.items()} == {
        "rang gagné": [True, False, False, False, True],
        "rang perdu": [False, True, False, False, False],
        "rang égal": [False, False, True, False, False],
        "non cherché": [False, False, False, True, False],
    }
    assert list(groups("en", mapped(None, [None, None]), "change")) == ["not searched for"]


def test_the_most_frequent_agencies_have_a_style_each_and_the_rest_one():
    many = [name for count, name in enumerate("ABCDEFG", start=2) for _ in range(count)]
    found = groups("fr", mapped([*many, None], [None] * (len(many) + 1)), "agency")
    assert list(found) == ["G", "F", "E", "D", "C", "B", "autres"]
    assert [style for style, _ in found.values()] == figures.GROUPS
    assert sum(found["autres"][1]) == 3  # two of A's, and the one without
    assert list(groups("fr", mapped(None, [None, None]), "cluster")) == ["a"]


def test_an_agency_named_as_the_rest_or_not_at_all_belongs_to_the_rest():
    found = groups("fr", mapped(["autres", "", "AFP", "titre cherché"], [None] * 4), "agency")
    assert {name: mask for name, (_, mask) in found.items()} == {
        "AFP": [False, False, True, False],
        "autres": [True, True, False, True],
    }


def test_a_map_says_how_far_to_trust_it_and_why_one_side_is_missing(tmp_path):
    one, other = experiment(tmp_path, "bm25"), experiment(tmp_path, "baseline")
    names = {one.id: EVIL, other.id: "Base"}
    what = Compared([one, other], [], names, None, ("", one.id, other.id, "ndcg@10", ""))
    seen = Seen(told("fr", mapped(None, [None], {other.id: ()}), what))
    assert "Le plan garde 12 % de la variance" in seen.words
    assert f"{EVIL} n’a pas de vecteurs propres" in seen.words
    assert seen.all("img") == []


def test_a_map_says_how_many_of_how_many_it_draws():
    places = {"x": (np.zeros((2, 2)), np.zeros((0, 2)))}
    found = mapped(None, [None, None], places)
    title = draw("en", found, "change", {"x": "Base"}, stacked=False).layout.title.text
    assert title.startswith("2 of 1,000 articles; stars: 0 headlines")
