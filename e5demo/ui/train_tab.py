"""Entraînement: tune E5 on the train split as a job, and see what was tuned."""

import shlex
from typing import Any

import gradio as gr

from e5demo import figures
from e5demo.errors import TooFewPairs
from e5demo.training.recipe import PRESETS, Method, make_recipe
from e5demo.training.tuned import Tuned
from e5demo.ui import html
from e5demo.ui.frame import LIGHT, SEPARATORS, Frame, current, current_split
from e5demo.ui.guard import guarded, inform
from e5demo.ui.text import count, decimal, duration, label, say

SHOWN_LOSSES = 4


def create_train_tab(frame: Frame) -> None:
    t = frame.i18n
    gr.Markdown(t("train_intro"), elem_classes="intro")
    with gr.Row(elem_classes="settings"):
        method = gr.Radio(label=t("method"), choices=[], value="lora", scale=3)
        preset = gr.Radio(label=t("preset"), choices=[], value="quick", scale=4)
        minutes = gr.Number(label=t("max_minutes"), value=10, min_width=150)
        batch = gr.Number(label=t("batch_size"), value=64, precision=0, min_width=110)
        start = gr.Button(t("train_button"), variant="primary", min_width=110)
    command = gr.HTML()
    models = gr.HTML()
    losses = gr.Plot(show_label=False, visible=False)
    settings = [method, preset, minutes, batch]

    @guarded
    def render(visitor: str | None, language: str) -> Any:
        methods = [(label(language, f"method_{name}"), name) for name in ("lora", "full")]
        presets = [(label(language, f"preset_{name}"), name) for name in PRESETS]
        dataset, choices = current(frame.backend(visitor))
        shares = (1 - choices.split.test_share) * (1 - choices.split.validation_share)
        size = _batch_size(int(dataset.size * shares))
        told = refresh(visitor, language)
        return gr.update(choices=methods), gr.update(choices=presets), size, *told

    @guarded
    def refresh(visitor: str | None, language: str) -> Any:
        tuned = frame.backend(visitor).all_tuned()
        if not tuned:
            return html.note(say(language, "train_none"), "empty"), gr.update(visible=False)
        return _models(language, tuned), gr.update(value=_losses(language, tuned), visible=True)

    @guarded
    def show_command(visitor: str | None, language: str, *values: Any) -> Any:
        dataset, choices = current(frame.backend(visitor))
        options = [*choices.split.as_options(), *_options(*values)]
        line = shlex.join(["python", "-m", "e5demo", "train", dataset.id, *options])
        return html.command(say(language, "train_command"), line)

    @guarded
    def begin(visitor: str | None, language: str, *values: Any) -> Any:
        backend = frame.backend(visitor)
        dataset, choices = current(backend)
        method, preset, minutes, size = values
        recipe = make_recipe(method, preset, batch_size=size or 0, max_minutes=minutes or None)
        current_split(backend)  # refused here rather than in the job's log
        pairs = len(backend.split_rows(dataset, choices.split, "train"))
        if pairs < recipe.batch_size:
            raise TooFewPairs(pairs=pairs, batch_size=recipe.batch_size)
        frame.submit(backend, method, "train", dataset, *_options(*values))
        inform(say(language, "train_queued"))

    shown = [models, losses]
    drawn = frame.scene.change(render, frame.who, [method, preset, batch, *shown], **LIGHT)
    drawn.then(show_command, [*frame.who, *settings], command, **LIGHT)
    frame.job_signal.change(refresh, frame.who, shown, **LIGHT)
    changes = [setting.change for setting in settings]
    gr.on(changes, show_command, [*frame.who, *settings], command, **LIGHT)
    start.click(begin, [*frame.who, *settings], None, **LIGHT)


def _batch_size(pairs: int) -> int:
    """The recipe's 64, or what leaves a small data set a dozen batches."""
    return min(64, max(8, pairs // 12))


def _options(method: Method, preset: str, minutes: float | None, batch: float | None) -> list[str]:
    options = [f"--method={method}", f"--preset={preset}", f"--set=batch_size={int(batch or 0)}"]
    limit = f"{minutes:g}" if minutes else "null"
    return [*options, f"--set=max_minutes={limit}"]


def _models(language: str, tuned: list[Tuned]) -> str:
    names = ("model", "dataset", "pairs", "steps", "seconds", "peak", "trainable", "loss")
    rows = []
    for one in tuned:
        trained = one.trained
        share = 100 * trained.trainable_parameters / trained.total_parameters
        first, last = trained.history[0]["loss"], trained.history[-1]["loss"]
        rows.append(
            [
                html.retriever_name(language, one.id),
                one.dataset,
                count(language, one.pairs),
                count(language, trained.steps),
                duration(language, trained.seconds),
                say(language, "megabytes", count=count(language, trained.peak_memory_mb)),
                say(language, "percent", share=decimal(language, share, 2)),
                f"{decimal(language, first)} → {decimal(language, last)}",
            ]
        )
    return html.table([say(language, f"head_{name}") for name in names], rows, 6)


def _losses(language: str, tuned: list[Tuned]) -> Any:
    newest = tuned[:SHOWN_LOSSES]
    return figures.loss_lines(
        {one.id: one.trained.history for one in newest},
        {one.id: html.retriever_name(language, one.id) for one in newest},
        say(language, "chart_loss"),
        say(language, "axis_steps"),
        SEPARATORS[language],
    )
