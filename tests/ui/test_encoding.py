import gradio as gr
import pytest

from e5demo.ui.reasons import written

SETTINGS = (["bm25", "baseline"], "all", 10, [], "", "")


@pytest.fixture
def after_a_job(handler):
    def call(retriever="baseline", was="baleine", now="baleine"):
        told = written(was, SETTINGS)
        return handler("search_again")("", "fr", retriever, told, now, *SETTINGS)

    return call


def seconds_to_encode(backends, monkeypatch, seconds):
    engine = backends.of(None).engine
    monkeypatch.setattr(engine, "seconds_to_encode", lambda *_: seconds)


def test_a_column_fills_once_its_model_has_read_the_corpus(after_a_job, backends, monkeypatch):
    seconds_to_encode(backends, monkeypatch, 1)
    again, button = after_a_job()
    assert again.isdigit()
    assert button == gr.skip()


def test_a_reading_that_was_stopped_can_be_started_again(after_a_job, backends, monkeypatch):
    seconds_to_encode(backends, monkeypatch, 100)
    assert after_a_job() == (gr.skip(), gr.update(visible=True))
    backend = backends.of(None)
    monkeypatch.setattr(backends.jobs, "_start", lambda _: None)
    backends.jobs.submit(str(backend.workspace.root), "x", ["encode", backend.sample().id])
    assert after_a_job() == (gr.skip(), gr.update(visible=False))


def test_no_search_over_a_query_that_is_being_changed_or_where_no_column_waits(
    after_a_job, backends, monkeypatch
):
    seconds_to_encode(backends, monkeypatch, 1)
    assert after_a_job(now="baleine g") == (gr.skip(), gr.skip())
    for none in ("", "lora-deleted"):
        assert after_a_job(retriever=none) == (gr.skip(), gr.skip())
