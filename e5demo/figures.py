"""Plain results in, plotly figures out. Words come in already translated; no gradio here."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from e5demo.evaluation.comparison import Difference, Interval
from e5demo.evaluation.projection import NewsMap, Sample

# Colour by kind of retriever, told apart by deuteranopes and protanopes too; readable on paper
# white and near black alike. assets/style.css has the same hues for text, darker or lighter.
COLOURS = {
    "bm25": "#7a7a7a",
    "baseline": "#2f7fd1",
    "fusion": "#1f9d6b",
    "rerank": "#b0367a",
    "full": "#cf5a2c",
    "lora": "#9467c9",
}
SYMBOLS = {
    "bm25": "square",
    "baseline": "circle",
    "fusion": "diamond",
    "rerank": "hexagon",
    "full": "triangle-up",
    "lora": "star",
}
DASHES = ("solid", "dash", "dot", "dashdot")
PATTERNS = ("", "/", ".", "x")
# Groups on the map as symbol and colour (Okabe and Ito's); the last is of what belongs to none.
REST = ("circle", "#9a9a9a")
CHANGES = [("triangle-up", "#0072b2"), ("triangle-down", "#d55e00"), ("circle", "#009e73"), REST]
GROUPS = [
    ("circle", "#0072b2"),
    ("square", "#e08a00"),
    ("triangle-up", "#009e73"),
    ("triangle-down", "#cc5c9c"),
    ("cross", "#3aa0dd"),
    ("x", "#d55e00"),
    REST,
]
Groups = Mapping[str, tuple[tuple[str, str], Sequence[bool]]]  # symbol, colour, and who belongs
SMOOTHING = 0.8
FEW_POINTS = 20
TITLES, ARTICLES = "#2f7fd1", "#1f9d6b"  # colours of the two histograms
INK = "#7d7d7d"  # axis text on both themes
TITLE_WIDTH = 46  # characters that fit a phone
RULE = "rgba(128,128,128,.25)"


def length_histogram(lengths: Sequence[int], title: str, axis: str, colour: str) -> go.Figure:
    """How many texts have which length in characters; the longest 1% share the last bar."""
    ordered = sorted(lengths)
    most = ordered[int(len(ordered) * 0.99)] if ordered else 0
    figure = go.Figure(go.Histogram(x=[min(n, most) for n in ordered], marker_color=colour))
    figure.update_traces(nbinsx=30, hovertemplate="%{x}: %{y}<extra></extra>")
    return _styled(figure, title).update_xaxes(title_text=axis)


def metric_intervals(
    intervals: Mapping[str, Mapping[str, Interval]],
    names: Mapping[str, str],
    title: str,
    separators: str,
) -> go.Figure:
    """A dot with its interval per metric and experiment, side by side: dots, unlike bars, need no
    axis that starts at zero.

    `intervals` and `names` go by experiment id; `separators` are plotly's decimal and thousands
    signs, such as ', '.
    """
    figure = go.Figure()
    metrics = list(dict.fromkeys(metric for of_one in intervals.values() for metric in of_one))
    step = 0.6 / max(len(intervals), 1)
    for number, (style, experiment) in enumerate(_styles(intervals)):
        shift = (number - (len(intervals) - 1) / 2) * step
        told = list(intervals[experiment].values())
        figure.add_scatter(
            name=names[experiment],
            x=[metrics.index(metric) + shift for metric in intervals[experiment]],
            y=[one.mean for one in told],
            customdata=[(m, one.low, one.high) for m, one in intervals[experiment].items()],
            error_y=_whiskers(told, style["color"]),
            mode="markers",
            marker=_marker(style, 9),
            hovertemplate="%{fullData.name}<br>%{customdata[0]}: %{y:.3f} "
            "[%{customdata[1]:.3f}; %{customdata[2]:.3f}]<extra></extra>",
        )
    figure.update_layout(separators=separators, showlegend=True)
    below = [metric.replace("@", "<br>@") for metric in metrics]  # on a phone too
    figure.update_xaxes(
        tickvals=list(range(len(metrics))), ticktext=below, tickangle=0, tickfont_size=11
    )
    return _styled(figure, title).update_yaxes(tickformat=".2f")


def difference_forest(
    differences: Sequence[Difference], names: Mapping[str, str], title: str, separators: str
) -> go.Figure:
    """A line per difference with its interval; what crosses zero is hollow: no evidence."""
    figure = go.Figure()
    metrics = {d.metric for d in differences}
    rows = [f"{names[d.right]} − {names[d.left]}" for d in differences]
    if len(metrics) > 1:
        rows = [f"{row} · {d.metric}" for row, d in zip(rows, differences, strict=True)]
    marked = ["circle" if d.verdict != "no_evidence" else "circle-open" for d in differences]
    colours = [COLOURS[d.right.split("-")[0]] for d in differences]
    figure.add_scatter(
        x=[d.mean for d in differences],
        y=rows,
        customdata=[(d.low, d.high, d.p_corrected) for d in differences],
        error_x=_whiskers(differences, INK),
        mode="markers",
        marker={"color": colours, "symbol": marked, "size": 10, "line": {"width": 2}},
        hovertemplate="%{y}<br>%{x:.3f} [%{customdata[0]:.3f}; %{customdata[1]:.3f}]"
        "<br>p %{customdata[2]:.4f}<extra></extra>",
        showlegend=False,
    )
    figure.add_vline(x=0, line={"color": INK, "width": 1, "dash": "dot"})
    figure.update_layout(separators=separators)
    _styled(figure, title, height=130 + 40 * len(rows))
    # above each line and not beside it, which would leave no room for the chart on a phone
    figure.update_yaxes(range=[len(rows) - 0.5, -0.9], ticklabelposition="inside top", ticks="")
    figure.update_layout(margin={"l": 12})
    return figure.update_xaxes(
        tickformat=".2f", title_text=metrics.pop() if len(metrics) == 1 else ""
    )


def recall_curves(
    curves: Mapping[str, Sequence[float]],
    names: Mapping[str, str],
    title: str,
    axis: str,
    separators: str,
) -> go.Figure:
    """Mean recall within the first 1, 2, ... ranks: a line per experiment, ranks as logarithms."""
    figure = go.Figure()
    for style, experiment in _styles(curves):
        figure.add_scatter(
            name=names[experiment],
            x=list(range(1, len(curves[experiment]) + 1)),
            y=list(curves[experiment]),
            mode="lines",
            line={"color": style["color"], "dash": style["dash"], "width": 2},
            hovertemplate="%{fullData.name}<br>recall@%{x}: %{y:.3f}<extra></extra>",
        )
    figure.update_layout(separators=separators, showlegend=True)
    _styled(figure, title).update_xaxes(title_text=axis, type="log", dtick="D2")
    return figure.update_yaxes(tickformat=".2f")


def rank_bars(
    shares: Mapping[str, Sequence[float]],
    bins: Sequence[str],
    names: Mapping[str, str],
    title: str,
    axis: str,
    separators: str,
) -> go.Figure:
    """Which share of the queries has its passage in which range of ranks."""
    figure = go.Figure()
    for style, experiment in _styles(shares):
        figure.add_bar(
            name=names[experiment],
            x=list(bins),
            y=list(shares[experiment]),
            marker={"color": style["color"], "pattern": {"shape": style["pattern"]}},
            hovertemplate="%{fullData.name}<br>%{x}: %{y:.1%}<extra></extra>",
        )
    figure.update_layout(separators=separators, showlegend=True, barmode="group")
    _styled(figure, title).update_xaxes(title_text=axis, type="category")
    return figure.update_yaxes(tickformat=".0%")


def rank_scatter(
    left: Sequence[float],
    right: Sequence[float],
    queries: Sequence[str],
    names: tuple[str, str],
    title: str,
    separators: str,
) -> go.Figure:
    """A point per query at the ranks that two experiments give its passage; below the diagonal the
    right one is better. Points are shaken a little, so that equal ones show."""
    shake = np.random.default_rng(0).uniform(0.9, 1.1, (2, len(queries)))
    figure = go.Figure(
        go.Scatter(
            x=np.asarray(left) * shake[0],
            y=np.asarray(right) * shake[1],
            customdata=list(zip(queries, left, right, map(plain, queries), strict=True)),
            mode="markers",
            marker={"size": 7, "color": COLOURS["baseline"], "opacity": 0.45},
            hovertemplate="%{customdata[3]}<br>%{customdata[1]} → %{customdata[2]}<extra></extra>",
        )
    )
    most = max([*left, *right, 10])
    figure.add_scatter(x=[1, most], y=[1, most], mode="lines", hoverinfo="skip", showlegend=False,
                       line={"color": INK, "dash": "dot", "width": 1})  # fmt: skip
    figure.update_layout(separators=separators, showlegend=False, meta="queries")
    _styled(figure, title, height=420).update_xaxes(title_text=names[0], type="log", dtick="D2")
    return figure.update_yaxes(title_text=names[1], type="log", dtick="D2")


def cost_dots(
    costs: Mapping[str, float],
    quality: Mapping[str, Interval],
    names: Mapping[str, str],
    title: str,
    axes: tuple[str, str],
    separators: str,
) -> go.Figure:
    """What each experiment's quality costs: further left and higher is better."""
    figure = go.Figure()
    for style, experiment in _styles(costs):
        told = quality[experiment]
        figure.add_scatter(
            name=names[experiment],
            x=[costs[experiment]],
            y=[told.mean],
            error_y=_whiskers([told], style["color"]),
            mode="markers",
            marker=_marker(style, 11),
            hovertemplate="%{fullData.name}<br>%{x:.3g} · %{y:.3f}<extra></extra>",
        )
    figure.update_layout(separators=separators, showlegend=True)
    _styled(figure, title).update_xaxes(title_text=axes[0])
    return figure.update_yaxes(title_text=axes[1], tickformat=".3f")


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
    return _styled(figure, title).update_xaxes(title_text=axis)


