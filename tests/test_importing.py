import gc
import inspect
from pathlib import Path

import pytest

from e5demo.importing import quick_imports


class Button:
    """As gradio's own is."""

    __module__ = "gradio.components.button"


def test_gradio_finds_no_source_to_write_stubs_beside_while_importing():
    getfile = inspect.getfile
    with quick_imports():
        assert not gc.isenabled()
        with pytest.raises(OSError, match="no stubs"):
            inspect.getfile(Button)
        assert inspect.getfile(Path) == getfile(Path)
    assert gc.isenabled()
    assert inspect.getfile is getfile


def test_an_import_that_fails_leaves_nothing_behind():
    getfile = inspect.getfile
    with pytest.raises(ImportError), quick_imports():
        raise ImportError
    assert gc.isenabled()
    assert inspect.getfile is getfile
