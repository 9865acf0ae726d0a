from math import log2

import numpy as np
import pandas as pd
import pytest

from e5demo.data.corpus import Queries, make_corpus, make_queries
from e5demo.data.duplicates import twin_keys
from e5demo.data.pairs import text_id
from e5demo.evaluation.leakage import (
    Check,
    copies_effect,
    effects,
    leaks,
    lenient_effect,
    lenient_qrels,
    outranked,
    passage_groups,
    repeated,
    several,
    verbatim,
    without,
)

LONG = " ".join(f"mot{i}" for i in range(100))
NEARLY = f"{LONG} fin"  # 98 of its 99 shingles are the other's
ROWS = [  # part, title, passage
    ("train", "Le budget", "Un budget de plus."),
    ("train", "La baleine", LONG),
    ("validation", "Un vin", "Un vin rare."),
    ("test", "le BUDGET !", "Tout autre chose."),  # a train title
    ("test", "La neige", NEARLY),  # nearly a train passage
    ("test", "Des vins", "Un vin rare."),  # a passage of validation: no leak
    ("test", "Le train", "Le  TRAIN part."),
    ("test", "Le train", "Un autre train."),
    ("test", "Le départ", "Le  TRAIN part."),
]
QRELS = {"one": {"a": 1}, "two": {"b": 1, "c": 1}, "three": {"e": 1}}
GROUPS = pd.Series({"a": 0, "a2": 0, "b": 2, "c": 2, "d": 4, "e": 5})


def made(rows=ROWS):
    table = pd.DataFrame(rows, columns=["part", "query", "passage"])
    table["query_id"] = table["query"].map(text_id)
    table["passage_id"] = table["passage"].map(text_id)
    pairs = table.assign(row=range(len(table)), date=None, agency=None, url=None)
    corpus = make_corpus(pairs, table["part"], "test")
    return pairs, table["part"], corpus, make_queries(pairs, table["part"], corpus)


def ids_of(*titles):
    return tuple(map(text_id, titles))


def run_of(rankings):
    rows = [(q, p, r) for q, ps in rankings.items() for r, p in enumerate(ps, start=1)]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "rank"])


def test_a_leak_has_an_exact_or_near_twin_in_train():
    pairs, parts, _, queries = made()
    exact, near = leaks(pairs, twin_keys(pairs), parts, queries)
    assert exact == Check("exact_leaks", 5, ids_of("le BUDGET !"))
    assert near == Check("near_leaks", 5, ids_of("La neige"))
    assert near.share == 1 / 5


def test_only_the_queries_asked_are_counted():
    pairs, parts, _, queries = made()
    few = list(queries.texts)[1:3]
    asked = Queries({q: queries.texts[q] for q in few}, {q: queries.qrels[q] for q in few})
    exact, near = leaks(pairs, twin_keys(pairs), parts, asked)
    assert (exact.ids, near) == ((), Check("near_leaks", 2, ids_of("La neige")))
    assert leaks(pairs, twin_keys(pairs), parts, Queries({}, {}))[1].share == 0


