import pytest
from dispatches import write_news
from fakes import FakeEngine

from e5demo.backend import Backend
from e5demo.workspace import Workspace


@pytest.fixture
def backend(tmp_path):
    return Backend(Workspace(tmp_path / "mine"), FakeEngine(tmp_path / "embeddings"))


@pytest.fixture
def path(tmp_path):
    return write_news(tmp_path / "Mes dépêches.csv")


@pytest.fixture
def dataset(backend, path):
    return backend.import_csv(path)
