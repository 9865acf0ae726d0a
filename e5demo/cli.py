"""`python -m e5demo`: the backend on the command line. JSON to standard output, the rest to error.

Exit codes: 0, 1 for a bug, 2 for a user's mistake, 130 when interrupted.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn, get_args

import yaml

from e5demo import workspace
from e5demo.config import MAX_LENGTH, EvaluationSettings, Precision, SplitSettings, load_yaml
from e5demo.errors import (
    AlreadyTrained,
    BadSetting,
    E5DemoError,
    FolderNotWritable,
    NoExperiment,
    NoMethod,
    OneExperiment,
    ResumeAlone,
    restored,
)
from e5demo.jobs import JOB_PART, Progress, Reporter, job_id, keep_log
from e5demo.training.recipe import PRESETS, TrainingSettings, make_recipe

OK, BUG, MISTAKE, INTERRUPTED = 0, 1, 2, 130
DEFAULT_PRESET = "quick"
ACTIONS = ("list", "show", "rename", "delete", "export", "import")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    reporter = Reporter.of_this_process()
    if options.model:
        os.environ["E5DEMO_MODEL"] = options.model
    try:
        with contextlib.redirect_stdout(sys.stderr):  # a library's chatter is not our JSON
            answer = options.run(options, reporter or TerminalProgress())
    except E5DemoError as error:
        values = {name: str(value) for name, value in error.values.items()}
        told = {"error": type(error).__name__, "values": values}
        if os.environ.get(JOB_PART):  # who began this process says it: see `_afresh`
            print(json.dumps(told))
            return MISTAKE
        return _ended(reporter, MISTAKE, str(error), **told)
    except KeyboardInterrupt as error:
        return _ended(reporter, INTERRUPTED, str(error) or "Interrupted.")
    except Exception as error:
        traceback.print_exc()
        return _ended(reporter, BUG, f"{type(error).__name__}: {error}")
    if isinstance(sys.stdout, io.TextIOWrapper):  # JSON is UTF-8, whatever the terminal's encoding
        sys.stdout.reconfigure(encoding="utf-8" if options.json else None, errors="replace")
    with contextlib.suppress(BrokenPipeError):  # who reads has read enough
        print(json.dumps(answer, ensure_ascii=False) if options.json else _readable(answer))
        sys.stdout.flush()
    if reporter:
        reporter.end("done")
    return OK


def prepare(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    backend = _backend()
    dataset = backend.resolve(options.csv, **_read_as(options))
    split = backend.split(dataset, _split_settings(options), progress)
    if options.out is not None:
        try:
            backend.save_splits(dataset, split, Path(options.out))
        except OSError as error:
            raise FolderNotWritable(folder=options.out, reason=error.strerror) from error
    return {
        "dataset": dataset.id,
        "rows": dataset.rows,
        "pairs": dataset.size,
        "dropped": dataset.dropped_counts,
        "splits": split.sizes,
        "leaks": split.leaks,
        "leaks_avoided": split.leaks_avoided,
    }


def evaluate(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    settings = EvaluationSettings.checked(
        corpus=options.corpus,
        max_length=options.max_length,
        limit_queries=options.limit_queries,
        prompts=options.prompts,
        precision=options.precision,
        seed=options.seed,
        **({"cutoffs": options.cutoffs.split(",")} if options.cutoffs is not None else {}),
    )
    backend = _backend()
    dataset = backend.resolve(options.csv, **_read_as(options))
    done = backend.evaluate(
        dataset, options.retriever, _split_settings(options), settings, progress
    )
    return {
        "experiment": done.id,
        "retriever": done.measured.retriever,
        "model": done.measured.model,
        "weights": done.measured.weights,
        "queries": done.queries,
        "passages": done.passages,
        "metrics": done.metrics,
        "seconds": done.seconds,
        "timings": done.timings,
        "cached_passages": done.cached_passages,
    }


def search(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    from e5demo.answers import as_json
    from e5demo.data.browsing import Scope

    settings = EvaluationSettings.checked(corpus=options.corpus, max_length=options.max_length)
    backend = _backend()
    dataset = backend.resolve(options.csv, **_read_as(options))
    corpus = backend.corpus(dataset, _split_settings(options), settings.corpus)
    found = backend.side_by_side(
        corpus,
        options.query,
        options.retriever,
        k=options.k,
        max_length=settings.max_length,
        scope=Scope.checked(options.agency, options.since, options.until),
        progress=progress,
    )
    return as_json(found)


def encode(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    settings = EvaluationSettings.checked(corpus=options.corpus, max_length=options.max_length)
    backend = _backend()
    dataset = backend.resolve(options.csv, **_read_as(options))
    corpus = backend.corpus(dataset, _split_settings(options), settings.corpus)
    _, tuned = backend.find_retriever(options.retriever)
    passages, cached = backend.encode(corpus, settings.max_length, progress, tuned)
    return {"passages": passages, "cached_passages": cached}


def train(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Tune, with scores before and after; those after by a process that loads what was saved."""
    backend = _backend()
    tuned = _resumed(backend, options) if options.resume else _begun(backend, options)
    dataset = backend.dataset(tuned.dataset)
    print(f"Experiment {tuned.id}", file=sys.stderr, flush=True)
    with tuned.working():  # from its first evaluation to its last: nobody deletes it meanwhile
        if options.resume:
            tuned = backend.taken_up(tuned, job_id())
        before = backend.evaluate(dataset, "baseline", tuned.split, tuned.evaluation, progress)
        if not tuned.trained:
            tuned = backend.go_on_training(tuned, progress)
        after = backend.experiment(_evaluate_afresh(tuned)["experiment"])
        scores = backend.keep_scores(tuned, before, after)
        if tuned.lacks_tokens:  # last: the model is of use without them
            backend.train_tokens(tuned, progress)
        keep_log(tuned.folder)
    trained = tuned.trained
    steps, timing = tuned.plan
    return {
        "experiment": tuned.id,
        "method": tuned.settings.method,
        "extra": asdict(tuned.extra),
        "steps": trained.steps,
        "rerank_steps": len(tuned.late_history),
        "trainable_parameters": trained.trainable_parameters,
        "total_parameters": trained.total_parameters,
        "seconds": trained.seconds,
        "timings": {
            "train": trained.seconds,
            "rerank": tuned.late_seconds,
            "evaluate_before": before.seconds,
            "evaluate_after": after.seconds,
        },
        "estimated_seconds": timing.train_seconds(tuned.settings, steps),
        "peak_memory_mb": trained.peak_memory_mb,
        "precision": trained.precision,
        "estimated_memory_mb": timing.memory_mb(tuned.settings),
        **_told_scores(scores),
        "path": str(tuned.folder),
    }


