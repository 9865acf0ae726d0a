"""The scores and differences as tables: CSV, Markdown, LaTeX; the rankings as TREC files.

Numbers are written with a point, whatever the reader's language: these are files for programs.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pandas as pd

from e5demo.data.corpus import Qrels
from e5demo.evaluation.comparison import Interval
from e5demo.evaluation.experiments import Experiment
from e5demo.evaluation.runs import trec_scores
from e5demo.report.evidence import Evidence
from e5demo.workspace import safe_cell

NOBODY = "none"  # stands for the right passage of a query that has none: TREC knows no such query
MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|&"})
LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # which opens an option after the end of a line
        "]": "{]}",
    }
)


def trec_qrels(qrels: Qrels) -> str:
    """A line per query and right passage: `query_id 0 passage_id relevance`."""
    rights = ((query, answers or {NOBODY: 0}) for query, answers in qrels.items())
    lines = (
        f"{query} 0 {one} {grade}\n" for query, of_it in rights for one, grade in of_it.items()
    )
    return "".join(lines)


def trec_run(experiment: Experiment) -> str:
    """A line per hit: `query_id Q0 passage_id rank score tag`, with the scores that were scored."""
    run = experiment.run
    scores = trec_scores(run)
    hits = zip(run["query_id"], run["passage_id"], run["rank"], strict=True)
    return "".join(
        f"{query} Q0 {one} {rank} {scores[query][one]:.0f} {experiment.id}\n"
        for query, one, rank in hits
    )


def scores_csv(evidence: Evidence, experiment: Experiment) -> bytes:
    """A row per query: its id, its text, its scores."""
    scores = experiment.scores
    texts = [evidence.queries[query] for query in scores.index]
    table = scores.reset_index(names="query_id")
    table.insert(1, "query", texts)
    return _csv(table)


def metrics_csv(evidence: Evidence) -> bytes:
    """A row per experiment and metric."""
    rows = [
        {"experiment": one.id, "name": evidence.names[one.id], "metric": metric, **asdict(told)}
        for one in evidence.experiments
        for metric, told in evidence.comparison.intervals[one.id].items()
    ]
    return _csv(pd.DataFrame(rows), float_format="%.3f")


def differences_csv(evidence: Evidence) -> bytes:
    """A row per pair and metric, with all that is known of the difference."""
    return _csv(pd.DataFrame([asdict(d) for d in evidence.comparison.differences]))


def metrics_markdown(evidence: Evidence) -> str:
    rows = [
        ["experiment", *evidence.metrics],
        ["---", *["---:"] * len(evidence.metrics)],
        *_rows(evidence, lambda text: text.translate(MARKDOWN), "{mean} [{low}, {high}]"),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def metrics_latex(evidence: Evidence) -> str:
    r"""For a document with \usepackage{booktabs}."""
    cell = r"{mean} {{\footnotesize [{low}, {high}]}}"
    rows = _rows(evidence, lambda text: text.translate(LATEX), cell)
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'c' * len(evidence.metrics)}}}",
        r"\toprule",
        " & ".join(["experiment", *evidence.metrics]) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _rows(evidence: Evidence, escape: Callable[[str], str], cell: str) -> list[list[str]]:
    """Name, then each metric with its interval."""

    def shown(told: Interval) -> str:
        return cell.format(**{name: f"{value:.3f}" for name, value in asdict(told).items()})

    return [
        [
            escape(" ".join(evidence.names[one.id].split())),
            *(shown(told) for told in evidence.comparison.intervals[one.id].values()),
        ]
        for one in evidence.experiments
    ]


def _csv(table: pd.DataFrame, **options: Any) -> bytes:
    """As `workspace.write_spreadsheet` has it: no formula, and a mark that Excel knows UTF-8 by."""
    return table.map(safe_cell).to_csv(index=False, **options).encode("utf-8-sig")
