"""What the search tab is set to: the widgets, and their values as handlers read them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

import gradio as gr

from e5demo.backend import MOST_COLUMNS, Backend, columns_of
from e5demo.config import CorpusKind
from e5demo.data.browsing import Scope
from e5demo.data.corpus import Corpus
from e5demo.ui import html
from e5demo.ui.frame import corpus_in_use, moment

HITS, MOST_HITS = 10, 50
# The address of a search: what a link names, and how it is made in the browser.
COPY_LINK = """(visitor, language, query, columns, kind, k, agencies, since, until, data) => {
  const address = new URL(location.origin + location.pathname);
  const told = {q: query, with: columns.join(), k: k, in: kind, since: since, until: until,
                data: data};
  for (const [name, value] of Object.entries(told))
    if (value) address.searchParams.set(name, value);
  for (const agency of agencies) address.searchParams.append("agency", agency);
  const text = document.createElement("textarea");  // unlike the clipboard's API, without https too
  text.value = address.href;
  document.body.append(text);
  text.select();
  const copied = document.execCommand("copy");
  text.remove();
  if (!copied) prompt("", address.href);
  query = copied ? "copied" : "";
  return [visitor, language, query, columns, kind, k, agencies, since, until, data];
}"""


@dataclass(frozen=True)
class Controls:
    """The tab's widgets. A change of `again` searches for what they hold."""

    query: gr.Textbox
    columns: gr.Dropdown
    kind: gr.Radio
    k: gr.Number
    agencies: gr.Dropdown
    since: gr.Textbox
    until: gr.Textbox
    again: gr.State

    @property
    def settings(self) -> list[gr.components.Component]:
        """In the order that `read` takes their values."""
        return [self.columns, self.kind, self.k, self.agencies, self.since, self.until]

    @property
    def all(self) -> list[gr.components.Component]:
        return [self.query, *self.settings]


@dataclass(frozen=True)
class Asked:
    """One to four retrievers by column, where they search, and how many hits are shown."""

    names: list[str]
    kind: CorpusKind
    k: int
    scope: Scope

    @property
    def pair(self) -> tuple[str, str] | None:
        """The first two, which contrasts and votes are about."""
        return (self.names[0], self.names[1]) if len(self.names) > 1 else None

    def corpus(self, backend: Backend) -> Corpus:
        """Raises TwinsWanted."""
        return corpus_in_use(backend, self.kind)

    def options(self, backend: Backend) -> dict[str, Any]:
        """As `Backend.search` takes them."""
        return {"k": self.k, "max_length": backend.choices().max_length, "scope": self.scope}


def read(
    names: list[str] | None,
    kind: str,
    k: float | None,
    agencies: list[str] | None,
    since: str,
    until: str,
) -> Asked:
    """As many hits as can be shown, the default where none was typed.

    Raises NoRetriever, TooManyRetrievers, BadDate.
    """
    corpus: CorpusKind = "test" if kind == "test" else "all"
    hits = min(max(int(k or HITS), 1), MOST_HITS)
    return Asked(columns_of(names or []), corpus, hits, Scope.checked(agencies, since, until))


def check_read(backend: Backend, asked: Asked) -> None:
    """Raises NotEncoded, TwinsWanted."""
    backend.check_read(asked.corpus(backend), asked.names, backend.choices().max_length)


def named(language: str, backend: Backend, names: Sequence[str]) -> dict[str, str]:
    """What each is called on the page."""
    called = backend.names()
    return {name: html.retriever_name(language, name, called) for name in names}


def link_to(query: str, names: Sequence[str], kind: str) -> str:
    """The address of a search, as `of_link` reads it; a moment makes each a new one."""
    return f"?{urlencode({'q': query, 'with': ','.join(names), 'in': kind, 'at': moment()})}"


def of_link(address: str, known: Sequence[str], agencies: Sequence[str]) -> Mapping[str, Any]:
    """What a link's `?q=...&with=...` asks for; what is not `known` is left out."""
    given = parse_qs(address.removeprefix("?"))
    told = {name: values[-1] for name, values in given.items()}
    found: dict[str, Any] = {
        name: told[key]
        for key, name in (("q", "query"), ("since", "since"), ("until", "until"))
        if key in told
    }
    columns = [name for name in dict.fromkeys(told.get("with", "").split(",")) if name in known]
    if columns:
        found["columns"] = columns[:MOST_COLUMNS]
    if told.get("in") in ("test", "all"):
        found["kind"] = told["in"]
    if re.fullmatch(r"\d{1,3}", told.get("k", "")):
        found["k"] = min(max(int(told["k"]), 1), MOST_HITS)
    if "agency" in given:
        found["agencies"] = [name for name in given["agency"] if name in agencies]
    return found
