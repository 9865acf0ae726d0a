"""Many queries at once, to one table that a spreadsheet opens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from e5demo.errors import EmptyQuery, NotText, TooManyQueries
from e5demo.ui import html
from e5demo.ui.asked import Controls, check_read, named, read
from e5demo.ui.frame import HEAVY, LIGHT, Frame
from e5demo.ui.guard import guarded
from e5demo.ui.text import count, say
from e5demo.workspace import fresh_download, write_spreadsheet

MOST_QUERIES = 1000
CHUNK = 10  # queries between two looks at how far it is
PREVIEW_ROWS = 20


def create_batch(frame: Frame, controls: Controls) -> None:
    t = frame.i18n
    queries = gr.Textbox(label=t("batch_queries"), lines=6, max_lines=12)
    with gr.Row():
        upload = gr.UploadButton(
            t("batch_upload"), file_types=[".txt"], size="sm", scale=0, min_width=180
        )
        start = gr.Button(t("batch_button"), variant="primary", scale=0, min_width=180)
        stop = gr.Button(t("batch_stop"), visible=False, scale=0, min_width=110)
    # Of its own, as it can be hidden: a word that is on its way while one stops still arrives.
    progress = gr.HTML(visible=False)
    outcome = gr.HTML()
    file = gr.File(label=t("batch_file"), visible=False, interactive=False)

    @guarded
    def fill(visitor: str | None, language: str, path: str) -> str:
        try:
            return Path(path).read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise NotText(name=Path(path).name) from error

    @guarded
    def search_all(visitor: str | None, language: str, text: str, *settings: Any) -> Iterator[Any]:
        asked, backend = read(*settings), frame.backend(visitor)
        lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
        if not lines:
            raise EmptyQuery
        if len(lines) > MOST_QUERIES:
            raise TooManyQueries(count=len(lines), most=MOST_QUERIES)
        check_read(backend, asked)
        corpus = asked.corpus(backend)
        names = named(language, backend, asked.names)
        parts = []
        yield "", "", gr.update(visible=False)
        for name in asked.names:
            for begin in range(0, len(lines), CHUNK):
                done = f"{names[name]} · {count(language, begin)} / {count(language, len(lines))}"
                yield html.note(done), gr.skip(), gr.skip()
                chunk = lines[begin : begin + CHUNK]
                parts.append(backend.search_all(corpus, chunk, name, **asked.options(backend)))
        table = _ordered(pd.concat(parts), lines)
        table.insert(2, "name", table["retriever"].map(names))
        path = fresh_download() / "e5demo-search.csv"
        write_spreadsheet(path, table)
        yield "", _outcome(language, table, len(lines)), gr.update(value=str(path), visible=True)

    shown, hidden = gr.update(visible=True), gr.update(visible=False)
    silent = gr.update(value="", visible=False)

    def stopped(visitor: str | None, language: str) -> Any:
        return hidden, silent, html.note(say(language, "batch_stopped")), hidden

    upload.upload(fill, [*frame.who, upload], queries, **LIGHT)
    asked = [*frame.who, queries, *controls.settings]
    all_of_it = [stop, progress, outcome, file]
    start.click(lambda: (shown, shown), None, [stop, progress], **LIGHT)
    found = [progress, outcome, file]
    running = start.click(search_all, asked, found, show_progress="hidden", **HEAVY)
    running.then(lambda: (hidden, silent), None, [stop, progress], **LIGHT)
    stop.click(stopped, frame.who, all_of_it, cancels=[running], **LIGHT)
    # What was found in other data goes, and what is being found.
    nothing = (hidden, silent, "", hidden)
    frame.scene.change(lambda: nothing, None, all_of_it, cancels=[running], **LIGHT)


def _ordered(table: pd.DataFrame, queries: list[str]) -> pd.DataFrame:
    """By query as asked, its retrievers under each other."""
    place = {query: number for number, query in enumerate(queries)}
    return table.sort_values("query", key=lambda column: column.map(place), kind="stable")


def _outcome(language: str, table: pd.DataFrame, queries: int) -> str:
    told = {"queries": count(language, queries), "rows": count(language, len(table))}
    shown = table.head(PREVIEW_ROWS)[["query", "name", "rank", "title"]].rename(
        columns={"name": "retriever"}
    )
    heads = [say(language, f"head_{name}") for name in shown.columns]
    rows = ([str(row.query), row.retriever, _rank(language, row.rank), row.title or "—"]
            for row in shown.itertuples())  # fmt: skip
    return html.note(say(language, "batch_done", **told)) + html.table(heads, rows)


def _rank(language: str, rank: Any) -> str:
    return "—" if pd.isna(rank) else count(language, rank)
