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


def loss_lines(
    histories: Mapping[str, Sequence[Mapping[str, float]]],
    names: Mapping[str, str],
    title: str,
    axis: str,
    separators: str,
) -> go.Figure:
    """The loss by step of each tuned model, by its id; each row has `step` and `loss`."""
    figure = go.Figure()
    for experiment, rows in histories.items():
        figure.add_scatter(
            name=names[experiment],
            x=[row["step"] for row in rows],
            y=[row["loss"] for row in rows],
            mode="lines+markers",
            line={"color": COLOURS[experiment.split("-")[0]]},
            marker={"symbol": SYMBOLS[experiment.split("-")[0]], "size": 6},
        )
    figure.update_layout(separators=separators, showlegend=True)
    return _styled(figure, title).update_xaxes(title=axis)


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
