"""A data set on disk: its pairs, what fell out, its twins; made from a CSV, opened by id."""

import re
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import xxhash

from e5demo.data.duplicates import normalise, twin_keys
from e5demo.data.pairs import Pairs, make_pairs
from e5demo.data.reading import Table, read_table
from e5demo.errors import UnknownDataset, UnreadableRecord
from e5demo.jobs import Progress, silent
from e5demo.workspace import (
    Workspace,
    open_all,
    published_folder,
    read_json,
    recorded,
    unreadable,
    write_json,
    write_parquet,
)

DESCRIPTION = "dataset.json"


@dataclass(frozen=True)
class Dataset:
    """What `dataset.json` says; the tables are read when first asked for.

    `fingerprint` is of the pairs' texts in order; `source` is the CSV's path.
    """

    folder: Path
    name: str
    source: str
    created: float
    rows: int
    bad_lines: int
    dropped_counts: dict[str, int]
    delimiter: str
    encoding: str
    columns: dict[str, str | None]
    headers: list[str]
    fingerprint: str
    size: int  # pairs

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def is_sample(self) -> bool:
        """The one that comes with the app; another reading of its file is somebody's own."""
        return self.folder.parent == Workspace.shared().datasets

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """PAIR_COLUMNS, a row per kept pair, numbered from 0."""
        return pd.read_parquet(self.folder / "pairs.parquet")

    @cached_property
    def dropped(self) -> pd.DataFrame:
        """The rows that fell out, with the `rule` that took each."""
        return pd.read_parquet(self.folder / "dropped.parquet")

    @property
    def has_twins(self) -> bool:
        return self._keys_path.is_file()

    def twins(self, progress: Progress = silent) -> pd.DataFrame:
        """The pairs' `twin_keys`, found once (up to a minute for 40,000 pairs), then read."""
        if not self.has_twins:
            keys = twin_keys(self.pairs, progress)
            if not self.folder.is_dir():  # deleted meanwhile: don't bring it back
                raise UnknownDataset(dataset=self.name)
            write_parquet(self._keys_path, keys)
        return self._keys

    @cached_property
    def _keys(self) -> pd.DataFrame:
        return pd.read_parquet(self._keys_path)

    @property
    def _keys_path(self) -> Path:
        return self.folder / "twins-2.parquet"  # the first version parted chains


def import_csv(
    datasets: Path,
    path: Path,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    columns: dict[str, str | None] | None = None,
) -> Dataset:
    """Read, make pairs, keep them under `datasets`. The same CSV read the same way is one set."""
    table = read_table(path, delimiter=delimiter, encoding=encoding, columns=columns)
    pairs = make_pairs(table)
    folder = datasets / _dataset_id(table, pairs)
    if not (folder / DESCRIPTION).is_file():
        with published_folder(folder, replace=True) as draft:
            write_parquet(draft / "pairs.parquet", pairs.kept)
            write_parquet(draft / "dropped.parquet", pairs.dropped)
            write_json(draft / DESCRIPTION, _described(table, pairs, path))
    return open_dataset(folder)


def open_dataset(folder: Path) -> Dataset:
    """Raises UnknownDataset, UnreadableRecord."""
    try:
        with recorded(folder / DESCRIPTION):
            return Dataset(folder=folder, **read_json(folder / DESCRIPTION))
    except FileNotFoundError as error:
        raise UnknownDataset(dataset=folder.name) from error


def list_datasets(datasets: Path) -> list[Dataset]:
    """Newest first."""
    return open_all(datasets, DESCRIPTION, open_dataset, UnknownDataset)


def unreadable_datasets(datasets: Path) -> list[UnreadableRecord]:
    """Why some are not listed."""
    return unreadable(datasets, DESCRIPTION, open_dataset, UnknownDataset)


def _described(table: Table, pairs: Pairs, path: Path) -> dict[str, Any]:
    return {
        "name": table.name,
        "source": str(path.absolute()),
        "created": time.time(),
        "rows": pairs.rows,
        "bad_lines": table.bad_lines,
        "dropped_counts": pairs.dropped_counts,
        "delimiter": table.format.delimiter,
        "encoding": table.format.encoding,
        "columns": asdict(table.columns),
        "headers": list(table.frame.columns),
        "fingerprint": _fingerprint(pairs.kept),
        "size": len(pairs.kept),
    }


def _fingerprint(kept: pd.DataFrame) -> str:
    return xxhash.xxh3_64_hexdigest("\n".join(kept["query_id"] + kept["passage_id"]).encode())


def _dataset_id(table: Table, pairs: Pairs) -> str:
    """A readable start and a hash of the pairs with all their columns, of what fell out and of
    how they were read."""
    stem = re.sub(r"(\.csv|\.gz|\.txt|\.tsv)+$", "", table.name, flags=re.IGNORECASE)
    slug = "-".join(normalise(stem).replace("_", " ").split())[:40] or "data"
    told = table.format
    # As it was written when it had no third field: the ids of then stay.
    shape = f"CsvFormat(delimiter={told.delimiter!r}, encoding={told.encoding!r})"
    read_as = f"{table.columns}|{shape}|{pairs.rows}|{pairs.dropped_counts}"
    hashed = xxhash.xxh32(read_as)
    for rows in (pairs.kept, pairs.dropped):
        hashed.update(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
    return f"{slug}-{hashed.hexdigest()}"
