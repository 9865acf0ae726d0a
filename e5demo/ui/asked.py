"""What the search tab is set to: the widgets, and their values as handlers read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from e5demo.backend import MOST_COLUMNS, Backend
from e5demo.config import CorpusKind
from e5demo.data.browsing import Scope
from e5demo.data.corpus import Corpus
from e5demo.errors import NoRetriever, TooManyRetrievers
from e5demo.ui import html
from e5demo.ui.frame import corpus_in_use

# The address of a search: what a link names, and how it is made in the browser.
COPY_LINK = """(visitor, language, query, columns, kind, k, agencies, since, until) => {
  const address = new URL(location.origin + location.pathname);
  const told = {q: query, with: columns.join(), k: k, in: kind, agency: agencies.join("|"),
                since: since, until: until};
  for (const [name, value] of Object.entries(told))
    if (value) address.searchParams.set(name, value);
  const text = document.createElement("textarea");  // unlike the clipboard's API, without https too
  text.value = address.href;
  document.body.append(text);
  text.select();
  document.execCommand("copy");
  text.remove();
  return [visitor, language, query, columns, kind, k, agencies, since, until];
}"""


@dataclass(frozen=True)
class Controls:
    """The tab's widgets. A change of `again` searches for what they hold."""

    query: gr.Textbox
    columns: gr.Dropdown
    kind: gr.Radio
    k: gr.Slider
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
    names: list[str] | None, kind: str, k: float, agencies: list[str] | None, since: str, until: str
) -> Asked:
    """Raises NoRetriever, TooManyRetrievers, BadDate."""
    if not names:
        raise NoRetriever
    if len(names) > MOST_COLUMNS:
        raise TooManyRetrievers(count=len(names), most=MOST_COLUMNS)
    corpus: CorpusKind = "test" if kind == "test" else "all"
    return Asked(names, corpus, int(k), Scope.checked(agencies, since, until))


def named(language: str, backend: Backend, names: Sequence[str]) -> dict[str, str]:
    """What each is called on the page."""
    called = backend.names()
    return {name: html.retriever_name(language, name, called) for name in names}


def of_link(address: str, known: Sequence[str]) -> Mapping[str, Any]:
    """What a link's `?q=...&with=...` asks for; retrievers that are not `known` are left out."""
    told = {name: values[-1] for name, values in parse_qs(address.removeprefix("?")).items()}
    found: dict[str, Any] = {
        name: told[key]
        for key, name in (("q", "query"), ("since", "since"), ("until", "until"))
        if key in told
    }
    columns = [name for name in told.get("with", "").split(",") if name in known]
    if columns:
        found["columns"] = columns[:MOST_COLUMNS]
    if told.get("in") in ("test", "all"):
        found["kind"] = told["in"]
    if told.get("k", "").isdecimal():
        found["k"] = min(max(int(told["k"]), 1), 50)
    if "agency" in told:
        found["agencies"] = told["agency"].split("|")
    return found
