"""Plain results in, plotly figures out. Words come in already translated; no gradio here."""

from collections import Counter
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

# Colour by kind of retriever, told apart by deuteranopes and protanopes too; readable on paper
# white and near black alike. assets/style.css has the same hues for text, darker or lighter.
COLOURS = {
    "bm25": "#7a7a7a",
    "baseline": "#2f7fd1",
    "fusion": "#1f9d6b",
    "full": "#cf5a2c",
    "lora": "#9467c9",
}
SYMBOLS = {
    "bm25": "square",
    "baseline": "circle",
    "fusion": "diamond",
    "full": "triangle-up",
    "lora": "star",
}
DASHES = ("solid", "dash", "dot", "dashdot")
SMOOTHING = 0.8
FEW_POINTS = 20
TITLES, ARTICLES = "#2f7fd1", "#1f9d6b"  # colours of the two histograms
INK = "#7d7d7d"  # axis text on both themes
RULE = "rgba(128,128,128,.25)"


def length_histogram(lengths: Sequence[int], title: str, axis: str, colour: str) -> go.Figure:
    """How many texts have which length in characters; the longest 1% share the last bar."""
    ordered = sorted(lengths)
    most = ordered[int(len(ordered) * 0.99)] if ordered else 0
    figure = go.Figure(go.Histogram(x=[min(n, most) for n in ordered], marker_color=colour))
    figure.update_traces(nbinsx=30, hovertemplate="%{x}: %{y}<extra></extra>")
    return _styled(figure, title).update_xaxes(title=axis)


def metric_dots(
    metrics: Mapping[str, Mapping[str, float]],
    names: Mapping[str, str],
    title: str,
    separators: str,
) -> go.Figure:
    """A dot per metric and experiment: dots, unlike bars, need no axis that starts at zero.

    `metrics` and `names` go by experiment id; `separators` are plotly's decimal and thousands
    signs, such as ', '.
    """
    figure = go.Figure()
    seen: Counter[str] = Counter()
    for experiment, values in metrics.items():
        kind = experiment.split("-")[0]
        # A second experiment of a kind keeps its colour and hollows its marker.
        symbol = SYMBOLS[kind] + ("-open" if seen[kind] else "")
        seen[kind] += 1
        figure.add_scatter(
            name=names[experiment],
            x=list(values),
            y=list(values.values()),
            mode="markers",
            marker={"color": COLOURS[kind], "symbol": symbol, "size": 11, "line": {"width": 2}},
            hovertemplate="%{fullData.name}<br>%{x}: %{y:.3f}<extra></extra>",
        )
    figure.update_layout(separators=separators)
    return _styled(figure, title).update_yaxes(tickformat=".2f")


def step_lines(
    points: Mapping[str, Sequence[tuple[float, float]]],
    names: Mapping[str, str],
    title: str,
    axis: str,
    separators: str,
    smoothed: str | None = None,
) -> go.Figure:
    """A line per training, by its id: (step, value) pairs.

    Where `smoothed`, the word for it, is given, the values are faint and their moving average is
    the line. Several of a kind differ by dash and marker.
    """
    figure = go.Figure()
    seen: Counter[str] = Counter()
    for training, pairs in points.items():
        kind = training.split("-")[0]
        steps, values = [step for step, _ in pairs], [value for _, value in pairs]
        style = {"color": COLOURS[kind], "dash": DASHES[seen[kind] % len(DASHES)]}
        marker = {"symbol": SYMBOLS[kind] + ("-open" if seen[kind] else ""), "size": 7}
        seen[kind] += 1
        told = {"legendgroup": training, "mode": "lines+markers"}
        if smoothed:
            figure.add_scatter(x=steps, y=values, showlegend=False, opacity=0.35, mode="lines",
                               line={**style, "width": 1}, legendgroup=training,
                               name=names[training])  # fmt: skip
            few = len(values) < FEW_POINTS  # a line of one point would be invisible
            told["mode"] = "lines+markers" if few else "lines"
            values = moving_average(values)
        name = f"{names[training]} ({smoothed})" if smoothed else names[training]
        figure.add_scatter(x=steps, y=values, name=name, line=style, marker=marker, **told)
    figure.update_layout(separators=separators, showlegend=True, uirevision=title)
    figure.update_traces(hovertemplate="%{fullData.name}<br>%{x}: %{y:.3f}<extra></extra>")
    return _styled(figure, title).update_xaxes(title=axis)


def moving_average(values: Sequence[float]) -> list[float]:
    """Exponential with weight 0.8 on the past, without the pull towards 0 at the start (Kingma
    and Ba 2015, section 3)."""
    averages, total = [], 0.0
    for number, value in enumerate(values, start=1):
        total = SMOOTHING * total + (1 - SMOOTHING) * value
        averages.append(total / (1 - SMOOTHING**number))
    return averages


def _styled(figure: go.Figure, title: str) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "x": 0, "xref": "paper"},
        template="none",
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 48, "r": 12, "t": 44, "b": 44},
        height=320,
        legend={"orientation": "h", "y": -0.25, "x": 0},
    )
    figure.update_xaxes(gridcolor=RULE, zeroline=False, linecolor=RULE)
    return figure.update_yaxes(gridcolor=RULE, zeroline=False)
