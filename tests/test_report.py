import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from dataclasses import asdict, fields, replace
from html.parser import HTMLParser
from string import Formatter

import ir_measures
import numpy as np
import pandas as pd
import pytest
from fakes import FakeEngine, FakeSource

from e5demo import cli
from e5demo.backend import Backend
from e5demo.cli import main
from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.errors import FolderNotWritable, NotComparable, UnknownExperiment
from e5demo.evaluation.comparison import Difference, Interval, compare
from e5demo.evaluation.experiments import Measured, method_of, save_experiment
from e5demo.evaluation.metrics import MEASURES, average, score_run
from e5demo.report import Evidence, call_experiments, library_versions, write_evidence
from e5demo.report.archive import check_command
from e5demo.report.cautions import cautions
from e5demo.report.charts import Row, whiskers
from e5demo.report.page import report_page, verdict
from e5demo.report.tables import metrics_latex, metrics_markdown, trec_qrels, trec_run
from e5demo.report.text import (
    TEXTS,
    count,
    decimal,
    french,
    interval,
    p_value,
    retriever_name,
    share,
    signed,
)
from e5demo.training.recipe import make_recipe
from e5demo.training.triplets import Extra
from e5demo.training.tuned import begin_tuned
from e5demo.workspace import Workspace, embeddings

SPLIT = SplitSettings()
CUTOFFS = (1, 3)
# By hand: q1 finds p1 first, q2 finds p2 second, q3 has two right ones and finds one third,
# q4 finds nothing. So recall@3 = (1 + 1 + 1/2 + 0) / 4 and mrr@3 = (1 + 1/2 + 1/3 + 0) / 4.
QRELS = {"q1": {"p1": 1}, "q2": {"p2": 1}, "q3": {"p3": 1, "p4": 1}, "q4": {"p4": 1}}
LISTS = {"q1": ["p1", "p2", "p9"], "q2": ["p1", "p2"], "q3": ["p1", "p2", "p3"], "q4": []}
BETTER = {"q1": ["p1"], "q2": ["p2", "p1"], "q3": ["p3", "p4"], "q4": ["p4", "p1"]}
QUERIES = {"q1": "=1+1 le titre", "q2": "Un titre\nsur deux lignes", "q3": "Été", "q4": "Rien"}
NASTY = 'A & <b>B</b> | "C"_5% [x] \\ </script>'


def run_of(lists):
    """All scores are the same, as ties are: only the rank tells."""
    rows = [
        (query, passage, rank, 0.5)
        for query, passages in lists.items()
        for rank, passage in enumerate(passages, start=1)
    ]
    return pd.DataFrame(rows, columns=["query_id", "passage_id", "rank", "score"])


def measured(retriever="bm25", **changes):
    dense = retriever != "bm25"
    told = {
        "retriever": retriever,
        "data": "data-1",
        "corpus": "corpus-1",
        "queries": "queries-1",
        "corpus_kind": "all",
        "split": SPLIT.model_dump(mode="json"),
        "cutoffs": CUTOFFS,
        "model": "e5" if dense else None,
        "weights": "hub" if dense else None,
        "model_fingerprint": "model-1" if dense else None,
        "prompts": {"query": "query: ", "document": "passage: "} if dense else None,
        "max_length": 512 if dense else None,
        "precision": "float32" if dense else None,
        "method": method_of(retriever),
    }
    return Measured(**(told | changes))


def experiment(folder, lists=LISTS, retriever="bm25", qrels=QRELS, **changes):
    scores = score_run(run_of(lists), qrels, CUTOFFS)
    return save_experiment(
        folder,
        measured(retriever, **changes),
        scores,
        run_of(lists),
        dataset="news-1",
        queries=len(qrels),
        passages=1234,
        metrics=average(scores),
        timings={"index": 1.0, "search": 0.25},
        cached_passages=0,
    )


def pairs(*queries):
    return pd.DataFrame({"query_id": queries, "query": "Un titre", "passage": "Un texte"})


def evidence_of(experiments, qrels=QRELS, queries=QUERIES, **changes):
    told = {
        "title": "Comparaison sur Dépêches <2026>",
        "dataset": "Dépêches <2026>",
        "fingerprint": "data-1",
        "split": SPLIT,
        "splits": {"train": pairs("t1"), "validation": pairs("v1"), "test": pairs(*qrels)},
        "leaks": 0,
        "queries": queries,
        "qrels": qrels,
        "experiments": experiments,
        "names": call_experiments("fr", experiments, {}),
        "comparison": compare({one.id: one.scores for one in experiments}, resamples=200),
        "versions": library_versions(),
    }
    return Evidence(**(told | changes))


