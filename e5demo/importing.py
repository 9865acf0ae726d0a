"""The page's imports without what only editors and long runs need of them."""

import gc
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quick_imports() -> Iterator[None]:
    """For gradio's first import in a process that serves: it takes half the time.

    gradio writes an editor's stub (.pyi) beside each of its components, at every import, unless the
    component has no source file. Should a later gradio ask otherwise, it writes them as before.
    """
    getfile = inspect.getfile

    def source_file(object: Any) -> str:
        if isinstance(object, type) and object.__module__.startswith("gradio."):
            raise OSError("no stubs are wanted")
        return getfile(object)

    inspect.getfile = source_file
    was_on = gc.isenabled()
    gc.disable()  # what is imported stays: to look through it for garbage takes time and finds none
    try:
        yield
    finally:
        inspect.getfile = getfile
        gc.freeze()
        if was_on:
            gc.enable()
