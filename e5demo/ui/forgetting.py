"""Forgetting: does a tuned model still find what it was not tuned on? Base against tuned, on a
second data set."""

from typing import Any

import gradio as gr

from e5demo.backend import Backend
from e5demo.config import SplitSettings
from e5demo.data.store import Dataset
from e5demo.errors import NotTuned, OneExperiment, SameData
from e5demo.evaluation.experiments import Experiment
from e5demo.training.tuned import Tuned
from e5demo.ui import compare_views as views
from e5demo.ui import html
from e5demo.ui.asked import named
from e5demo.ui.compared import MAIN_METRIC, in_question
from e5demo.ui.frame import LIGHT, Frame
from e5demo.ui.guard import guarded, inform
from e5demo.ui.text import say

# Nothing is trained on the second set, so nearly all of its titles can be asked.
SPLIT = SplitSettings(mode="grouped", test_share=0.98, validation_share=0.5)
MOST_QUERIES = 1000


def create_forgetting(frame: Frame, picked: list[gr.State]) -> None:
    t = frame.i18n
    gr.Markdown(t("forgetting"), elem_classes="note")
    with gr.Row():
        second = gr.Dropdown(label=t("second_set"), choices=[], scale=3, min_width=220)
        measure = gr.Button(t("measure_both"), scale=0, min_width=180)
    outcome = gr.HTML()
    chosen = gr.State("")

    def of_pair(backend: Backend, language: str, wanted: Any) -> Tuned:
        """The tuned model of the two in question. Raises OneExperiment, NotTuned."""
        what = in_question(language, backend, wanted)
        retrievers = {one.id: one.measured.retriever for one in what.experiments}
        tuned = {one.id: one for one in backend.all_tuned()}
        for one in (what.pair or ())[::-1]:
            if retrievers[one] in tuned:
                return tuned[retrievers[one]]
        raise NotTuned

    @guarded
    def render(visitor: str | None, language: str, data: str, *wanted: str) -> Any:
        backend = frame.backend(visitor)
        sets = [(say(language, "sample") if one.is_sample else one.name, one.id)
                for one in backend.datasets()]  # fmt: skip
        data = data if data in [key for _, key in sets] else backend.sample().id
        update = gr.update(choices=sets, value=data)
        try:
            tuned = of_pair(backend, language, wanted)
        except (OneExperiment, NotTuned):
            return update, data, html.note(say(language, "forgetting_none"), "empty")
        return update, data, _outcome(language, backend, tuned, backend.dataset(data))

    @guarded
    def start(visitor: str | None, language: str, data: str, *wanted: str) -> None:
        backend = frame.backend(visitor)
        tuned, dataset = of_pair(backend, language, wanted), backend.dataset(data)
        if dataset.fingerprint == tuned.data:
            raise SameData(dataset=dataset.name)
        for name in ("baseline", tuned.id):
            options = [f"--retriever={name}", "--corpus=all", f"--limit-queries={MOST_QUERIES}",
                       f"--max-length={tuned.evaluation.max_length}"]  # fmt: skip
            frame.queue(backend, name, "evaluate", dataset.id, *SPLIT.as_options(), *options)
        inform(say(language, "contrast_queued"))

    asked = [*frame.who, chosen, *picked]
    shown = [second, chosen, outcome]
    moments = [frame.scene.change, frame.job_signal.change, *(state.change for state in picked)]
    gr.on(moments, render, asked, shown, trigger_mode="always_last", **LIGHT)
    taken = second.input(lambda value: value or "", second, chosen, **LIGHT)
    taken.then(render, asked, shown, **LIGHT)
    measure.click(start, asked, None, **LIGHT)


def _outcome(language: str, backend: Backend, tuned: Tuned, dataset: Dataset) -> str:
    """The verdict on the second set, once both are measured there."""
    if dataset.fingerprint == tuned.data:
        return html.note(say(language, "forgetting_same"), "empty")
    both = _measured(backend, tuned, dataset)
    if both is None:
        return html.note(say(language, "forgetting_unmeasured"), "empty")
    comparison = backend.compare(both)
    called = named(language, backend, ["baseline", tuned.id])
    names = {one.id: called[one.measured.retriever] for one in both}
    base, after = (one.id for one in both)
    rows = [comparison.of(base, after, metric) for metric in both[0].metrics]
    return views.verdict(
        language, comparison.of(base, after, MAIN_METRIC), names, comparison
    ) + views.pair_table(language, rows)  # fmt: skip


def _measured(
    backend: Backend, tuned: Tuned, dataset: Dataset
) -> tuple[Experiment, Experiment] | None:
    """The base and the tuned model there; None unless both are."""
    found: dict[str, Experiment] = {}
    for one in backend.experiments():
        measured = one.measured
        there = measured.data == dataset.fingerprint and measured.corpus_kind == "all"
        same_way = measured.max_length == tuned.evaluation.max_length and not measured.ablated
        if there and same_way and measured.split == SPLIT.model_dump(mode="json"):
            found.setdefault(measured.retriever, one)
    both = found.get("baseline"), found.get(tuned.id)
    if both[0] is None or both[1] is None:
        return None
    return both[0], both[1]