@pytest.fixture
def evidence(tmp_path):
    folder = tmp_path / "experiments"
    return evidence_of([experiment(folder), experiment(folder, BETTER, "baseline")])


def training(folder, **changes):
    """One that made the model of evaluation `lora-1-...`."""
    told = {"preset": "quick", "dataset": "news-1", "dataset_name": "news", "data": "data-1"}
    told |= {"split": SPLIT, "pairs": 1500, "extra": asdict(Extra())}
    told |= changes
    split = told.pop("split")
    recipe = make_recipe("lora", "quick", seed=7)
    return begin_tuned(folder / "lora-1", recipe, FakeSource(), split, EvaluationSettings(), **told)


def unpacked(path, folder):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def folder(evidence, tmp_path):
    return unpacked(write_evidence(tmp_path / "out.zip", evidence), tmp_path / "out")


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))


# --- the zip -------------------------------------------------------------------------------------


def test_all_files_are_there_with_their_sums(evidence, tmp_path):
    bm25, baseline = (one.id for one in evidence.experiments)
    path = write_evidence(tmp_path / "new" / "out.zip", evidence)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        told = dict(
            line.split("  ")[::-1] for line in archive.read("MANIFEST").decode().split("\n")[:-1]
        )
        sums = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names}
    assert sorted(names) == sorted(
        ["README.txt", "report.html", "metrics.csv", "metrics.md", "metrics.tex"]
        + ["differences.csv", "experiments.json", "MANIFEST", "trec/qrels.txt"]
        + [f"trec/{one}.run" for one in (bm25, baseline)]
        + [f"scores/{one}.csv" for one in (bm25, baseline)]
        + [f"figures/{name}" for name in ("plotly.min.js", "scores.html", "recall.html")]
        + ["figures/differences.html"]
        + [f"splits/{name}.parquet" for name in ("train", "validation", "test")]
    )
    del sums["MANIFEST"]
    assert told == sums


def test_the_same_evidence_gives_the_same_bytes(evidence, tmp_path, monkeypatch):
    first = write_evidence(tmp_path / "a.zip", evidence).read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert write_evidence(tmp_path / "b.zip", evidence).read_bytes() == first
    assert write_evidence(tmp_path / "c.zip", evidence, "fr").read_bytes() != first


def test_an_interrupted_zip_leaves_the_old_one(evidence, tmp_path, monkeypatch):
    path = write_evidence(tmp_path / "out.zip", evidence)
    before = path.read_bytes()
    monkeypatch.setattr("e5demo.report.archive.trec_run", lambda one: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_evidence(path, evidence)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.glob("*out.zip*")] == ["out.zip"]


def test_splits_come_back_as_they_were(evidence, folder):
    for name, table in evidence.splits.items():
        pd.testing.assert_frame_equal(pd.read_parquet(folder / f"splits/{name}.parquet"), table)


def test_experiments_are_told_with_all_digits(evidence, folder):
    told = json.loads((folder / "experiments.json").read_text("utf-8"))
    assert told["report"] == evidence.versions
    for shown, one in zip(told["experiments"], evidence.experiments, strict=True):
        assert shown["experiment"] == one.id
        assert shown["name"] == evidence.names[one.id]
        assert shown["measured"] == {**asdict(one.measured), "cutoffs": list(CUTOFFS)}
        assert (shown["metrics"], shown["timings"]) == (one.metrics, one.timings)
        assert shown["versions"] == one.versions
        assert shown["intervals"]["mrr@3"] == asdict(evidence.comparison.intervals[one.id]["mrr@3"])
        assert shown["training"] is None


def test_the_training_of_a_tuned_model_is_told(tmp_path):
    tuned = training(tmp_path / "experiments")
    one = experiment(tmp_path / "experiments", retriever="lora-1", weights="tuned")
    evidence = evidence_of([one], trainings={one.id: tuned})
    out = unpacked(write_evidence(tmp_path / "o.zip", evidence), tmp_path / "out")
    (told,) = json.loads((out / "experiments.json").read_text("utf-8"))["experiments"]
    assert told["training"]["settings"]["seed"] == 7
    assert (told["training"]["pairs"], told["training"]["experiment"]) == (1500, "lora-1")
    assert "LoRA, preset quick, 1,500 pairs, 0 steps, seed 7" in (out / "report.html").read_text(
        "utf-8"
    )