def map_panels(
    found: NewsMap,
    groups: Groups,
    names: Mapping[str, str],
    words: tuple[str, str],
    stacked: bool = False,
) -> go.Figure:
    """A panel per model, beside each other or `stacked`, over axes that move together: passages by
    group and, joined to them, queries.

    `words` are the title and what queries are called. A panel's traces stand in the same order as
    the other's, and carry a text to search for in `customdata`.
    """
    count = len(found.places)
    shape = {"rows": count, "cols": 1} if stacked else {"rows": 1, "cols": count}
    figure = make_subplots(
        **shape, shared_xaxes="all", shared_yaxes="all", horizontal_spacing=0.02,
        vertical_spacing=0.06, subplot_titles=[names[one] for one in found.places],
    )  # fmt: skip
    for number, (passages, queries) in enumerate(found.places.values()):
        cell = {"row": number + 1 if stacked else 1, "col": 1 if stacked else number + 1}
        for trace in _map_traces(found.sample, passages, queries, groups, words[1]):
            figure.add_trace(trace.update(showlegend=trace.showlegend and number == 0), **cell)
    figure.update_layout(meta="queries", showlegend=True)
    _styled(figure, words[0], height=380 * count + 90 if stacked else 560)
    figure.update_layout(legend={"y": -0.02}, margin={"l": 8, "r": 8, "t": 84})
    figure.update_annotations(font={"size": 13, "color": INK})
    figure.update_xaxes(showticklabels=False, ticks="")
    return figure.update_yaxes(showticklabels=False, ticks="")


