from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from e5demo.config import prompts_of
from e5demo.evaluation.comparison import compare
from e5demo.evaluation.experiments import Experiment, Measured, method_of
from e5demo.ui import compare_views as views
from e5demo.ui.compare_tab import shows_too
from e5demo.ui.compared import _default_pair
from tests.ui.test_html import EVIL, Seen


def experiment(tmp_path, retriever, **changes):
    measured = {
        "retriever": retriever, "data": "d", "corpus": "c", "queries": "q", "corpus_kind": "test",
        "split": {}, "cutoffs": (1,), "model": "e5", "weights": "hub", "model_fingerprint": "f",
        "prompts": None, "max_length": 512, "precision": "float32",
        "method": method_of(retriever),
    }  # fmt: skip
    told = {"dataset": "d", "created": 1.0, "queries": 3063, "passages": 20417, "metrics": {},
            "timings": {"encode_passages": 10.0}, "cached_passages": 417, "versions": {},
            "query_milliseconds": 12.34}  # fmt: skip
    own = {n: changes.pop(n) for n in ("timings", "query_milliseconds") if n in changes}
    found = Measured(**{**measured, **changes})
    return Experiment(folder=tmp_path / found.id, measured=found, **{**told, **own})


def compared(gain=0.2, queries=60):
    base = [i % 5 / 5 for i in range(queries)]
    index = [f"q{i}" for i in range(queries)]
    scores = {"a": [*base], "b": [value + gain * (i % 3 > 0) for i, value in enumerate(base)]}
    return compare({name: pd.DataFrame({"ndcg@10": s}, index) for name, s in scores.items()})


NAMES = {"a": "E5", "b": "LoRA"}


@pytest.mark.parametrize(
    ("left", "right", "gain", "sentence"),
    [
        ("a", "b", 0.2, "LoRA devance E5 : ndcg@10 +0,133 [+0,"),
        ("b", "a", 0.2, "E5 reste derrière LoRA : ndcg@10 −0,133 [−0,"),
        ("a", "b", 0.0, "Rien ne prouve une différence entre LoRA et E5 : ndcg@10 0,000"),
    ],
)
def test_a_verdict_is_one_sentence_and_what_it_rests_on(left, right, gain, sentence):
    found = compared(gain)
    words = Seen(views.verdict("fr", found.of(left, right, "ndcg@10"), NAMES, found)).words
    assert sentence in words
    assert "Requêtes : 60, dont gagnées" in words
    assert ("p < 0,0002" if gain else "p = 1,000") in words
    assert "corrigé" not in words  # a single comparison
    assert ("à partir d’environ" in words) == bool(gain)


def test_the_table_of_a_pair_has_a_row_per_metric():
    found = compared()
    seen = Seen(views.pair_table("en", [found.of("a", "b", "ndcg@10")]))
    assert "40 / 20 / 0" in seen.text
    assert "< 0.0002" in seen.text
    assert "better" in seen.text


def test_the_best_comes_first_with_its_interval_and_the_picked_metric_leftmost(tmp_path):
    found = compared()
    both = [experiment(tmp_path, "baseline"), experiment(tmp_path, "lora-1")]
    scores = {one.id: pd.DataFrame({"mrr@10": [v, v], "ndcg@10": [v, v]}, ["x", "y"])
              for one, v in zip(both, (0.25, 0.75), strict=True)}  # fmt: skip
    found = compare(scores)
    names = {both[0].id: "E5", both[1].id: EVIL}
    seen = Seen(views.leaderboard("fr", both, names, found, "ndcg@10"))
    assert seen.text[2:4] == ["ndcg@10", "mrr@10"]
    assert seen.text[4] == EVIL
    assert seen.text[6] == "0,750 [0,750\u00a0;\u00a00,750]"


def test_what_does_not_compare_stands_apart_with_the_reason(tmp_path):
    first = experiment(tmp_path, "baseline")
    others = [
        experiment(tmp_path, "bm25", corpus="c2", weights=None, corpus_kind="all"),
        experiment(tmp_path, "lora-1", queries="q2", data="d2"),
        experiment(tmp_path, "fusion", cutoffs=(3,)),
    ]
    seen = Seen(views.apart("fr", others, first, {"lora-1": "Le mien"}))
    assert "À part, car non comparables : 3" in seen.words
    assert "autre corpus" in seen.text
    assert "autres données, autres requêtes" in seen.text
    assert "autres seuils k" in seen.text
    assert "Le mien" in seen.text
    assert views.apart("fr", [], first, {}) == ""


def test_what_ranks_in_another_way_now_is_said_to_be_left_out(tmp_path):
    now, before = experiment(tmp_path, "bm25"), experiment(tmp_path, "fusion", method=1)
    names = {now.id: "BM25", before.id: EVIL}
    seen = Seen(views.left_out("en", [now, before], [now], names))
    assert "way of ranking has changed since: " + EVIL in seen.words
    assert views.left_out("en", [now, before], [now, before], names) == ""  # chosen


def test_two_of_one_retriever_are_told_apart_by_their_length(tmp_path):
    several = [experiment(tmp_path, "baseline"), experiment(tmp_path, "baseline", max_length=64)]
    names = views.experiment_names("fr", several, {})
    assert list(names.values()) == ["E5 de base · originaux · 512", "E5 de base · originaux · 64"]
    assert list(views.experiment_names("fr", several[:1], {}).values()) == ["E5 de base"]


