"""Measuring retrievers on the test titles: a job each, whose scores the comparison tab shows."""

from typing import Any

import gradio as gr

from e5demo.config import LENGTHS, MAX_LENGTH, EvaluationSettings
from e5demo.errors import NoRetriever
from e5demo.retrieval.engine import RETRIEVERS
from e5demo.ui import html
from e5demo.ui.asked import named
from e5demo.ui.compared import grounds
from e5demo.ui.frame import LIGHT, Frame, current, current_split, retriever_choices
from e5demo.ui.guard import guarded
from e5demo.ui.text import label, say


def create_evaluation(frame: Frame) -> None:
    t = frame.i18n
    with gr.Accordion(t("evaluate_fold"), open=True) as fold:
        with gr.Row(elem_classes="settings"):
            # Reranking reads a large corpus anew, which takes minutes: for who asks for it.
            first = [name for name in RETRIEVERS if name != "rerank"]
            chosen = gr.CheckboxGroup(label=t("retrievers"), choices=[*RETRIEVERS], value=first)
        with gr.Row():
            kind = gr.Radio(label=t("corpus"), choices=[], value="test", scale=3)
            length = gr.Dropdown(
                label=t("max_length"), choices=[*LENGTHS], value=MAX_LENGTH, min_width=110
            )
            limit = gr.Textbox(
                label=t("limit"), placeholder=t("all_queries"), max_lines=1, min_width=90
            )
            cutoffs = gr.Textbox(label=t("cutoffs"), value="1, 5, 10", max_lines=1, min_width=110)
            evaluate = gr.Button(t("evaluate_button"), variant="primary", min_width=110)
        queued = gr.HTML()

    @guarded
    def render(visitor: str | None, language: str, names: list[str]) -> Any:
        """Folded where there are figures to look at."""
        backend = frame.backend(visitor)
        kinds = [(label(language, f"corpus_{name}"), name) for name in ("test", "all")]
        choices = retriever_choices(language, backend, names)
        return choices, gr.update(choices=kinds), "", gr.update(open=not grounds(backend))

    @guarded
    def new_retrievers(visitor: str | None, language: str, names: list[str]) -> Any:
        """After a job, which may have tuned a model."""
        return retriever_choices(language, frame.backend(visitor), names), ""

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
        told = ", ".join(named(language, backend, wanted).values())
        return html.note(say(language, "evaluation_queued", names=told))

    ticked = [*frame.who, chosen]
    frame.scene.change(render, ticked, [chosen, kind, queued, fold], **LIGHT)
    frame.job_signal.change(new_retrievers, ticked, [chosen, queued], **LIGHT)
    asked = [*frame.who, chosen, kind, length, limit, cutoffs]
    evaluate.click(start, asked, queued, **LIGHT)
