import pandas as pd

from e5demo.analysis import CheckUp
from e5demo.evaluation.comparison import compare
from e5demo.evaluation.leakage import Check, effects
from e5demo.evaluation.slices import Slice
from e5demo.ui.compared import Compared
from e5demo.ui.details import check_section, slices_table
from tests.ui.test_compare_views import experiment
from tests.ui.test_html import EVIL, Seen


def a_slice(label, **changes):
    told = {"feature": "agency", "label": label, "queries": 40, "left_mean": 0.5,
            "right_mean": 0.75, "mean": 0.25, "low": 0.1, "high": 0.4, "p_value": 0.001,
            "p_corrected": 0.0123, "verdict": "better"}  # fmt: skip
    return Slice(**told | changes)


def test_a_slice_is_a_row_in_words_and_the_data_s_own_labels_stay():
    few = {"low": None, "high": None, "p_value": None, "p_corrected": None, "verdict": "too_few"}
    seen = Seen(slices_table("fr", [a_slice(EVIL), a_slice("none", feature="overlap", **few)]))
    assert seen.text[6:12] == [
        f"agence\u00a0: {EVIL}", "40", "+0,250", "[+0,100\u00a0;\u00a0+0,400]", "0,012", "mieux",
    ]  # fmt: skip
    assert seen.text[12:] == [
        "mots du titre dans l’article\u00a0: aucun", "40", "+0,250", "—", "—", "trop peu",
    ]  # fmt: skip
    assert "Aucune tranche" in slices_table("fr", [])


def checked(tmp_path, ids):
    one = experiment(tmp_path, "baseline")
    scores = {one.id: pd.DataFrame({"ndcg@10": [1.0, 0.5, 0.0, 0.5]}, list("abcd"))}
    picked = ("g", "", "", "ndcg@10", one.id)
    what = Compared([one], [one], {one.id: EVIL}, compare(scores), picked)
    check = Check("verbatim", 4, tuple(ids))
    return Seen(check_section("fr", CheckUp(check, effects(scores, ids)), what))


def test_a_check_tells_how_many_it_concerns_and_what_they_do_to_the_scores(tmp_path):
    seen = checked(tmp_path, ["a"])
    assert "mot pour mot dans leur article : 1 sur 4 (25,0 %)" in seen.words
    assert seen.text[-4:] == [EVIL, "0,500", "0,333", "−0,167"]
    assert seen.all("img") == []


def test_a_check_that_concerns_nothing_or_everything(tmp_path):
    assert checked(tmp_path, []).all("table") == []
    assert checked(tmp_path, "abcd").text[-2:] == ["—", "—"]
