from math import log, sqrt

import numpy as np
import pandas as pd
import pytest

from e5demo.data.corpus import Queries, make_corpus, make_queries
from e5demo.data.pairs import text_id
from e5demo.evaluation.slices import (
    compare_slices,
    nearest,
    overlaps,
    query_features,
    thirds,
    words,
)

ROWS = [  # part, title, passage, date, agency
    ("train", "La baleine grise", "Une baleine.", "2019-01-01", "AFP"),
    ("train", "Le budget voté", "Un budget.", "2019-01-02", "AFP"),
    ("test", "La baleine grise du port", "La baleine dort.", "2020-05-06", "AFP"),
    ("test", "Neige : le train", "Les trains sous la neige.", "2021-01-02", "Reuters"),
    ("test", "Neige : le train", "Un autre sujet.", "2022-01-02", "AFP"),
    ("test", "Un vin nouveau et rare", "Rien de tel ici.", None, None),
]


def made(rows=ROWS):
    table = pd.DataFrame(rows, columns=["part", "query", "passage", "date", "agency"])
    table["query_id"] = table["query"].map(text_id)
    table["passage_id"] = table["passage"].map(text_id)
    pairs = table.assign(row=range(1, len(table) + 1), url=None).drop(columns="part")
    queries = make_queries(pairs, table["part"], make_corpus(pairs, table["part"], "test"))
    return pairs, table["part"], queries


def scores(values, start=0):
    return pd.Series(values, index=[f"q{i:03}" for i in range(start, start + len(values))])


def test_features_by_hand():
    features = query_features(*made())
    whale, snow, wine = (text_id(ROWS[row][1]) for row in (2, 3, 5))
    assert features.index.tolist() == [whale, snow, wine]
    # Terms balein, gris, port: one of three is in the passage. neig, train: both, in the better of
    # two passages. vin, nouveau, rare: none. Only the first shares terms with a train title.
    assert features.loc[whale].to_dict() == {
        "agency": "AFP", "year": "2020", "title_length": "0-6", "overlap": "under_half",
        "seen": "near",
    }  # fmt: skip
    assert features.loc[snow, ["agency", "year", "overlap"]].tolist() == ["Reuters", "2021", "all"]
    wanted = ["missing", "missing", "none"]
    assert features.loc[wine, ["agency", "year", "overlap"]].tolist() == wanted
    assert features.loc[[snow, wine], "seen"].nunique() == 1  # equally far from all


def test_features_of_some_of_the_queries():
    pairs, parts, queries = made()
    some = text_id(ROWS[3][1])
    few = Queries({some: queries.texts[some]}, {some: queries.qrels[some]})
    assert query_features(pairs, parts, few).index.tolist() == [some]


def test_a_query_of_another_split_has_no_features():
    pairs, parts, _ = made()
    trained = make_queries(pairs, parts, make_corpus(pairs, parts, "all"), split="train")
    with pytest.raises(KeyError):
        query_features(pairs, parts, trained)


def test_the_eight_agencies_with_most_queries_are_kept():
    counts = dict(zip("abcdefghij", (3, 3, 3, 3, 3, 3, 3, 1, 2, 1), strict=True))
    names = [name for name, times in counts.items() for _ in range(times)]
    rows = [("test", f"Titre {i} du jour", f"Texte {i}", None, a) for i, a in enumerate(names)]
    rows += [("test", "Titre sans agence", "Texte", None, ""), *ROWS[:1]]
    labels = query_features(*made(rows))["agency"].value_counts().to_dict()
    assert labels == {**dict.fromkeys("abcdefg", 3), "i": 2, "other": 2, "missing": 1}


def test_data_without_agencies_and_dates():
    features = query_features(*made([(*row[:3], None, None) for row in ROWS]))
    assert set(features["agency"]) == set(features["year"]) == {"missing"}


@pytest.mark.parametrize(
    ("title", "count"), [("Neige : le train", 3), ("L’été, « enfin » !", 2), ("--- …", 0), ("", 0)]
)
def test_punctuation_is_no_word(title, count):
    assert words(title) == count


@pytest.mark.parametrize(
    ("count", "label"), [(6, "0-6"), (7, "7-10"), (10, "7-10"), (11, "11-14"), (15, "15+")]
)
def test_lengths_begin_where_their_labels_say(count, label):
    rows = [("test", "mot " * count, "Un texte.", None, None), *ROWS[:1]]
    assert query_features(*made(rows))["title_length"].tolist() == [label]


def test_overlap_by_hand():
    titles = ["Le vin et la neige", "vin vin neige train", "le la les", "vin", "neige"]
    answers = [["du vin"], ["la neige", "un train, du vin"], ["le vin"], ["des vins", "x"], []]
    assert overlaps(titles, answers).tolist() == [1 / 2, 2 / 3, 0, 1, 0]
    assert overlaps([], []).tolist() == []


def test_the_nearest_title_by_hand():
    # Of 4 titles 'vin' is in three and the others in one each: idf 1 + ln(5/4) and 1 + ln(5/2).
    common, rare = 1 + log(5 / 4), 1 + log(5 / 2)
    mixed = sqrt(common**2 + rare**2)
    found = nearest(["vin neige", "train"], ["vin budget", "vin"])
    assert found.tolist() == pytest.approx([common / mixed, 0])


def test_words_unknown_in_training_make_a_title_less_near():
    assert nearest(["vin"], ["vin", "train"]).tolist() == pytest.approx([1])
    assert 0 < nearest(["vin baleine budget neige"], ["vin", "train"])[0] < 0.5


