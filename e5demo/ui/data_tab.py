"""Données: where the CSV comes from, how it is read, what becomes of its rows."""

from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from e5demo.backend import Backend
from e5demo.data import kaggle
from e5demo.data.pairs import RULES
from e5demo.data.profile import agencies, profile
from e5demo.data.reading import DELIMITERS, ENCODINGS, guess_columns, preview
from e5demo.data.store import Dataset
from e5demo.errors import E5DemoError
from e5demo.ui import html
from e5demo.ui.articles import create_browser
from e5demo.ui.data_views import (
    dataset_name,
    field_table,
    funnel_steps,
    length_charts,
    reading_note,
    repeat_list,
)
from e5demo.ui.frame import HEAVY, LIGHT, Frame, current, moment, scene_of
from e5demo.ui.guard import guarded, inform, refuse
from e5demo.ui.text import explain, say

PARTS = ("query", "passage", "date", "agency", "url")
PREVIEW_COLUMNS = 30
FILE_TYPES = [".csv", ".gz", ".tsv", ".txt"]


def create_data_tab(frame: Frame) -> None:
    t = frame.i18n
    gr.Markdown(t("data_intro"), elem_classes="intro")
    with gr.Row(elem_classes="sources"):
        dataset = gr.Dropdown(label=t("dataset"), choices=[], scale=3, min_width=220)
        upload = gr.UploadButton(t("upload"), file_types=FILE_TYPES, variant="primary", scale=1)
        from_kaggle = gr.Button(t("kaggle"), scale=1)
        delete = gr.Button(t("delete"), scale=1)
        confirm = gr.Button(t("delete_confirm"), variant="stop", visible=False, scale=1)
        cancel = gr.Button(t("cancel"), visible=False, scale=1)
    about = gr.HTML()
    with gr.Accordion(t("reading"), open=False) as reading:
        with gr.Row():
            delimiter = gr.Dropdown(label=t("delimiter"), choices=list(DELIMITERS), min_width=90)
            encoding = gr.Dropdown(label=t("encoding"), choices=list(ENCODINGS), min_width=100)
            columns = [
                gr.Dropdown(label=t(f"column_{part}"), choices=[], min_width=100) for part in PARTS
            ]
        head = gr.HTML()
        read_again = gr.Button(t("read_again"), size="sm")
    source = gr.State("")  # the uploaded file that is being looked at, by its place in uploads
    rule = gr.Radio(label=t("funnel"), choices=[], elem_classes="funnel")
    with gr.Tabs():
        with gr.Tab(t("tab_articles")):
            browser = create_browser(frame, _rows, [rule])
        with gr.Tab(t("tab_columns")):
            fields = gr.HTML()
            with gr.Row():
                plots = [gr.Plot(show_label=False, min_width=300) for _ in range(2)]
        with gr.Tab(t("tab_repeats")):
            twins = gr.HTML()

    read_as = [delimiter, encoding, *columns]
    shown = [
        dataset,
        delete,
        confirm,
        cancel,
        about,
        rule,
        browser.agency,
        fields,
        *plots,
        twins,
        source,
        *read_as,
        head,
    ]

    @guarded
    def render(visitor: str | None, language: str) -> Any:
        backend = frame.backend(visitor)
        chosen, _ = current(backend)
        names = [(dataset_name(language, d), d.id) for d in backend.datasets()]
        return (
            gr.update(choices=names, value=chosen.id),
            gr.update(visible=not chosen.is_sample),
            *[gr.update(visible=False)] * 2,
            html.note(reading_note(language, chosen)),
            gr.update(choices=funnel_steps(language, chosen), value="kept"),
            gr.update(choices=agencies(chosen.pairs), value=[]),
            field_table(language, profile(chosen.pairs)),
            *length_charts(language, chosen),
            repeat_list(language, backend, chosen),
            "",
            *_reading_of(language, backend, chosen),
        )

    @guarded
    def choose(visitor: str | None, language: str, dataset_id: str) -> Any:
        backend = frame.backend(visitor)
        return frame.use(backend, language, backend.dataset(dataset_id))

    @guarded
    def open_upload(visitor: str | None, language: str, path: str) -> Any:
        return (yield from open_file(visitor, language, Path(path)))

    @guarded
    def open_kaggle(visitor: str | None, language: str) -> Any:
        return (yield from open_file(visitor, language, kaggle.download()))

    def open_file(visitor: str | None, language: str, path: Path) -> Any:
        """Keep a copy, show how it is read, load it; a refused file stays open to be mended."""
        backend = frame.backend(visitor)
        kept = backend.keep_upload(path)
        place = str(kept.relative_to(backend.workspace.uploads))
        unread = [gr.skip()] * (1 + len(read_as) + 1)
        try:
            unread = [gr.update(open=True), *_reading(language, kept)]
            loaded = backend.import_csv(kept)
        except E5DemoError as error:
            refuse(language, error)
            yield gr.skip(), place, *unread
        else:
            yield frame.use(backend, language, loaded), "", gr.update(open=False), *unread[1:]

    @guarded
    def look_again(visitor: str | None, language: str, place: str, sep: str, code: str) -> Any:
        path = _source(frame.backend(visitor), place)
        return _reading(language, path, delimiter=sep, encoding=code)[2:]

    @guarded
    def load_again(visitor: str | None, language: str, place: str, *values: Any) -> Any:
        backend = frame.backend(visitor)
        loaded = backend.import_csv(
            _source(backend, place),
            delimiter=values[0],
            encoding=values[1],
            columns=dict(zip(PARTS, (value or None for value in values[2:]), strict=True)),
        )
        return frame.use(backend, language, loaded)

    @guarded
    def remove(visitor: str | None, language: str, dataset_id: str) -> Any:
        backend = frame.backend(visitor)
        chosen = backend.dataset(dataset_id)
        frame.cancel_jobs(backend, dataset_id)
        backend.delete_dataset(dataset_id)
        inform(say(language, "deleted", name=chosen.name))
        return (scene_of(language, backend.choices()), *asked(False))

    def asked(asking: bool) -> list[Any]:
        return [gr.update(visible=not asking), *[gr.update(visible=asking)] * 2]

    rendered = frame.scene.change(render, frame.who, shown, **LIGHT)
    rendered.then(moment, None, browser.redraw, **LIGHT)
    dataset.input(choose, [*frame.who, dataset], frame.scene, **HEAVY)
    opened = [frame.scene, source, reading, *read_as, head]
    upload.upload(open_upload, [*frame.who, upload], opened, **HEAVY)
    from_kaggle.click(open_kaggle, frame.who, opened, **HEAVY)
    again = [*frame.who, source, delimiter, encoding]
    gr.on([delimiter.input, encoding.input], look_again, again, [*columns, head], **LIGHT)
    read_again.click(load_again, [*frame.who, source, *read_as], frame.scene, **HEAVY)
    asking = [delete, confirm, cancel]
    delete.click(lambda: asked(True), None, asking, **LIGHT)
    cancel.click(lambda: asked(False), None, asking, **LIGHT)
    confirm.click(remove, [*frame.who, dataset], [frame.scene, *asking], **LIGHT)


