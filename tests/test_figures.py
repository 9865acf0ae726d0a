import pytest

from e5demo.figures import ARTICLES, COLOURS, TITLES, length_histogram, metric_dots, step_lines

METRICS = {
    "bm25-1": {"recall@1": 0.5, "mrr@1": 0.25},
    "baseline-1": {"recall@1": 0.75, "mrr@1": 0.5},
    "fusion-1": {"recall@1": 1.0},
    "baseline-2": {"recall@1": 0.8},
    "baseline-3": {"recall@1": 0.9},
}


def dots(metrics=METRICS, separators=", "):
    return metric_dots(metrics, {key: f"nom {key}" for key in metrics}, "Scores", separators)


def test_each_experiment_is_a_trace_of_its_metrics():
    figure = dots()
    assert [trace.name for trace in figure.data] == [f"nom {key}" for key in METRICS]
    assert (figure.data[0].x, figure.data[0].y) == (("recall@1", "mrr@1"), (0.5, 0.25))
    assert {trace.mode for trace in figure.data} == {"markers"}
    assert figure.layout.title.text == "Scores"


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