@pytest.mark.parametrize(("titles", "trained"), [(["le la"], ["du", "des"]), (["vin"], [])])
def test_without_terms_nothing_is_near(titles, trained):
    assert nearest(titles, trained).tolist() == [0]


def test_more_titles_than_one_batch():
    titles = [f"mot{i} vin" for i in range(600)]
    assert nearest(titles, titles[::-1]).tolist() == pytest.approx([1] * 600)


def test_equal_values_share_a_third():
    assert thirds(np.arange(6)) == ["far"] * 2 + ["middle"] * 2 + ["near"] * 2
    assert thirds(np.array([1.0, 0, 0, 0, 1, 1])) == ["near", "far", "far", "far", "near", "near"]
    assert thirds(np.array([0.2, 0.2])) == ["middle"] * 2


def test_slices_by_hand():
    """20 queries gain 0.5 each, 20 nothing, 3 lose 0.1."""
    labels = ["up"] * 20 + ["same"] * 20 + ["few"] * 3
    left = scores([0.25] * 43)
    right = left + ([0.5] * 20 + [0.0] * 20 + [-0.1] * 3)
    features = pd.DataFrame({"kind": labels, "one": "x"}, index=left.index)
    same, up, few = compare_slices(features, left, right)
    assert (same.label, same.queries, same.mean, same.verdict) == ("same", 20, 0, "no_evidence")
    assert (same.p_value, same.p_corrected) == (1, 1)
    assert (up.feature, up.label, up.queries, up.verdict) == ("kind", "up", 20, "better")
    assert (up.left_mean, up.right_mean, up.mean) == (0.25, 0.75, 0.5)
    assert (up.low, up.high) == pytest.approx((0.5, 0.5))
    assert up.p_value == pytest.approx(1 / 10_001, abs=1e-3)  # 2 of 2**20 signs are as far
    assert up.p_corrected == pytest.approx(2 * up.p_value)  # two were tested, this one first
    assert (few.label, few.queries, few.verdict) == ("few", 3, "too_few")
    assert few.mean == pytest.approx(-0.1)
    assert (few.low, few.high, few.p_value, few.p_corrected) == (None,) * 4


def test_the_correction_counts_the_slices_of_all_features():
    """6 gains of one sign: p = 2/64 alone, and twice that beside a second slice."""
    left = scores([0.5] * 12)
    right = left + ([0.1, 0.2, 0.3] * 2 + [0.1, -0.1] * 3)
    kinds = ["up"] * 6 + ["even"] * 6
    features = pd.DataFrame({"kind": kinds}, index=left.index)
    mixed = features.assign(half=(["a"] * 3 + ["b"] * 3) * 2)
    (found,) = [s for s in compare_slices(features, left, right, least=6) if s.label == "up"]
    assert found.p_value == pytest.approx(2 / 64, abs=0.006)
    assert found.p_corrected == pytest.approx(2 * found.p_value)
    assert found.verdict == "no_evidence"
    (again,) = [s for s in compare_slices(mixed, left, right, least=6) if s.label == "up"]
    assert again.p_corrected == pytest.approx(4 * found.p_value)
    alone = features.assign(kind=["up"] * 6 + [f"l{i}" for i in range(6)])
    (lonely,) = [s for s in compare_slices(alone, left, right, least=6) if s.label == "up"]
    assert (lonely.verdict, lonely.p_corrected) == ("better", lonely.p_value)


def test_what_differs_from_the_verdict_on_all_comes_first_then_the_largest():
    gains = {"big": 0.4, "small": 0.1, "loss": -0.2, "none": 0.0}
    labels = [label for label in gains for _ in range(30)]
    left = scores([0.5] * len(labels))
    right = left + [gains[label] for label in labels]
    features = pd.DataFrame({"kind": labels}, index=left.index)
    order = [s.label for s in compare_slices(features, left, right)]
    assert order == ["loss", "none", "big", "small"]  # 'better' on all
    told = [s.label for s in compare_slices(features, left, right, overall="worse")]
    assert told == ["big", "small", "none", "loss"]


def test_the_order_of_the_queries_does_not_matter():
    draw = np.random.default_rng(1)
    left, gains = scores(draw.random(60)), draw.normal(0.05, 0.1, 60)
    features = pd.DataFrame({"kind": ["a", "b", "c"] * 20}, index=left.index)
    found = compare_slices(features, left, left + gains)
    shuffled = compare_slices(features[::-1], left.sample(frac=1, random_state=2), left + gains)
    assert [(s.label, s.p_value, s.low, s.verdict) for s in found] == [
        (s.label, s.p_value, s.low, s.verdict) for s in shuffled
    ]


def test_a_sample_of_the_queries_needs_no_other_features():
    left = scores([0.5] * 40)
    features = pd.DataFrame({"kind": ["a", "b"] * 20}, index=left.index)
    found = compare_slices(features, left[:30], left[:30], least=15)
    assert [(s.label, s.queries) for s in found] == [("a", 15), ("b", 15)]
    all_few = compare_slices(features, left[:30], left[:30])
    assert {s.verdict for s in all_few} == {"too_few"}


def test_other_queries_do_not_compare():
    left = scores([0.5] * 10)
    features = pd.DataFrame({"kind": ["a", "b"] * 5}, index=left.index)
    with pytest.raises(ValueError, match="not the same"):
        compare_slices(features, left, scores([0.5] * 10, start=1))
    with pytest.raises(ValueError, match="1 of 10 queries have no features"):
        compare_slices(features[1:], left, left)