def test_one_experiment_has_no_differences(tmp_path):
    evidence = evidence_of([experiment(tmp_path / "experiments")])
    out = unpacked(write_evidence(tmp_path / "o.zip", evidence), tmp_path / "out")
    assert not list(out.rglob("differences*"))
    assert "differences" not in (out / "README.txt").read_text("utf-8")
    page = (out / "report.html").read_text("utf-8")
    assert "nothing to compare" in page
    assert "Differences" not in page


# --- what others can check -----------------------------------------------------------------------


def test_trec_files_by_hand(evidence):
    assert trec_qrels(QRELS) == "q1 0 p1 1\nq2 0 p2 1\nq3 0 p3 1\nq3 0 p4 1\nq4 0 p4 1\n"
    one = evidence.experiments[1]
    assert trec_run(one).splitlines() == [
        f"q1 Q0 p1 1 100 {one.id}",
        f"q2 Q0 p2 1 100 {one.id}",
        f"q2 Q0 p1 2 99 {one.id}",
        f"q3 Q0 p3 1 100 {one.id}",
        f"q3 Q0 p4 2 99 {one.id}",
        f"q4 Q0 p4 1 100 {one.id}",
        f"q4 Q0 p1 2 99 {one.id}",
    ]


def printed(folder, command):
    """What the command of README.txt prints in the unpacked folder, by metric."""
    _, *arguments = command.split()
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    ours = {str(measure): name for name, measure in MEASURES.items()}
    told = (line.split("\t") for line in ran.stdout.splitlines())
    return {f"{ours[name.split('@')[0]]}@{name.split('@')[1]}": value for name, value in told}


def test_ir_measures_prints_the_same_scores_by_hand(evidence, folder):
    told = printed(folder, check_command(evidence.experiments[0]))
    assert (told["recall@3"], told["mrr@3"], told["mrr@1"]) == ("0.6250", "0.4583", "0.2500")
    assert printed(folder, check_command(evidence.experiments[1]))["recall@3"] == "1.0000"
    readme = (folder / "README.txt").read_text("utf-8")
    assert all(check_command(one) in readme for one in evidence.experiments)


@pytest.mark.parametrize("depth", [5, 100, 150])
def test_ir_measures_gives_each_query_s_scores_again(tmp_path, depth):
    """Rankings drawn at random, all retrievers' scores tied, some queries without any hit or any
    right passage, and ranks beyond those that are kept."""
    draw = np.random.default_rng(depth)
    passages = [f"p{i:03}" for i in range(400)]
    ids = [f"q{i:02}" for i in range(40)]
    lists = {q: draw.permutation(passages)[: 0 if q == "q07" else depth].tolist() for q in ids}
    some = {q: draw.choice(lists[q] or passages, draw.integers(1, 4)) for q in ids}
    qrels = {q: dict.fromkeys(map(str, some[q]), 1) for q in ids} | {"q11": {}}
    one = experiment(tmp_path / "experiments", lists, qrels=qrels)
    evidence = evidence_of([one], qrels, dict.fromkeys(ids, "Un titre"))
    out = unpacked(write_evidence(tmp_path / "o.zip", evidence), tmp_path / "out")
    assert printed(out, check_command(one)) == {m: f"{v:.4f}" for m, v in one.metrics.items()}
    measures = {
        MEASURES[name.split("@")[0]] @ int(name.split("@")[1]): name for name in one.metrics
    }
    run = ir_measures.read_trec_run(str(out / f"trec/{one.id}.run"))
    right = ir_measures.read_trec_qrels(str(out / "trec/qrels.txt"))
    seen = 0
    for value in ir_measures.iter_calc(list(measures), right, run):
        ours = one.scores.loc[value.query_id, measures[value.measure]]
        assert value.value == pytest.approx(ours, abs=1e-9)
        seen += 1
    assert seen == len(ids) * len(measures)


def test_scores_have_each_query_s_text_and_no_formula(evidence, folder):
    one = evidence.experiments[0]
    rows = rows_of(folder / f"scores/{one.id}.csv")
    assert list(rows[0]) == ["query_id", "query", *one.metrics]
    assert [row["query"] for row in rows] == ["'=1+1 le titre", *list(QUERIES.values())[1:]]
    assert [float(row["mrr@3"]) for row in rows] == pytest.approx([1, 1 / 2, 1 / 3, 0])


