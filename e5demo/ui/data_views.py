"""What the data tab shows of a data set: its reading, its funnel, its columns, its repeats."""

from typing import Any

from e5demo import figures
from e5demo.backend import Backend
from e5demo.data.duplicates import JACCARD, SHINGLE_WORDS
from e5demo.data.profile import FieldProfile, repeats
from e5demo.data.store import Dataset
from e5demo.ui import html
from e5demo.ui.text import count, decimal, say

SHOWN_REPEATS = 30


def dataset_name(language: str, dataset: Dataset) -> str:
    return say(language, "sample") if dataset.is_sample else dataset.name


def reading_note(language: str, dataset: Dataset) -> str:
    delimiter = say(language, "tabulation") if dataset.delimiter == "\t" else dataset.delimiter
    rows = count(language, dataset.rows)
    parts = [say(language, "file_note", rows=rows, encoding=dataset.encoding, delimiter=delimiter)]
    if dataset.bad_lines:
        parts.append(say(language, "bad_lines", count=count(language, dataset.bad_lines)))
    if dataset.is_sample:
        parts.insert(0, say(language, "sample_note"))
    return " ".join(parts)


def funnel_steps(language: str, dataset: Dataset) -> list[tuple[str, str]]:
    counts = {**dataset.dropped_counts, "kept": dataset.size}
    return [
        (say(language, f"rule_{name}", count=count(language, number)), name)
        for name, number in counts.items()
    ]


def field_table(language: str, profiles: list[FieldProfile]) -> str:
    headers = ["column", "filled", "distinct", "lengths", "range"]
    rows = [
        [
            say(language, f"field_{p.name}"),
            count(language, p.filled),
            count(language, p.distinct),
            " · ".join(count(language, n) for n in (p.shortest, p.median, p.longest)),
            f"{p.first} – {p.last}" if p.name == "date" else "",
        ]
        for p in profiles
    ]
    return html.table([say(language, f"head_{name}") for name in headers], rows)


def length_charts(language: str, dataset: Dataset) -> list[Any]:
    axis = say(language, "axis_characters")
    return [
        figures.length_histogram(
            dataset.pairs[name].str.len().tolist(), say(language, f"chart_{name}"), axis, colour
        )
        for name, colour in (("query", figures.TITLES), ("passage", figures.ARTICLES))
    ]


def repeat_list(language: str, backend: Backend, dataset: Dataset) -> str:
    if not backend.finds_twins_quickly(dataset):
        return html.note(say(language, "twins_wanted"))
    found = repeats(dataset.pairs, dataset.twins())
    if not found:
        return html.note(say(language, "repeats_none"))
    told = say(
        language,
        "repeats_found",
        count=count(language, len(found)),
        jaccard=decimal(language, JACCARD, 1),
        words=SHINGLE_WORDS,
    )
    more = say(language, "repeats_shown", shown=SHOWN_REPEATS)
    return html.note(f"{told} {more}" if len(found) > SHOWN_REPEATS else told) + html.repeats(
        language, found[:SHOWN_REPEATS]
    )
