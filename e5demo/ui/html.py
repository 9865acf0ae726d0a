"""Pieces of the page as HTML. All text passes through `escape`: a CSV's text is data."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from e5demo.backend import Column, Hit
from e5demo.data.profile import Repeat
from e5demo.ui.text import count, decimal, label, say

SNIPPET_CHARS = 190
LINK = re.compile(r"https?://\S+", re.IGNORECASE)


def note(text: str, kind: str = "") -> str:
    return f'<p class="note {kind}">{escape(text)}</p>'


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], numeric: int = 0) -> str:
    """A table of plain text; the last `numeric` columns are set to the right."""
    first = len(headers) - numeric

    def cells(tag: str, texts: Sequence[str]) -> str:
        marked = enumerate(texts)
        inner = (f"<{tag}{_right(i >= first)}>{escape(text)}</{tag}>" for i, text in marked)
        return f"<tr>{''.join(inner)}</tr>"

    body = "".join(cells("td", row) for row in rows)
    head = cells("th", headers)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def articles(language: str, rows: pd.DataFrame) -> str:
    """Pairs, or rows that fell out, as lines that open to the whole article."""
    if rows.empty:
        return note(say(language, "no_rows"))
    items = "".join(_article(language, row) for row in rows.itertuples())
    return f'<div class="articles">{items}</div>'


def column(language: str, found: Column, name: str, gold: set[str], k: int) -> str:
    """One retriever's first `k` hits; those whose id is in `gold` are marked by sign and word.

    The rank of the first of those is told even beyond k, as deep as `found` goes.
    """
    hits = "".join(_hit(language, hit, hit.passage_id in gold) for hit in found.hits[:k])
    body = f"<ol>{hits}</ol>" if hits else note(say(language, "no_hits"))
    took = say(language, "answered_in", ms=decimal(language, found.milliseconds, 1))
    ranks = [hit.rank for hit in found.hits if hit.passage_id in gold]
    place = ""
    if ranks:
        place = note(say(language, "gold_at", rank=count(language, ranks[0])))
    elif gold and found.hits:
        place = note(say(language, "gold_beyond", depth=count(language, len(found.hits))))
    return (
        f'<section class="answer kind-{kind_of(found.retriever)}">'
        f"<h3>{escape(name)}<small>{took}</small></h3>{place}{body}</section>"
    )


def waiting_column(retriever: str, name: str, text: str) -> str:
    kind = kind_of(retriever)
    return f'<section class="answer kind-{kind}"><h3>{escape(name)}</h3>{note(text)}</section>'


def columns(parts: Sequence[str]) -> str:
    return f'<div class="answers" style="--columns: {len(parts)}">{"".join(parts)}</div>'


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
    return _opening(
        language,
        f"<b>{escape(title)}</b><small>{byline(row.date, row.agency, where)}</small>",
        text or say(language, "no_article"),
        row.url,
    )


def _hit(language: str, hit: Hit, is_gold: bool) -> str:
    mark = f"<mark>◆ {escape(say(language, 'gold'))}</mark>" if is_gold else ""
    head = (
        f"<b>{escape(hit.title)}</b>{mark}<small>{byline(hit.date, hit.agency)}</small>"
        f"<span>{escape(snippet(hit.passage))}</span>"
    )
    opening = _opening(language, head, hit.passage, hit.url)
    return f"<li{' class=gold' if is_gold else ''}>{opening}</li>"


def _opening(language: str, head: str, text: str, url: Any) -> str:
    link = ""
    if isinstance(url, str) and LINK.fullmatch(url):
        opened = escape(say(language, "open_link"))
        link = (
            f'<p><a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{opened}</a></p>'
        )
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in text.split("\n") if part.strip())
    return f"<details><summary>{head}</summary><div>{paragraphs}{link}</div></details>"


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
    """bm25, baseline, fusion, full or lora: what a retriever's colour goes by."""
    return re.split("[:-]", name)[0]


def repeats(language: str, groups: Sequence[Repeat]) -> str:
    """Each group: what its pairs share, their titles, their rows."""
    items = []
    for group in groups:
        titles = "".join(f"<span>{escape(title)}</span>" for title in dict.fromkeys(group.titles))
        rows = ", ".join(count(language, row) for row in group.rows[:8])
        more = " …" if len(group.rows) > 8 else ""
        kind = say(language, f"repeat_{group.kind}")
        where = say(language, "row_number", row=rows + more)
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
    return f'<details class="folded"><summary>{escape(title)}</summary><ul>{items}</ul></details>'
