import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from fakes import FakeEngine

from e5demo import cli
from e5demo.backend import Backend
from e5demo.cli import main
from e5demo.config import SplitSettings
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
)
COLUMN = exactly(retriever=TEXT, milliseconds=SECONDS, hits={"type": "array", "items": HIT})
SEARCH = exactly(columns={"type": "array", "items": COLUMN})


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


TRAINED = {
    "type": "object",
    "required": ["experiment", "method", "steps", "trainable_parameters", "total_parameters",
                 "seconds", "timings", "peak_memory_mb", "before", "after", "path"],
    "additionalProperties": False,
    "properties": {
        "experiment": {"pattern": "^(full|lora)-[0-9a-f]{8}$"},
        "method": {"enum": ["full", "lora"]},
        "steps": {"type": "integer", "minimum": 1},
        "trainable_parameters": {"type": "integer"},
        "total_parameters": {"type": "integer"},
        "seconds": {"type": "number"},
        "timings": {"required": ["train", "evaluate_before", "evaluate_after"]},
        "peak_memory_mb": {"type": "number"},
        "before": {"required": ["recall@1", "ndcg@10"]},
        "after": {"required": ["recall@1", "ndcg@10"]},
        "path": {"type": "string"},
    },
}  # fmt: skip


def test_train_tunes_and_its_id_is_a_retriever(capsys, tmp_path, tiny_model, monkeypatch):
    monkeypatch.setenv("E5DEMO_MODEL", str(tiny_model.folder))
    path = str(good(tmp_path))
    short = ["--max-length", "16", "--json"]
    options = ["--method", "lora", "--set", "batch_size=4", "--set", "max_length=16"]
    assert main(["train", path, *options, "--max-minutes", "0.05", *short]) == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, TRAINED)
    for retriever in (told["experiment"], f"fusion:{told['experiment']}"):
        assert main(["evaluate", path, "--retriever", retriever, *short]) == 0
        scored = json.loads(capsys.readouterr().out)
        assert (scored["retriever"], scored["weights"]) == (retriever, "tuned")
        if retriever == told["experiment"]:
            assert scored["metrics"] == told["after"]


@pytest.mark.parametrize("change", ["scale", "scale=-1", "zut=1"])
def test_a_bad_training_setting_is_one_line(capsys, tmp_path, change):
    arguments = ["train", str(good(tmp_path)), "--method", "full", "--set", change, "--json"]
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1