# --- tables --------------------------------------------------------------------------------------


def test_metrics_are_there_with_their_intervals(evidence, folder):
    rows = rows_of(folder / "metrics.csv")
    assert len(rows) == 2 * 6
    (row,) = (r for r in rows if (r["name"], r["metric"]) == ("BM25", "recall@3"))
    told = evidence.comparison.intervals[row["experiment"]]["recall@3"]
    assert row["mean"] == "0.625"
    assert (row["low"], row["high"]) == (f"{told.low:.3f}", f"{told.high:.3f}")


def test_differences_have_all_fields(evidence, folder):
    rows = rows_of(folder / "differences.csv")
    assert list(rows[0]) == [field.name for field in fields(Difference)]
    for row, found in zip(rows, evidence.comparison.differences, strict=True):
        assert (row["left"], row["right"], row["metric"]) == (found.left, found.right, found.metric)
        assert (float(row["mean"]), float(row["low"])) == (found.mean, found.low)
        assert (int(row["wins"]), row["verdict"]) == (found.wins, found.verdict)


def named(evidence, **names):
    """The same with other names for BM25 and the baseline."""
    ids = {one.measured.retriever: one.id for one in evidence.experiments}
    return replace(evidence, names=evidence.names | {ids[k]: name for k, name in names.items()})


def test_a_name_is_no_markup_in_markdown_and_latex(evidence):
    evidence = named(evidence, bm25=NASTY, baseline="[Deux\nlignes]")
    first, second = metrics_markdown(evidence).splitlines()[2:]
    assert first.startswith(
        r"| A \& \<b\>B\</b\> \| " + '"C"' + r"\_5% \[x\] \\ \</script\> | 0.250 ["
    )
    assert second.startswith(r"| \[Deux lignes\] | ")
    cells = [
        len(re.findall(r"(?<!\\)\|", line)) for line in metrics_markdown(evidence).splitlines()
    ]
    assert set(cells) == {8}
    table = metrics_latex(evidence).splitlines()
    assert table[5].startswith(
        r"A \& \textless{}b\textgreater{}B\textless{}/b\textgreater{} \textbar{} "
        r'"C"\_5\% {[}x{]} \textbackslash{} \textless{}/script\textgreater{} & 0.250 '
        r"{\footnotesize ["
    )
    assert table[6].startswith("{[}Deux lignes{]} & ")
    assert table[1:3] == [r"\begin{tabular}{lcccccc}", r"\toprule"]
    assert table[-2:] == [r"\bottomrule", r"\end{tabular}"]
    assert all(line.endswith(r"\\") and line.count(" & ") == 6 for line in table[5:7])


# --- pages ---------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """The page's text, its tags, and its attributes; every tag must be closed in its order."""

    EMPTY = ("meta", "br", "path", "circle")

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], set(), {}, []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(attrs)
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"[ \n]+", " ", " ".join(self.texts))  # other kinds of space stay


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page_is_one_file_without_script_or_network(evidence, language):
    page = report_page(language, named(evidence, bm25=NASTY))
    found = Reader(page)
    assert not found.tags & {"script", "link", "img", "iframe", "a", "object", "b>"}
    assert not {"src", "href", "xlink:href"} & found.attributes.keys()
    assert "http" not in re.sub("http-equiv", "", page)
    assert "url(" not in page
    assert "@import" not in page
    assert found.attributes["lang"] == language
    assert "default-src 'none'" in page
    assert NASTY in found.text
    assert "<b>B</b>" not in page
    assert "Dépêches <2026>" in found.text


def difference(**changes):
    told = {
        "left": "bm25-1", "right": "baseline-1", "metric": "ndcg@10", "mean": 0.0231,
        "low": 0.0104, "high": 0.0356, "p_value": 0.0002, "p_corrected": 0.0006, "wins": 1412,
        "ties": 1500, "losses": 151, "queries_needed": 1964, "verdict": "better",
    }  # fmt: skip
    return Difference(**(told | changes))


