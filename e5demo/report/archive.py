"""The evidence as one zip. The same evidence gives the same bytes, whenever it is written."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from e5demo import figures
from e5demo.evaluation.contrasts import recall_curve
from e5demo.evaluation.experiments import Experiment
from e5demo.evaluation.metrics import MEASURES
from e5demo.evaluation.runs import DEPTH
from e5demo.report.evidence import Evidence
from e5demo.report.page import report_page
from e5demo.report.tables import (
    differences_csv,
    metrics_csv,
    metrics_latex,
    metrics_markdown,
    scores_csv,
    trec_qrels,
    trec_run,
)
from e5demo.report.text import SEPARATORS, known, say
from e5demo.training.tuned import Tuned
from e5demo.workspace import draft_file

MANIFEST = "MANIFEST"
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # a zip's first day
UNIX, PLAIN_FILE = 3, 0o100644 << 16


def write_evidence(path: Path, evidence: Evidence, language: str = "en") -> Path:
    """Words in French or English. The file appears complete or not at all."""
    sums = []
    with draft_file(path) as file, zipfile.ZipFile(file, "w") as out:
        for name, content in _files(evidence, language):
            _add(out, name, content)
            sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
        _add(out, MANIFEST, "".join(sums).encode())
    return path


def _add(out: zipfile.ZipFile, name: str, content: bytes) -> None:
    """What zip takes from the clock and the system is the same everywhere."""
    info = zipfile.ZipInfo(name, FIXED_DATE)
    info.create_system, info.external_attr = UNIX, PLAIN_FILE
    info.compress_type = zipfile.ZIP_DEFLATED
    out.writestr(info, content)


def _files(evidence: Evidence, language: str) -> Iterator[tuple[str, bytes]]:
    yield "README.txt", readme(language, evidence).encode()
    yield "report.html", report_page(language, evidence).encode()
    yield "metrics.csv", metrics_csv(evidence)
    yield "metrics.md", metrics_markdown(evidence).encode()
    yield "metrics.tex", metrics_latex(evidence).encode()
    if evidence.comparison.differences:
        yield "differences.csv", differences_csv(evidence)
    yield "experiments.json", _experiments_json(evidence)
    for name, figure in _figures(evidence, language).items():
        yield f"figures/{name}.html", _figure_page(figure, name, language).encode()
    yield "figures/plotly.min.js", get_plotlyjs().encode()
    for one in evidence.experiments:
        yield f"scores/{one.id}.csv", scores_csv(evidence, one)
    yield "trec/qrels.txt", trec_qrels(evidence.qrels).encode()
    for one in evidence.experiments:
        yield f"trec/{one.id}.run", trec_run(one).encode()
    for name, table in evidence.splits.items():
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        yield f"splits/{name}.parquet", buffer.getvalue()


def readme(language: str, evidence: Evidence) -> str:
    """What each file is, and how to check the figures without this program."""
    ids = [one.id for one in evidence.experiments]
    files = {
        "report.html": "report",
        "figures/*.html": "figures",
        "metrics.csv, .md, .tex": "metrics",
        **({"differences.csv": "differences"} if evidence.comparison.differences else {}),
        "experiments.json": "experiments",
        "scores/ID.csv": "scores",
        "trec/ID.run": "run",
        "trec/qrels.txt": "qrels",
        "splits/*.parquet": "splits",
        MANIFEST: "manifest",
    }
    checked = evidence.versions.get("ir-measures")
    lines = [
        evidence.title,
        "",
        *(f"  {one}: {' '.join(evidence.names[one].split())}" for one in ids),
        "",
        say(language, "readme_files"),
        "",
        *(f"  {name:<24}{say(language, f'file_{key}')}" for name, key in files.items()),
        "",
        say(language, "readme_check"),
        "",
        f"  pip install ir-measures{f'=={checked}' if checked else ''}",
        "",
        say(language, "readme_check_told"),
        "",
        *(f"  {check_command(one)}" for one in evidence.experiments),
        "",
        say(language, "readme_manifest"),
        "",
        f"  sha256sum -c {MANIFEST}",
    ]
    return "\n".join(lines) + "\n"


def check_command(experiment: Experiment) -> str:
    """Its metrics again, by ir-measures' own command line, in the unpacked folder."""
    wanted = []
    for name in experiment.metrics:
        measure, _, k = name.partition("@")
        wanted.append(str(MEASURES[measure] @ int(k)))
    return f"python -m ir_measures trec/qrels.txt trec/{experiment.id}.run {' '.join(wanted)}"


def _experiments_json(evidence: Evidence) -> bytes:
    """With all digits: what the tables round."""
    told = [
        {
            "experiment": one.id,
            "name": evidence.names[one.id],
            "measured": asdict(one.measured),
            "dataset": one.dataset,
            "created": one.created,
            "queries": one.queries,
            "passages": one.passages,
            "metrics": one.metrics,
            "intervals": {
                metric: asdict(interval)
                for metric, interval in evidence.comparison.intervals[one.id].items()
            },
            "timings": one.timings,
            "cached_passages": one.cached_passages,
            "versions": one.versions,
            "training": _training(evidence.trainings.get(one.id)),
        }
        for one in evidence.experiments
    ]
    whole = {"experiments": told, "report": dict(evidence.versions)}
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode()


def _training(tuned: Tuned | None) -> dict[str, Any] | None:
    if tuned is None:
        return None
    return {
        "experiment": tuned.id,
        "preset": tuned.preset,
        "settings": tuned.settings.model_dump(mode="json"),
        "split": tuned.split.model_dump(mode="json"),
        "data": tuned.data,
        "pairs": tuned.pairs,
        "extra": asdict(tuned.extra),
        "base": tuned.base,
        "trained": asdict(tuned.trained) if tuned.trained else None,
        "versions": tuned.versions,
    }


def _figures(evidence: Evidence, language: str) -> dict[str, go.Figure]:
    names = {one: figures.plain(name) for one, name in evidence.names.items()}
    signs = SEPARATORS[known(language)]
    intervals, differences = evidence.comparison.intervals, evidence.comparison.differences
    curves = {
        one.id: recall_curve(one.run, evidence.qrels, DEPTH).tolist()
        for one in evidence.experiments
    }

    def title(key: str) -> str:
        return say(language, f"chart_{key}")

    drawn = {
        "scores": figures.metric_intervals(intervals, names, title("all_scores"), signs),
        "recall": figures.recall_curves(
            curves, names, title("recall"), say(language, "axis_rank"), signs
        ),
    }
    if differences:
        shown = title("all_differences")
        drawn["differences"] = figures.difference_forest(differences, names, shown, signs)
    return drawn


def _figure_page(figure: go.Figure, name: str, language: str) -> str:
    drawn = to_html(
        figure,
        include_plotlyjs="directory",
        full_html=False,
        div_id=name,  # instead of a drawn one
        config={"displaylogo": False},
    )
    title = escape(figure.layout.title.text.replace("<br>", " "))
    return (
        f'<!doctype html>\n<html lang="{known(language)}"><head><meta charset="utf-8">'
        f"<title>{title}</title></head>\n<body>{drawn}</body></html>\n"
    )
