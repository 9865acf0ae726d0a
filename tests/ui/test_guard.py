import inspect

import gradio as gr
import pytest

from e5demo.errors import EmptyQuery
from e5demo.ui.guard import MESSAGE_SECONDS, guarded

SKIPPED = gr.skip()


@pytest.fixture
def messages(monkeypatch):
    """What the page would show."""
    shown = []
    monkeypatch.setattr("gradio.Warning", lambda *told, **named: shown.append((told, named)))
    return shown


@guarded
def halve(visitor, language, number):
    if number % 2:
        raise EmptyQuery
    return visitor, language, number // 2


@guarded
def count_down(visitor, language, number):
    for i in range(number, -1, -1):
        if i == 0:
            raise EmptyQuery
        yield i


def test_what_a_handler_gives_passes_through(messages):
    assert halve("me", "fr", 4) == ("me", "fr", 2)
    assert next(count_down("me", "fr", 4)) == 4
    assert messages == []


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("fr", "La requête est vide\u00a0: tapez un titre ou quelques mots."),
        ("en", "The query is empty: type a title or a few words."),
    ],
)
def test_a_mistake_is_one_message_and_leaves_the_outputs(messages, language, sentence):
    assert halve("me", language, 3) == SKIPPED
    assert messages == [((sentence, MESSAGE_SECONDS), {})]


def test_a_handler_of_several_answers_keeps_those_before_the_mistake(messages):
    assert list(count_down("me", "fr", 2)) == [2, 1, SKIPPED]
    assert len(messages) == 1


@pytest.mark.parametrize("language", ["", None])
def test_before_the_page_has_told_its_language_nothing_is_done(messages, language):
    assert halve(None, language, 3) == SKIPPED
    assert list(count_down(None, language, 3)) == [SKIPPED]
    assert messages == []


def test_a_bug_is_said_and_logged_and_the_outputs_stay(messages, capsys):
    @guarded
    def wrong(visitor, language):
        raise KeyError("bug")

    @guarded
    def wrong_later(visitor, language):
        yield 1
        raise KeyError("bug")

    assert wrong("me", "fr") == gr.skip()
    assert list(wrong_later("me", "fr")) == [1, gr.skip()]
    assert len(messages) == 2
    assert "journal du serveur" in str(messages[0])
    assert capsys.readouterr().err.count("KeyError: 'bug'") == 2


def test_gradio_sees_the_handler_s_own_name_and_a_generator_as_one():
    assert (halve.__name__, count_down.__name__) == ("halve", "count_down")
    assert [inspect.isgeneratorfunction(one) for one in (halve, count_down)] == [False, True]