def test_a_verdict_in_words(evidence):
    evidence = replace(evidence, names={"bm25-1": "BM25", "baseline-1": "E5"})
    assert verdict("fr", evidence, difference()) == (
        "E5 devance BM25.",
        french(
            "ndcg@10 : +0,023 [+0,010 ; +0,036] ; p corrigé < 0,001. Titres gagnés : 1\u202f412 ; "
            "inchangés : 1\u202f500 ; perdus : 151. Titres qu’il faut pour voir un écart de cette "
            "taille quatre fois sur cinq : environ 1\u202f964."
        ),
    )
    unsure = difference(
        mean=-0.004, low=-0.011, high=0.002, p_corrected=0.24, verdict="no_evidence",
        queries_needed=None,
    )  # fmt: skip
    assert verdict("en", evidence, unsure) == (
        "No evidence of a difference between E5 and BM25.",
        "ndcg@10: −0.004 [−0.011, +0.002]; corrected p = 0.240. Titles won: 1,412; unchanged: "
        "1,500; lost: 151.",
    )
    worse = difference(verdict="worse")
    assert verdict("en", evidence, worse)[0] == "E5 does worse than BM25."


def test_the_page_says_what_was_found_and_what_was_measured(evidence):
    text = Reader(report_page("fr", evidence)).text
    (found,) = evidence.main_differences
    assert evidence.main_metric == "ndcg@3"
    assert found.verdict == "no_evidence"  # of four queries
    assert "Rien ne prouve une différence entre E5 de base et BM25." in text
    assert french("Titres gagnés : 3 ; inchangés : 1 ; perdus : 0.") in text
    assert "4 titres cherchent leur article parmi 1\u202f234 articles." in text
    assert "4 titres, c’est peu" in text
    for told in ("data-1", "corpus-1", "queries-1", "model-1", "e5 (originaux)", "512", "float32",
                 "graine 42", "test 15\u00a0%", "query:", "passage:", "ir-measures 0.",
                 "entraînement 1, validation 1, test 4"):  # fmt: skip
        assert told in text
    assert "0,625" in text
    assert "0.625" not in text
    assert "0.625" in Reader(report_page("en", evidence)).text


def test_figures_open_beside_their_one_script(evidence, tmp_path):
    out = unpacked(
        write_evidence(tmp_path / "o.zip", named(evidence, bm25=NASTY)), tmp_path / "out"
    )
    assert (out / "figures/plotly.min.js").stat().st_size > 1e6
    for name in ("scores", "recall", "differences"):
        page = (out / f"figures/{name}.html").read_text("utf-8")
        assert re.findall(r'src="([^"]+)"', page) == ["plotly.min.js"]
        assert "http" not in page
        assert "<b>B" not in page
        assert page.count("</script>") == page.count("<script")
        assert "A &amp; &lt;b&gt;B&lt;" in page  # as plotly, which knows some tags, reads text


# --- cautions ------------------------------------------------------------------------------------


def many(count):
    ids = [f"q{i}" for i in range(count)]
    return {query: {"p1": 1} for query in ids}, {query: ["p1"] for query in ids}


def told(tmp_path, retriever="bm25", size=100, changes=None, **measured_as):
    qrels, lists = many(size)
    one = experiment(tmp_path / "experiments", lists, retriever, qrels, **measured_as)
    given = {
        key: value(one) if callable(value) else value for key, value in (changes or {}).items()
    }
    return cautions("en", evidence_of([one], qrels, dict.fromkeys(qrels, "x"), **given))


def test_without_a_reason_there_is_no_caution(tmp_path):
    assert told(tmp_path) == []
    assert told(tmp_path, changes={"leaks": 3}) == []  # they flatter tuned models alone


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"size": 99}, "99 titles are few"),
        ({"changes": {"splits": {"test": pairs(*(f"q{i}" for i in range(1200)))}}},
         "A sample: 100 of the 1,200 test titles."),
        ({"corpus_kind": "test"}, "The test articles alone are searched"),
        ({"retriever": "baseline", "weights": "bundled-4bit"}, "The 4-bit copy"),
        ({"retriever": "lora-1", "weights": "tuned"}, "A tuned model is one training here"),
    ],
)  # fmt: skip
def test_a_caution_for_a_reason(tmp_path, options, start):
    (caution,) = told(tmp_path, **options)
    assert caution.startswith(start)


def test_a_model_tuned_elsewhere_may_have_seen_the_test(tmp_path):
    def of(tuned, **changes):
        given = {"trainings": lambda one: {one.id: tuned}, **changes}
        return told(tmp_path, "lora-1", changes=given, weights="tuned")

    here = training(tmp_path)
    assert len(of(here)) == 1
    leaky, _ = of(here, leaks=1200)
    assert leaky.startswith("1,200 validation and test pairs have a twin in train")
    for change in ({"split": SplitSettings(seed=1)}, {"data": "data-2"}):
        elsewhere, _ = of(replace(here, **change))
        assert elsewhere == (
            "LoRA 1 was trained on other data or another split: it may have seen titles of this "
            "test."
        )


