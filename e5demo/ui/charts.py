"""The charts of a comparison, one at a time; each can be taken along as PNG or HTML."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

from e5demo import figures
from e5demo.backend import Backend
from e5demo.evaluation.contrasts import gold_ranks, rank_shares, recall_curve
from e5demo.evaluation.runs import DEPTH
from e5demo.ui.compared import Compared
from e5demo.ui.frame import SEPARATORS
from e5demo.ui.text import count, say
from e5demo.ui.train_views import curves

CHARTS = ("intervals", "forest", "recall", "ranks", "scatter", "cost", "loss", "validation")
BOUNDS = (1, 5, 10, 100)  # ranges of ranks: 1, up to 5, ...


def draw(language: str, backend: Backend, kind: str, shown: Compared) -> Any:
    """The figure, or None where there is nothing to draw."""
    names = {one: figures.plain(name) for one, name in shown.names.items()}
    shown = replace(shown, names=names)
    signs = SEPARATORS[language]
    if kind == "forest":
        rows = [d for d in shown.comparison.differences if d.metric == shown.metric]
        title = say(language, "chart_differences")
        return figures.difference_forest(rows, shown.names, title, signs) if rows else None
    if kind in ("recall", "ranks"):
        return _ranks(language, backend, kind, shown)
    if kind == "scatter":
        return _scatter(language, backend, shown) if shown.pair else None
    if kind == "cost":
        quality = {e.id: shown.comparison.intervals[e.id][shown.metric] for e in shown.experiments}
        timed = {e.id: e.query_milliseconds for e in shown.experiments}
        times = {one: took for one, took in timed.items() if took is not None}
        if not times:  # evaluations of before it was measured
            return None
        axes = (say(language, "axis_query_time"), shown.metric)
        title = say(language, "chart_cost_title")
        return figures.cost_dots(times, quality, shown.names, title, axes, signs)
    if kind in ("loss", "validation"):
        retrievers = {e.measured.retriever for e in shown.experiments}
        tuned = [one for one in backend.all_tuned() if one.id in retrievers]
        loss, validation = curves(language, tuned)
        return loss if kind == "loss" else validation
    title = say(language, "chart_metrics")
    return figures.metric_intervals(shown.comparison.intervals, shown.names, title, signs)


def _ranks(language: str, backend: Backend, kind: str, shown: Compared) -> Any:
    qrels = backend.queries_of(shown.experiments[0]).qrels
    signs = SEPARATORS[language]
    if kind == "recall":
        lines = {e.id: recall_curve(e.run, qrels, DEPTH).tolist() for e in shown.experiments}
        title = say(language, "chart_recall_title")
        return figures.recall_curves(lines, shown.names, title, say(language, "axis_k"), signs)
    shares = {e.id: rank_shares(gold_ranks(e.run, qrels), BOUNDS) for e in shown.experiments}
    title = say(language, "chart_ranks_title")
    bins = ["1", *(f"{a + 1}–{b}" for a, b in pairwise(BOUNDS)),
            say(language, "beyond", depth=count(language, BOUNDS[-1]))]  # fmt: skip
    axis = say(language, "axis_rank")
    return figures.rank_bars(shares, bins, shown.names, title, axis, signs)


def _scatter(language: str, backend: Backend, shown: Compared) -> Any:
    """Ranks beyond the run are drawn a little further out."""
    assert shown.pair
    queries = backend.queries_of(shown.experiments[0])
    runs = {e.id: e.run for e in shown.experiments}
    left, right = (gold_ranks(runs[one], queries.qrels).fillna(1.5 * DEPTH) for one in shown.pair)
    return figures.rank_scatter(
        left.tolist(),
        right.tolist(),
        [queries.texts[query_id] for query_id in left.index],
        (shown.names[shown.pair[0]], shown.names[shown.pair[1]]),
        say(language, "chart_scatter_title"),
        SEPARATORS[language],
    )