def test_copies_apart_by_hand():
    rows = [("test", "Un", "Paris."), ("test", "Deux", "Paris."), ("test", "Trois", "Lyon.")]
    pairs, _, _, queries = made(rows)
    paris, lyon = ids_of("Paris.", "Lyon.")
    rankings = dict(zip(ids_of("Un", "Deux", "Trois"), [[paris, lyon]] * 3, strict=True))
    table = copies_effect(run_of(rankings), queries, pairs, [10])
    # As it is 1, 1 and 1/2; with the copies apart 'Deux' has its own second, 'Trois' third.
    assert table.loc["mrr@10", "strict"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert table.loc["mrr@10", "apart"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert table.loc["mrr@10", "difference"] == pytest.approx(-2 / 9)
    assert table.loc["recall@10"].tolist() == [1, 1, 0]


def test_copies_apart_change_nothing_where_none_is_repeated():
    rows = [("test", "Un", "Paris."), ("test", "Un", "Lyon."), ("test", "Deux", "Nice.")]
    pairs, _, _, queries = made(rows)
    rankings = {query: list(ids_of("Nice.", "Lyon.", "Paris.")) for query in queries.qrels}
    assert copies_effect(run_of(rankings), queries, pairs, [1, 5])["difference"].eq(0).all()


def test_repeated_passages_and_titles_with_several_answers():
    pairs, parts, _, queries = made()
    rows = pairs[(parts == "test").to_numpy()]
    assert repeated(rows, queries).ids == ids_of("Le train", "Le départ")
    assert repeated(pairs, queries).ids == ids_of("Des vins", "Le train", "Le départ")
    assert several(queries) == Check("several", 5, ids_of("Le train"))


@pytest.mark.parametrize(
    ("title", "passage", "found"),
    [
        ("L’été à Sète", "PARIS - l’ÉTÉ\n  à sète commence.", True),
        ("L’été à Sète", "L’ete a Sete commence.", False),  # accents count
        ("L’e\u0301te\u0301 à Sète", "L’été à Sète", True),  # however they are written
        ("L’été à Sète", "L’été, à Sète", False),
    ],
)
def test_verbatim_whatever_the_case_and_spacing(title, passage, found):
    _, _, corpus, queries = made([("test", title, passage)])
    assert verbatim(queries, corpus).ids == (ids_of(title) if found else ())


def test_verbatim_in_any_of_several_answers():
    rows = [("test", "Le vin rare", "Rien."), ("test", "Le vin rare", "Voici le vin rare.")]
    _, _, corpus, queries = made([*rows, ("test", "La neige", "Voici le vin rare.")])
    assert verbatim(queries, corpus) == Check("verbatim", 2, ids_of("Le vin rare"))


def test_effects_by_hand():
    index = pd.Index(["a", "b", "c", "d"], name="query_id")
    bm25 = pd.DataFrame({"mrr@10": [1, 1, 0.5, 0], "recall@1": [1.0, 1, 0, 0]}, index=index)
    base = pd.DataFrame({"mrr@10": [0, 0, 1, 1.0]}, index=index)
    table = effects({"bm25": bm25, "base": base}, ["a", "d", "elsewhere"])
    assert table.index.names == ["experiment", "metric"]
    assert table.loc["bm25", "mrr@10"].tolist() == [0.625, 0.75, 0.125]
    assert table.loc["bm25", "recall@1"].tolist() == [0.5, 0.5, 0]
    assert table.loc["base", "mrr@10"].tolist() == [0.5, 0.5, 0]
    assert table.columns.tolist() == ["all", "without", "difference"]
    assert without(bm25, ("a",)).index.tolist() == ["b", "c", "d"]


def test_effects_of_none_and_of_all():
    scores = pd.DataFrame({"mrr@10": [1, 0.5]}, index=["a", "b"])
    assert effects({"x": scores}, ()).loc["x", "mrr@10"].tolist() == [0.75, 0.75, 0]
    gone = effects({"x": scores}, ("a", "b")).loc["x", "mrr@10"].tolist()
    np.testing.assert_equal(gone, [0.75, np.nan, np.nan])


def test_groups_are_those_of_the_corpus_alone():
    rows = [("train", "Le vin", LONG), ("test", "La neige", NEARLY), ("test", "Le budget", "Un.")]
    pairs, parts, corpus, _ = made([*rows, ("test", "Le port", f"{LONG} autre")])
    groups = passage_groups(pairs, twin_keys(pairs), corpus)
    assert groups.index.tolist() == corpus.ids.tolist()
    near, other, alone = groups[list(ids_of(NEARLY, f"{LONG} autre", "Un."))]
    assert near == other != alone
    assert len(groups) == 3  # the train passage is in none of them
    whole = passage_groups(pairs, twin_keys(pairs), make_corpus(pairs, parts, "all"))
    assert whole[text_id(LONG)] == whole[text_id(NEARLY)]


def test_near_duplicates_of_a_right_passage_are_right():
    assert lenient_qrels(QRELS, GROUPS) == {
        "one": {"a": 1, "a2": 1}, "two": {"b": 1, "c": 1}, "three": {"e": 1},
    }  # fmt: skip
    graded = lenient_qrels({"one": {"a": 2}, "two": {}}, GROUPS)
    assert graded == {"one": {"a": 2, "a2": 1}, "two": {}}
    assert QRELS["one"] == {"a": 1}  # as it was
    with pytest.raises(KeyError):
        lenient_qrels({"one": {"elsewhere": 1}}, GROUPS)


def test_who_is_outranked_by_a_near_duplicate():
    run = run_of({"one": ["a2", "a"], "two": ["c", "b"], "three": ["d", "e"]})
    assert outranked(run, QRELS, GROUPS) == Check("outranked", 3, ("one",))
    below = run_of({"one": ["a", "a2"], "two": ["d"], "three": ["e"]})
    assert outranked(below, QRELS, GROUPS).ids == ()
    unfound = run_of({"one": ["d", "a2"], "two": ["b"], "three": ["e"]})
    assert outranked(unfound, QRELS, GROUPS).ids == ("one",)


def test_both_qrels_by_hand():
    """The near-duplicate is first, the right one third: MRR gains, recall and nDCG count both."""
    run = run_of({"one": ["a2", "d", "a"]})
    table = lenient_effect(run, {"one": {"a": 1}}, GROUPS, (1, 2, 3))
    assert table.index.name == "metric"
    ideal = 1 + 1 / log2(3)
    assert table["strict"].to_dict() == pytest.approx({
        "recall@1": 0, "recall@2": 0, "recall@3": 1, "mrr@1": 0, "mrr@2": 0, "mrr@3": 1 / 3,
        "ndcg@1": 0, "ndcg@2": 0, "ndcg@3": 1 / 2,
    })  # fmt: skip
    assert table["lenient"].to_dict() == pytest.approx({
        "recall@1": 1 / 2, "recall@2": 1 / 2, "recall@3": 1, "mrr@1": 1, "mrr@2": 1, "mrr@3": 1,
        "ndcg@1": 1, "ndcg@2": 1 / ideal, "ndcg@3": (1 + 1 / 2) / ideal,
    })  # fmt: skip
    assert table["difference"].tolist() == pytest.approx(table["lenient"] - table["strict"])


def test_recall_falls_where_the_near_duplicate_is_not_found():
    table = lenient_effect(run_of({"one": ["a", "d"]}), {"one": {"a": 1}}, GROUPS, (2,))
    assert table.loc["recall@2"].tolist() == [1, 1 / 2, -1 / 2]
    assert table.loc["mrr@2"].tolist() == [1, 1, 0]
