import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from fakes import FakeEngine

from e5demo import cli
from e5demo.backend import Backend
from e5demo.cli import main
from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.retrieval.models import ModelSource
from e5demo.training import reranking
from e5demo.training.recipe import make_recipe
from e5demo.workspace import Workspace, embeddings

COUNT = {"type": "integer", "minimum": 0}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
SECONDS = {"type": "number", "minimum": 0}
TEXT = {"type": "string", "minLength": 1}
NULL = {"type": "null"}


def exactly(**properties):
    """An object of these properties, all required, and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


PREPARE = exactly(
    dataset=TEXT,
    rows=COUNT,
    pairs=COUNT,
    dropped=exactly(missing=COUNT, short_query=COUNT, short_passage=COUNT),
    splits=exactly(train=COUNT, validation=COUNT, test=COUNT),
    leaks=COUNT,
    leaks_avoided={"type": "integer"},
)


def evaluate_schema(retriever, cutoffs=(1, 5, 10)):
    named = NULL if retriever == "bm25" else TEXT
    timings = ("encode_passages", "index", "encode_queries", "search")
    return exactly(
        experiment={"type": "string", "pattern": f"^{retriever}-[0-9a-f]{{8}}$"},
        retriever={"const": retriever},
        model=named,
        weights=named,
        queries=COUNT,
        passages=COUNT,
        metrics=exactly(**{f"{m}@{k}": SHARE for m in ("recall", "mrr", "ndcg") for k in cutoffs}),
        seconds=SECONDS,
        timings=exactly(**dict.fromkeys(timings, SECONDS)),
        cached_passages=COUNT,
    )


HIT = exactly(
    rank={"type": "integer", "minimum": 1},
    passage_id={"type": "string", "pattern": "^[0-9a-f]{16}$"},
    score={"type": "number"},
    title=TEXT,
    passage=TEXT,
    margin={"type": ["number", "null"], "minimum": 0},
    **{name: {"type": ["string", "null"]} for name in ("date", "agency", "url")},
)
MILLISECONDS = ("milliseconds", "encode_milliseconds", "search_milliseconds")
COLUMN = exactly(
    retriever=TEXT,
    **dict.fromkeys(MILLISECONDS, SECONDS),
    hits={"type": "array", "items": HIT},
)
AGREEMENT = exactly(left=TEXT, right=TEXT, overlap=SHARE, rbo=SHARE)
SEARCH = exactly(
    columns={"type": "array", "items": COLUMN}, agreement={"type": "array", "items": AGREEMENT}
)


def write_news(path: Path, rows: int = 30) -> Path:
    articles = [
        f'"Un titre numéro zyx{i}","Un corps à zyx{i} alpha{i} beta{i}"' for i in range(rows)
    ]
    path.write_text("\n".join(["titre,contenu", *articles, '"",seul']) + "\n", "utf-8")
    return path


@pytest.fixture
def news(tmp_path):
    return write_news(tmp_path / "news.csv")


@pytest.fixture
def fake_engine(monkeypatch):
    """`baseline` and `fusion` run by keywords."""
    monkeypatch.setattr(
        cli, "_backend", lambda: Backend(Workspace.local(), FakeEngine(embeddings()))
    )


def answer(capsys, *arguments):
    """What one command printed: one JSON object, and an exit code of 0."""
    assert main([*map(str, arguments), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def valid(instance, schema):
    jsonschema.validate(instance, schema)
    return instance


def test_prepare(capsys, news):
    told = valid(answer(capsys, "prepare", news), PREPARE)
    assert (told["rows"], told["pairs"], told["dropped"]["missing"]) == (31, 30, 1)
    assert sum(told["splits"].values()) == 30
    assert valid(answer(capsys, "prepare", told["dataset"]), PREPARE) == told


def test_prepare_writes_the_splits_where_told(capsys, news, tmp_path):
    out = tmp_path / "out"
    told = answer(capsys, "prepare", news, "--out", out, "--split", "notebook", "--seed", 7)
    names = [f"{part}_pairs" for part in ("test", "train", "val")]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        name + suffix for name in names for suffix in (".csv", ".parquet")
    )
    assert len((out / "val_pairs.csv").read_text().splitlines()) == told["splits"]["validation"] + 1


def test_evaluate_bm25_has_no_model_and_seconds_are_the_timings_sum(capsys, news):
    told = valid(answer(capsys, "evaluate", news, "--retriever", "bm25"), evaluate_schema("bm25"))
    assert told["weights"] is None
    assert told["seconds"] == pytest.approx(sum(told["timings"].values()), abs=1e-9)
    assert told["timings"]["encode_passages"] == 0
    assert set(told["metrics"].values()) == {1.0}  # each title has its article's one word


def test_evaluate_with_a_model_names_it(capsys, news, fake_engine):
    command = ("evaluate", news, "--retriever", "baseline", "--corpus", "all", "--cutoffs", "20,3")
    told = valid(answer(capsys, *command), evaluate_schema("baseline", (3, 20)))
    assert (told["model"], told["weights"]) == ("fake", "local")
    assert (told["passages"], told["cached_passages"]) == (30, 0)
    assert told["seconds"] == pytest.approx(sum(told["timings"].values()), abs=1e-9)
    again = answer(capsys, *command)
    assert (again["experiment"], again["cached_passages"]) == (told["experiment"], 30)
    few = answer(capsys, *command, "--limit-queries", 2)
    assert (few["queries"], few["passages"]) == (2, 30)


def test_search_has_a_column_per_retriever_in_the_order_asked(capsys, news, fake_engine):
    retrievers = ("fusion", "bm25", "baseline")
    asked = [part for name in retrievers for part in ("--retriever", name)]
    told = valid(
        answer(capsys, "search", news, "Un titre numéro zyx7", "--corpus", "all", "--k", 3, *asked),
        SEARCH,
    )
    assert [column["retriever"] for column in told["columns"]] == list(retrievers)
    assert [len(column["hits"]) for column in told["columns"]] == [3, 1, 3]
    (hit,) = told["columns"][1]["hits"]
    assert (hit["rank"], hit["title"]) == (1, "Un titre numéro zyx7")
    pairs = [(one["left"], one["right"]) for one in told["agreement"]]
    assert pairs == [("fusion", "bm25"), ("fusion", "baseline"), ("bm25", "baseline")]
    assert told["agreement"][0]["overlap"] == pytest.approx(1 / 3)


def test_encode_ahead_leaves_nothing_to_encode(capsys, news, fake_engine):
    counts = exactly(passages=COUNT, cached_passages=COUNT)
    command = ("encode", news, "--corpus", "all")
    assert valid(answer(capsys, *command), counts) == {"passages": 30, "cached_passages": 0}
    assert valid(answer(capsys, *command), counts) == {"passages": 30, "cached_passages": 30}


def test_setup_encodes_the_sample(capsys, fake_engine):
    told = valid(answer(capsys, "setup"), exactly(model=TEXT, weights=TEXT, sample_passages=COUNT))
    assert told["sample_passages"] > 100
    sample = Backend(Workspace.local(), FakeEngine(embeddings()))
    corpus = sample.corpus(sample.sample(), SplitSettings(), "all")
    assert sample.engine.unencoded(corpus, 512) == []


def test_without_json_a_person_reads_the_same(capsys, news, fake_engine):
    assert main(["prepare", str(news)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "pairs: 30" in lines
    assert "  missing: 1" in lines
    assert main(["search", str(news), "zyx7", "--retriever", "bm25", "--corpus", "all"]) == 0
    assert "passage: Un corps à zyx7 alpha7 beta7" in capsys.readouterr().out


def test_a_library_s_chatter_is_not_in_the_json(capsys, news, monkeypatch):
    made = cli._backend

    def chatty():
        print("Loading weights: 100%")
        return made()

    monkeypatch.setattr(cli, "_backend", chatty)
    valid(answer(capsys, "prepare", news), PREPARE)


def test_as_a_command_of_its_own_at_an_ascii_terminal(news, home):
    """JSON is UTF-8, whatever the terminal's encoding."""
    ran = subprocess.run(
        [sys.executable, "-m", "e5demo", "search", str(news), "numéro zyx3", "--retriever", "bm25",
         "--corpus", "all", "--json"],
        cwd=Path(cli.__file__).parents[1], capture_output=True, check=False,
        env={**os.environ, "E5DEMO_HOME": str(home), "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, b"")
    told = valid(json.loads(ran.stdout.decode("utf-8")), SEARCH)
    assert told["columns"][0]["hits"][0]["title"] == "Un titre numéro zyx3"


def plain_file(content: bytes, name: str = "bad.csv"):
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def prepare(make, *options):
    return lambda folder: ["prepare", make(folder), *options]


def good(folder: Path) -> Path:
    return write_news(folder / "news.csv")


def evaluated_with_folder(folder: Path) -> list:
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    model = ["--model", folder / "model"]
    return ["evaluate", good(folder), "--retriever", "baseline", *model]


MISTAKES = {
    "missing file": (prepare(lambda folder: folder / "none.csv"), "no file"),
    "empty file": (prepare(plain_file(b"")), "bad.csv is empty"),
    "header alone": (prepare(plain_file(b"titre,contenu\n")), "bad.csv is empty"),
    "binary": (prepare(plain_file(b"\x89PNG\r\n\x1a\n\0\0")), "bad.csv is not a CSV"),
    "web page": (prepare(plain_file(b"<html><body>\nrien\n</body></html>")), "not a CSV"),
    "one column": (prepare(plain_file(b"titre\nun\ndeux\n")), "a single column"),
    "missing columns": (prepare(plain_file(b"a,b\n1,2\n")), "no column Titre/title"),
    "no pair left": (prepare(plain_file(b"titre,contenu\ncourt,bref\n")), "gives no pair"),
    "empty split": (
        prepare(lambda folder: write_news(folder / "two.csv", rows=2)),
        "With 2 pairs and these shares",
    ),
    "cut gzip": (
        prepare(plain_file(gzip.compress(b"titre,contenu\n" * 999)[:30], "bad.csv.gz")),
        "not a readable gzip",
    ),
    "gzip by name alone": (prepare(plain_file(b"titre,contenu\n", "bad.csv.gz")), "gzip"),
    "no model in a child": (
        lambda folder: ["estimate", good(folder), "--method", "full", "--model", folder / "none"],
        "is no sentence-transformers model",
    ),
    "preset as a setting": (
        lambda folder: ["train", good(folder), "--method", "full", "--set", "preset=best"],
        "preset = 'best'",
    ),
    "no YAML": (
        lambda folder: ["train", good(folder), "--method", "full", "--set", "lora_targets=[query"],
        "--set lora_targets=[query: not YAML",
    ),
    "two methods": (
        lambda folder: ["train", good(folder), "--method", "full", "--set", "method=lora"],
        "--method says full",
    ),
    "no model": (evaluated_with_folder, "is no sentence-transformers model"),
    "bad share": (prepare(good, "--test-share", 2), "test_share = 2.0"),
    "two bad settings": (prepare(good, "--test-share", 0, "--seed", -1), "seed = -1"),
    "bad length": (
        lambda folder: ["evaluate", good(folder), "--retriever", "bm25", "--max-length", 4],
        "max_length = 4",
    ),
    "bad cutoff": (
        lambda folder: ["evaluate", good(folder), "--retriever", "bm25", "--cutoffs", "0,5"],
        "cutoffs.0 = '0'",
    ),
    "unknown encoding": (
        lambda folder: ["prepare", good(folder), "--encoding", "klingon"],
        "The encoding klingon is unknown",
    ),
    "bad delimiter": (
        lambda folder: ["prepare", good(folder), "--delimiter", "ab"],
        "The delimiter 'ab' is not one character",
    ),
    "chosen column missing": (
        lambda folder: ["prepare", good(folder), "--query-column", "zut"],
        "has no column zut",
    ),
    "unknown retriever": (
        lambda folder: ["evaluate", good(folder), "--retriever", "tfidf"],
        "no retriever tfidf: use bm25, baseline, fusion",
    ),
    "unknown retriever asked": (
        lambda folder: ["search", good(folder), "zyx1", "--retriever", "tfidf"],
        "no retriever tfidf",
    ),
    "empty query": (
        lambda folder: ["search", good(folder), "  ", "--retriever", "bm25"],
        "The query is empty",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, tmp_path, mistake):
    arguments, words = MISTAKES[mistake]
    assert main([*map(str, arguments(tmp_path)), "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["prepare"],
        ["zut"],
        ["evaluate", "x.csv"],
        ["prepare", "x.csv", "--seed", "un"],
        ["search", "x.csv", "neige", "--retriever", "bm25", "--k", "0"],
    ],
)
def test_a_mistyped_command_is_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ZeroDivisionError("par zéro"), 1, "ZeroDivisionError: par zéro"),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_a_bug_and_an_interruption_have_their_own_codes(capsys, monkeypatch, error, code, words):
    def fail():
        raise error

    monkeypatch.setattr(cli, "_backend", fail)
    assert main(["prepare", "x.csv", "--json"]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1] == words
    assert ("Traceback" in told.err) is (code == 1)


NUMBER = {"type": "number"}
METRICS = [f"{metric}@{k}" for metric in ("recall", "mrr", "ndcg") for k in (1, 5, 10)]
ID = {"type": "string", "pattern": "^(full|lora)-[0-9a-f]{8}$"}
METHOD = {"enum": ["full", "lora"]}
DIFFERENCE = exactly(mean=NUMBER, low=NUMBER, high=NUMBER)
TRAINED = exactly(
    experiment=ID,
    method=METHOD,
    extra=exactly(used=COUNT, left_out=COUNT),
    steps={"type": "integer", "minimum": 1},
    rerank_steps=COUNT,
    trainable_parameters=COUNT,
    total_parameters=COUNT,
    seconds=SECONDS,
    timings=exactly(train=SECONDS, rerank=SECONDS, evaluate_before=SECONDS, evaluate_after=SECONDS),
    estimated_seconds=SECONDS,
    peak_memory_mb=SECONDS,
    precision={"enum": ["float32", "bf16"]},
    estimated_memory_mb=SECONDS,
    evaluations={"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2},
    before=exactly(**dict.fromkeys(METRICS, SHARE)),
    after=exactly(**dict.fromkeys(METRICS, SHARE)),
    difference=exactly(**dict.fromkeys(METRICS, DIFFERENCE)),
    path=TEXT,
)
TRAINING = {
    "experiment": ID,
    "name": {"type": ["string", "null"]},
    "state": {"enum": ["done", "running", "stopped"]},
    "method": METHOD,
    "preset": TEXT,
    "dataset": TEXT,
    "pairs": COUNT,
    "steps": COUNT,
    "rerank_steps": COUNT,
    "path": TEXT,
}
EVALUATION = exactly(
    experiment=TEXT, retriever=TEXT, dataset=TEXT, queries=COUNT, passages=COUNT,
    corpus=TEXT, max_length={"type": ["integer", "null"]}, precision={"type": ["string", "null"]},
    prompts={"type": ["object", "null"]},
    metrics=exactly(**dict.fromkeys(METRICS, SHARE)),
)  # fmt: skip
LISTED = exactly(
    trainings={"type": "array", "items": exactly(**TRAINING)},
    evaluations={"type": "array", "items": EVALUATION},
    unreadable={"type": "array", "items": TEXT},
)
MAPPING = {"type": "object"}
SHOWN = exactly(
    **TRAINING, settings=MAPPING, base=MAPPING, versions=MAPPING, scores=MAPPING
)  # fmt: skip
ESTIMATED = exactly(
    seconds=SECONDS, steps=COUNT, train_seconds=SECONDS, validate_seconds=SECONDS,
    evaluate_seconds=SECONDS, rerank_seconds=SECONDS, memory_mb=SECONDS, disk_mb=SECONDS,
)  # fmt: skip
SHORT = ("--max-length", 16)
SMALL = ("--set", "batch_size=4", "--set", "max_length=16")


@pytest.fixture
def tiny(monkeypatch, tiny_model):
    """The real two-layer model is the one in use."""
    monkeypatch.setenv("E5DEMO_MODEL", str(tiny_model.folder))


@pytest.fixture
def without_child(monkeypatch):
    """The evaluation after a training runs here: one start of Python less."""

    def evaluate(tuned):
        backend = cli._backend()
        dataset = backend.dataset(tuned.dataset)
        return {"experiment": backend.evaluate(dataset, tuned.id, tuned.split, tuned.evaluation).id}

    monkeypatch.setattr(cli, "_evaluate_afresh", evaluate)


def test_train_tunes_and_its_id_is_a_retriever(capsys, news, tiny, tmp_path):
    options = ("--method", "lora", "--max-minutes", 0.05)
    told = valid(answer(capsys, "train", news, *options, *SMALL, *SHORT), TRAINED)
    trained = told["experiment"]
    assert (told["rerank_steps"], told["timings"]["rerank"]) == (0, 0)
    for retriever in (trained, f"fusion:{trained}"):
        scored = answer(capsys, "evaluate", news, "--retriever", retriever, *SHORT)
        assert (scored["retriever"], scored["weights"]) == (retriever, "tuned")
        if retriever == trained:
            assert scored["metrics"] == told["after"]
    gained = {name: told["after"][name] - told["before"][name] for name in METRICS}
    assert {n: d["mean"] for n, d in told["difference"].items()} == pytest.approx(gained)

    listed = valid(answer(capsys, "experiments", "list"), LISTED)
    assert [row["experiment"] for row in listed["trainings"]] == [trained]
    assert [row["retriever"] for row in listed["evaluations"]] == [
        f"fusion:{trained}", trained, "baseline",
    ]  # fmt: skip
    shown = valid(answer(capsys, "experiments", "show", trained), SHOWN)
    assert (shown["state"], shown["steps"], shown["name"]) == ("done", told["steps"], None)
    assert shown["settings"]["max_minutes"] == 0.05
    scored = ("evaluations", "before", "after", "difference")
    assert shown["scores"] == {part: told[part] for part in scored}
    evaluated, base = listed["evaluations"][1:]
    assert told["evaluations"] == [base["experiment"], evaluated["experiment"]]
    assert answer(capsys, "experiments", "show", evaluated["experiment"]) == evaluated

    named = answer(capsys, "experiments", "rename", trained, " Mon  essai ")
    assert valid(named, exactly(**TRAINING))["name"] == "Mon essai"
    path = tmp_path / "out.zip"
    assert answer(capsys, "experiments", "export", trained, path) == {"path": str(path)}
    assert answer(capsys, "experiments", "delete", trained) == {"deleted": trained}
    listed = answer(capsys, "experiments", "list")
    assert listed["trainings"] == []
    assert [row["retriever"] for row in listed["evaluations"]] == ["baseline"]
    for _ in range(2):
        imported = valid(answer(capsys, "experiments", "import", path), exactly(**TRAINING))
        assert (imported["state"], imported["name"]) == ("done", "Mon essai")
    assert imported["experiment"] != trained
    again = answer(capsys, "evaluate", news, "--retriever", trained, *SHORT)
    assert again["metrics"] == told["after"]
    assert main(["train", "--resume", trained]) == 2
    assert "trained to its end" in capsys.readouterr().err


def test_a_stopped_training_is_resumed(capsys, news, tiny, without_child, monkeypatch):
    def stop_at_two(self, stage, done, total):
        if (stage, done) == ("train", 2):
            os.kill(os.getpid(), signal.SIGTERM)

    options = ["--method", "full", "--set", "epochs=0.6"]
    with monkeypatch.context() as patch:
        patch.setattr(cli.TerminalProgress, "__call__", stop_at_two)
        assert main([*map(str, ["train", news, *options, *SMALL, *SHORT]), "--json"]) == 130
    told = capsys.readouterr()
    assert told.out == ""
    (row,) = answer(capsys, "experiments", "list")["trainings"]
    last = told.err.splitlines()[-1]
    assert last.startswith("Stopped after step 2 of ")
    assert last.endswith(f"python -m e5demo train --resume {row['experiment']}")
    assert (row["state"], row["steps"]) == ("stopped", 2)
    dataset = row["dataset"]
    for csv in ((), (dataset,), (news,)):  # its own data may be named again
        command = ("train", *csv, "--resume", row["experiment"])
        if csv == ():
            resumed = valid(answer(capsys, *command), TRAINED)
            assert resumed["experiment"] == row["experiment"]
            assert resumed["steps"] == int(last.split(" of ")[1].split(".")[0]) > 2
        else:
            assert main([*map(str, command)]) == 2
            assert "nothing left to resume" in capsys.readouterr().err
    shown = answer(capsys, "experiments", "show", row["experiment"])
    assert (shown["state"], shown["steps"]) == ("done", resumed["steps"])
    assert shown["scores"]["after"] == resumed["after"]


def test_a_training_whose_last_evaluation_failed_is_resumed_for_that(
    capsys, news, tiny, without_child, monkeypatch
):
    def fail(tuned):
        raise ZeroDivisionError

    options = ("--method", "lora", "--set", "epochs=0.4")
    with monkeypatch.context() as patch:
        patch.setattr(cli, "_evaluate_afresh", fail)
        assert main([*map(str, ["train", news, *options, *SMALL, *SHORT])]) == 1
    capsys.readouterr()
    (row,) = answer(capsys, "experiments", "list")["trainings"]
    assert row["state"] == "done"
    told = valid(answer(capsys, "train", "--resume", row["experiment"]), TRAINED)
    assert (told["experiment"], told["steps"]) == (row["experiment"], row["steps"])
    assert answer(capsys, "experiments", "show", row["experiment"])["scores"]["after"]


def test_a_training_stopped_in_its_reranking_is_a_model_and_goes_on(
    capsys, news, tiny, without_child, monkeypatch
):
    def stop_at_two(self, stage, done, total):
        if (stage, done) == ("late", 2):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setitem(reranking.RECIPE, "batch_size", 4)
    monkeypatch.setitem(reranking.RECIPE, "max_length", 16)
    options = ["--method", "full", "--set", "epochs=0.4", "--set", "rerank_minutes=1"]
    with monkeypatch.context() as patch:
        patch.setattr(cli.TerminalProgress, "__call__", stop_at_two)
        assert main([*map(str, ["train", news, *options, *SMALL, *SHORT])]) == 130
    (row,) = answer(capsys, "experiments", "list")["trainings"]
    assert (row["state"], row["rerank_steps"]) == ("stopped", 2)
    before = answer(capsys, "experiments", "show", row["experiment"])["scores"]
    told = answer(capsys, "evaluate", news, "--retriever", row["experiment"], *SHORT)
    assert told["metrics"] == before["after"]
    with monkeypatch.context() as patch:  # what it began from
        patch.setattr(ModelSource, "fingerprint", "another")
        assert main(["train", "--resume", row["experiment"]]) == 2
    assert "other base weights" in capsys.readouterr().err
    assert answer(capsys, "experiments", "show", row["experiment"])["scores"] == before
    resumed = valid(answer(capsys, "train", "--resume", row["experiment"]), TRAINED)
    assert resumed["rerank_steps"] > 2
    assert resumed["timings"]["rerank"] > 0
    assert (resumed["steps"], resumed["after"]) == (row["steps"], before["after"])
    answer(capsys, "evaluate", news, "--retriever", f"rerank:{row['experiment']}", *SHORT)
    assert main(["train", "--resume", row["experiment"]]) == 2
    assert "nothing left to resume" in capsys.readouterr().err


def write_triplets(path, *rows):
    lines = [",".join(f'"{text}"' for text in row) for row in rows]
    path.write_text("\n".join(["query,positive,negative", *lines]) + "\n", "utf-8")
    return path


def test_extra_triplets_are_trained_on_but_for_the_test_s(
    capsys, news, tiny, without_child, tmp_path
):
    backend = cli._backend()
    dataset = backend.resolve(str(news))
    train, test = (backend.split_rows(dataset, SplitSettings(), part) for part in ("train", "test"))
    rows = [(f"Une question {i}", f"Un article pour {i}", f"Un contre {i}") for i in range(4)]
    extra = write_triplets(tmp_path / "votes.csv", *rows, (test["query"].iloc[0], "pour", "contre"))
    options = ["train", news, "--method", "lora", "--extra", extra, *SMALL, *SHORT]
    options += ["--set", "hard_negatives=0"]
    assert main([*map(str, options), "--json"]) == 0
    told = capsys.readouterr()
    answered = valid(json.loads(told.out), TRAINED)
    assert answered["extra"] == {"used": 4, "left_out": 1}
    assert answered["steps"] == (len(train) + 4) // 4  # in batches of four
    assert told.err.splitlines()[:3] == [
        "Extra triplets: 4 used; left out, as validation or test hold their texts: 1",
        "Each pair gets a hard negative too: hard_negatives=1",
        f"Experiment {answered['experiment']}",
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.csv", "no file none.csv"), ("news.csv", "no column query, positive, negative"),
     ("empty.csv", "empty.csv holds no triplet")],
)  # fmt: skip
def test_what_holds_no_triplets_begins_no_training(capsys, news, fake_engine, monkeypatch, name,
                                                   words):  # fmt: skip
    monkeypatch.chdir(news.parent)
    write_triplets(news.parent / "empty.csv", ("q", "", "n"))
    assert main(["train", news.name, "--method", "lora", "--extra", name, "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert words in told.err
    assert answer(capsys, "experiments", "list")["trainings"] == []


@pytest.fixture
def unfinished(news, fake_engine):
    """A training that was asked for and never started."""
    backend = cli._backend()
    recipe = make_recipe("lora", "quick", batch_size=4)
    dataset = backend.resolve(str(news))
    return backend.begin_training(
        dataset, SplitSettings(), recipe, "quick", EvaluationSettings()
    ).id


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--preset", "quick"], "--preset"),
        (["--method", "lora"], "--method"),
        (["--set", "epochs=2"], "--set"),
        (["--config", "x.yaml", "--max-minutes", "3"], "--config, --max-minutes"),
        (["--extra", "x.csv"], "--extra"),
    ],
)
def test_who_resumes_may_change_nothing(capsys, unfinished, options, named):
    assert main(["train", "--resume", unfinished, *options, "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        f"--resume {unfinished} goes on with the settings and the data that it began with: "
        f"leave out {named}."
    ]


def test_who_resumes_brings_no_other_data(capsys, unfinished, tmp_path):
    other = str(write_news(tmp_path / "other.csv", 20))
    assert main(["train", other, "--resume", unfinished]) == 2
    assert f"leave out {other}" in capsys.readouterr().err
    assert main(["train", "--resume", "lora-00000000"]) == 2
    assert "no experiment lora-00000000" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [["train", "news.csv"], ["train", "--method", "full"], ["train"], ["estimate", "news.csv"],
     ["train", "news.csv", "--preset", "best"]],
)  # fmt: skip
def test_what_to_tune_and_how_has_to_be_said(capsys, news, monkeypatch, options):
    monkeypatch.chdir(news.parent)
    assert main([*options, "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Say what to tune and how")


def test_a_preset_is_changed_by_file_then_set_then_minutes(capsys, news, fake_engine, tmp_path,
                                                           monkeypatch):  # fmt: skip
    asked = []

    def stop(self, tuned, progress):
        asked.append(tuned)
        raise KeyboardInterrupt

    monkeypatch.setattr(Backend, "go_on_training", stop)
    file = tmp_path / "recipe.yaml"
    file.write_text("method: full\nscale: 30\nseed: 5\nmax_minutes: 1\nepochs: 3\n")
    options = ["--config", file, "--set", "seed=6", "--set", "max_pairs=12", "--set", "epochs=4"]
    command = ["train", news, "--method", "lora", "--preset", "best", "--max-minutes", 2, *options]
    assert main([*map(str, command)]) == 130
    (tuned,) = asked
    expected = make_recipe(
        "lora", "best", scale=30, seed=6, epochs=4, max_minutes=2, max_pairs=12, batch_size=8
    )
    assert tuned.settings.validation_queries < expected.validation_queries  # as many as there are
    assert tuned.settings == expected.model_copy(
        update={"validation_queries": tuned.settings.validation_queries}
    )
    assert (tuned.preset, tuned.job, tuned.pairs) == ("best", None, 12)
    assert f"Experiment {tuned.id}\n" in capsys.readouterr().err


def test_estimate_tells_the_cost_without_training(capsys, news, tiny):
    options = ("--method", "full", "--preset", "quick", *SMALL, *SHORT)
    told = valid(answer(capsys, "estimate", news, *options), ESTIMATED)
    assert told["steps"] >= 1
    parts = (told[f"{part}_seconds"] for part in ("train", "validate", "evaluate"))
    assert told["seconds"] == pytest.approx(sum(parts))
    assert answer(capsys, "experiments", "list") == {
        "trainings": [],
        "evaluations": [],
        "unreadable": [],
    }
    again = answer(capsys, "estimate", news, *options)
    assert again["train_seconds"] == told["train_seconds"]  # timed once


def test_estimate_asks_each_preset_in_a_process_of_its_own(capsys, news, fake_engine, monkeypatch):
    asked = []

    def afresh(*arguments):
        asked.append(cli._parser().parse_args(arguments))
        return {"steps": len(asked)}

    monkeypatch.setattr(cli, "_afresh", afresh)
    options = ["--method", "lora", *SMALL, *SHORT, "--seed", 7, "--max-minutes", 3]
    told = answer(capsys, "estimate", news, *options)
    assert told == {"quick": {"steps": 1}, "notebook": {"steps": 2}, "best": {"steps": 3}}
    assert [one.preset for one in asked] == list(told)
    for one in asked:
        assert (one.method, one.max_length, one.seed, one.max_minutes) == ("lora", 16, 7, 3)
        assert one.set == ["batch_size=4", "max_length=16"]
    assert main(["estimate", str(news), "--method", "lora", "--set", "zut=1"]) == 2
    assert "zut" in capsys.readouterr().err
    assert len(asked) == 3


EXPERIMENT_MISTAKES = {
    "unknown to show": (["show", "lora-1"], "no experiment lora-1"),
    "unknown to delete": (["delete", "lora-1"], "no experiment lora-1"),
    "nothing to show": (["show"], "experiments show ID"),
    "nothing to import": (["import"], "experiments import ID"),
    "no file": (["import", "none.zip"], "no file none.zip"),
    "no zip": (["import", "news.csv"], "news.csv is no tuned model"),
    "no way out": (["show", "../x"], "no experiment ../x"),
}


@pytest.mark.parametrize("mistake", EXPERIMENT_MISTAKES)
def test_a_mistake_about_experiments_is_one_line(capsys, news, monkeypatch, mistake):
    monkeypatch.chdir(news.parent)
    arguments, words = EXPERIMENT_MISTAKES[mistake]
    assert main(["experiments", *arguments, "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rename", "ID"], "'' is no name"),
        (["rename", "ID", " "], "'' is no name"),
        (["export", "ID"], "no experiment lora-"),
    ],
)
def test_an_unfinished_training_has_its_limits(capsys, unfinished, arguments, words):
    arguments = [unfinished if part == "ID" else part for part in arguments]
    assert main(["experiments", *arguments]) == 2
    assert words in capsys.readouterr().err
    shown = valid(answer(capsys, "experiments", "show", unfinished), SHOWN)
    assert (shown["state"], shown["steps"], shown["scores"]) == ("stopped", 0, {})
    assert answer(capsys, "experiments", "delete", unfinished) == {"deleted": unfinished}


@pytest.mark.parametrize("change", ["scale", "scale=-1", "zut=1"])
def test_a_bad_training_setting_is_one_line(capsys, tmp_path, change):
    arguments = ["train", str(good(tmp_path)), "--method", "full", "--set", change, "--json"]
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1
