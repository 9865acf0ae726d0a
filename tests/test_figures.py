import numpy as np
import pandas as pd
import pytest

from e5demo.evaluation.comparison import Interval, compare
from e5demo.evaluation.projection import NewsMap, Sample
from e5demo.figures import (
    ARTICLES,
    COLOURS,
    REST,
    TITLES,
    cost_dots,
    difference_forest,
    length_histogram,
    map_panels,
    metric_intervals,
    rank_bars,
    rank_scatter,
    recall_curves,
    step_lines,
)


def interval(mean):
    return Interval(mean, mean - 0.1, mean + 0.2)


METRICS = {
    "bm25-1": {"recall@1": interval(0.5), "mrr@1": interval(0.25)},
    "baseline-1": {"recall@1": interval(0.75), "mrr@1": interval(0.5)},
    "fusion-1": {"mrr@1": interval(0.7)},
    "baseline-2": {"recall@1": interval(0.8)},
    "baseline-3": {"recall@1": interval(0.6)},
}
NAMES = {key: f"nom {key}" for key in METRICS}


def dots(metrics=METRICS, separators=", "):
    return metric_intervals(metrics, NAMES, "Scores", separators)


def test_each_experiment_is_a_trace_of_its_metrics_beside_the_others():
    figure = dots()
    assert [trace.name for trace in figure.data] == list(NAMES.values())
    first, _, third, *_ = figure.data
    assert first.y == (0.5, 0.25)
    assert [round(x) for x in first.x] == [0, 1]
    assert [round(x) for x in third.x] == [1]
    assert figure.layout.xaxis.ticktext == ("recall<br>@1", "mrr<br>@1")
    assert len({trace.x[0] for trace in figure.data}) == 5  # none over another
    assert figure.layout.title.text == "Scores"


def test_whiskers_reach_from_the_mean_to_its_bounds():
    trace = dots().data[0]
    assert trace.error_y.arrayminus == pytest.approx((0.1, 0.1))
    assert trace.error_y.array == pytest.approx((0.2, 0.2))


def test_colour_goes_by_kind_and_a_further_one_of_a_kind_is_hollow():
    markers = [(trace.marker.color, trace.marker.symbol) for trace in dots().data]
    assert markers == [
        (COLOURS["bm25"], "square"),
        (COLOURS["baseline"], "circle"),
        (COLOURS["fusion"], "diamond"),
        (COLOURS["baseline"], "circle-open"),
        (COLOURS["baseline"], "circle-open"),
    ]
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize("separators", [", ", ".,"])
def test_numbers_are_written_as_told(separators):
    assert dots(separators=separators).layout.separators == separators


def test_a_difference_without_evidence_is_hollow_and_zero_is_drawn():
    scores = {
        "baseline-1": pd.DataFrame({"m": [0.1, 0.2, 0.3] * 20}),
        "lora-1": pd.DataFrame({"m": [0.4, 0.5, 0.55] * 20}),
        "full-1": pd.DataFrame({"m": [0.1, 0.2, 0.3] * 20}),
    }
    found = compare(scores, resamples=500).differences
    names = {"baseline-1": "E5", "lora-1": "LoRA", "full-1": "Full"}
    figure = difference_forest(found, names, "", ", ")
    (trace,) = figure.data
    assert trace.y[0] == "LoRA − E5"
    assert figure.layout.xaxis.title.text == "m"
    assert trace.marker.symbol == ("circle", "circle-open", "circle")
    assert trace.marker.color == (COLOURS["lora"], COLOURS["full"], COLOURS["full"])
    assert figure.layout.shapes[0].x0 == 0


def test_recall_is_a_line_from_1_and_two_of_a_kind_differ_by_dash():
    curves = {"lora-1": [0.5, 0.75], "fusion:lora-1": [1, 1], "lora-2": [0.25, 0.5]}
    names = dict.fromkeys(curves, "x")
    figure = recall_curves(curves, names, "", "k", ", ")
    assert [trace.x for trace in figure.data] == [(1, 2)] * 3
    assert [trace.line.dash for trace in figure.data] == ["solid", "solid", "dash"]
    assert figure.layout.xaxis.type == "log"


def test_rank_bars_have_a_bar_per_range_and_two_of_a_kind_differ_by_hatching():
    shares = {"lora-1": [0.5, 0.5], "lora-2": [1.0, 0.0]}
    figure = rank_bars(shares, ["1", "2–5"], {"lora-1": "a", "lora-2": "b"}, "", "", ", ")
    assert [trace.y for trace in figure.data] == [(0.5, 0.5), (1.0, 0.0)]
    assert [trace.marker.pattern.shape for trace in figure.data] == ["", "/"]


def test_a_point_keeps_its_query_and_lies_near_its_ranks():
    figure = rank_scatter([1, 50, 150], [2, 50, 1], ["un", "deux", "trois"], ("a", "b"), "", ", ")
    points, diagonal = figure.data
    assert points.x == pytest.approx([1, 50, 150], rel=0.11)
    assert points.y == pytest.approx([2, 50, 1], rel=0.11)
    assert [told[0] for told in points.customdata] == ["un", "deux", "trois"]
    assert diagonal.x == diagonal.y == (1, 150)
    assert figure.layout.meta == "queries"


