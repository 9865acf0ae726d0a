"""The page's search as a function over HTTP: `POST /gradio_api/run/search`."""

from typing import Any

import gradio as gr

from e5demo.answers import as_json
from e5demo.backend import Backend, columns_of
from e5demo.backends import Backends
from e5demo.config import LENGTHS, MAX_LENGTH, EvaluationSettings
from e5demo.data.browsing import Scope
from e5demo.errors import BadSetting, E5DemoError
from e5demo.workspace import is_public

MOST_HITS = 100


def create_api(backends: Backends) -> None:
    def search(
        query: str,
        retrievers: list[str] = ["bm25", "baseline"],  # noqa: B006  (read by gradio, never changed)
        k: int = 10,
        corpus: str = "all",
        dataset: str = "",
        max_length: int = MAX_LENGTH,
        agencies: list[str] = [],  # noqa: B006
        since: str = "",
        until: str = "",
        visitor: str = "",
    ) -> dict[str, Any]:
        """Search a data set (its id, or the one in use) by up to four retrievers at once.

        Gives `columns` and `agreement` as `python -m e5demo search --json` does. On a public
        server `visitor` is the id that the browser keeps; without it the sample is searched.
        """
        try:
            settings = EvaluationSettings.checked(corpus=corpus, max_length=max_length)
            if settings.max_length not in LENGTHS:  # each has a model and vectors of its own
                problems = f"max_length = {max_length}: use {', '.join(map(str, LENGTHS))}"
                raise BadSetting(problems=problems, mistakes=[])
            backend = _backend(backends, visitor)
            choices = backend.choices()
            chosen = backend.dataset(dataset or choices.dataset)
            searched = backend.corpus(chosen, choices.split, settings.corpus)
            backend.check_read(searched, columns_of(retrievers), settings.max_length)
            answer = backend.side_by_side(
                searched,
                query,
                retrievers,
                k=min(max(1, k), MOST_HITS),
                max_length=settings.max_length,
                scope=Scope.checked(agencies, since, until),
            )
        except E5DemoError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return as_json(answer)

    gr.api(search, api_name="search", queue=False)


def _backend(backends: Backends, visitor: str) -> Backend:
    if is_public() and not visitor:
        return backends.shared
    return backends.of(visitor or None)