def _told_scores(scores: dict[str, Any]) -> dict[str, Any]:
    """The fields that README names; the verdict kept beside them is the page's."""
    return {name: scores[name] for name in ("evaluations", "before", "after", "difference")}


def estimate(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """What one preset would cost, or each of them where none is named."""
    if not options.method:
        raise NoMethod
    backend = _backend()
    asked = _training_asked(backend, options)  # a mistake is told here, not by three processes
    if not options.preset:  # in a process each: memory that one has used would count for the next
        return {preset: _estimate_afresh(preset, options) for preset in PRESETS}
    backend.time_training(*asked, progress)
    found = backend.estimate(*asked)
    return {"seconds": found.seconds, **asdict(found)}


def experiments(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    backend = _backend()
    if options.action == "list":
        return {
            "trainings": [_training_row(tuned) for tuned in backend.all_trainings()],
            "evaluations": [_evaluation_row(done) for done in backend.experiments()],
            "unreadable": [str(error) for error in backend.unreadable()],
        }
    if not options.id:
        raise NoExperiment(action=options.action)
    if options.action == "import":
        return _training_row(backend.import_training(Path(options.id)))
    if options.action == "delete":
        backend.delete_experiment(options.id)
        return {"deleted": options.id}
    if options.action == "show" and backend.is_evaluation(options.id):
        return _evaluation_row(backend.experiment(options.id))
    tuned = backend.training(options.id)
    if options.action == "rename":
        tuned.rename(options.value or "")
        return _training_row(backend.training(options.id))
    if options.action == "export":
        target = Path(options.value or f"{tuned.id}.zip")
        return {"path": str(backend.export_training(tuned, target, merged=options.merged))}
    return {
        **_training_row(tuned),
        "settings": tuned.settings.model_dump(mode="json"),
        "base": tuned.base,
        "versions": tuned.versions,
        "scores": _told_scores(tuned.scores) if tuned.scores else {},
    }


def _training_row(tuned: Any) -> dict[str, Any]:
    return {
        "experiment": tuned.id,
        "name": tuned.name,
        "state": tuned.state,
        "method": tuned.settings.method,
        "preset": tuned.preset,
        "dataset": tuned.dataset,
        "pairs": tuned.pairs,
        "steps": tuned.trained.steps if tuned.trained else tuned.resumes_at,
        "rerank_steps": len(tuned.late_history),
        "path": str(tuned.folder),
    }


def _evaluation_row(done: Any) -> dict[str, Any]:
    return {
        "experiment": done.id,
        "retriever": done.measured.retriever,
        "corpus": done.measured.corpus_kind,
        "max_length": done.measured.max_length,
        "prompts": done.measured.prompts,
        "precision": done.measured.precision,
        "dataset": done.dataset,
        "queries": done.queries,
        "passages": done.passages,
        "metrics": done.metrics,
    }


def compare(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Each two, the later one against the earlier."""
    backend = _backend()
    ids = list(dict.fromkeys(options.experiments))
    if len(ids) < 2:
        raise OneExperiment
    chosen = [backend.experiment(one) for one in ids]
    found = backend.compare(chosen)
    return {
        "experiments": [_evaluation_row(one) for one in chosen],
        "intervals": {
            one: {metric: asdict(interval) for metric, interval in of_one.items()}
            for one, of_one in found.intervals.items()
        },
        "differences": [asdict(difference) for difference in found.differences],
    }


def report(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """The evidence of a comparison as a zip, with the size of each file in it."""
    path = _backend().write_report(
        options.experiments, Path(options.out), options.language, progress
    )
    with zipfile.ZipFile(path) as written:
        sizes = {info.filename: info.file_size for info in written.infolist()}
    return {"path": str(path), "files": sizes}


def setup(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Have the model and the sample's vectors ready before the page opens."""
    backend = _backend()
    source = backend.engine.find_model()
    sample = backend.corpus(backend.sample(), SplitSettings(), "all")
    backend.engine.retriever("baseline", sample, EvaluationSettings().max_length, progress)
    return {"model": source.name, "weights": source.weights, "sample_passages": len(sample)}


def _begun(backend: Any, options: argparse.Namespace) -> Any:
    """A new training, refused before anything starts where something is wrong with it."""
    from e5demo.training.triplets import read_triplets

    if not options.csv or not options.method:
        raise NoMethod
    extra = read_triplets(Path(options.extra)) if options.extra else None
    dataset, split, recipe, evaluation = _training_asked(backend, options)
    preset = options.preset or DEFAULT_PRESET
    tuned = backend.begin_training(dataset, split, recipe, preset, evaluation, job_id(), extra)
    if extra is not None:
        print(
            f"Extra triplets: {tuned.extra.used} used; left out, as validation or test hold "
            f"their texts: {tuned.extra.left_out}",
            file=sys.stderr,
        )
    if tuned.settings.hard_negatives > recipe.hard_negatives:
        print("Each pair gets a hard negative too: hard_negatives=1", file=sys.stderr)
    return tuned


def _resumed(backend: Any, options: argparse.Namespace) -> Any:
    given = {
        name: getattr(options, name.strip("-").replace("-", "_"))
        for name in ("--method", "--preset", "--config", "--set", "--max-minutes", "--extra")
    }
    named = [name for name, value in given.items() if value]
    if options.csv and backend.resolve(options.csv).id != backend.training(options.resume).dataset:
        named.append(options.csv)
    if named:
        raise ResumeAlone(experiment=options.resume, options=", ".join(named))
    tuned = backend.training(options.resume)
    if tuned.finished and tuned.scores:
        raise AlreadyTrained(experiment=tuned.id)
    tuned.check_base(backend.engine.find_model())  # before its scores are taken anew
    return tuned


def _training_asked(backend: Any, options: argparse.Namespace) -> tuple[Any, ...]:
    evaluation = EvaluationSettings.checked(corpus=options.corpus, max_length=options.max_length)
    dataset = backend.resolve(options.csv, **_read_as(options))
    split = _split_settings(options)
    pairs = len(backend.split_rows(dataset, split, "train"))
    return dataset, split, _recipe(options, pairs), evaluation


def _recipe(options: argparse.Namespace, pairs: int) -> TrainingSettings:
    """The preset, changed by the YAML file, then by --set, then by --max-minutes."""
    changes = load_yaml(Path(options.config)) if options.config else {}
    changes.pop("method", None)  # a form's file has it too; the option counts
    for change in options.set:
        name, found, value = change.partition("=")
        if not found:
            raise BadSetting(problems=f"--set {change}: write NAME=VALUE", mistakes=[])
        try:
            changes[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise BadSetting(problems=f"--set {change}: not YAML", mistakes=[]) from error
    if options.max_minutes is not None:
        changes["max_minutes"] = options.max_minutes
    if changes.pop("method", options.method) != options.method:
        problems = f"--set method: --method says {options.method}, say it there"
        raise BadSetting(problems=problems, mistakes=[])
    return make_recipe(options.method, options.preset or DEFAULT_PRESET, pairs, **changes)


def _evaluate_afresh(tuned: Any) -> dict[str, Any]:
    """`evaluate` in a process of its own."""
    options = [f"--retriever={tuned.id}", *tuned.split.as_options()]
    options += [f"--corpus={tuned.evaluation.corpus}"]
    options += [f"--max-length={tuned.evaluation.max_length}"]
    return _afresh("evaluate", tuned.dataset, *options)


def _estimate_afresh(preset: str, options: argparse.Namespace) -> dict[str, Any]:
    dataset = _backend().resolve(options.csv, **_read_as(options)).id
    given = [f"--method={options.method}", f"--preset={preset}"]
    given += [f"--corpus={options.corpus}", f"--max-length={options.max_length}"]
    given += [f"--set={change}" for change in options.set]
    given += [f"--config={options.config}"] if options.config else []
    given += [f"--max-minutes={options.max_minutes}"] if options.max_minutes else []
    return _afresh("estimate", dataset, *_split_settings(options).as_options(), *given)


def _afresh(*arguments: str) -> dict[str, Any]:
    """A command's answer from a process of its own; within a job, its progress is the job's.
    Raises the mistake that it ended with."""
    command = [sys.executable, "-m", "e5demo", *arguments, "--json"]
    environment = {**os.environ, JOB_PART: "1"}
    run = subprocess.run(command, stdout=subprocess.PIPE, env=environment)
    if run.returncode == MISTAKE:
        mistake = json.loads(run.stdout)
        raise restored(mistake["error"], mistake["values"])
    run.check_returncode()
    return json.loads(run.stdout)


class TerminalProgress:
    """One line on standard error, rewritten; nothing where nobody watches."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done >= total else ""
            print(f"\r{stage} {done / max(total, 1):4.0%}", end=end, file=sys.stderr, flush=True)


def _backend() -> Any:
    # Here and not above: `--help` and a mistyped option need neither pandas nor FAISS.
    from e5demo.backend import Backend
    from e5demo.retrieval.engine import Engine

    return Backend(workspace.Workspace.local(), Engine(workspace.embeddings()))


def _read_as(options: argparse.Namespace) -> dict[str, Any]:
    columns = {"query": options.query_column, "passage": options.passage_column}
    chosen = {part: column for part, column in columns.items() if column}
    return {
        "delimiter": {"tab": "\t", "\\t": "\t"}.get(options.delimiter, options.delimiter),
        "encoding": options.encoding,
        "columns": chosen or None,
    }


def _split_settings(options: argparse.Namespace) -> SplitSettings:
    return SplitSettings.checked(
        mode=options.split,
        test_share=options.test_share,
        validation_share=options.validation_share,
        seed=options.seed,
    )


def _ended(reporter: Reporter | None, code: int, message: str, **mistake: Any) -> int:
    print(message, file=sys.stderr)
    if reporter:
        reporter.end("cancelled" if code == INTERRUPTED else "failed", message, **mistake)
    return code


def _readable(answer: Any, indent: str = "") -> str:
    """For a person: `name: value` lines, nested ones indented."""
    lines = []
    for name, value in answer.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", _readable(value, indent + "  ")]
        elif isinstance(value, list):
            parts = (_readable(part, indent + "  ") for part in value)
            lines += [f"{indent}{name}:", "\n\n".join(parts)]
        else:
            shown = f"{value:.4f}" if isinstance(value, float) else value
            lines.append(f"{indent}{name}: {shown}")
    return "\n".join(lines)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


class Parser(argparse.ArgumentParser):
    """A mistyped command is one sentence, as other mistakes are."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISTAKE, f"{self.prog}: {message} (--help tells more)\n")


def _parser() -> Parser:
    parser = Parser(prog="python -m e5demo", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="one JSON object on standard output")
    common.add_argument("--model", metavar="FOLDER", help="use this sentence-transformers folder")
    defaults = SplitSettings()
    shared = Parser(add_help=False)
    shared.add_argument("--delimiter", help="where it is not found by itself")
    shared.add_argument("--encoding", help="utf-8, utf-8-sig, utf-16 or cp1252")
    shared.add_argument("--query-column", metavar="NAME", help="the titles")
    shared.add_argument("--passage-column", metavar="NAME", help="the articles")
    shared.add_argument("--split", choices=["notebook", "grouped"], default=defaults.mode)
    shared.add_argument("--test-share", type=float, default=defaults.test_share)
    shared.add_argument("--validation-share", type=float, default=defaults.validation_share)
    shared.add_argument("--seed", type=int, default=defaults.seed)
    csv_help = "a .csv or .csv.gz, or a data set's id"
    data = Parser(add_help=False, parents=[shared])
    data.add_argument("csv", metavar="CSV", help=csv_help)
    optional = Parser(add_help=False, parents=[shared])
    optional.add_argument("csv", metavar="CSV", nargs="?", help=f"{csv_help}; none to resume")
    texts = Parser(add_help=False)
    texts.add_argument("--corpus", choices=["test", "all"], default="test")
    texts.add_argument("--max-length", type=int, default=MAX_LENGTH, help="tokens, at most 512")

    def command(name: str, run: Any, help: str, *parents: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, parents=[*parents, common])
        added.set_defaults(run=run)
        return added

    added = command("prepare", prepare, "make pairs and splits of a CSV", data)
    added.add_argument("--out", metavar="DIR", help="write the splits there (CSV and Parquet)")
    added = command("evaluate", evaluate, "score a retriever on the test queries", data, texts)
    added.add_argument(
        "--retriever",
        required=True,
        help="bm25, baseline, fusion, rerank, a tuned model's id, fusion:ID or rerank:ID",
    )
    added.add_argument("--limit-queries", type=int, metavar="N", help="a sample drawn by --seed")
    added.add_argument("--cutoffs", metavar="K,K", help="default 1,5,10")
    added.add_argument("--prompts", choices=["own", "none", "swapped"], default="own",
                       help="E5's own, or an ablation")  # fmt: skip
    added.add_argument("--precision", choices=get_args(Precision), default="float32",
                       help="of the vectors searched; int8-128: in 128 dimensions, "
                            "as the model learned them or else the first")  # fmt: skip
    added = command("search", search, "search the articles", data, texts)
    added.add_argument("query", metavar="QUERY")
    added.add_argument("--retriever", required=True, action="append", help="may be repeated")
    added.add_argument("--k", type=_positive, default=10)
    added.add_argument(
        "--agency", action="append", default=[], help="its articles alone; may be repeated"
    )
    added.add_argument("--since", default="", metavar="DAY", help="YYYY, YYYY-MM or YYYY-MM-DD")
    added.add_argument("--until", default="", metavar="DAY")
    added = command("encode", encode, "encode the articles ahead of searches", data, texts)
    added.add_argument("--retriever", default="baseline", help="baseline or a tuned model's id")
    recipe = Parser(add_help=False)
    recipe.add_argument("--method", choices=["full", "lora"])
    recipe.add_argument("--preset", choices=list(PRESETS), help=f"default {DEFAULT_PRESET}")
    recipe.add_argument("--config", metavar="FILE", help="settings in YAML, over the preset's")
    recipe.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    recipe.add_argument("--max-minutes", type=float, metavar="N", help="of training the model")
    added = command("train", train, "tune E5 on the train split", optional, texts, recipe)
    added.add_argument("--resume", metavar="ID", help="go on with a training that was stopped")
    added.add_argument(
        "--extra", metavar="FILE",
        help="a CSV of triplets (query, positive, negative) to train on too; each pair then gets "
        "a hard negative",
    )  # fmt: skip
    command("estimate", estimate, "what a training will cost here", data, texts, recipe)
    added = command("experiments", experiments, "list, show, delete, export, ... what was made")
    added.add_argument(
        "action", choices=ACTIONS, metavar="ACTION",
        help="list, show ID, rename ID NAME, delete ID, export ID [FILE], import FILE",
    )  # fmt: skip
    added.add_argument("id", nargs="?", default="", metavar="ID")
    added.add_argument("value", nargs="?", metavar="NAME|FILE")
    added.add_argument("--merged", action="store_true", help="export LoRA's merged weights too")
    added = command("compare", compare, "say of evaluations which is better, and how sure that is")
    added.add_argument("experiments", nargs="+", metavar="ID", help="two or more evaluations")
    added = command("report", report, "write the evidence of a comparison as one zip")
    added.add_argument("experiments", nargs="+", metavar="ID", help="one evaluation or more")
    added.add_argument("--out", default="report.zip", metavar="FILE.zip", help="default report.zip")
    added.add_argument("--language", choices=["fr", "en"], default="en", help="of what is read")
    command("setup", setup, "prepare the model and the sample's vectors")
    return parser
