"""What all tabs share: whose workspace, which language, and the signals that redraw them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from e5demo.backend import Backend
from e5demo.backend.library import Choices
from e5demo.backends import Backends
from e5demo.config import CorpusKind
from e5demo.data.corpus import Corpus
from e5demo.data.splits import Split
from e5demo.data.store import Dataset
from e5demo.jobs import Job
from e5demo.ui.html import retriever_name

# A change of `scene` (data set, split or language) redraws every tab, one of `job_signal` what a
# finished job (or the model, ready now) may have changed, one of `training_signal` what a running
# training has told since; `tab` is the one that is open. Polls and redraws never wait for heavy
# work.
LIGHT = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
SHOWN_RETRIEVERS = 13  # the four, and three tuned models with what is made over them
SEPARATORS = {"fr": ", ", "en": ".,"}  # plotly's decimal and thousands signs
HEAVY = {"concurrency_id": "heavy", "concurrency_limit": 2, "api_visibility": "private"}


@dataclass(frozen=True)
class Frame:
    """Components that every handler may take as inputs: ids and words only, no data."""

    backends: Backends
    i18n: gr.I18n
    visitor: gr.BrowserState
    language: gr.Textbox
    scene: gr.State
    job_signal: gr.State
    training_signal: gr.State
    tab: gr.State
    address: gr.Textbox  # what stands behind the page's address: '?q=...'
    visit: gr.State  # an address that another tab opens, in the search tab

    @property
    def who(self) -> list[gr.components.Component]:
        """The first two inputs of every handler."""
        return [self.visitor, self.language]

    def backend(self, visitor: str | None) -> Backend:
        return self.backends.of(visitor)

    def use(self, backend: Backend, language: str, dataset: Dataset) -> str:
        """Make `dataset` the one in use, look for its twins in a job, and give the new scene."""
        choices = replace(backend.choices(), dataset=dataset.id)
        backend.choose(choices)
        if not backend.finds_twins_quickly(dataset):
            self.submit(backend, dataset.name, "prepare", dataset)
        return scene_of(language, choices)

    def jobs(self, backend: Backend) -> list[Job]:
        """The person's jobs, newest first."""
        return self.backends.jobs.of(str(backend.workspace.root))

    def cancel_jobs(self, backend: Backend, dataset_id: str | None = None) -> None:
        """Stop the person's jobs, all or those on one data set."""
        for job in self.jobs(backend):
            if job.active and dataset_id in (None, job.command[1]):
                self.backends.jobs.cancel(job.id)

    def runs(self, backend: Backend, command: str, dataset: Dataset) -> bool:
        """Is there a job of that command on the data set, begun or waiting?"""
        return any(j.active and j.command[:2] == [command, dataset.id] for j in self.jobs(backend))

    def submit(
        self, backend: Backend, title: str, command: str, dataset: Dataset, *options: str
    ) -> None:
        """Queue a command of `python -m e5demo` on a data set, under the split in use.

        `title` is what the command is about; the sidebar says the rest in the reader's language.
        """
        settings = backend.choices().split.as_options()
        self.queue(backend, title, command, dataset.id, *settings, *options)

    def queue(self, backend: Backend, title: str, *arguments: str) -> None:
        owner = str(backend.workspace.root)
        self.backends.jobs.submit(owner, title, [*arguments, "--json"])


def scene_of(language: str, choices: Choices) -> str:
    return f"{language}|{choices.dataset}|{choices.split}|{choices.max_length}"


def moment() -> str:
    """A value that it never had before: for states and addresses whose change is a signal."""
    return str(time.monotonic_ns())


def current(backend: Backend) -> tuple[Dataset, Choices]:
    choices = backend.choices()
    return backend.dataset(choices.dataset), choices


def current_split(backend: Backend) -> Split:
    """Raises TwinsWanted where it would take long: that is a job then."""
    dataset, choices = current(backend)
    return backend.quick_split(dataset, choices.split)


def retriever_choices(
    language: str, backend: Backend, chosen: Iterable[str], most: int | None = SHOWN_RETRIEVERS
) -> Any:
    """An update of a choice of retrievers; of those chosen, the ones that are still there stay."""
    names = backend.retrievers()[:most]
    called = backend.names()
    choices = [(retriever_name(language, name, called), name) for name in names]
    return gr.update(choices=choices, value=[name for name in chosen if name in names])


def corpus_in_use(backend: Backend, kind: CorpusKind) -> Corpus:
    """Raises TwinsWanted for the test split where that would take long."""
    dataset, choices = current(backend)
    if kind == "test":
        backend.quick_split(dataset, choices.split)
    return backend.corpus(dataset, choices.split, kind)