def test_experiments_that_are_not_alike_are_told(tmp_path):
    folder = tmp_path / "experiments"
    qrels, lists = many(100)
    short = experiment(folder, lists, "baseline", qrels, max_length=128)
    long = experiment(folder, lists, "baseline", qrels)
    long = replace(long, versions={**long.versions, "torch": "0.1"})
    found = cautions("fr", evidence_of([long, short], qrels, dict.fromkeys(qrels, "x")))
    assert found[0] == french("Les modèles n’ont pas tous lu autant de tokens : 128, 512.")
    assert "versions" in found[1]


# --- names, numbers, charts ----------------------------------------------------------------------


def test_experiments_are_called_differently(tmp_path):
    folder = tmp_path / "experiments"
    made = [
        experiment(folder),
        experiment(folder, retriever="baseline"),
        experiment(folder, retriever="baseline", max_length=128),
        experiment(folder, retriever="baseline", max_length=128, weights="local"),
        experiment(folder, retriever="fusion:lora-1"),
        experiment(folder, retriever="lora-1"),
    ]
    assert list(call_experiments("fr", made, {"lora-1": "Mon modèle"}).values()) == [
        "BM25",
        "E5 de base · 512 tokens",
        f"E5 de base · 128 tokens · {made[2].id}",
        f"E5 de base · 128 tokens · {made[3].id}",
        "Fusion · Mon modèle",
        "Mon modèle",
    ]
    assert retriever_name("en", "fusion:full-2da72c24", {}) == "Fusion · Tuned E5 2da72c24"


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_is_there_in_both_languages_with_the_same_places(key):
    french, english = TEXTS[key]
    places = [
        sorted(name for _, name, *_ in Formatter().parse(text) if name) for text in TEXTS[key]
    ]
    assert french
    assert english
    assert places[0] == places[1]


def test_numbers_as_each_language_writes_them():
    assert (decimal("fr", -0.0042), decimal("en", 0.9664)) == ("−0,004", "0.966")
    assert (count("fr", 20417), count("en", 20417)) == ("20\u202f417", "20,417")
    assert [signed("en", n) for n in (0.01, -0.01, 0.0, -0.0001)] == [
        "+0.010", "−0.010", "0.000", "0.000",
    ]  # fmt: skip
    assert interval("fr", Interval(0.5, 0.25, 0.75)) == french("[0,250 ; 0,750]")
    assert interval("en", difference()) == "[+0.010, +0.036]"
    assert [p_value("fr", p) for p in (0.0001, 0.001, 1.0)] == ["< 0,001", "= 0,001", "= 1,000"]
    assert (share("fr", 0.15), share("en", 0.125)) == ("15\u00a0%", "12.5%")


def test_a_chart_by_hand():
    """The axis goes from -0.06 to 1.06 times 100, so 0 is at 12 + 736 x 0.06 / 1.12."""
    rows = [Row("<a>", "50", 50, 0, 100, "#111"), Row("x" * 99, "0", 0, 0, 0, "#222", filled=False)]
    chart = whiskers(rows, "Un & deux", lambda number, places: f"{number:.{places}f}")
    assert 'aria-label="Un &amp; deux"' in chart
    assert "&lt;a&gt;" in chart
    assert f"{'x' * 79}…<" in chart
    assert 'd="M51.4 30H708.6M51.4 25v10M708.6 25v10"' in chart
    assert 'cx="380.0" cy="30" r="5" fill="#111"' in chart
    assert 'cx="51.4" cy="74" r="5" fill="#fff"' in chart
    ticks = re.findall(r'class="tick" x="([\d.]+)" y="\d+" text-anchor="middle">([^<]+)', chart)
    assert ticks == [
        ("51.4", "0"), ("182.9", "20"), ("314.3", "40"), ("445.7", "60"), ("577.1", "80"),
        ("708.6", "100"),
    ]  # fmt: skip


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5, -0.3])
def test_a_chart_of_one_value_has_an_axis(value):
    row = Row("a", "", value, value, value, "#111")
    chart = whiskers([row], "", lambda number, places: f"{number:.{places}f}", zero=True)
    assert Reader(f"<p>{chart}</p>").text
    assert 'class="zero"' in chart
    assert "nan" not in chart


