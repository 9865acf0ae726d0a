import pytest
from fakes import FakeEngine

from e5demo.backends import Backends
from e5demo.ui import create_page


@pytest.fixture
def backends(tmp_path):
    made = Backends(FakeEngine(tmp_path))
    made.model_ready = True
    return made


@pytest.fixture
def handler(backends):
    """What the page calls, by its name."""

    def find(name):
        page, _ = create_page(backends)
        (found,) = {one.fn for one in page.fns.values() if one.name == name}
        return found

    return find
