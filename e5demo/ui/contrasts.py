"""Where to look: the test queries on which two retrievers differ, and a click to open one."""

import random
from typing import Any

import gradio as gr
import pandas as pd

from e5demo.backend import Backend
from e5demo.data.browsing import Scope, page, plain_text
from e5demo.errors import E5DemoError, OneRetriever
from e5demo.evaluation.contrasts import CONTRASTS, contrasted, gains
from e5demo.evaluation.runs import DEPTH
from e5demo.ui import html
from e5demo.ui.asked import Controls, named, read
from e5demo.ui.frame import LIGHT, Frame, current, current_split, moment
from e5demo.ui.guard import guarded, inform
from e5demo.ui.text import count, explain, label, say

PAGE_QUERIES = 12
ON_LIST = """
element.addEventListener("click", event => {
  const row = event.target.closest("[data-query]");
  if (row) trigger("click", {query: row.dataset.query});
});
"""


def create_contrasts(frame: Frame, controls: Controls) -> None:
    t = frame.i18n
    about = gr.HTML()
    with gr.Row(elem_classes="settings"):
        which = gr.Radio(
            label=t("contrast"), choices=[*CONTRASTS], value="differ", scale=4, min_width=320
        )
        words = gr.Textbox(label=t("find_title"), max_lines=1, scale=2, min_width=160)
        draw = gr.Button(t("random_query"), scale=0, min_width=150)
    measure = gr.Button(t("measure_ranks"), visible=False)
    listing = gr.HTML(js_on_load=ON_LIST)
    with gr.Row(elem_classes="pages", visible=False) as turner:
        back = gr.Button(t("previous"), size="sm", min_width=110, scale=0)
        where = gr.HTML()
        forth = gr.Button(t("next"), size="sm", min_width=110, scale=0)
    number, asked_for = gr.State(1), gr.State("")
    shown = [which, about, measure, listing, turner, where, number, asked_for]
    nothing = [gr.update(visible=False), "", gr.update(visible=False), "", 1, ""]

    @guarded
    def show(visitor: str | None, language: str, wanted: int, before: str, *values: Any) -> Any:
        kind, text, *settings = values
        kinds = [(label(language, f"contrast_{name}"), name) for name in CONTRASTS]
        kept = gr.update(choices=kinds, value=kind or CONTRASTS[0])
        try:
            names, ranks = measured(frame.backend(visitor), language, settings)
        except E5DemoError as error:
            return kept, html.note(explain(language, error), "empty"), *nothing
        missing = [name for name in names if name not in ranks]
        left, right = list(names)[:2]
        if left in missing or right in missing:
            told = ", ".join(names[name] for name in missing)
            note = html.note(say(language, "contrast_missing", names=told), "empty")
            return kept, note, gr.update(visible=True), *nothing[1:]
        found = contrasted(ranks, left, right, kind or CONTRASTS[0])
        for word in plain_text(pd.Series([text or ""], dtype="str")).iloc[0].split():
            found = found[plain_text(found["query"]).str.contains(word, regex=False)]
        lines, at, pages = page(found, wanted if str(values) == before else 1, PAGE_QUERIES)
        there = {name: names[name] for name in names if name in ranks}
        place = f"{count(language, at)} / {count(language, pages)}"
        return (
            kept,
            _about(language, ranks, names, left, right) + _unfiltered(language, settings),
            gr.update(visible=bool(missing)),
            _table(language, lines, there),
            gr.update(visible=pages > 1),
            html.note(place),
            at,
            str(values),
        )

    def measured(
        backend: Backend, language: str, settings: list[Any]
    ) -> tuple[dict[str, str], pd.DataFrame]:
        """What the columns are called, and the ranks that were measured of them."""
        asked = read(*settings)
        if not asked.pair:
            raise OneRetriever
        current_split(backend)  # raises TwinsWanted
        dataset, choices = current(backend)
        ranks = backend.measured_ranks(dataset, choices, asked.kind, asked.names)
        return named(language, backend, asked.names), ranks

    @guarded
    def start(visitor: str | None, language: str, *settings: Any) -> Any:
        backend, asked = frame.backend(visitor), read(*settings)
        names, ranks = measured(backend, language, list(settings))
        dataset, choices = current(backend)
        options = [f"--corpus={asked.kind}", f"--max-length={choices.max_length}"]
        for name in names:
            if name not in ranks:
                frame.submit(backend, name, "evaluate", dataset, f"--retriever={name}", *options)
        inform(say(language, "contrast_queued"))
        return gr.update(visible=False)

    def picked(event: gr.EventData) -> tuple[str, str]:
        return event.query, moment()

    @guarded
    def draw_one(visitor: str | None, language: str, last: str) -> Any:
        backend = frame.backend(visitor)
        current_split(backend)
        dataset, choices = current(backend)
        titles = backend.split_rows(dataset, choices.split, "test")["query"]
        others = titles[titles != last].tolist() or titles.tolist()
        return random.choice(others), moment()

    asked = [*frame.who, number, asked_for, which, words, *controls.settings]
    moments = [controls.columns.change, controls.kind.change, frame.scene.change,
               frame.job_signal.change, which.input, words.change, number.change]  # fmt: skip
    gr.on(moments, show, asked, shown, trigger_mode="always_last", **LIGHT)
    back.click(lambda at: at - 1, number, number, **LIGHT)
    forth.click(lambda at: at + 1, number, number, **LIGHT)
    measure.click(start, [*frame.who, *controls.settings], measure, **LIGHT)
    opened = [controls.query, controls.again]
    listing.click(picked, None, opened, **LIGHT)
    draw.click(draw_one, [*frame.who, controls.query], opened, **LIGHT)


def _unfiltered(language: str, settings: list[Any]) -> str:
    scope = read(*settings).scope
    return html.note(say(language, "contrast_filters")) if scope != Scope() else ""


def _about(language: str, ranks: pd.DataFrame, names: dict[str, str], left: str, right: str) -> str:
    gain = gains(ranks[left], ranks[right])
    told = {
        "queries": count(language, len(gain)),
        "gains": count(language, (gain > 0).sum()),
        "losses": count(language, (gain < 0).sum()),
        "same": count(language, (gain == 0).sum()),
    }
    intro = say(language, "contrast_intro", left=names[left], right=names[right])
    return html.note(f"{intro} {say(language, 'contrast_counts', **told)}", "summary")


def _table(language: str, rows: pd.DataFrame, names: dict[str, str]) -> str:
    """A row a query, which a click opens, with a rank for each retriever."""
    if rows.empty:
        return html.note(say(language, "contrast_none"), "empty")
    heads = [say(language, "head_query"), *names.values()]
    lines = [
        [row["query"], *(_rank(language, row[name]) for name in names)]
        for row in rows.to_dict("records")
    ]
    return html.table(heads, lines, numeric=len(names), opens="query")


def _rank(language: str, rank: float) -> str:
    if pd.isna(rank):
        return say(language, "beyond", depth=count(language, DEPTH))
    return count(language, rank)
