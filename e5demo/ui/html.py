"""Pieces of the page as HTML. All text passes through `escape`: a CSV's text is data."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from e5demo.data.profile import Repeat
from e5demo.ui.text import count, label, say

SNIPPET_CHARS = 190
LINK = re.compile(r"https?://\S+", re.IGNORECASE)


def note(text: str, kind: str = "") -> str:
    return f'<p class="note {kind}">{escape(text)}</p>'


def table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], numeric: int = 0, opens: str = ""
) -> str:
    """A table of plain text; the last `numeric` columns are set to the right.

    With `opens`, a row's first cell is a button, which holds its text as `data-OPENS` too.
    """
    first = len(headers) - numeric

    def cell(tag: str, text: str, number: int) -> str:
        shown = escape(text)
        if opens and tag == "td" and number == 0:
            shown = f'<button type="button" data-{opens}="{shown}">{shown}</button>'
        return f"<{tag}{_right(number >= first)}>{shown}</{tag}>"

    def cells(tag: str, texts: Sequence[str]) -> str:
        return f"<tr>{''.join(cell(tag, text, i) for i, text in enumerate(texts))}</tr>"

    body = "".join(cells("td", row) for row in rows)
    head = cells("th", headers)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def articles(language: str, rows: pd.DataFrame) -> str:
    """Pairs, or rows that fell out, as lines that open to the whole article."""
    if rows.empty:
        return note(say(language, "no_rows"))
    items = "".join(_article(language, row) for row in rows.itertuples())
    return f'<div class="articles">{items}</div>'


def bar(parts: Sequence[tuple[str, str, int]]) -> str:
    """One bar divided in shares: (class, label, size)."""
    pieces = "".join(
        f'<div class="{kind}" style="flex-grow: {size}"><b>{escape(text)}</b></div>'
        for kind, text, size in parts
    )
    return f'<div class="shares">{pieces}</div>'


def snippet(text: str, size: int = SNIPPET_CHARS) -> str:
    """The text's start, cut after a word."""
    flat = " ".join(text.split())
    if len(flat) <= size:
        return flat
    return flat[:size].rsplit(" ", 1)[0] + " …"


def byline(date: Any, agency: Any, more: str = "") -> str:
    parts = [str(part) for part in (date, agency, more) if isinstance(part, str) and part]
    return escape(" · ".join(parts))


def _article(language: str, row: Any) -> str:
    title = row.query if isinstance(row.query, str) and row.query else say(language, "no_title")
    text = row.passage if isinstance(row.passage, str) else ""
    where = say(language, "row_number", row=count(language, row.row))
    return opening(
        language,
        f"<b>{escape(title)}</b><small>{byline(row.date, row.agency, where)}</small>",
        text or say(language, "no_article"),
        row.url,
    )


def opening(language: str, head: str, text: str, url: Any, more: str = "") -> str:
    """A line that opens to the whole text, with a link where `url` is one; `more` is HTML."""
    link = ""
    if isinstance(url, str) and LINK.fullmatch(url):
        opened = escape(say(language, "open_link"))
        link = (
            f'<p><a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{opened}</a></p>'
        )
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in text.split("\n") if part.strip())
    return f"<details><summary>{head}</summary><div>{paragraphs}{link}{more}</div></details>"


def _right(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def retriever_name(language: str, name: str, names: Mapping[str, str] | None = None) -> str:
    """'LoRA 3f2a91c0' for a tuned model, or what it was called in `names`; 'Fusion · LoRA
    3f2a91c0' for its fusion with BM25."""
    first, _, rest = name.partition(":")
    if rest:
        return f"{label(language, first)} · {retriever_name(language, rest, names)}"
    if names and name in names:
        return names[name]
    kind, _, number = first.partition("-")
    return f"{label(language, kind)} {number}".strip()


def kind_of(name: str) -> str:
    """bm25, baseline, fusion, rerank, full or lora: what a retriever's colour goes by."""
    return re.split("[:-]", name)[0]


def repeats(language: str, groups: Sequence[Repeat]) -> str:
    """Each group: what its pairs share, their titles, their rows."""
    items = []
    for group in groups:
        titles = "".join(f"<span>{escape(title)}</span>" for title in dict.fromkeys(group.titles))
        rows = ", ".join(count(language, row) for row in group.rows[:8])
        more = " …" if len(group.rows) > 8 else ""
        kind = say(language, f"repeat_{group.kind}")
        where = say(language, "row_numbers", rows=rows + more)
        items.append(
            f"<li>{titles}<small>{len(group.rows)} × {escape(kind)} · {where}</small></li>"
        )
    return f'<ul class="repeats">{"".join(items)}</ul>'


def command(title: str, line: str) -> str:
    """A command, or a file, to copy."""
    return f'<p class="note">{escape(title)}</p><pre class="command">{escape(line)}</pre>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values side by side."""
    items = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in pairs)
    return f'<dl class="facts">{items}</dl>'


def progress_bar(share: float) -> str:
    return f'<progress class="bar" max="1" value="{share:.3f}"></progress>'


def folded(title: str, lines: Sequence[str]) -> str:
    """A list that opens."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return folded_html(title, f"<ul>{items}</ul>")


def folded_html(title: str, inner: str) -> str:
    """What opens: `inner` is HTML."""
    return f'<details class="folded"><summary>{escape(title)}</summary>{inner}</details>'