def _map_traces(
    sample: Sample,
    passages: np.ndarray,
    queries: np.ndarray,
    groups: Groups,
    called: str,
) -> Iterator[go.Scatter]:
    """Lines from queries to passages below, then a trace per group, then the queries."""
    ends = passages[sample.passages.index.get_indexer(sample.queries["passage_id"])]
    gaps = np.full(len(ends), np.nan)
    across, up = (np.stack([queries[:, i], ends[:, i], gaps], axis=1).ravel() for i in (0, 1))
    line = {"color": INK, "width": 1}
    yield go.Scatter(x=across, y=up, mode="lines", line=line, opacity=0.6, hoverinfo="skip",
                     showlegend=False)  # fmt: skip
    told = sample.passages["title"].to_numpy()
    for group, (style, belongs) in groups.items():
        here = np.asarray(belongs)
        small = {"size": 5 if style == REST else 7, "opacity": 0.75}
        if style in CHANGES[:2]:  # few, and what the map is looked at for
            small = {"size": 11, "opacity": 1}
        mark = {"symbol": style[0], "color": style[1], **small}
        yield _dots(passages[here], told[here], group, mark)
    star = {"size": 9, "symbol": "star", "color": INK}
    yield _dots(queries, sample.queries["query"].to_numpy(), called, star)


