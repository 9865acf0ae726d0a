"""Columns of hits beside each other as HTML, and what changes from the one to the next."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from e5demo.answers import Column, Hit
from e5demo.evaluation.agreement import Move, moves, overlap, rank_biased_overlap
from e5demo.retrieval.explain import Span, marks, snippet
from e5demo.ui import html
from e5demo.ui.text import count, decimal, say

SNIPPET_CHARS = 190
MOST_DRAWN = 20  # ranks in the chart of moves
ROW_HEIGHT, TOP = 15, 10  # pixels


@dataclass(frozen=True)
class View:
    """All columns of one query, `names` in their order; those `found` so far, and why the others
    wait. `gold`: ids of the passages sought; `terms`: the query's, as BM25 has them."""

    names: Mapping[str, str]
    found: Mapping[str, Column]
    waiting: Mapping[str, str]
    gold: Collection[str]
    terms: frozenset[str]
    k: int
    filtered_out: bool = False  # the passages sought are outside the filters

    @property
    def ready(self) -> list[Column]:
        """In the order of the columns."""
        return [self.found[name] for name in self.names if name in self.found]


def page(language: str, view: View) -> str:
    """Summary, chart of moves, columns."""
    columns = "".join(
        _column(language, view, name) if name in view.found else _waiting(view, name)
        for name in view.names
    )
    return (
        summary(language, view)
        + moves_chart(language, view)
        + f'<div class="answers" style="--columns: {len(view.names)}">{columns}</div>'
    )


def summary(language: str, view: View) -> str:
    """In words: where the article sought went, and how many hits the columns share."""
    columns = view.ready
    told = [_gold_sentence(language, view, columns)] if view.gold and columns else []
    if view.filtered_out:
        told.append(say(language, "gold_filtered"))
    if len(columns) > 1 and all(column.hits for column in columns):
        shared = set.intersection(*({h.passage_id for h in c.hits} for c in columns))
        key = "in_common" if len(columns) == 2 else "in_common_of_all"
        most = max(len(column.hits) for column in columns)
        told.append(say(language, key, count=count(language, len(shared)), k=count(language, most)))
    return html.note(" ".join(told), "summary") if told else ""


def moves_chart(language: str, view: View) -> str:
    """The same article joined across neighbouring columns: a dot a hit, hollow where the next
    column's first k lack it."""
    columns = view.ready
    if len(columns) < 2:
        return ""
    shown = [[hit.passage_id for hit in column.hits[:MOST_DRAWN]] for column in columns]
    titles = {hit.passage_id: hit.title for column in columns for hit in column.hits}
    held = [{hit.passage_id for hit in column.hits} for column in columns]
    parts = [
        _article_line(places, held, titles[passage_id], passage_id, passage_id in view.gold)
        for passage_id, places in _places(shown).items()
    ]
    height = TOP + ROW_HEIGHT * max(map(len, shown))
    heads = "".join(f"<span>{escape(view.names[c.retriever])}</span>" for c in columns)
    key = escape(say(language, "moves_key"))
    return (
        f'<details class="moves" open><summary>{escape(say(language, "moves_title"))}</summary>'
        f'<div class="heads">{heads}</div>'
        f'<svg role="img" aria-label="{key}" width="100%" height="{height}">{"".join(parts)}</svg>'
        f"<p>{key}</p></details>"
    )


def took(language: str, column: Column) -> str:
    """The times that an answer took, and how exact it is where it is not."""
    told = {
        "encode": decimal(language, column.encode_milliseconds, 1),
        "search": decimal(language, column.search_milliseconds, 1),
    }
    key = "took_both" if column.encode_milliseconds >= 0.05 else "took_search"
    sentence = say(language, key, **told)
    if column.recall_of_flat == 1:
        return sentence
    recall = decimal(language, 100 * column.recall_of_flat, 1)
    return f"{sentence} · {say(language, 'approximate', recall=recall)}"


def marked(text: str, spans: Sequence[Span]) -> str:
    """The text with these places emphasised."""
    parts, at = [], 0
    for start, end in spans:
        parts += [escape(text[at:start]), f"<em>{escape(text[start:end])}</em>"]
        at = end
    return "".join([*parts, escape(text[at:])])


def hit_head(hit: Hit, terms: frozenset[str], more: str = "", small: str = "") -> str:
    """Title, byline and the part of the passage that has most of the query's words."""
    part = snippet(hit.passage, terms, SNIPPET_CHARS)
    byline = html.byline(hit.date, hit.agency, small)
    return (
        f"<b>{marked(hit.title, marks(hit.title, terms))}</b>{more}<small>{byline}</small>"
        f"<span>{marked(part.text, part.marks)}</span>"
    )


def _column(language: str, view: View, name: str) -> str:
    column = view.found[name]
    first = view.ready[0]
    against = None if column is first else first
    body = html.note(say(language, "no_hits"))
    if column.hits:
        notes = _moved(language, view, column, against)
        hits = "".join(_hit(language, view, name, hit, notes) for hit in column.hits)
        body = f"<ol>{hits}</ol>"
    return (
        f'<section class="answer kind-{html.kind_of(name)}">'
        f"<h3>{escape(view.names[name])}</h3>"
        f'<p class="note faint">{escape(took(language, column))}</p>'
        f"{_agreement(language, view, column, against)}"
        f"{_gold_place(language, view, column)}{body}</section>"
    )


def _waiting(view: View, name: str) -> str:
    kind = html.kind_of(name)
    head = f"<h3>{escape(view.names[name])}</h3>"
    return f'<section class="answer kind-{kind}">{head}{html.note(view.waiting[name])}</section>'


