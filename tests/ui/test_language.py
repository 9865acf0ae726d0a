import asyncio

import pytest

from e5demo.ui.language import SCRIPT, LanguageScript

HEADERS = [(b"Content-Length", b"12"), (b"content-type", b"text/html")]


def start(status=200):
    return {"type": "http.response.start", "status": status, "headers": HEADERS}


def body(part, more=False):
    return {"type": "http.response.body", "body": part, "more_body": more}


def answer(messages, **scope):
    """What a client gets from an app that sends `messages`, through the middleware."""
    sent = []

    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    async def keep(message):
        sent.append(message)

    asked = {"type": "http", "method": "GET", "path": "/"} | scope
    asyncio.run(LanguageScript(app)(asked, None, keep))
    return sent


@pytest.mark.parametrize(
    "parts",
    [
        [body(b"<head><title>x</title></head>")],
        [body(b"<he", True), body(b"ad><title>x</title>", True), body(b"</head>")],
        [body(b"<head><title>x</title></head>", True), {"type": "http.response.body"}],
    ],
)
def test_the_script_comes_first_in_the_page_s_head(parts):
    first, whole = answer([start(), *parts])
    expected = f"<head>{SCRIPT}<title>x</title></head>".encode()
    assert whole["body"] == expected
    assert not whole.get("more_body")
    assert first["status"] == 200
    assert sorted(first["headers"]) == [
        (b"content-length", str(len(expected)).encode()),
        (b"content-type", b"text/html"),
    ]


def test_only_the_first_head_is_the_page_s():
    _, whole = answer([start(), body(b"<head></head><pre><head></pre>")])
    assert whole["body"].count(SCRIPT.encode()) == 1
    assert whole["body"].endswith(b"<pre><head></pre>")


def test_messages_of_other_kinds_pass_and_headers_may_be_absent():
    debug = {"type": "http.response.debug", "info": {}}
    sent = answer([debug, {"type": "http.response.start", "status": 200}, body(b"ok")])
    assert sent[0] is debug
    assert sent[1]["headers"] == [(b"content-length", b"2")]


def test_an_answer_without_a_head_stays_as_it_is():
    first, whole = answer([start(404), body(b"{}")])
    assert (first["status"], whole["body"]) == (404, b"{}")
    assert (b"content-length", b"2") in first["headers"]


@pytest.mark.parametrize(
    "scope",
    [
        {"path": "/config"},
        {"path": "/gradio_api/file=x.html"},
        {"method": "POST"},
        {"type": "lifespan"},
        {"type": "websocket"},
    ],
)
def test_everything_else_passes_untouched_and_in_its_own_pieces(scope):
    messages = [start(), body(b"<head>", True), body(b"</head>")]
    sent = answer(messages, **scope)
    assert [id(message) for message in sent] == [id(message) for message in messages]
