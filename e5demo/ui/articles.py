"""A table of articles that is searched, filtered, sorted and paged on the server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
import pandas as pd

from e5demo.backend import Backend
from e5demo.data.browsing import ORDERS, PAGE_ROWS, Filter, browse, page
from e5demo.ui import html
from e5demo.ui.frame import LIGHT, Frame
from e5demo.ui.guard import guarded
from e5demo.ui.text import count, say

# Which rows: called with the backend and what the caller's own inputs hold.
Source = Callable[..., pd.DataFrame]


@dataclass(frozen=True)
class Browser:
    """The widgets that a tab sets: `redraw` takes a `moment` where the rows may have changed."""

    agency: gr.Dropdown
    redraw: gr.State


def create_browser(frame: Frame, source: Source, own: list[gr.components.Component]) -> Browser:
    """Filters over a list, and pages. `source(backend, *own values)` gives the rows.

    All changes go through one listener: a slow answer to an earlier one never comes last.
    """
    text_of = frame.i18n
    with gr.Row(elem_classes="filters"):
        text = gr.Textbox(label=text_of("find_text"), scale=3, min_width=180)
        agency = gr.Dropdown(
            label=text_of("agency"), choices=[], multiselect=True, scale=2, min_width=140
        )
        since = gr.Textbox(
            label=text_of("since"),
            placeholder=text_of("day_hint"),
            scale=1,
            min_width=110,
            max_lines=1,
        )
        until = gr.Textbox(
            label=text_of("until"),
            placeholder=text_of("day_hint"),
            scale=1,
            min_width=110,
            max_lines=1,
        )
        order = gr.Dropdown(
            label=text_of("order"),
            choices=[(text_of(f"order_{name}"), name) for name in ORDERS],
            value="row",
            scale=1,
            min_width=150,
        )
    listing = gr.HTML()
    with gr.Row(elem_classes="pages"):
        back = gr.Button(text_of("previous"), size="sm", min_width=110, scale=0)
        where = gr.HTML()
        forth = gr.Button(text_of("next"), size="sm", min_width=110, scale=0)
    number, redraw = gr.State(1), gr.State("")
    asked_for = gr.State("")  # what the shown page was asked for with: another question starts anew
    filters = [text, agency, since, until, order]

    @guarded
    def show(
        visitor: str | None, language: str, wanted: int, before: str, _: str, *values: Any
    ) -> Any:
        backend: Backend = frame.backend(visitor)
        rows = source(backend, *values[: len(own)])
        words, agencies, first_day, last_day, how = values[len(own) :]
        wanted_rows = Filter.checked(agencies, first_day, last_day, text=words or "", order=how)
        found = browse(rows, wanted_rows)
        lines, at, _pages = page(found, wanted if str(values) == before else 1)
        first = (at - 1) * PAGE_ROWS
        place = say(
            language,
            "page_of",
            first=count(language, first + 1 if len(found) else 0),
            last=count(language, first + len(lines)),
            total=count(language, len(found)),
        )
        listing = html.articles(language, lines) if len(rows) else _nothing(language)
        return listing, html.note(place), at, str(values)

    gr.on(
        [
            *(part.input for part in own),
            agency.input,
            order.input,
            text.change,
            text.submit,
            since.submit,
            since.blur,
            until.submit,
            until.blur,
            number.change,
            redraw.change,
        ],
        show,
        [*frame.who, number, asked_for, redraw, *own, *filters],
        [listing, where, number, asked_for],
        trigger_mode="always_last",
        **LIGHT,
    )
    back.click(lambda at: at - 1, number, number, **LIGHT)
    forth.click(lambda at: at + 1, number, number, **LIGHT)
    return Browser(agency, redraw)


def _nothing(language: str) -> str:
    return html.note(say(language, "nothing_here"), "empty")