def _agreement(language: str, view: View, column: Column, against: Column | None) -> str:
    """How far it agrees with the left one."""
    if len(view.names) < 2:
        return ""
    told, help_text = say(language, "reference"), ""
    if against:
        left, right = against.ranked[: view.k], column.ranked[: view.k]
        share = decimal(language, overlap(left, right, view.k), 2)
        rbo = decimal(language, rank_biased_overlap(left, right), 2)
        told = say(language, "agreement", overlap=share, rbo=rbo)
        help_text = say(language, "agreement_help", k=count(language, view.k))
    return f'<p class="note faint" title="{escape(help_text)}">{escape(told)}</p>'


def _moved(
    language: str, view: View, column: Column, against: Column | None
) -> dict[str, tuple[str, str]]:
    """For each hit a kind of move and its words; in the left column, those that are lost."""
    if against:
        moved = moves(against.ranked, column.ranked, view.k)
        return {one: (move.kind, _move_words(language, move, column.ranked.index(one) + 1))
                for one, move in moved.items()}  # fmt: skip
    others = [other for other in view.ready if other is not column]
    lost = {}
    for hit in column.hits:
        lacking = [c.retriever for c in others if hit.passage_id not in c.ranked[: view.k]]
        if lacking and len(lacking) == len(others):
            words = say(language, "move_gone" if len(others) == 1 else "move_gone_everywhere")
            lost[hit.passage_id] = ("gone", words)
        elif lacking:
            names = ", ".join(view.names[name] for name in lacking)
            lost[hit.passage_id] = ("gone", say(language, "move_gone_from", names=names))
    return lost


def _move_words(language: str, move: Move, rank: int) -> str:
    if move.kind == "same":
        return say(language, "move_same")
    if move.kind == "new":
        if move.before is None:
            return say(language, "move_new")
        return say(language, "move_new_from", rank=count(language, move.before))
    assert move.before is not None
    steps = count(language, abs(move.before - rank))
    return say(language, "move_up" if move.kind == "up" else "move_down", steps=steps)


def _hit(
    language: str, view: View, name: str, hit: Hit, moved: Mapping[str, tuple[str, str]]
) -> str:
    more = ""
    if hit.passage_id in moved:
        kind, words = moved[hit.passage_id]
        more += f'<i class="move {kind}">{escape(words)}</i>'
    is_gold = hit.passage_id in view.gold
    if is_gold:
        more += f"<mark>◆ {escape(say(language, 'gold'))}</mark>"
    small = ""
    if hit.margin is not None:
        small = _margin(language, hit.margin)
    head = hit_head(hit, view.terms, more, small)
    why = (
        f'<button type="button" class="why" data-retriever="{escape(name)}" '
        f'data-why="{escape(hit.passage_id)}">{escape(say(language, "why"))}</button>'
    )
    body = html.opening(language, head, hit.passage, hit.url, why)
    marks = " class=gold" if is_gold else ""
    return f'<li{marks} data-passage="{escape(hit.passage_id)}">{body}</li>'


def _margin(language: str, margin: float) -> str:
    """To three places, or as many as show something."""
    for places in range(3, 7):
        if margin >= 0.5 * 10**-places:
            return say(language, "margin", margin=decimal(language, margin, places))
    return say(language, "margin_none")


def _gold_place(language: str, view: View, column: Column) -> str:
    if not view.gold:
        return ""
    rank = column.rank_of(view.gold)
    if rank:
        return html.note(say(language, "gold_at", rank=count(language, rank)))
    if not column.ranked:
        return ""
    return html.note(say(language, "gold_beyond", depth=count(language, len(column.ranked))))


def _gold_sentence(language: str, view: View, columns: Sequence[Column]) -> str:
    ranks = [column.rank_of(view.gold) for column in columns]
    if len(columns) == 2:
        left, right = (count(language, rank) if rank else None for rank in ranks)
        if left and right:
            return say(
                language, "gold_stays" if left == right else "gold_moves", left=left, right=right
            )
        if left or right:
            return say(language, "gold_lost" if left else "gold_found", rank=left or right)
        return say(language, "gold_nowhere")
    told = [
        f"{view.names[column.retriever]} {count(language, rank) if rank else '—'}"
        for column, rank in zip(columns, ranks, strict=True)
    ]
    return say(language, "gold_ranks", ranks=", ".join(told))


def _places(shown: Sequence[Sequence[str]]) -> dict[str, dict[int, int]]:
    """Of each passage its rows by column number."""
    places: dict[str, dict[int, int]] = {}
    for number, ids in enumerate(shown):
        for row, passage_id in enumerate(ids):
            places.setdefault(passage_id, {})[number] = row
    return places


def _article_line(
    places: Mapping[int, int],
    held: Sequence[Collection[str]],
    title: str,
    passage_id: str,
    is_gold: bool,
) -> str:
    """One article's dots, and lines between those of neighbouring columns; `held` are each column's
    hits, of which a chart shows the first alone."""

    def at(number: int) -> tuple[str, int]:
        return f"{100 * (number + 0.5) / len(held):.2f}%", TOP + ROW_HEIGHT * places[number]

    parts = []
    for number, row in places.items():
        x, y = at(number)
        if number + 1 in places:
            to_x, to_y = at(number + 1)
            way = places[number + 1] - row
            kind = "same" if not way else "up" if way < 0 else "down"
            parts.append(f'<line class="{kind}" x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"/>')
        neighbour = number + 1 if number + 1 < len(held) else number - 1
        hollow = "" if passage_id in held[neighbour] else ' class="hollow"'
        parts.append(f'<circle{hollow} cx="{x}" cy="{y}" r="{5 if is_gold else 3.5}"/>')
    parts.append(f"<title>{escape(title)}</title>")
    kind = "line gold" if is_gold else "line"
    return f'<g class="{kind}" data-passage="{escape(passage_id)}">{"".join(parts)}</g>'
