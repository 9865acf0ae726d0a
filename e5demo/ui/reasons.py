"""The columns, and why a hit stands in one of them: a sheet that a hit's button opens."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from e5demo.answers import Reasons
from e5demo.retrieval.explain import Heat, WordHeat
from e5demo.retrieval.fusion import BM25_WEIGHT
from e5demo.retrieval.late import RERANKED
from e5demo.ui import html
from e5demo.ui.asked import named, read
from e5demo.ui.frame import HEAVY, Frame
from e5demo.ui.guard import guarded
from e5demo.ui.text import count, decimal, say

# A hit's button asks why; pointing at an article marks it in the other columns and in the chart.
ON_COLUMNS = """
element.addEventListener("click", event => {
  const button = event.target.closest("[data-why]");
  if (button) trigger("click", {retriever: button.dataset.retriever, passage: button.dataset.why});
});
for (const [name, on] of [["mouseover", true], ["mouseout", false]])
  element.addEventListener(name, event => {
    const id = event.target.closest("[data-passage]")?.dataset.passage;
    if (id) element.querySelectorAll(`[data-passage="${id}"]`)
      .forEach(one => one.classList.toggle("pointed", on));
  });
"""
ON_SHEET = """
element.addEventListener("click", event => {
  if (event.target.closest(".close")) props.value = "";
});
"""


def create_reasons(frame: Frame) -> tuple[gr.HTML, gr.HTML, gr.State]:
    """What shows the columns, the sheet, and a state for what was searched: `written`."""
    columns = gr.HTML(js_on_load=ON_COLUMNS)
    sheet = gr.HTML(js_on_load=ON_SHEET)
    searched = gr.State("")

    @guarded
    def explain(
        visitor: str | None, language: str, asked_then: str, retriever: str, passage: str
    ) -> Any:
        backend = frame.backend(visitor)
        text, *settings = json.loads(asked_then)
        asked = read(*settings)
        corpus = asked.corpus(backend)
        if passage not in corpus.articles.index:  # another data set is in use by now
            return ""
        why = backend.explain(
            corpus, text, retriever, passage,
            max_length=backend.choices().max_length, scope=asked.scope,
        )  # fmt: skip
        name = named(language, backend, [retriever])[retriever]
        return _sheet(language, name, text, corpus.articles.loc[passage], why)

    def explained(  # gradio looks at the types for the event
        visitor: str | None, language: str, asked_then: str, event: gr.EventData
    ) -> Any:
        return explain(visitor, language, asked_then, event.retriever, event.passage)

    columns.click(explained, [*frame.who, searched], sheet, **HEAVY)
    return columns, sheet, searched


def written(text: str, settings: Sequence[Any]) -> str:
    """A search in one line: a hit is explained for what was asked, not for what is typed since."""
    return json.dumps([text, *settings])


def _sheet(language: str, name: str, query: str, article: Any, why: Reasons) -> str:
    title = escape(say(language, "why_title", title=article["title"], name=name))
    close = escape(say(language, "close"))
    parts = [f'<button type="button" class="close">{close}</button>', f"<h4>{title}</h4>"]
    if why.ranks:
        told = "\u00a0; ".join(
            f"{label} {count(language, rank) if rank else '—'}"
            for label, rank in zip(("BM25", "E5"), why.ranks, strict=True)
        )
        weight = decimal(language, BM25_WEIGHT, 1)
        parts.append(html.note(say(language, "why_fusion", weight=weight, parts=told)))
    if why.reranked:
        parts.append(html.note(say(language, "why_rerank", count=RERANKED)))
    if why.terms is not None:
        parts.append(_terms(language, why.terms))
    if why.dense:
        parts.append(_heat(language, query, article["passage"], why.heat))
    return f'<div class="sheet" role="dialog" aria-label="{title}">{"".join(parts)}</div>'


def _terms(language: str, terms: Sequence[tuple[str, float]]) -> str:
    if not terms:
        return html.note(say(language, "why_no_terms"))
    most = terms[0][1]
    items = "".join(
        f'<li><span>{escape(word)}</span><meter max="{most:.3f}" value="{score:.3f}"></meter>'
        f"<b>{decimal(language, score, 2)}</b></li>"
        for word, score in terms
    )
    return f'{html.note(say(language, "why_terms"))}<ul class="terms">{items}</ul>'


def _heat(language: str, query: str, passage: str, heat: Heat | None) -> str:
    if heat is None:
        return html.note(say(language, "why_pooling"))
    parts = [html.note(f"{say(language, 'why_heat')} {say(language, 'why_aid')}")]
    for key, text, words in (
        ("why_query", query, heat.query_words),
        ("why_passage", passage, heat.passage_words),
    ):
        head = escape(say(language, key))
        parts.append(f'<h5>{head}</h5><p class="heat">{_words(text, words)}</p>')
    return "".join(parts)


def _words(text: str, words: Sequence[WordHeat]) -> str:
    """The text, each word on a ground as strong as its heat; one below its usual part underlined.

    A single word has nothing to be told apart from.
    """
    if len(words) < 2:
        return escape(text)
    parts, at = [], 0
    for word in words:
        shown = escape(text[word.start : word.end])
        style = f"--heat: {abs(word.heat):.2f}"
        kind = "cold" if word.heat < 0 else "hot"
        parts += [escape(text[at : word.start]), f'<i class="{kind}" style="{style}">{shown}</i>']
        at = word.end
    return "".join([*parts, escape(text[at:])])
