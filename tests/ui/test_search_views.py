from dataclasses import replace

import pytest

from e5demo.answers import Column, Hit
from e5demo.ui import search_views
from e5demo.ui.search_views import View
from tests.ui.test_html import EVIL, Seen

NAMES = {"bm25": "BM25", "baseline": "E5 de base", "fusion": "Fusion"}


def column(name, ranked, k=3, **fields):
    """A column of passages named by letters, a margin of 0.1 between each two."""
    plain = {"title": "Titre", "passage": "Texte", "date": None, "agency": None, "url": None}
    hits = [
        Hit(rank=i, passage_id=one, score=1 / i, **{"margin": 0.1} | plain | fields)
        for i, one in enumerate(ranked[:k], start=1)
    ]
    return Column(name, 1.25, 0.5, hits, list(ranked))


def view(*columns, gold="", terms=(), k=3, waiting=None):
    found = {one.retriever: one for one in columns}
    waiting = waiting or {}
    names = {name: NAMES[name] for name in NAMES if name in found or name in waiting}
    return View(names, found, waiting, set(gold), frozenset(terms), k)


def page(*columns, language="fr", **options):
    return Seen(search_views.page(language, view(*columns, **options)))


def moved(seen):
    """What stands beside each hit, column by column."""
    return [attributes["class"] for attributes in seen.all("i")]


def test_a_search_that_is_not_exact_says_so():
    exact = column("baseline", "a")
    assert search_views.took("fr", exact) == "encodage 1,2\u00a0ms, recherche 0,5\u00a0ms"
    near = replace(exact, recall_of_flat=0.9951)
    assert search_views.took("fr", near).endswith(
        "· approchée\u00a0: 99,5\u00a0% des 10 premiers exacts"
    )


@pytest.mark.parametrize("field", ["title", "passage", "agency", "date"])
def test_text_of_the_data_is_never_a_tag(field):
    for one in (column("bm25", "a", **{field: EVIL}), column("bm25", "a", **{field: f"un {EVIL}"})):
        seen = page(one, column("baseline", "b"), terms={"titr", "img", "alert"})
        assert seen.all("img") == []
        assert EVIL in seen.words


def test_a_retriever_s_own_name_is_no_tag_either():
    evil = View({"bm25": EVIL, "x": EVIL}, {"bm25": column("bm25", "a")}, {"x": EVIL}, "", set(), 3)
    assert Seen(search_views.page("fr", evil)).all("img") == []


def test_hits_that_moved_are_told_against_the_left_column():
    seen = page(column("bm25", "abcde"), column("baseline", "bxead"), k=3)
    # left: a and c are not in the right's first three; right: b up, x new, e new though fifth left
    assert moved(seen) == ["move gone", "move gone", "move up", "move new", "move new"]
    assert "absent à droite" in seen.words
    assert "▲ 1" in seen.words
    assert "nouveau (rang 5 en 1re colonne)" in seen.words


def test_of_three_columns_the_left_one_says_where_a_hit_is_gone():
    seen = page(column("bm25", "abc"), column("baseline", "abx"), column("fusion", "axc"))
    assert "absent de : Fusion" in seen.words  # b
    assert "absent de : E5 de base" in seen.words  # c
    seen = page(column("bm25", "abc"), column("baseline", "xyz"), column("fusion", "axc"))
    assert "absent ailleurs" in seen.words  # b


@pytest.mark.parametrize(
    ("left", "right", "sentence"),
    [
        (
            "abcdefg",
            "gab",
            "L’article visé passe du rang 7 au rang 1. Résultats en commun : 2 sur 3.",
        ),
        ("gab", "gxy", "L’article visé reste au rang 1. Résultats en commun : 1 sur 3."),
        ("abc", "gab", "L’article visé, perdu à gauche, est au rang 1 à droite."),
        ("gab", "abc", "L’article visé, au rang 1 à gauche, est perdu à droite."),
        ("abc", "abd", "L’article visé n’est trouvé d’aucun côté."),
    ],
)
def test_what_became_of_the_article_sought_is_one_sentence(left, right, sentence):
    assert sentence in page(column("bm25", left), column("baseline", right), gold="g").words


def test_of_more_than_two_columns_each_rank_is_told():
    columns = column("bm25", "gab"), column("baseline", "agb"), column("fusion", "abc")
    words = page(*columns, gold="g").words
    assert "Rang de l’article visé : BM25 1, E5 de base 2, Fusion —." in words
    assert "Résultats communs à toutes les colonnes : 2 sur 3." in words


def test_the_article_sought_is_marked_and_its_rank_told_beyond_k():
    seen = page(column("bm25", "abcdefg"), column("baseline", "gab"), gold="g")
    assert [hit.get("class") for hit in seen.all("li")] == [None] * 3 + ["gold", None, None]
    assert len(seen.all("mark")) == 1
    assert "Article visé : rang 7." in seen.words
    assert "Article visé : au-delà du rang 3." in page(column("bm25", "abc"), gold="g").words
    assert "Article visé" not in page(column("bm25", "abc")).words


def test_the_same_article_is_joined_across_neighbouring_columns():
    seen = page(column("bm25", "abc"), column("baseline", "bax"), column("fusion", "bcx"), gold="b")
    lines = [line["class"] for line in seen.all("line")]
    assert sorted(lines) == ["down", "same", "same", "up"]  # a; b twice; x
    hollow = [dot for dot in seen.all("circle") if dot.get("class") == "hollow"]
    assert len(seen.all("circle")) == 9
    assert len(hollow) == 3  # c left and right, a in the middle
    assert [g["data-passage"] for g in seen.all("g") if g["class"] == "line gold"] == ["b"]
    assert page(column("bm25", "abc")).all("svg") == []


def test_a_margin_is_a_difference_never_a_percentage():
    tiny, none = column("bm25", "ab", margin=0.00042), column("bm25", "ab", margin=0.0)
    assert "0,0004 devant le suivant" in page(tiny).words
    assert "à égalité avec le suivant" in page(none).words
    assert "0.100 ahead of the next" in page(column("bm25", "ab"), language="en").words
    assert "devant" not in page(column("bm25", "ab", margin=None)).words
    assert "%" not in page(column("bm25", "ab")).words


def test_the_query_s_words_are_marked_in_title_and_text():
    seen = page(column("bm25", "a", title="La baleine", passage="Deux baleines"), terms={"balein"})
    assert len(seen.all("em")) == 2


def test_how_long_it_took_and_how_far_two_columns_agree():
    seen = page(column("bm25", "abc"), column("baseline", "abc"))
    assert "encodage 1,2 ms, recherche 0,5 ms" in seen.words
    assert "recouvrement 1,00 · RBO 1,00" in seen.words
    assert "colonne de référence" in seen.words


def test_a_column_that_waits_says_so_and_one_without_hits_too():
    seen = page(column("bm25", ""), waiting={"baseline": "Recherche en cours…"}, gold="g")
    assert "Rien : aucun mot en commun" in seen.words
    assert "Recherche en cours…" in seen.words
    assert seen.all("ol") == []
