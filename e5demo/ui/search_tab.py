"""Recherche: one query, several retrievers, their answers side by side, and where to look."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from e5demo.answers import Column
from e5demo.backend import MOST_COLUMNS, Backend
from e5demo.data.profile import agencies
from e5demo.errors import E5DemoError, EmptyQuery
from e5demo.retrieval.explain import word_spans
from e5demo.ui import search_views
from e5demo.ui.asked import COPY_LINK, HITS, Controls, named, of_link, read
from e5demo.ui.batch import create_batch
from e5demo.ui.contrasts import create_contrasts
from e5demo.ui.encoding import offer_encoding, to_encode
from e5demo.ui.frame import HEAVY, LIGHT, Frame, current, moment, retriever_choices
from e5demo.ui.guard import guarded, inform
from e5demo.ui.reasons import create_reasons, written
from e5demo.ui.text import explain, label, say
from e5demo.ui.votes import create_votes

# Found in the sample by shared words, by meaning, and by a name that only words can match.
SAMPLE_EXAMPLES = [
    "baleine dans un port",
    "enfants intoxiqués à la cantine",
    "OPH-118",
]
CONTROLS = ("query", "columns", "kind", "k", "agencies", "since", "until")  # as Controls.all
RANKED = 1000  # so far down the article sought is looked for, and hits in the left column


def create_search_tab(frame: Frame) -> None:
    t = frame.i18n
    gr.Markdown(t("search_intro"), elem_classes="intro")
    with gr.Row(elem_classes="ask"):
        query = gr.Textbox(
            label=t("query_hint"),  # for who hears the page
            show_label=False,
            placeholder=t("query_hint"),
            scale=5,
            max_lines=1,
            elem_id="query",
            container=False,
        )
        ask = gr.Button(t("search_button"), variant="primary", scale=1, min_width=110)
    with gr.Row(elem_classes="examples"):
        examples = [gr.Button("", size="sm", min_width=120) for _ in SAMPLE_EXAMPLES]
        copy = gr.Button(t("copy_link"), size="sm", min_width=110, scale=0)
    controls = _controls(frame, query)
    with gr.Tabs(selected="side") as tabs:
        with gr.Tab(t("tab_side"), id="side"):
            encode = gr.Button(t("encode_button"), visible=False)
            hint = gr.Markdown(t("search_empty"), elem_classes="note empty")
            answer, sheet, searched = create_reasons(frame)
        with gr.Tab(t("tab_contrasts"), id="contrasts"):
            create_contrasts(frame, controls)
        with gr.Tab(t("tab_vote"), id="vote"):
            create_votes(frame, controls)
        with gr.Tab(t("tab_batch"), id="batch"):
            create_batch(frame, controls)
    to_read = gr.State("")  # the retriever whose model has not read the corpus
    opened = gr.State("")  # the link that was followed
    in_use = gr.Textbox(visible=False)  # the data set's id, for links
    drawn_for = gr.State("")  # the data set and split whose answers may show
    shown = [answer, encode, to_read, hint]

    @guarded
    def render(visitor: str | None, language: str, before: str) -> Any:
        """An answer that came before the page was filled stays; one about other data goes."""
        backend = frame.backend(visitor)
        dataset, choices = current(backend)
        now = f"{dataset.id} {choices.split}"
        cleared = ["", gr.update(visible=False), "", gr.update(visible=True), "", ""]
        kinds = [(label(language, f"corpus_{name}"), name) for name in ("all", "test")]
        return (
            retriever_choices(language, backend, choices.columns, most=None),
            gr.update(choices=kinds),
            gr.update(choices=agencies(dataset.pairs), value=[]),
            dataset.id,
            now,
            *_examples(backend),
            *(cleared if before not in ("", now) else [gr.skip()] * len(cleared)),
        )

    @guarded
    def visit(visitor: str | None, language: str, address: str) -> Any:
        """As another tab asks: a query without filters."""
        backend = frame.backend(visitor)
        dataset, _ = current(backend)
        found = of_link(address, backend.retrievers(), agencies(dataset.pairs))
        asked = {"agencies": [], "since": "", "until": "", **found}
        if "columns" in found:  # with a model that came meanwhile among the choices
            chosen = found["columns"]
            asked["columns"] = retriever_choices(language, backend, chosen, most=None)
        return [*(asked.get(name, gr.skip()) for name in CONTROLS), moment()]

    @guarded
    def follow_link(visitor: str | None, language: str, address: str, before: str) -> Any:
        """Once: the widgets as the page's address says, and a search where it has a query."""
        backend = frame.backend(visitor)
        dataset, _ = current(backend)
        found = of_link(address, backend.retrievers(), agencies(dataset.pairs))
        if address == before or not found:
            return [gr.skip()] * (len(controls.all) + 2)
        elsewhere = parse_qs(address.removeprefix("?")).get("data", [dataset.id])[0]
        if elsewhere != dataset.id:
            inform(say(language, "link_elsewhere", dataset=elsewhere))
        again = moment() if "query" in found else gr.skip()
        return [*(found.get(name, gr.skip()) for name in CONTROLS), again, address]

    @guarded
    def new_retrievers(visitor: str | None, language: str, names: list[str] | None) -> Any:
        """After a job, which may have tuned a model, or after one was deleted."""
        update = retriever_choices(language, frame.backend(visitor), names or (), most=None)
        if update["value"] == names or not names:  # leave alone what a person may be choosing
            del update["value"]
        return update

    @guarded
    def keep_columns(visitor: str | None, language: str, names: list[str] | None) -> None:
        backend = frame.backend(visitor)
        if names:
            backend.choose(replace(backend.choices(), columns=tuple(names)))

    @guarded
    def fill(visitor: str | None, language: str, text: str, *settings: Any) -> Iterator[Any]:
        """Each column as it is ready; BM25 does not wait for the model."""
        if not text.strip():
            raise EmptyQuery
        asked, backend = read(*settings), frame.backend(visitor)
        corpus = asked.corpus(backend)
        names = named(language, backend, asked.names)
        wait = say(language, "searching" if frame.backends.model_ready else "model_loading")
        waiting = dict.fromkeys(asked.names, wait)
        found: dict[str, Column] = {}
        dataset, before = current(backend)
        gold = backend.gold(dataset, corpus, text, asked.scope)
        lost = not gold and bool(backend.gold(dataset, corpus, text))
        terms = frozenset(word.term for word in word_spans(text))
        view = search_views.View(names, found, waiting, gold, terms, asked.k, lost)
        unread = ""  # the first that has to read the corpus: what the button is for
        yield (
            search_views.page(language, view),
            gr.update(visible=False),
            unread,
            gr.update(visible=False),
            gr.Tabs(selected="side"),
            "",
            written(text, settings),
        )
        for name in asked.names:
            try:
                missing = to_encode(language, backend, corpus, name)
                if missing:
                    unread = unread or name
                    waiting[name] = missing
                else:
                    options = asked.options(backend)
                    found[name] = backend.search(corpus, text, name, depth=RANKED, **options)
            except E5DemoError as error:  # a column's own: the others answer all the same
                waiting[name] = explain(language, error)
            now = backend.choices()
            if (now.dataset, now.split) != (before.dataset, before.split):
                return  # hits in other data than the page shows by now
            yield (
                search_views.page(language, view),
                gr.update(visible=bool(unread)),
                unread,
                gr.update(visible=False),  # again: a page that a link opens may have just shown it
                *[gr.skip()] * 3,
            )

    @guarded
    def copied(visitor: str | None, language: str, done: str, *_: Any) -> None:
        if done:
            inform(say(language, "link_copied"))

    asked = [*frame.who, *controls.all]
    options = {**HEAVY, "trigger_mode": "always_last", "show_progress": "hidden"}
    filled = [controls.columns, controls.kind, controls.agencies, in_use, drawn_for]
    drawn = frame.scene.change(
        render, [*frame.who, drawn_for], [*filled, *examples, *shown, sheet, searched], **LIGHT
    )
    following = [*controls.all, controls.again, opened]
    drawn.then(follow_link, [*frame.who, frame.address, opened], following, **LIGHT)
    frame.visit.change(visit, [*frame.who, frame.visit], following[:-1], **LIGHT)
    moments = [controls.again.change, ask.click, query.submit]
    gr.on(moments, fill, asked, [*shown, tabs, sheet, searched], **options)
    for example in examples:
        example.click(lambda text: (text, moment()), example, [query, controls.again], **LIGHT)
    offer_encoding(frame, controls, encode, to_read, searched)
    chosen = [*frame.who, controls.columns]
    controls.columns.input(keep_columns, chosen, None, **LIGHT)
    frame.job_signal.change(new_retrievers, chosen, controls.columns, **LIGHT)
    copy.click(copied, [*asked, in_use], None, js=COPY_LINK, **LIGHT)


