"""Comparaison: a verdict on two retrievers, the leaderboard, charts, and what each costs."""

from typing import Any

import gradio as gr

from e5demo.backend import Backend
from e5demo.ui import compare_views as views
from e5demo.ui import html
from e5demo.ui.asked import link_to
from e5demo.ui.charts import CHARTS, draw
from e5demo.ui.compared import Compared, Grounds, compared, grounds, in_question, newest_of
from e5demo.ui.details import create_details
from e5demo.ui.evaluation import create_evaluation
from e5demo.ui.frame import HEAVY, LIGHT, Frame
from e5demo.ui.guard import guarded, inform
from e5demo.ui.text import label, say
from e5demo.workspace import fresh_download, write_text

# A click on a point opens its text side by side; on the map, pointing at one rings it in the other
# panel, whose traces stand in the same order. Each redrawing makes a plot forget its listeners.
ON_POINT = """
const ring = plot => event => {
  plot.querySelectorAll(".linked").forEach(one => one.classList.remove("linked"));
  const {curveNumber, pointNumber} = event.points[0];
  const layers = plot.querySelectorAll(".scatterlayer");
  const place = curveNumber % (plot.data.length / layers.length);
  layers.forEach(layer => layer.querySelectorAll(".trace")[place]
    ?.querySelectorAll(".points path")[pointNumber]?.classList.add("linked"));
};
setInterval(() => {
  for (const plot of document.querySelectorAll(".clickable .js-plotly-plot")) {
    if (!plot.on || plot.layout.meta !== "queries") continue;
    plot.removeAllListeners("plotly_click");
    plot.on("plotly_click", event => {
      const told = event.points[0].customdata;
      if (told) trigger("click", {query: told[0]});
    });
    if (!plot.closest("#news-map")) continue;
    plot.removeAllListeners("plotly_hover");
    plot.on("plotly_hover", ring(plot));
  }
}, 500);
"""


def create_compare_tab(frame: Frame) -> None:
    t = frame.i18n
    gr.Markdown(t("compare_intro"), elem_classes="intro")
    with gr.Row(elem_classes="settings", visible=False) as chooser:
        ground = gr.Dropdown(label=t("ground"), choices=[], scale=3, min_width=240)
        left = gr.Dropdown(label=t("left_experiment"), choices=[], scale=2, min_width=150)
        right = gr.Dropdown(label=t("right_experiment"), choices=[], scale=2, min_width=150)
        metric = gr.Dropdown(label=t("metric"), choices=[], scale=1, min_width=150)
    with gr.Row(visible=False) as keeper:
        kept = gr.Dropdown(label=t("kept"), choices=[], multiselect=True, min_width=260)
    about = gr.HTML()
    create_evaluation(frame)
    table = gr.HTML()
    # Ids stand here and not in the dropdowns, which may not know a new experiment yet.
    picked = [gr.State("") for _ in range(5)]
    newest = gr.State("")  # when the last one seen was made: a newer one is shown
    with gr.Tabs(visible=False) as below:
        with gr.Tab(t("tab_charts")):
            with gr.Row(elem_classes="settings"):
                chart = gr.Radio(label=t("chart"), choices=[*CHARTS], value=CHARTS[0], scale=4)
                save = gr.Button(t("chart_html"), size="sm", scale=0, min_width=170)
            plot = gr.Plot(show_label=False, visible=False, elem_id="compare-chart",
                           elem_classes="clickable")  # fmt: skip
            nothing = gr.HTML()
            file = gr.File(show_label=False, visible=False, interactive=False)
        create_details(frame, picked)
    points = gr.HTML(js_on_load=ON_POINT)

    widgets = [ground, left, right, metric, kept]
    states = [*picked, newest]
    shown = [chooser, keeper, *widgets, *states, about, table, below, chart, plot, nothing, file]

    @guarded
    def render(visitor: str | None, language: str, kind: str, seen_last: str, *wanted: str) -> Any:
        backend = frame.backend(visitor)
        charted = gr.update(choices=[(label(language, f"chart_{name}"), name) for name in CHARTS])
        found = grounds(backend)
        hidden, seen = gr.update(visible=False), gr.update(visible=True)
        if not found:
            nobody = [gr.update(choices=[], value=None)] * len(widgets)
            empty = html.note(say(language, "compare_empty"), "empty")
            return (hidden, hidden, *nobody, *[""] * 6, empty, "", hidden, charted, hidden, "",
                    hidden)  # fmt: skip
        last, _ = newest_of(found)
        now = shows_too(found, float(seen_last), wanted) if seen_last else wanted
        what = compared(language, backend, found, now)
        names = [(what.names[one.id], one.id) for one in what.experiments]
        of_ground = [(views.ground_name(language, group[0]), key) for key, group in found.items()]
        everyone = [(what.names[one.id], one.id) for one in what.there]
        choices = (of_ground, names, names, what.metrics, everyone)
        values = (*what.picked[:4], [one.id for one in what.experiments])
        figure = draw(language, backend, kind or CHARTS[0], what)
        return (
            seen,
            seen,
            *(gr.update(choices=some, value=one or None)
              for some, one in zip(choices, values, strict=True)),
            *(gr.skip() if one == was else one
              for one, was in zip(what.picked, wanted, strict=True)),
            str(last.created),
            _verdict(language, backend, what),
            _tables(language, backend, what),
            seen,
            charted,
            gr.update(value=figure, visible=True) if figure else hidden,
            "" if figure else _lacking(language, kind),
            hidden,
        )  # fmt: skip

    @guarded
    def save_chart(visitor: str | None, language: str, kind: str, *wanted: str) -> Any:
        backend = frame.backend(visitor)
        what = in_question(language, backend, wanted)
        figure = draw(language, backend, kind, what)
        if figure is None:
            return gr.skip()
        path = fresh_download() / f"e5demo-{kind}.html"
        write_text(path, figure.to_html(include_plotlyjs=True))  # the script too: no network needed
        return gr.update(value=str(path), visible=True)

    @guarded
    def link(visitor: str | None, language: str, query: str, *wanted: str) -> Any:
        backend = frame.backend(visitor)
        what = in_question(language, backend, wanted)
        if not what.pair:
            return gr.skip()
        by_id = {one.id: one for one in what.experiments}
        both = [by_id[one] for one in what.pair]
        length = backend.choices().max_length
        as_here = all(not e.measured.ablated and e.measured.max_length in (None, length)
                      for e in both)  # fmt: skip
        if not as_here:
            inform(say(language, "point_otherwise"))
            return gr.skip()
        return link_to(query, [e.measured.retriever for e in both], both[0].measured.corpus_kind)

    def open_point(  # gradio looks at the types for the event
        visitor: str | None, language: str, on: str, one: str, other: str, by: str, of: str,
        event: gr.EventData,
    ) -> Any:  # fmt: skip
        return link(visitor, language, event.query, on, one, other, by, of)

    asked = [*frame.who, chart, newest, *picked]
    taken = [*frame.who, chart, *picked]
    options: dict[str, Any] = {"trigger_mode": "always_last", **LIGHT}
    moments = [frame.scene.change, frame.job_signal.change, chart.input]
    gr.on(moments, render, asked, shown, **options)
    for widget, state in zip(widgets, picked, strict=True):
        chosen = widget.input(_plain, widget, state, **LIGHT)
        chosen.then(render, asked, shown, **options)
    save.click(save_chart, taken, file, **HEAVY)
    points.click(open_point, [*frame.who, *picked], frame.visit, **LIGHT)


