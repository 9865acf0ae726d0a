"""Blind vote: two answers without names; which is better? A running score, and exports."""

import random
from functools import cache
from html import escape
from typing import Any

import gradio as gr

from e5demo.answers import Column
from e5demo.backend import Backend
from e5demo.backend.library import Choices
from e5demo.config import SplitSettings
from e5demo.errors import E5DemoError, EmptyQuery, NoVotes, OneRetriever
from e5demo.evaluation.votes import Choice, Side, Vote, tally, triplets, votes_table
from e5demo.ui import html
from e5demo.ui.asked import Asked, Controls, check_read, named, read
from e5demo.ui.frame import HEAVY, LIGHT, Frame, current, current_split
from e5demo.ui.guard import guarded
from e5demo.ui.search_views import hit_head
from e5demo.ui.text import count, decimal, label, say
from e5demo.workspace import fresh_download, write_csv, write_spreadsheet

CHOICES: tuple[Choice, ...] = ("left", "tie", "bad", "right")
SOURCES = ("test", "train", "typed")
DRAWN = 20  # queries tried for one on which the rankings differ


def create_votes(frame: Frame, controls: Controls) -> None:
    t = frame.i18n
    about = gr.HTML()
    with gr.Row(elem_classes="settings"):
        source = gr.Radio(
            label=t("vote_from"), choices=[*SOURCES], value="test", scale=3, min_width=320
        )
        draw = gr.Button(t("vote_next"), variant="primary", scale=0, min_width=180)
    score = gr.HTML(elem_classes="score")
    gr.Markdown(t("vote_use"), elem_classes="note")
    with gr.Row():
        export = gr.Button(t("vote_export"), size="sm", scale=0, min_width=170)
        files = gr.File(
            label=t("vote_files"), visible=False, interactive=False, file_count="multiple"
        )
    ballot = gr.HTML(elem_classes="ballot")
    with gr.Row(visible=False, elem_classes="choices") as choosing:
        buttons = {one: gr.Button(t(f"vote_{one}"), min_width=110) for one in CHOICES}
    shown_now = gr.State("")  # the ballot's id: nothing on the page tells whose answers it shows
    cast = gr.State("")  # the last one that was counted

    @guarded
    def render(visitor: str | None, language: str, *settings: Any) -> Any:
        sources = [(label(language, f"vote_{name}"), name) for name in SOURCES]
        backend, intro, result = frame.backend(visitor), "", ""
        try:
            asked = read(*settings)
        except E5DemoError:  # told where a search is asked for
            asked = None
        if asked and asked.pair:
            called = named(language, backend, asked.pair)
            left, right = called.values()
            intro = say(language, "vote_intro", left=left, right=right)
            result = _score(language, backend, asked, called)
        start = html.note(say(language, "vote_start"), "empty")
        return (
            gr.update(choices=sources),
            html.note(intro),
            start,
            gr.update(visible=False),
            result,
            "",
        )

    @guarded
    def next_ballot(
        visitor: str | None, language: str, wanted: str, typed: str, *settings: Any
    ) -> Any:
        asked, backend = read(*settings), frame.backend(visitor)
        if not asked.pair:
            raise OneRetriever
        check_read(backend, asked)
        queries = [typed.strip()] if wanted == "typed" else _drawn(backend, asked, wanted)
        if not queries or not queries[0]:
            raise EmptyQuery
        sides = random.sample(asked.pair, 2)
        for query in queries:
            columns = _answers(backend, asked, query, sides)
            if _ids(columns[0]) != _ids(columns[1]):
                ballot = backend.keep_ballot(_ballot(backend, asked, query, columns))
                return ballot_page(language, query, columns), gr.update(visible=True), ballot
        tried = count(language, len(queries))
        told = say(language, "vote_agree" if wanted == "typed" else "vote_all_agree", count=tried)
        return html.note(told, "empty"), gr.update(visible=False), ""

    @guarded
    def after_vote(visitor: str | None, language: str, wanted: str, *rest: Any) -> Any:
        """The next one; an own query is not asked again."""
        if wanted != "typed":
            return next_ballot(visitor, language, wanted, *rest)
        return html.note(say(language, "vote_counted"), "empty"), gr.update(visible=False), ""

    def vote_for(choice: Choice) -> Any:
        @guarded
        def vote(visitor: str | None, language: str, ballot: str, *settings: Any) -> Any:
            backend = frame.backend(visitor)
            if not backend.cast(ballot, choice):  # a second click
                return gr.skip(), gr.skip()
            asked = read(*settings)
            if not asked.pair:  # a column was taken away meanwhile
                return "", ballot
            called = named(language, backend, asked.pair)
            return _score(language, backend, asked, called), ballot

        return vote

    @guarded
    def hand_out(visitor: str | None, language: str) -> Any:
        votes = frame.backend(visitor).votes.votes()
        if not votes:
            raise NoVotes
        folder = fresh_download()
        write_spreadsheet(folder / "votes.csv", votes_table(votes))
        write_csv(folder / "triplets.csv", triplets(votes))
        paths = [str(folder / name) for name in ("votes.csv", "triplets.csv")]
        return gr.update(value=paths, visible=True)

    settings = controls.settings
    shown = [source, about, ballot, choosing, score, shown_now]
    moments = [frame.scene.change, *(widget.change for widget in settings)]
    gr.on(moments, render, [*frame.who, *settings], shown, trigger_mode="always_last", **LIGHT)
    wanted = [*frame.who, source, controls.query, *settings]
    drawn = [ballot, choosing, shown_now]
    draw.click(next_ballot, wanted, drawn, **HEAVY)
    for choice, button in buttons.items():
        button.click(vote_for(choice), [*frame.who, shown_now, *settings], [score, cast], **HEAVY)
    cast.change(after_vote, wanted, drawn, **HEAVY)
    export.click(hand_out, frame.who, files, **LIGHT)