def _rows(backend: Backend, rule: str | None) -> pd.DataFrame:
    dataset, _ = current(backend)
    if rule in RULES:
        return dataset.dropped[dataset.dropped["rule"] == rule]
    return dataset.pairs


def _source(backend: Backend, place: str) -> Path:
    """The upload that is looked at; without one, the file of the data set in use."""
    if place:
        return backend.workspace.uploads / place
    return backend.source_of(current(backend)[0])


def _reading(
    language: str,
    path: Path,
    dataset: Dataset | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> list[Any]:
    """Delimiter, encoding, a choice for each part and the first rows, as found or as read."""
    if dataset:
        delimiter, encoding = dataset.delimiter, dataset.encoding
    found, rows = preview(path, delimiter=delimiter, encoding=encoding)
    headers = [str(column) for column in rows.columns]
    shown = rows.iloc[:, :PREVIEW_COLUMNS].fillna("")
    parts = dataset.columns if dataset else guess_columns(headers)
    unused = (say(language, "unchanged"), "")
    lines = ([html.snippet(str(cell), 60) for cell in row] for row in shown.values)
    return [
        found.delimiter,
        found.encoding,
        *(gr.update(choices=[unused, *headers], value=parts[part] or "") for part in PARTS),
        html.table(headers[:PREVIEW_COLUMNS], lines),
    ]


def _reading_of(language: str, backend: Backend, dataset: Dataset) -> list[Any]:
    """As the data set was read; where its file is gone, why it can't be read another way."""
    try:
        return _reading(language, backend.source_of(dataset), dataset)
    except E5DemoError as error:
        unknown = [gr.update(choices=[], value=None)] * len(PARTS)
        why = html.note(explain(language, error), "problem")
        return [dataset.delimiter, dataset.encoding, *unknown, why]
