"""A table of articles that is searched, filtered, sorted and paged on the server."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import gradio as gr
import pandas as pd

from e5demo.backend import Backend
from e5demo.data.browsing import ORDERS, PAGE_ROWS, Filter, browse, page
from e5demo.errors import BadDate
from e5demo.ui import html
from e5demo.ui.frame import LIGHT, Frame
from e5demo.ui.guard import guarded
from e5demo.ui.text import count, say

DAY = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
# Which rows: called with the backend and what the caller's own inputs hold.
Source = Callable[..., pd.DataFrame]


@dataclass(frozen=True)
class Browser:
    """The widgets, for the tab that wires them to its own."""

    agency: gr.Dropdown
    filters: list[gr.components.Component]
    shown: list[gr.components.Component]
    number: gr.State
    first_page: Callable[..., Any]
    same_page: Callable[..., Any]


def create_browser(frame: Frame, source: Source, own: list[gr.components.Component]) -> Browser:
    """Filters over a list, and pages. `source(backend, *own values)` gives the rows."""
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
    number = gr.State(1)
    filters = [text, agency, since, until, order]
    shown = [listing, where, number]

    def show(visitor: str | None, language: str, wanted_page: int, *values: Any) -> Any:
        backend: Backend = frame.backend(visitor)
        rows = source(backend, *values[: len(own)])
        found = browse(rows, _filter(*values[len(own) :]))
        lines, at, _ = page(found, wanted_page)
        first = (at - 1) * PAGE_ROWS
        place = say(
            language,
            "page_of",
            first=count(language, first + 1 if len(found) else 0),
            last=count(language, first + len(lines)),
            total=count(language, len(found)),
        )
        listing = html.articles(language, lines) if len(rows) else _nothing(language)
        return listing, html.note(place), at

    @guarded
    def first_page(visitor: str | None, language: str, *values: Any) -> Any:
        return show(visitor, language, 1, *values)

    def turn(step: int) -> Callable[..., Any]:
        @guarded
        def turned(visitor: str | None, language: str, at: int, *values: Any) -> Any:
            return show(visitor, language, at + step, *values)

        return turned

    inputs = [*frame.who, *own, *filters]
    changes = [
        agency.input,
        since.submit,
        since.blur,
        until.submit,
        until.blur,
        order.input,
        text.submit,
    ]
    gr.on(changes, first_page, inputs, shown, **LIGHT)
    gr.on([text.change], first_page, inputs, shown, trigger_mode="always_last", **LIGHT)
    paged = [*frame.who, number, *own, *filters]
    back.click(turn(-1), paged, shown, **LIGHT)
    forth.click(turn(1), paged, shown, **LIGHT)
    return Browser(agency, filters, shown, number, first_page, turn(0))


def _is_day(value: str) -> bool:
    """Not the 30th of February; a year or a month stands for its first day."""
    try:
        date.fromisoformat((value + "-01-01")[:10])
    except ValueError:
        return False
    return True


def _nothing(language: str) -> str:
    return html.note(say(language, "nothing_here"), "empty")


def _filter(
    text: str | None,
    agencies: list[str] | None,
    since: str | None,
    until: str | None,
    order: str,
) -> Filter:
    first, last = (since or "").strip(), (until or "").strip()
    for value in (first, last):
        if value and not (DAY.fullmatch(value) and _is_day(value)):
            raise BadDate(value=value)
    # A year or a month as the end means up to its last day: '~' sorts after every digit.
    return Filter(text or "", tuple(agencies or ()), first, last and f"{last}~", order)
