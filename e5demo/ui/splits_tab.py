"""Splits: how the pairs are divided, what grouping keeps from leaking, what each part holds."""

from dataclasses import replace
from typing import Any

import gradio as gr
import pandas as pd

from e5demo.backend import Backend
from e5demo.config import SplitSettings
from e5demo.data.duplicates import JACCARD, SHINGLE_WORDS
from e5demo.data.profile import agencies
from e5demo.data.splits import SPLITS, Split
from e5demo.errors import EmptySplit, TwinsWanted
from e5demo.ui import html
from e5demo.ui.articles import create_browser
from e5demo.ui.frame import HEAVY, LIGHT, Frame, current, current_split, moment, scene_of
from e5demo.ui.guard import guarded, inform, told
from e5demo.ui.text import count, decimal, label, say
from e5demo.workspace import fresh_download


def create_splits_tab(frame: Frame) -> None:
    t = frame.i18n
    gr.Markdown(t("splits_intro"), elem_classes="intro")
    with gr.Row(elem_classes="settings"):
        mode = gr.Radio(label=t("mode"), choices=[], scale=3, min_width=260)
        test_share = gr.Number(label=t("test_share"), step=0.01, min_width=150)
        validation_share = gr.Number(label=t("validation_share"), step=0.01, min_width=150)
        seed = gr.Number(label=t("seed"), precision=0, min_width=90)
        divide = gr.Button(t("split_button"), variant="primary", min_width=110)
    outcome = gr.HTML()
    find_twins = gr.Button(t("find_twins"), visible=False)
    with gr.Row():
        part = gr.Radio(label=t("which_split"), choices=[], value="train", scale=3)
        save = gr.Button(t("save_splits"), scale=1, min_width=160)
    files = gr.File(label=t("split_files"), visible=False, interactive=False)
    browser = create_browser(frame, _rows, [part])
    settings = [mode, test_share, validation_share, seed]
    shown = [*settings, outcome, find_twins, part, browser.agency, files]

    @guarded
    def render(visitor: str | None, language: str) -> Any:
        backend = frame.backend(visitor)
        dataset, choices = current(backend)
        modes = [(label(language, f"mode_{name}"), name) for name in ("grouped", "notebook")]
        parts = [(label(language, f"part_{name}"), name) for name in SPLITS]
        split = choices.split
        return (
            gr.update(choices=modes, value=split.mode),
            split.test_share,
            split.validation_share,
            split.seed,
            *state(language, backend),
            gr.update(choices=parts, value="train"),
            gr.update(choices=agencies(dataset.pairs), value=[]),
            gr.update(visible=False),
        )

    @guarded
    def refresh(visitor: str | None, language: str) -> Any:
        """After a job: what it may have changed, and nothing that the person has set."""
        return state(language, frame.backend(visitor))

    def state(language: str, backend: Backend) -> tuple[str, Any]:
        """The outcome, or what is missing for it, and whether twins can be looked for."""
        dataset, _ = current(backend)
        if backend.finds_twins_quickly(dataset):
            return told(language, lambda: _outcome(language, backend)), gr.update(visible=False)
        running = frame.runs(backend, "prepare", dataset)
        missing = say(language, "twins_running" if running else "twins_wanted")
        return html.note(missing), gr.update(visible=not running)

    @guarded
    def choose(visitor: str | None, language: str, *values: Any) -> Any:
        backend = frame.backend(visitor)
        names = ("mode", "test_share", "validation_share", "seed")
        settings = SplitSettings.checked(**dict(zip(names, values, strict=True)))
        backend.quick_split(current(backend)[0], settings)  # refused before it is chosen
        choices = replace(backend.choices(), split=settings)
        backend.choose(choices)
        return scene_of(language, choices)

    @guarded
    def look_for_twins(visitor: str | None, language: str) -> Any:
        backend = frame.backend(visitor)
        frame.use(backend, language, current(backend)[0])
        return html.note(say(language, "twins_running")), gr.update(visible=False)

    @guarded
    def hand_out(visitor: str | None, language: str) -> Any:
        backend = frame.backend(visitor)
        split = current_split(backend)
        written = backend.save_splits(current(backend)[0], split, fresh_download())
        inform(say(language, "saved"))
        return gr.update(value=[str(path) for path in written], visible=True)

    rendered = frame.scene.change(render, frame.who, shown, **LIGHT)
    rendered.then(moment, None, browser.redraw, **LIGHT)
    after_job = frame.job_signal.change(refresh, frame.who, [outcome, find_twins], **LIGHT)
    after_job.then(moment, None, browser.redraw, **LIGHT)
    divide.click(choose, [*frame.who, *settings], frame.scene, **HEAVY)
    find_twins.click(look_for_twins, frame.who, [outcome, find_twins], **LIGHT)
    save.click(hand_out, frame.who, files, **HEAVY)


def _rows(backend: Backend, part: str | None) -> pd.DataFrame:
    dataset, choices = current(backend)
    try:
        backend.quick_split(dataset, choices.split)
    except (TwinsWanted, EmptySplit):  # said above the list
        return dataset.pairs.iloc[:0]
    return backend.split_rows(dataset, choices.split, part or "train")


def _outcome(language: str, backend: Backend) -> str:
    split = current_split(backend)
    sizes = [
        (name, f"{label(language, f'part_{name}')} {count(language, size)}", size)
        for name, size in split.sizes.items()
    ]
    leaked = say(
        language,
        f"leaks_{split.settings.mode}",
        leaks=count(language, split.leaks),
        plain=count(language, split.plain_leaks),
        avoided=count(language, split.leaks_avoided),
    )
    limits = say(language, "thresholds", jaccard=decimal(language, JACCARD, 1), words=SHINGLE_WORDS)
    return (
        html.bar(sizes)
        + html.note(leaked)
        + html.note(limits, "faint")
        + _examples(language, backend, split)
    )


def _examples(language: str, backend: Backend, split: Split) -> str:
    lines = [
        say(
            language,
            "leak_pair",
            part=label(language, f"part_{leak.part}"),
            left=leak.title,
            right=leak.train_title,
        )
        for leak in backend.leak_examples(current(backend)[0], split.settings)
    ]
    if not lines:
        return ""
    return html.folded(say(language, "leak_examples"), lines)