def shows_too(found: Grounds, since: float, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """What was picked, with what was measured since: on its ground, and among those compared."""
    last, where = newest_of(found)
    ground, left, right, metric, kept = wanted
    if last.created <= since:  # nothing, or one was deleted
        return wanted
    if where != ground:
        return where, "", "", metric, ""
    newer = [one for one in found[ground] if one.created > since]
    if not kept and not any(one.measured.ablated for one in newer):
        return wanted
    plain = [one.id for one in found[ground] if not one.measured.ablated]
    shown = [*(kept.split(",") if kept else plain), *(one.id for one in newer)]
    return ground, left, right, metric, ",".join(dict.fromkeys(shown))


def _plain(value: str | list[str] | None) -> str:
    return ",".join(value) if isinstance(value, list) else value or ""


def _verdict(language: str, backend: Backend, what: Compared) -> str:
    if not what.pair:
        return html.note(say(language, "one_experiment"))
    found = what.comparison.of(*what.pair, what.metric)
    sentence = views.verdict(language, found, what.names, what.comparison)
    return sentence + views.cautions(language, what.experiments, what.pair, what.names, backend)


def _tables(language: str, backend: Backend, what: Compared) -> str:
    """The leaderboard, the pair in every metric, costs, and what does not compare."""
    group, names = what.experiments, what.names
    parts = [views.leaderboard(language, group, names, what.comparison, what.metric)]
    parts.append(views.left_out(language, what.there, group, names))
    if what.pair:
        rows = [what.comparison.of(*what.pair, metric) for metric in what.metrics]
        title = f"{names[what.pair[0]]} → {names[what.pair[1]]}"
        parts.append(html.folded_html(title, views.pair_table(language, rows)))
    trainings = {tuned.id: tuned for tuned in backend.all_tuned()}
    others = [one for one in backend.experiments() if one.id not in names]
    parts.append(views.costs(language, group, names, trainings))
    parts.append(views.apart(language, others, group[0], backend.names()))
    return "".join(parts)


def _lacking(language: str, kind: str) -> str:
    if kind == "validation":
        lacking = say(language, "a_validation")
    elif kind == "loss":
        lacking = say(language, "a_training")
    else:
        lacking = say(language, "timed_queries" if kind == "cost" else "two_experiments")
    return html.note(say(language, "chart_nothing", what=lacking), "empty")
