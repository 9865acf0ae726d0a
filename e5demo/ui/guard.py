"""A user's mistake, or ours, becomes one message on the page, here and nowhere else."""

import functools
import inspect
import traceback
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import gradio as gr

from e5demo.errors import E5DemoError
from e5demo.ui.html import note
from e5demo.ui.text import explain, say

MESSAGE_SECONDS = 15


def guarded(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Handlers take (visitor, language, ...). On a mistake the outputs stay as they were."""

    @functools.wraps(handler)
    def run(visitor: Any, language: str, *inputs: Any) -> Any:
        if not language:  # a poll before the page has told who and in which language it is
            return gr.skip()
        try:
            return handler(visitor, language, *inputs)
        except E5DemoError as error:
            return refuse(language, error)
        except Exception:
            return apologise(language)

    @functools.wraps(handler)
    def stream(visitor: Any, language: str, *inputs: Any) -> Iterator[Any]:
        if not language:
            yield gr.skip()
            return
        try:
            yield from handler(visitor, language, *inputs)
        except E5DemoError as error:
            yield refuse(language, error)
        except Exception:
            yield apologise(language)

    return stream if inspect.isgeneratorfunction(handler) else run


def refuse(language: str, error: E5DemoError) -> Any:
    """Say what is wrong; the value that leaves every output alone. Messages are shown as HTML."""
    gr.Warning(escape(explain(language, error)), MESSAGE_SECONDS)
    return gr.skip()


def apologise(language: str) -> Any:
    """Say that the fault is ours, and leave the traceback in the server's log."""
    traceback.print_exc()
    gr.Warning(escape(say(language, "bug")), MESSAGE_SECONDS)
    return gr.skip()


def inform(text: str) -> None:
    """A passing message of plain text."""
    gr.Info(escape(text))


def told(language: str, make: Callable[[], str]) -> str:
    """What `make` gives, or why it cannot be given: for a view that a mistake leaves empty."""
    try:
        return make()
    except E5DemoError as error:
        return note(explain(language, error), "problem")