def test_costs_are_a_dash_where_nothing_is_known(tmp_path):
    both = [experiment(tmp_path, "baseline"),
            experiment(tmp_path, "bm25", timings={}, query_milliseconds=None)]  # fmt: skip
    names = {one.id: one.measured.retriever for one in both}
    seen = Seen(views.costs("fr", both, names, {}))
    start = seen.text.index("baseline")
    assert seen.text[start : start + 6] == ["baseline", "—", "—", "—", "2000,0", "12,3"]
    assert seen.text[start + 6 :] == ["bm25", "—", "—", "—", "—", "—"]


def test_training_tokens_to_rerank_costs_only_what_is_reranked_by_them(tmp_path):
    trained = SimpleNamespace(seconds=300.0, trainable_parameters=1, total_parameters=2)
    tuned = SimpleNamespace(trained=trained, weights_size=2e8, late_seconds=120.0, late_size=3e8)
    both = [experiment(tmp_path, name) for name in ("fusion:lora-1", "rerank:lora-1")]
    names = {one.id: one.measured.retriever for one in both}
    seen = Seen(views.costs("en", both, names, {"lora-1": tuned}))
    start = seen.text.index("fusion:lora-1")
    assert seen.text[start : start + 4] == ["fusion:lora-1", "50.0%", "5 min", "200 MB"]
    start = seen.text.index("rerank:lora-1")
    assert seen.text[start : start + 4] == ["rerank:lora-1", "50.0%", "7 min", "500 MB"]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.00005, "< 0,0002"), (0.0004, "0,0004"), (0.0312, "0,031"), (1, "1,000")]
)
def test_p_values_have_no_more_places_than_they_can_tell(value, shown):
    assert views.p_value("fr", value) == shown


def test_of_several_comparisons_the_corrected_p_is_told_too():
    scores = {name: pd.DataFrame({"m": [i % 2 * k for i in range(40)]}) for k, name in
              enumerate("abc")}  # fmt: skip
    found = compare(scores, resamples=500)
    words = Seen(
        views.verdict("en", found.of("a", "b", "m"), dict.fromkeys("abc", "x"), found)
    ).words
    assert "corrected for 3 comparisons: p " in words


def test_an_ablation_is_named_as_one_even_alone_and_no_two_names_are_the_same(tmp_path):
    swapped = prompts_of("swapped")
    alone = experiment(tmp_path, "baseline", prompts=swapped, precision="int8")
    assert list(views.experiment_names("fr", [alone], {}).values()) == [
        "E5 de base · préfixes échangés · int8"
    ]
    twins = [experiment(tmp_path, "lora-1"), experiment(tmp_path, "lora-2")]
    names = views.experiment_names("fr", twins, {"lora-1": "essai", "lora-2": "essai"})
    assert len(set(names.values())) == 2
    assert all(name.startswith("essai") for name in names.values())


def test_the_pair_shown_first_is_of_what_was_measured_as_one_searches(tmp_path):
    own = {"prompts": prompts_of("own")}
    plain = experiment(tmp_path, "baseline", **own)
    short = experiment(tmp_path, "baseline", max_length=64, **own)
    int8 = experiment(tmp_path / "int8", "baseline", precision="int8", **own)
    bare = experiment(tmp_path / "bare", "lora-1", prompts=prompts_of("none"))
    tuned = experiment(tmp_path, "lora-1", **own)
    group = [int8, short, bare, plain, tuned]
    assert _default_pair(group) == (plain.id, tuned.id)
    assert _default_pair([plain]) == (plain.id, plain.id)


@pytest.mark.parametrize("change", [{"max_length": 192}, {"computed": "bf16"}])
def test_a_tuned_model_is_first_compared_with_a_baseline_that_reads_alike(tmp_path, change):
    own = {"prompts": prompts_of("own")}
    other, like = experiment(tmp_path, "baseline", **own), experiment(
        tmp_path, "baseline", **own | change)  # fmt: skip
    tuned = experiment(tmp_path, "lora-1", **own | change)
    assert _default_pair([other, like, tuned]) == (like.id, tuned.id)
    assert other.measured.reading == (512, "float32")  # older ones did not say


def test_experiments_made_since_are_shown_where_they_were_measured(tmp_path):
    def made(retriever, created, **changes):
        return replace(experiment(tmp_path, retriever, **changes), created=created)

    old, new, newer = made("baseline", 1.0), made("lora-1", 2.0), made("lora-2", 3.0)
    found = {"ground": [old, new, newer]}
    default = ("ground", "a", "b", "ndcg@10", "")
    assert shows_too(found, 1.0, default) == default  # all plain ones are compared anyway
    kept = (*default[:4], old.id)
    assert shows_too(found, 1.0, kept)[4] == f"{old.id},{new.id},{newer.id}"
    assert shows_too(found, 3.0, kept) == kept
    assert shows_too(found, 9.0, kept) == kept  # the newest was deleted
    int8 = made("lora-1", 4.0, precision="int8")
    found = {"ground": [old, new, int8]}
    assert shows_too(found, 3.0, default)[4] == f"{old.id},{new.id},{int8.id}"
    elsewhere = {"ground": [old], "other": [newer]}
    assert shows_too(elsewhere, 1.0, kept) == ("other", "", "", "ndcg@10", "")
