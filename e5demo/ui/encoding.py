"""A column whose model has not read the corpus yet: what that takes, and the job that does it."""

import json
from typing import Any

import gradio as gr

from e5demo.backend import Backend
from e5demo.backend.comparisons import PATIENCE_SECONDS
from e5demo.data.corpus import Corpus
from e5demo.retrieval.engine import RETRIEVERS
from e5demo.ui.asked import Controls, read
from e5demo.ui.frame import LIGHT, Frame, current, moment
from e5demo.ui.guard import guarded, inform
from e5demo.ui.reasons import written
from e5demo.ui.text import count, duration, say


def to_encode(language: str, backend: Backend, corpus: Corpus, retriever: str) -> str:
    """What E5 would first have to read and how long that takes; empty if a person can wait."""
    passages, seconds = backend.to_read(corpus, retriever, backend.choices().max_length)
    if seconds <= PATIENCE_SECONDS:
        return ""
    told = {"count": count(language, passages), "time": duration(language, seconds)}
    return say(language, "to_encode", **told)


def offer_encoding(
    frame: Frame, controls: Controls, button: gr.Button, to_read: gr.State, searched: gr.State
) -> None:
    """`to_read` is the retriever that a column waits for, `searched` what was asked there."""

    @guarded
    def start(visitor: str | None, language: str, was: str, retriever: str) -> Any:
        backend = frame.backend(visitor)
        dataset, choices = current(backend)
        which = read(*json.loads(was)[1:]).kind  # the corpus that was searched
        model = retriever.rpartition(":")[2]
        options = [f"--corpus={which}", f"--max-length={choices.max_length}"]
        if model not in RETRIEVERS:
            options.append(f"--retriever={model}")
        frame.submit(backend, dataset.name, "encode", dataset, *options)
        inform(say(language, "encoding_queued"))
        return gr.update(visible=False)

    @guarded
    def search_again(
        visitor: str | None, language: str, retriever: str, was: str, text: str, *settings: Any
    ) -> Any:
        """After a job: once the corpus is read that a column waits for, unless the query has been
        changed or the model deleted since. A reading that was stopped can be started again."""
        backend = frame.backend(visitor)
        if was != written(text, settings) or retriever not in backend.retrievers():
            return gr.skip(), gr.skip()
        if not to_encode(language, backend, read(*settings).corpus(backend), retriever):
            return moment(), gr.skip()
        dataset, _ = current(backend)
        return gr.skip(), gr.update(visible=not frame.runs(backend, "encode", dataset))

    button.click(start, [*frame.who, searched, to_read], button, **LIGHT)
    awaited = [*frame.who, to_read, searched, *controls.all]
    frame.job_signal.change(search_again, awaited, [controls.again, button], **LIGHT)
