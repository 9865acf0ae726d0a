"""From a table to (query, passage) pairs by the recipe's four rules, each rule's losses kept."""

from dataclasses import dataclass

import pandas as pd
import xxhash

from e5demo.data.reading import Table
from e5demo.errors import NoPairs

MIN_QUERY_CHARS = 10
MIN_PASSAGE_CHARS = 20
RULES = ("missing", "short_query", "short_passage")
PAIR_COLUMNS = ["row", "query_id", "passage_id", "query", "passage", "date", "agency", "url"]
TIME = r"(?:T|,?\s+(?:à\s+)?)\d{1,2}\s?[:h]\s?\d{2}.*$"  # '2024-02-05T10:15Z', '05/02/2024 à 10h15'
DATE_FORMATS = ("%d.%m.%Y", "%Y-%m-%d", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d/%m/%y", "%d.%m.%y",
                "%d-%m-%y")  # fmt: skip


@dataclass(frozen=True)
class Pairs:
    """`kept` has PAIR_COLUMNS; `dropped` the same less the ids, with the `rule` that took it.

    `row` counts the CSV's records from 1. Dates are ISO text or missing.
    """

    kept: pd.DataFrame
    dropped: pd.DataFrame
    rows: int

    @property
    def dropped_counts(self) -> dict[str, int]:
        counts = self.dropped["rule"].value_counts()
        return {rule: int(counts.get(rule, 0)) for rule in RULES}


def text_id(text: str) -> str:
    """The id of a text is its content: equal texts share it, in every data set."""
    return xxhash.xxh3_64_hexdigest(text.encode("utf-8"))


def make_pairs(table: Table) -> Pairs:
    """Drop rows with a side missing, strip, keep queries over 10 and passages over 20 characters.

    Raises NoPairs when nothing is left.
    """
    names, frame = table.columns, table.frame
    pairs = pd.DataFrame(
        {
            "row": range(1, len(frame) + 1),
            "query": frame[names.query],
            "passage": frame[names.passage],
            "date": iso_dates(frame[names.date]) if names.date else None,
            "agency": frame[names.agency].str.strip() if names.agency else None,
            "url": frame[names.url].str.strip() if names.url else None,
        }
    )
    missing = pairs["query"].isna() | pairs["passage"].isna()
    pairs["query"] = pairs["query"].str.strip()
    pairs["passage"] = pairs["passage"].str.strip()
    short_query = ~missing & (pairs["query"].str.len() <= MIN_QUERY_CHARS).fillna(False)
    short_passage = (
        ~missing & ~short_query & (pairs["passage"].str.len() <= MIN_PASSAGE_CHARS).fillna(False)
    )
    rule = pd.Series(pd.NA, index=pairs.index, dtype="string")
    rule[missing], rule[short_query], rule[short_passage] = RULES
    dropped = pairs.assign(rule=rule)[rule.notna()].reset_index(drop=True)
    kept = pairs[rule.isna()].reset_index(drop=True)
    if kept.empty:
        raise NoPairs(
            name=table.name,
            rows=len(frame),
            missing=int(missing.sum()),
            short=int(short_query.sum() + short_passage.sum()),
            query=names.query,
            passage=names.passage,
        )
    kept["query_id"] = kept["query"].map(text_id)
    kept["passage_id"] = kept["passage"].map(text_id)
    return Pairs(kept[PAIR_COLUMNS], dropped, len(frame))


def iso_dates(column: pd.Series) -> pd.Series:
    """Days as 'YYYY-MM-DD', from the first format that reads most of the column's values; a time
    behind the day is left out."""
    days = column.str.strip().str.replace(TIME, "", regex=True)
    readings = [pd.to_datetime(days, format=f, errors="coerce") for f in DATE_FORMATS]
    best = max(readings, key=lambda dates: dates.notna().sum())
    if best.notna().sum() == 0:  # names of months: leave the guessing to pandas
        best = pd.to_datetime(column, format="mixed", errors="coerce", utc=True)
    return best.dt.strftime("%Y-%m-%d")
