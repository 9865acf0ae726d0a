"""Recherche: one query, several retrievers, their answers side by side."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from e5demo.backend import Backend, Column
from e5demo.config import CorpusKind
from e5demo.data.corpus import Corpus
from e5demo.errors import EmptyQuery, NoRetriever
from e5demo.retrieval.engine import DENSE, RETRIEVERS
from e5demo.ui import html
from e5demo.ui.frame import HEAVY, LIGHT, Frame, corpus_in_use, current, retriever_choices
from e5demo.ui.guard import guarded, inform
from e5demo.ui.text import count, duration, label, say

# Found in the sample by shared words, by meaning, and by a name that only words can match.
SAMPLE_EXAMPLES = [
    "baleine dans un port",
    "enfants intoxiqués à la cantine",
    "OPH-118",
]
GOLD_DEPTH = 100  # how far down the article sought is looked for
PATIENCE_SECONDS = 20  # what takes longer to encode is a job


def create_search_tab(frame: Frame) -> None:
    t = frame.i18n
    gr.Markdown(t("search_intro"), elem_classes="intro")
    with gr.Row(elem_classes="ask"):
        query = gr.Textbox(
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
    with gr.Row(elem_classes="settings"):
        chosen = gr.CheckboxGroup(label=t("retrievers"), choices=[], value=["bm25", "baseline"])
    with gr.Row():
        kind = gr.Radio(label=t("corpus"), choices=[], value="all")
        k = gr.Slider(3, 50, value=10, step=1, label=t("hits"), min_width=160)
    encode = gr.Button(t("encode_button"), visible=False)
    answer = gr.HTML()
    to_read = gr.State("")  # the retriever whose model has not read the corpus
    shown = [answer, encode, to_read]

    @guarded
    def render(visitor: str | None, language: str) -> Any:
        backend = frame.backend(visitor)
        kinds = [(label(language, f"corpus_{name}"), name) for name in ("all", "test")]
        return (
            retriever_choices(language, backend),
            gr.update(choices=kinds),
            *_examples(backend),
            html.note(say(language, "search_empty"), "empty"),
            gr.update(visible=False),
            "",
        )

    @guarded
    def new_retrievers(visitor: str | None, language: str) -> Any:
        """After a job, which may have tuned a model."""
        return retriever_choices(language, frame.backend(visitor))

    @guarded
    def search(
        visitor: str | None,
        language: str,
        text: str,
        names: list[str],
        which: CorpusKind,
        hits: float,
    ) -> Iterator[Any]:
        """Each column as it is ready; BM25 does not wait for the model."""
        if not text.strip():
            raise EmptyQuery
        if not names:
            raise NoRetriever
        backend = frame.backend(visitor)
        corpus = corpus_in_use(backend, which)
        gold = backend.gold(current(backend)[0], corpus, text)
        wanted = [name for name in backend.retrievers() if name in names]
        called = backend.names()
        labels = {name: html.retriever_name(language, name, called) for name in wanted}
        wait = say(language, "searching" if frame.backends.model_ready else "model_loading")
        parts = {name: html.waiting_column(name, labels[name], wait) for name in wanted}
        found: dict[str, Column] = {}
        unread = ""  # the first that has to read the corpus: what the button is for
        yield html.columns(list(parts.values())), gr.update(visible=False), unread
        for name in wanted:
            missing = _unread(language, backend, corpus, name)
            if missing:
                unread = unread or name
                parts[name] = html.waiting_column(name, labels[name], missing)
            else:
                length = backend.choices().max_length
                found[name] = backend.search(
                    corpus, text, name, k=max(GOLD_DEPTH, int(hits)), max_length=length
                )
                parts[name] = html.column(language, found[name], labels[name], gold, int(hits))
            summary = _summary(language, list(found.values()), gold, int(hits))
            page = summary + html.columns(list(parts.values()))
            yield page, gr.update(visible=bool(unread)), unread

    @guarded
    def start_encoding(visitor: str | None, language: str, which: str, retriever: str) -> Any:
        backend = frame.backend(visitor)
        dataset, choices = current(backend)
        model = retriever.removeprefix("fusion:")
        options = [f"--corpus={which}", f"--max-length={choices.max_length}"]
        if model not in RETRIEVERS:
            options.append(f"--retriever={model}")
        frame.submit(backend, dataset.name, "encode", dataset, *options)
        inform(say(language, "encoding_queued"))
        return gr.update(visible=False)

    asked = [*frame.who, query, chosen, kind, k]
    options = {**HEAVY, "trigger_mode": "always_last", "show_progress": "hidden"}
    frame.scene.change(render, frame.who, [chosen, kind, *examples, *shown], **LIGHT)
    gr.on([ask.click, query.submit], search, asked, shown, **options)
    for example in examples:
        taken = example.click(lambda text: text, example, query, **LIGHT)
        taken.then(search, asked, shown, **options)
    encode.click(start_encoding, [*frame.who, kind, to_read], encode, **LIGHT)
    frame.job_signal.change(new_retrievers, frame.who, chosen, **LIGHT)


def _examples(backend: Backend) -> list[str]:
    """Three to try: fixed ones for the sample, titles of the data for other data."""
    dataset, _ = current(backend)
    if dataset.is_sample:
        return SAMPLE_EXAMPLES
    titles = dataset.pairs["query"]
    found = titles.sample(len(SAMPLE_EXAMPLES), replace=True, random_state=0)
    return found.str.replace("__i18n__", "").tolist()  # gradio's mark of a text to translate


def _unread(language: str, backend: Backend, corpus: Corpus, retriever: str) -> str:
    """What E5 would first have to read and how long that takes; empty if a person can wait."""
    kind, tuned = backend.find_retriever(retriever)
    if kind not in DENSE:
        return ""
    length = backend.choices().max_length
    passages = backend.engine.unencoded(corpus, length, tuned)
    seconds = backend.engine.seconds_to_encode(passages, length) if passages else 0
    if seconds <= PATIENCE_SECONDS:
        return ""
    told = {"count": count(language, len(passages)), "time": duration(language, seconds)}
    return say(language, "to_encode", **told)


def _summary(language: str, found: list[Column], gold: set[str], k: int) -> str:
    """In words: is the article sought among the hits, and how far do two columns agree?"""
    told = []
    if gold:
        told.append(say(language, "same_title"))
    if len(found) == 2 and all(column.hits for column in found):
        left, right = ({hit.passage_id for hit in column.hits[:k]} for column in found)
        shared = count(language, len(left & right))
        told.append(say(language, "in_common", count=shared, k=count(language, k)))
    return html.note(" ".join(told), "summary") if told else ""