def _controls(frame: Frame, query: gr.Textbox) -> Controls:
    t = frame.i18n
    with gr.Row(elem_classes="settings"):
        columns = gr.Dropdown(
            label=t("columns"),
            choices=[("BM25", "bm25"), ("E5", "baseline")],  # until the page is filled
            value=["bm25", "baseline"],
            multiselect=True,
            max_choices=MOST_COLUMNS, scale=4, min_width=260, elem_id="columns",
        )  # fmt: skip
        kind = gr.Radio(
            label=t("corpus"), choices=["all", "test"], value="all", scale=3, min_width=240
        )
        # Without bounds, which gradio would speak up for in its own words: `read` has them.
        k = gr.Number(value=HITS, precision=0, label=t("hits"), scale=2, min_width=160)
    with gr.Accordion(t("filters"), open=False), gr.Row():
        narrowed = gr.Dropdown(
            label=t("agency"), choices=[], value=[], multiselect=True, scale=2, min_width=160
        )
        days = [
            gr.Textbox(label=t(name), placeholder=t("day_hint"), max_lines=1, min_width=110)
            for name in ("since", "until")
        ]
    return Controls(query, columns, kind, k, narrowed, days[0], days[1], gr.State(""))


def _examples(backend: Backend) -> list[str]:
    """Three to try: fixed ones for the sample, titles of the data for other data."""
    dataset, _ = current(backend)
    if dataset.is_sample:
        return SAMPLE_EXAMPLES
    titles = dataset.pairs["query"]
    found = titles.sample(len(SAMPLE_EXAMPLES), replace=True, random_state=0)
    return found.str.replace("__i18n__", "").tolist()  # gradio's mark of a text to translate
