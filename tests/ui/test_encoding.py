import gradio as gr
import pytest
from fakes import FakeEngine

from e5demo.backends import Backends
from e5demo.ui import create_page
from e5demo.ui.reasons import written

SETTINGS = (["bm25", "baseline"], "all", 10, [], "", "")


@pytest.fixture
def backends(tmp_path):
    made = Backends(FakeEngine(tmp_path))
    made.model_ready = True
    return made


def after_a_job(backends, retriever="baseline", was="baleine", now="baleine"):
    page, _ = create_page(backends)
    (search_again,) = {one.fn for one in page.fns.values() if one.name == "search_again"}
    return search_again("", "fr", retriever, written(was, SETTINGS), now, *SETTINGS)


def seconds_to_encode(backends, monkeypatch, seconds):
    engine = backends.of(None).engine
    monkeypatch.setattr(engine, "seconds_to_encode", lambda *_: seconds)


def test_a_column_fills_once_its_model_has_read_the_corpus(backends, monkeypatch):
    seconds_to_encode(backends, monkeypatch, 1)
    again, button = after_a_job(backends)
    assert again.isdigit()
    assert button == gr.skip()


def test_a_reading_that_was_stopped_can_be_started_again(backends, monkeypatch):
    seconds_to_encode(backends, monkeypatch, 100)
    assert after_a_job(backends) == (gr.skip(), gr.update(visible=True))
    backend = backends.of(None)
    monkeypatch.setattr(backends.jobs, "_start", lambda _: None)
    backends.jobs.submit(str(backend.workspace.root), "x", ["encode", backend.sample().id])
    assert after_a_job(backends) == (gr.skip(), gr.update(visible=False))


def test_no_search_over_a_query_that_is_being_changed_or_where_no_column_waits(
    backends, monkeypatch
):
    seconds_to_encode(backends, monkeypatch, 1)
    assert after_a_job(backends, now="baleine g") == (gr.skip(), gr.skip())
    for none in ("", "lora-deleted"):
        assert after_a_job(backends, retriever=none) == (gr.skip(), gr.skip())