def test_quality_stands_over_its_cost():
    quality = {"bm25-1": interval(0.5), "lora-1": interval(0.75), "old-1": interval(1.0)}
    names = {"bm25-1": "BM25", "lora-1": "LoRA"}
    figure = cost_dots({"bm25-1": 1.0, "lora-1": 20.0}, quality, names, "", ("ms", "m"), ", ")
    assert [(trace.x, trace.y) for trace in figure.data] == [((1.0,), (0.5,)), ((20.0,), (0.75,))]


def test_the_longest_hundredth_shares_the_last_bar():
    figure = length_histogram([1000, *range(1, 101)], "Longueurs", "caractères", TITLES)
    (bars,) = figure.data
    assert sorted(bars.x) == [*range(1, 101), 100]
    assert bars.marker.color == TITLES
    assert figure.layout.title.text == "Longueurs"
    assert figure.layout.xaxis.title.text == "caractères"


def test_one_text_is_one_bar():
    (bars,) = length_histogram([7], "", "", ARTICLES).data
    assert bars.x == (7,)


def test_a_loss_is_drawn_raw_and_smoothed_and_two_of_a_kind_differ():
    points = {"lora-1": [(1, 4.0), (2, 2.0)], "lora-2": [(1, 1.0)], "full-3": [(1, 3.0)]}
    names = {name: name.upper() for name in points}
    figure = step_lines(points, names, "Perte", "pas", ", ", "lissée")
    raw, smooth, _, other, _, full = figure.data
    assert (raw.y, raw.showlegend) == ((4.0, 2.0), False)
    # 0.2 x 4 / 0.2 = 4, then (0.8 x 0.8 + 0.2 x 2) / (1 - 0.64) = 2.888...
    assert smooth.y == pytest.approx((4.0, 26 / 9))
    assert smooth.name == "LORA-1 (lissée)"
    assert (smooth.line.dash, other.line.dash) == ("solid", "dash")
    assert smooth.line.color == other.line.color != full.line.color
    assert [line.x for line in step_lines(points, names, "", "", ", ").data] == [(1, 2), (1,), (1,)]


def test_nothing_measured_is_an_empty_figure():
    assert len(dots({}).data) == 0
    (bars,) = length_histogram([], "Longueurs", "", TITLES).data
    assert bars.x == ()


def a_map(models=("baseline-1", "full-1")):
    index = pd.Index(["p1", "p2", "p3"], name="passage_id")
    passages = pd.DataFrame({"title": ["Un", "Deux", "Trois"], "gain": [0.5, None, None]}, index)
    queries = pd.DataFrame({"query_id": ["q"], "passage_id": ["p2"], "query": ["Quoi"]})
    places = {
        name: (np.arange(6.0).reshape(3, 2) + shift, np.array([[9.0, 9.0]]) + shift)
        for shift, name in enumerate(models)
    }
    return NewsMap(Sample(passages, queries, 3), ["a", "b", "b"], places, 0.5)


GROUPED = {
    "premier": (("square", "#123456"), [True, False, False]),
    "autres": (REST, [False, True, True]),
}
MODELS = {"baseline-1": "Base", "full-1": "Affiné"}


@pytest.mark.parametrize(("stacked", "cells"), [(False, ["x", "x2"]), (True, ["y", "y2"])])
def test_a_map_has_a_panel_per_model_with_its_traces_in_one_order(stacked, cells):
    figure = map_panels(a_map(), GROUPED, MODELS, ("Carte", "titre"), stacked)
    panels = [[t for t in figure.data if (t.yaxis if stacked else t.xaxis) == c] for c in cells]
    assert [[trace.name for trace in panel] for panel in panels] == [
        [None, "premier", "autres", "titre"]
    ] * 2
    assert [trace.showlegend for trace in figure.data[:4]] == [False, True, True, True]
    assert not any(trace.showlegend for trace in figure.data[4:])
    line, first, others, asked = panels[0]
    assert [*line.x[:2], *line.y[:2]] == [9, 2, 9, 3]  # from the query to its passage
    assert [list(trace.x) for trace in (first, others, asked)] == [[0], [2, 4], [9]]
    assert list(panels[1][2].x) == [3, 5]
    assert [told for told, _ in others.customdata] == ["Deux", "Trois"]
    assert [one.text for one in figure.layout.annotations] == ["Base", "Affiné"]


def test_the_panels_of_a_map_move_together_and_one_model_has_one():
    figure = map_panels(a_map(), GROUPED, MODELS, ("Carte", "titre"))
    assert "x" in {figure.layout.xaxis2.matches, figure.layout.xaxis.matches}
    assert figure.layout.yaxis2.matches == "y"
    alone = map_panels(a_map(["full-1"]), GROUPED, MODELS, ("Carte", "titre"))
    assert len(alone.data) == 4


def test_titles_and_groups_are_no_markup():
    found = a_map()
    found.sample.passages["title"] = "<a href='https://example.org'>lien</a> & co"
    shown = {"<b>gras</b>": GROUPED["premier"], "autres": GROUPED["autres"]}
    trace = map_panels(found, shown, MODELS, ("Carte", "titre")).data[1]
    assert trace.name == "&lt;b&gt;gras&lt;/b&gt;"
    told, hovered = trace.customdata[0]
    assert told == "<a href='https://example.org'>lien</a> & co"  # what a click searches for
    assert hovered == "&lt;a href='https://example.org'&gt;lien&lt;/a&gt; &amp; co"
    assert "customdata[1]" in trace.hovertemplate