# --- from the backend and the command line -------------------------------------------------------


def write_news(path):
    rows = [
        f'"Le titre numéro zyx{i}","Un corps à zyx{i} sur la neige alpha{i} beta{i}"'
        for i in range(60)
    ]
    path.write_text("\n".join(["titre,contenu", *rows]) + "\n", "utf-8")
    return path


@pytest.fixture
def backend(tmp_path, monkeypatch):
    found = Backend(Workspace.local(), FakeEngine(embeddings()))
    monkeypatch.setattr(cli, "_backend", lambda: found)
    return found


@pytest.fixture
def evaluated(backend, tmp_path):
    """Data set, and two evaluations on one ground."""
    dataset = backend.import_csv(write_news(tmp_path / "Mes dépêches.csv"))
    settings = EvaluationSettings(cutoffs=(1, 3))
    return dataset, [
        backend.evaluate(dataset, name, SPLIT, settings) for name in ("bm25", "baseline")
    ]


def test_the_backend_gathers_what_was_measured(backend, evaluated):
    dataset, (bm25, baseline) = evaluated
    found = backend.evidence([bm25.id, baseline.id, bm25.id], "fr")
    assert [one.id for one in found.experiments] == [bm25.id, baseline.id]
    assert found.names == {bm25.id: "BM25", baseline.id: "E5 de base"}
    assert (found.dataset, found.fingerprint) == (dataset.name, dataset.fingerprint)
    assert found.title == f"Comparaison sur {dataset.name}"
    assert sum(map(len, found.splits.values())) == dataset.size
    assert set(found.queries) == set(found.splits["test"]["query_id"]) == set(found.qrels)
    assert score_run(bm25.run, found.qrels, (1, 3)).equals(bm25.scores)
    assert found.comparison.of(bm25.id, baseline.id, "mrr@3").verdict == "worse"


def test_a_sample_of_the_queries_is_reported_as_it_was_asked(backend, evaluated):
    dataset, _ = evaluated
    settings = EvaluationSettings(cutoffs=(1, 3), limit_queries=4)
    one = backend.evaluate(dataset, "bm25", SPLIT, settings)
    found = backend.evidence([one.id])
    assert list(found.queries) == list(found.qrels) == list(one.scores.index)
    assert len(found.queries) == 4


def test_evaluations_on_another_ground_are_refused(backend, evaluated, tmp_path):
    dataset, (bm25, _) = evaluated
    other = backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(corpus="all"))
    with pytest.raises(NotComparable, match=f"{bm25.id} and {other.id}.*corpus"):
        backend.write_report([bm25.id, other.id], tmp_path / "o.zip")
    with pytest.raises(UnknownExperiment):
        backend.write_report(["bm25-none"], tmp_path / "o.zip")
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderNotWritable, match="file"):
        backend.write_report([bm25.id], tmp_path / "file" / "o.zip")


def test_a_trained_model_s_training_is_found(backend, evaluated):
    dataset, _ = evaluated
    tuned = training(backend.workspace.experiments, dataset=dataset.id, data=dataset.fingerprint)
    one = experiment(backend.workspace.experiments, retriever="fusion:lora-1")
    plain = experiment(backend.workspace.experiments, retriever="lora-2")
    assert backend._trainings_of([one, plain]) == {one.id: tuned}


def test_the_command_writes_the_zip_and_names_its_files(backend, evaluated, tmp_path, capsys):
    _, (bm25, baseline) = evaluated
    path = tmp_path / "out" / "evidence.zip"
    command = ["report", bm25.id, baseline.id, "--out", str(path), "--language", "fr"]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == str(path)
    with zipfile.ZipFile(path) as archive:
        assert told["files"] == {i.filename: i.file_size for i in archive.infolist()}
        assert '<html lang="fr">' in archive.read("report.html").decode()
    assert main(command) == 0
    assert "trec/qrels.txt: " in capsys.readouterr().out


def test_the_command_refuses_what_does_not_compare(backend, evaluated, tmp_path, capsys):
    dataset, (bm25, _) = evaluated
    other = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(corpus="all"))
    assert main(["report", bm25.id, other.id, "--out", str(tmp_path / "o.zip")]) == 2
    assert other.id in capsys.readouterr().err
    assert not (tmp_path / "o.zip").exists()