def _drawn(backend: Backend, asked: Asked, part: str) -> list[str]:
    """Some of the split's titles that these two were not judged on yet."""
    current_split(backend)
    dataset, choices = current(backend)
    titles = backend.split_rows(dataset, choices.split, part)["query"].unique().tolist()
    judged = {
        vote.query for vote in votes_on(backend, asked) if _pair(vote) == set(asked.names[:2])
    }
    left = [title for title in titles if title not in judged] or titles
    return random.sample(left, min(DRAWN, len(left)))


def _pair(vote: Vote) -> set[str]:
    return {vote.left.retriever, vote.right.retriever}


def votes_on(backend: Backend, asked: Asked) -> list[Vote]:
    """Those on what is searched now, by the same models: others would be about other answers."""
    dataset, choices = current(backend)
    scope = asked.scope
    ground = (dataset.id, asked.kind, choices.max_length)
    filters = (set(scope.agencies), scope.since, scope.until)
    model_of = cache(backend.model_of)  # asked for votes alone: the page opens without a model

    def same(side: Side) -> bool:
        if side.model is None:
            return True
        return side.retriever in asked.names[:2] and side.model == model_of(side.retriever)

    return [
        vote
        for vote in backend.votes.votes()
        if (vote.dataset, vote.corpus, vote.max_length) == ground
        and (set(vote.agencies), vote.since, vote.until) == filters
        and (vote.corpus == "all" or vote.split == _split_of(choices))
        and same(vote.left)
        and same(vote.right)
    ]


def _split_of(choices: Choices) -> str:
    split = choices.split
    told = f"{split.mode} {split.seed}"
    if split == SplitSettings(mode=split.mode, seed=split.seed):
        return told
    return f"{told} {split.test_share} {split.validation_share}"


def _answers(backend: Backend, asked: Asked, query: str, sides: list[str]) -> list[Column]:
    corpus, options = asked.corpus(backend), asked.options(backend)
    return [backend.search(corpus, query, name, **options) for name in sides]


def _ids(column: Column) -> list[str]:
    return [hit.passage_id for hit in column.hits]


def _ballot(backend: Backend, asked: Asked, query: str, columns: list[Column]) -> Vote:
    """What is shown; the choice stands open."""
    dataset, choices = current(backend)
    left, right = (
        Side(column.retriever, tuple(_ids(column)), column.hits[0].passage if column.hits else "",
             backend.model_of(column.retriever))
        for column in columns
    )  # fmt: skip
    return Vote(
        query=query,
        left=left,
        right=right,
        choice="tie",
        dataset=dataset.id,
        corpus=asked.kind,
        max_length=choices.max_length,
        k=asked.k,
        at=0.0,
        split=_split_of(choices),
        agencies=asked.scope.agencies,
        since=asked.scope.since,
        until=asked.scope.until,
    )


def ballot_page(language: str, query: str, columns: list[Column]) -> str:
    """Nothing tells which retriever is which: no name, colour, score or time, and no marked words,
    of which BM25's answers have more."""
    parts = []
    for side, column in zip(("vote_left", "vote_right"), columns, strict=True):
        hits = "".join(
            f"<li>{html.opening(language, hit_head(hit, frozenset()), hit.passage, hit.url)}</li>"
            for hit in column.hits
        )
        body = f"<ol>{hits}</ol>" if hits else html.note(say(language, "no_hits"))
        head = escape(label(language, side))
        parts.append(f'<section class="answer"><h3>{head}</h3>{body}</section>')
    asked = f'<p class="note summary asked">«\u00a0{escape(query)}\u00a0»</p>'
    return f'{asked}<div class="answers" style="--columns: 2">{"".join(parts)}</div>'


def _score(language: str, backend: Backend, asked: Asked, called: dict[str, str]) -> str:
    first, second = called
    found = tally(votes_on(backend, asked), first, second)
    told: dict[str, Any] = {
        "ties": count(language, found.ties), "bad": count(language, found.bad)
    }  # fmt: skip
    if found.share is None or found.low is None or found.high is None:
        return html.note(say(language, "vote_no_score", **told))
    shares = {"share": found.share, "low": found.low, "high": found.high}
    told |= {name: decimal(language, 100 * value, 0) for name, value in shares.items()}
    told |= {"decided": count(language, found.first + found.second), "right": called[second]}
    return html.note(say(language, "vote_score", **told), "summary")
