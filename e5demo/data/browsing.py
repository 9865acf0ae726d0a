"""Searching, filtering, sorting and paging tables of pairs, on the server."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

PAGE_ROWS = 20
ORDERS = ("row", "newest", "oldest", "title", "longest", "shortest")
# By a table's `id`, for as long as the table lives. Not in its `attrs`: a table made from it would
# take them along, and so would its Parquet file.
_plain_of: dict[int, pd.Series] = {}


@dataclass(frozen=True)
class Filter:
    """What to show. Days are ISO text; an empty field filters nothing."""

    text: str = ""
    agencies: Sequence[str] = ()
    since: str = ""
    until: str = ""
    order: str = "row"


def browse(rows: pd.DataFrame, wanted: Filter) -> pd.DataFrame:
    """The rows that pass, in the wanted order. Without a date a row passes no date filter.

    Every word of `text` must occur in the title or the article, whatever the accents and case.
    """
    keep = pd.Series(True, index=rows.index)
    for word in plain_text(pd.Series([wanted.text], dtype="str")).iloc[0].split():
        keep &= searchable(rows).str.contains(word, regex=False)
    if wanted.agencies:
        keep &= rows["agency"].isin(list(wanted.agencies))
    if wanted.since:
        keep &= (rows["date"] >= wanted.since).fillna(False).astype(bool)
    if wanted.until:
        keep &= (rows["date"] <= wanted.until).fillna(False).astype(bool)
    return _ordered(rows[keep], wanted.order)


def page(rows: pd.DataFrame, number: int) -> tuple[pd.DataFrame, int, int]:
    """Page `number` from 1 (brought into range), its number and how many there are."""
    pages = max(1, -(-len(rows) // PAGE_ROWS))
    number = min(max(1, number), pages)
    return rows.iloc[(number - 1) * PAGE_ROWS : number * PAGE_ROWS], number, pages


def searchable(rows: pd.DataFrame) -> pd.Series:
    """Title and article in one plain text; made once per table."""
    plain = _plain_of.get(id(rows))
    if plain is None:
        text = rows["query"].fillna("").astype("str") + "\n" + rows["passage"].fillna("")
        plain = _plain_of[id(rows)] = plain_text(text.astype("str"))
        weakref.finalize(rows, _plain_of.pop, id(rows), None)
    return plain


def plain_text(texts: pd.Series) -> pd.Series:
    """Lower case without accents, by Arrow: a second for 40,000 articles."""
    letters = pc.utf8_normalize(pa.array(texts, type=pa.string()), form="NFKD")
    bare = pc.replace_substring_regex(letters, pattern=r"\p{Mn}", replacement="")
    return pd.Series(pc.utf8_lower(bare).to_pylist(), index=texts.index, dtype="str")


def _ordered(rows: pd.DataFrame, order: str) -> pd.DataFrame:
    if order in ("newest", "oldest"):
        return rows.sort_values("date", ascending=order == "oldest", kind="stable")
    if order == "title":
        return rows.sort_values("query", kind="stable", key=plain_text)
    if order in ("longest", "shortest"):
        lengths = (
            rows["passage"]
            .str.len()
            .fillna(0)
            .sort_values(ascending=order == "shortest", kind="stable")
        )
        return rows.loc[lengths.index]
    return rows