def _dots(places: np.ndarray, told: np.ndarray, name: str, marker: dict[str, Any]) -> go.Scatter:
    return go.Scatter(
        x=places[:, 0],
        y=places[:, 1],
        customdata=[[text, plain(text)] for text in told],
        mode="markers",
        marker=marker,
        name=plain(name),
        legendgroup=name,
        showlegend=True,
        hovertemplate="%{customdata[1]}<extra>%{fullData.name}</extra>",
    )


def plain(text: str) -> str:
    """Text of the data or of a person, of which plotly would take some tags for its own."""
    return escape(text, quote=False)


def moving_average(values: Sequence[float]) -> list[float]:
    """Exponential with weight 0.8 on the past, without the pull towards 0 at the start (Kingma
    and Ba 2015, section 3)."""
    averages, total = [], 0.0
    for number, value in enumerate(values, start=1):
        total = SMOOTHING * total + (1 - SMOOTHING) * value
        averages.append(total / (1 - SMOOTHING**number))
    return averages


def _styles(experiments: Iterable[str]) -> Iterator[tuple[dict[str, str], str]]:
    """Each with how it is drawn: by kind; a further one of a kind is hollow, dashed or hatched."""
    seen: Counter[str] = Counter()
    for experiment in experiments:
        kind = experiment.split("-")[0].split(":")[0]
        number = seen[kind]
        seen[kind] += 1
        yield (
            {
                "color": COLOURS[kind],
                "symbol": SYMBOLS[kind] + ("-open" if number else ""),
                "dash": DASHES[number % len(DASHES)],
                "pattern": PATTERNS[number % len(PATTERNS)],
            },
            experiment,
        )


def _marker(style: Mapping[str, str], size: int) -> dict[str, Any]:
    colour = style["color"]
    line = {"width": 2, "color": colour}
    return {"color": colour, "symbol": style["symbol"], "size": size, "line": line}


def _whiskers(intervals: Sequence[Interval | Difference], colour: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [one.high - one.mean for one in intervals],
        "arrayminus": [one.mean - one.low for one in intervals],
        "color": colour,
        "thickness": 1.5,
        "width": 3,
    }


def _styled(figure: go.Figure, title: str, height: int = 320) -> go.Figure:
    lines = wrap(title.replace(" :", "\u00a0:").replace(" ;", "\u00a0;"), TITLE_WIDTH)
    figure.update_layout(
        title={"text": "<br>".join(lines), "font": {"size": 14}, "x": 0, "xref": "paper"},
        template="none",
        font={"family": "system-ui, sans-serif", "size": 12, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 48, "r": 12, "t": 26 + 18 * len(lines), "b": 44},
        height=height,
        legend={"orientation": "h", "y": -0.25, "x": 0},
    )
    figure.update_xaxes(gridcolor=RULE, zeroline=False, linecolor=RULE, title={"standoff": 6})
    return figure.update_yaxes(
        gridcolor=RULE, zeroline=False, automargin=True, title={"standoff": 8}
    )
