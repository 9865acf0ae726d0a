"""Which recipe tunes E5 best: trainings, each scored on the validation titles among all articles.

    python benchmarks/quality/study.py NEWS.csv [--minutes N] [--out FOLDER] [--only PATTERN ...]
                                       [--queries N] [--without-train]

A trial's result is a file in FOLDER; those that are there are not made again, so that the study
goes on where it was stopped, and several processes can share it. A graphics card is used where
there is one. `--only` makes the trials whose name is like one of PATTERNs ("quick", "lora*").
`--without-train` searches the articles of validation and test alone, which takes less long; as
with `--queries`, such results are not to be compared with others: give them a FOLDER of their own.
Prints a table with paired differences to each group's first trial, and writes it as `results.json`
and, as a chart, `results.html`. The test titles are not read here.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from filelock import FileLock, Timeout
from measured import machine, table
from quality.news import News, encode, rankings, score, with_interval
from quality.plan import PLAN
from quality.trials import Trial
from quality.tuning import tune

from e5demo.evaluation.comparison import paired_difference
from e5demo.retrieval import models
from e5demo.workspace import write_json

METRICS = ("recall@1", "recall@10", "ndcg@10")
COLUMNS = {
    "name": ("trial", None),
    "steps": ("steps", 0),
    "seconds": ("seconds", 0),
    **{metric: (metric, 4) for metric in METRICS},
    "told": ("ndcg@10 against the group's first", None),
}


def main() -> None:
    options = _parser().parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    news = News.read(options.csv, options.without_train)
    deadline = time.monotonic() + 60 * options.minutes
    for trial in PLAN:
        if options.only and not any(fnmatchcase(trial.name, one) for one in options.only):
            continue
        if time.monotonic() > deadline:
            break
        try:
            with FileLock(options.out / f"{_file(trial)}.lock", timeout=0):
                if not (options.out / f"{_file(trial)}.json").is_file():
                    result = run(trial, news, options.queries)
                    write_json(options.out / f"{_file(trial)}.json", result)
                    print(f"{trial.name}: {result['means']}", file=sys.stderr, flush=True)
        except Timeout:  # another process is at it
            continue
    rows = summary(options.out)
    report = {"machine": machine("torch", "sentence-transformers"), "rows": rows}
    write_json(options.out / "results.json", report)
    draw(rows).write_html(options.out / "results.html")
    print(table(COLUMNS, rows))


def run(trial: Trial, news: News, limit: int | None) -> dict[str, Any]:
    """Train and score; `scores` are ndcg@10 by query id."""
    began = time.perf_counter()
    base = models.base_model()
    model = tune(trial, news, base) if trial.steps else models.load(base)
    trained = time.perf_counter() - began
    queries = news.queries("validation", limit)
    passages = encode(model, news.corpus.passages, "document", trial.scored_length)
    asked = encode(model, list(queries.texts.values()), "query", trial.scored_length)
    scores = score(rankings(asked, passages), queries, news.corpus)
    return {
        "trial": asdict(trial),
        "seconds": trained,
        "means": {metric: round(float(scores[metric].mean()), 5) for metric in METRICS},
        "scores": scores["ndcg@10"].round(4).to_dict(),
    }


def summary(folder: Path) -> list[dict[str, Any]]:
    """The plan's trials that are done, in its order; differences are paired, with 95% intervals."""
    firsts: dict[str, pd.Series] = {}
    rows = []
    for trial in PLAN:
        path = folder / f"{_file(trial)}.json"
        if not path.is_file():
            continue
        result = json.loads(path.read_text("utf-8"))
        scores = pd.Series(result["scores"])
        row = {"name": trial.name, "group": trial.group, "steps": trial.steps}
        row |= {"seconds": result["seconds"], **result["means"]}
        if trial.group in firsts:
            found = paired_difference(firsts[trial.group], scores)
            row |= asdict(found)
            row["told"] = with_interval(found)
        firsts.setdefault(trial.group, scores)
        rows.append(row)
    return rows


def draw(rows: list[dict[str, Any]]) -> Any:
    """Differences in ndcg@10 to each group's first trial, with their intervals."""
    import plotly.graph_objects as go

    shown = [row for row in rows if "mean" in row]
    chart = go.Figure(
        go.Scatter(
            x=[row["mean"] for row in shown],
            y=[row["name"] for row in shown],
            error_x={
                "array": [row["high"] - row["mean"] for row in shown],
                "arrayminus": [row["mean"] - row["low"] for row in shown],
            },
            mode="markers",
        )
    )
    chart.add_vline(0, line_dash="dot")
    chart.update_yaxes(autorange="reversed", automargin=True)
    chart.update_xaxes(title="ndcg@10 against the group's first trial, 95% interval")
    return chart.update_layout(height=120 + 22 * len(shown))


def _file(trial: Trial) -> str:
    return "".join(c if c.isalnum() or c in ".-" else "_" for c in trial.name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--out", type=Path, default=Path("build/quality"))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--queries", type=int)
    parser.add_argument("--without-train", action="store_true")
    return parser


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    main()
