"""What `app.main` serves; nothing is started."""

import gradio as gr
import pytest
from gradio.routes import App
from starlette.testclient import TestClient

import app
from e5demo.backends import Backends
from e5demo.ui.language import SCRIPT


@pytest.fixture
def launched(monkeypatch):
    """Run `main` and give what it would have launched: the page and the arguments."""
    for name in ("HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    caught = []
    monkeypatch.setattr(Backends, "start", lambda self: caught.append("started"))
    monkeypatch.setattr(gr.Blocks, "launch", lambda page, **told: caught.append((page, told)))

    def launch():
        caught.clear()
        app.main()
        assert caught[0] == "started"
        return caught[1]

    return launch


def test_only_downloads_are_served_from_disk_and_nothing_is_shared(launched, home):
    _, told = launched()
    assert told["allowed_paths"] == [str(home / "downloads")]
    assert not told.get("share")
    assert told["max_file_size"] == app.MAX_UPLOAD
    assert told["css_paths"].is_file()


def test_the_address_is_gradio_s_choice_unless_told(launched, monkeypatch):
    _, told = launched()
    assert (told["server_name"], told["server_port"]) == (None, None)
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", "8123")
    _, told = launched()
    assert (told["server_name"], told["server_port"]) == ("0.0.0.0", 8123)


def test_gradio_s_page_gets_the_language_script_before_its_own(launched):
    page, told = launched()
    page.theme = told["theme"]  # as launch does
    page.config = page.get_config_file()
    client = TestClient(App.create_app(page, app_kwargs=told["app_kwargs"]))
    text = client.get("/").text
    assert text.index(SCRIPT) < text.index('<script type="module"')
    assert SCRIPT not in client.get("/config").text
