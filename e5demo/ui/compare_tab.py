"""Comparaison: score retrievers on the test titles; a table and a chart of what was measured."""

from collections import defaultdict
from typing import Any

import gradio as gr

from e5demo import figures
from e5demo.backend import Backend
from e5demo.config import EvaluationSettings
from e5demo.errors import NoRetriever
from e5demo.evaluation.experiments import Experiment
from e5demo.retrieval.engine import RETRIEVERS
from e5demo.ui import html
from e5demo.ui.frame import LIGHT, SEPARATORS, Frame, current, current_split, retriever_choices
from e5demo.ui.guard import guarded
from e5demo.ui.text import count, decimal, duration, label, say


def create_compare_tab(frame: Frame) -> None:
    t = frame.i18n
    gr.Markdown(t("compare_intro"), elem_classes="intro")
    with gr.Row(elem_classes="settings"):
        chosen = gr.CheckboxGroup(label=t("retrievers"), choices=[], value=list(RETRIEVERS))
    with gr.Row():
        kind = gr.Radio(label=t("corpus"), choices=[], value="test", scale=3)
        length = gr.Dropdown(
            label=t("max_length"), choices=[64, 128, 256, 512], value=512, min_width=110
        )
        limit = gr.Textbox(
            label=t("limit"), placeholder=t("all_queries"), max_lines=1, min_width=90
        )
        cutoffs = gr.Textbox(label=t("cutoffs"), value="1, 5, 10", max_lines=1, min_width=110)
        evaluate = gr.Button(t("evaluate_button"), variant="primary", min_width=110)
    queued = gr.HTML()
    table = gr.HTML()
    chart = gr.Plot(show_label=False, visible=False)
    shown = [chosen, kind, queued, table, chart]

    @guarded
    def render(visitor: str | None, language: str) -> Any:
        backend = frame.backend(visitor)
        groups, called = _comparable(backend), backend.names()
        kinds = [(label(language, f"corpus_{name}"), name) for name in ("test", "all")]
        return (
            retriever_choices(language, backend),
            gr.update(choices=kinds),
            "",
            _tables(language, groups, called),
            gr.update(value=_chart(language, groups[0], called), visible=True)
            if groups
            else gr.update(visible=False),
        )

    @guarded
    def start(
        visitor: str | None,
        language: str,
        names: list[str],
        which: str,
        max_length: int,
        queries: str,
        ks: str,
    ) -> Any:
        if not names:
            raise NoRetriever
        backend = frame.backend(visitor)
        dataset, _ = current(backend)
        settings = EvaluationSettings.checked(
            corpus=which,
            max_length=max_length,
            limit_queries=queries.strip() or None,
            cutoffs=[part.strip() for part in ks.split(",")],
        )
        current_split(backend)  # refused here rather than in the job's log
        options = [f"--corpus={settings.corpus}", f"--max-length={settings.max_length}"]
        options.append(f"--cutoffs={','.join(map(str, settings.cutoffs))}")
        if settings.limit_queries:
            options.append(f"--limit-queries={settings.limit_queries}")
        wanted = [name for name in backend.retrievers() if name in names]
        for name in wanted:
            frame.submit(backend, name, "evaluate", dataset, f"--retriever={name}", *options)
        called = backend.names()
        told = ", ".join(html.retriever_name(language, name, called) for name in wanted)
        return html.note(say(language, "evaluation_queued", names=told))

    gr.on([frame.scene.change, frame.job_signal.change], render, frame.who, shown, **LIGHT)
    asked = [*frame.who, chosen, kind, length, limit, cutoffs]
    evaluate.click(start, asked, queued, **LIGHT)


def _comparable(backend: Backend) -> list[list[Experiment]]:
    """The data set's experiments, grouped by what may be compared; the newest group first."""
    dataset, choices = current(backend)
    groups: dict[Any, list[Experiment]] = defaultdict(list)
    for experiment in backend.experiments():
        measured = experiment.measured
        same_split = measured.split == choices.split.model_dump(mode="json")
        if measured.data == dataset.fingerprint and same_split:
            groups[measured.ground, measured.cutoffs].append(experiment)
    order = {name: place for place, name in enumerate(backend.retrievers())}
    return [  # a deleted model's experiments come last
        sorted(group, key=lambda e: order.get(e.measured.retriever, len(order)))
        for group in groups.values()
    ]


def _tables(language: str, groups: list[list[Experiment]], called: dict[str, str]) -> str:
    if not groups:
        return html.note(say(language, "compare_empty"), "empty")
    parts = [html.note(say(language, "compare_sampled"))] if len(groups) > 1 else []
    for group in groups:
        first = group[0]
        parts.append(
            html.note(
                say(
                    language,
                    "compare_same",
                    queries=count(language, first.queries),
                    passages=count(language, first.passages),
                ),
                "summary",
            )
        )
        parts.append(_table(language, group, called))
    return "".join(parts)


def _table(language: str, group: list[Experiment], called: dict[str, str]) -> str:
    metrics = list(group[0].metrics)
    heads = [say(language, f"head_{name}") for name in ("retriever", "settings")]
    rows = [
        [
            html.retriever_name(language, e.measured.retriever, called),
            _settings(language, e),
            *(decimal(language, e.metrics[name]) for name in metrics),
            duration(language, e.seconds),
        ]
        for e in group
    ]
    return html.table([*heads, *metrics, say(language, "head_seconds")], rows, len(metrics) + 1)


def _settings(language: str, experiment: Experiment) -> str:
    """Which weights and how much of a text they read; a dash for BM25."""
    measured = experiment.measured
    if not measured.weights:
        return "—"
    return f"{say(language, f'short_{measured.weights}')} · {measured.max_length}"


def _chart(language: str, group: list[Experiment], called: dict[str, str]) -> Any:
    names = {
        e.id: " · ".join(
            [html.retriever_name(language, e.measured.retriever, called), _settings(language, e)][
                : 1 + bool(e.measured.weights)
            ]
        )
        for e in group
    }
    return figures.metric_dots(
        {e.id: e.metrics for e in group},
        names,
        say(language, "chart_metrics"),
        SEPARATORS[language],
    )
