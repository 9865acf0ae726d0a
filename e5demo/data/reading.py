"""From a CSV file to a table of text: delimiter, encoding and columns found, shown, overridable."""

import csv
import gzip
import io
import re
import unicodedata
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import pandas as pd

from e5demo.errors import (
    BadDelimiter,
    BinaryFile,
    EmptyFile,
    FileMissing,
    LongRows,
    MarkupFile,
    MissingColumns,
    NotACsv,
    OneColumn,
    UndecodableText,
    UnknownEncoding,
    UnpacksTooLarge,
    UnreadableGzip,
)

DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8-sig", "utf-8", "cp1252", "utf-16")
SNIFFED_BYTES = 1 << 20
MOST_UNPACKED = 2 * 10**9  # bytes; the table takes some times as much memory
SNIFFED_ROWS = 200
DECLARED = re.compile(r'"?sep=([,;\t|])"?[,;\t|]*(?:\r\n|\r|\n)', re.IGNORECASE)
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")  # as Excel's 'Unicode text' has them

# Names seen in news and question-answer tables, best first; compared without accents or case.
COLUMN_NAMES = {
    "query": ("titre", "title", "headline", "query", "question", "sujet"),
    "passage": ("contenu", "content", "article", "texte", "text", "body", "passage", "answer"),
    "date": ("date", "date dd mm yyyy", "published", "published at", "date publication"),
    "agency": ("agency", "agence", "source", "publisher", "journal"),
    "url": ("url", "link", "lien"),
}
csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class Columns:
    """Which column plays which part; the last three may be absent (None)."""

    query: str
    passage: str
    date: str | None = None
    agency: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class CsvFormat:
    """`declared`: the first line is Excel's `sep=;`, which is no part of the table."""

    delimiter: str
    encoding: str
    declared: bool = False


@dataclass(frozen=True)
class Table:
    """A CSV as read: every cell text or missing, and how many lines could not be split."""

    name: str
    frame: pd.DataFrame
    format: CsvFormat
    columns: Columns
    bad_lines: int


def read_table(
    path: Path,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    columns: dict[str, str | None] | None = None,
) -> Table:
    """Read `path` (.csv or .csv.gz). What is not given is found; a given value is obeyed.

    Raises the errors of `e5demo.errors` that name the file: missing, empty, not a CSV, one
    column, missing columns, unknown or wrong encoding, broken gzip.
    """
    found = sniff(path, delimiter=delimiter, encoding=encoding)
    frame, bad_lines = _parse(path, found)
    if frame.shape[1] < 2:
        raise OneColumn(name=path.name, column=str(frame.columns[0]))
    if frame.empty and bad_lines:
        raise LongRows(name=path.name, count=bad_lines)
    if frame.empty:
        raise EmptyFile(name=path.name)
    return Table(path.name, frame, found, choose_columns(frame, path.name, columns), bad_lines)


def preview(
    path: Path, *, delimiter: str | None = None, encoding: str | None = None, rows: int | None = 5
) -> tuple[CsvFormat, pd.DataFrame]:
    """The first rows, or all, as they would be read, whatever the columns are called.

    Raises as above.
    """
    found = sniff(path, delimiter=delimiter, encoding=encoding)
    return found, _parse(path, found, rows)[0]


def sniff(path: Path, *, delimiter: str | None = None, encoding: str | None = None) -> CsvFormat:
    """Find delimiter and encoding by scoring a fixed set of candidates on the file's start."""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '\r\n"'):
        raise BadDelimiter(delimiter=delimiter)
    start = _start(path)
    if not start.strip():
        raise EmptyFile(name=path.name)
    if b"\0" in start and not encoding and not start.startswith(UTF16_BOMS):
        raise BinaryFile(name=path.name)
    encoding = encoding or _guess_encoding(start)
    text = _decode_start(start, encoding, path.name)
    if _looks_like_markup(text):
        raise MarkupFile(name=path.name)
    declared = DECLARED.match(text)
    if declared:
        text = text[declared.end() :]
        delimiter = delimiter or declared[1]
    if delimiter is None:
        scores = {candidate: delimiter_score(text, candidate) for candidate in DELIMITERS}
        delimiter = max(scores, key=lambda candidate: scores[candidate])
    return CsvFormat(delimiter, encoding, bool(declared))


def delimiter_score(text: str, delimiter: str) -> float:
    """Share of rows with as many fields as the header, in favour of more columns; 0 for one.

    A letter or comma inside prose splits rows unevenly, a true delimiter evenly.
    """
    rows = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > SNIFFED_ROWS:
                break
    except csv.Error:
        return 0.0
    if len(rows) > 2 and len(rows) <= SNIFFED_ROWS:
        rows.pop()  # the last row may be cut by the sample's end
    if not rows or len(rows[0]) < 2:
        return 0.0
    width = len(rows[0])
    body = rows[1:] or rows
    even = sum(len(row) == width for row in body) / len(body)
    return even * (2 - 1 / width)


def guess_columns(names: list[str]) -> dict[str, str | None]:
    """The column for each part by its name: whole names first, then names that begin so."""
    plain = {name: _plain(name) for name in names}
    guess: dict[str, str | None] = {}
    for part, known in COLUMN_NAMES.items():
        whole = [name for want in known for name in names if plain[name] == want]
        begins = [name for want in known for name in names if plain[name].startswith(want + " ")]
        guess[part] = next((n for n in whole + begins if n not in guess.values()), None)
    return guess


def choose_columns(
    frame: pd.DataFrame, name: str, chosen: dict[str, str | None] | None = None
) -> Columns:
    """Columns as chosen, else guessed. Raises MissingColumns where one is needed or unknown."""
    found = ", ".join(map(str, frame.columns))
    parts = guess_columns(list(frame.columns))
    for part, column in (chosen or {}).items():
        if column and column not in frame.columns:
            raise MissingColumns(name=name, wanted=column, found=found)
        parts[part] = column or (parts[part] if part in ("query", "passage") else None)
    query, passage = parts["query"], parts["passage"]
    if not query:
        raise MissingColumns(name=name, wanted="Titre/title", found=found)
    if not passage or passage == query:
        raise MissingColumns(name=name, wanted="Contenu/content", found=found)
    return Columns(query, passage, parts["date"], parts["agency"], parts["url"])


def _open(path: Path) -> BinaryIO:
    try:
        found = path.is_file()
    except OSError:  # a name too long for the system
        found = False
    if not found:
        raise FileMissing(path=path)
    if path.suffix.lower() != ".gz":
        return path.open("rb")
    return io.BufferedReader(_Unpacked(cast(BinaryIO, gzip.open(path)), path.name))


class _Unpacked(io.RawIOBase):
    """What a gzip file holds; UnpacksTooLarge ends one that is made to fill the memory."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name, self.left = file, name, MOST_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self.file.read(len(buffer))
        buffer[: len(found)] = found
        self.left -= len(found)
        if self.left < 0:
            raise UnpacksTooLarge(name=self.name, most=MOST_UNPACKED // 10**9)
        return len(found)

    def close(self) -> None:
        self.file.close()
        super().close()


def _start(path: Path) -> bytes:
    with _open(path) as file:
        try:
            return file.read(SNIFFED_BYTES)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UnreadableGzip(name=path.name, reason=error) from error


def _guess_encoding(start: bytes) -> str:
    if start.startswith(UTF8_BOM):
        return "utf-8-sig"
    if start.startswith(UTF16_BOMS):
        return "utf-16"
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        # A sample may end inside a character of up to four bytes.
        cut = len(start) == SNIFFED_BYTES and error.start > len(start) - 4
        return "utf-8" if cut else "cp1252"
    return "utf-8"


def _decode_start(start: bytes, encoding: str, name: str) -> str:
    try:
        return start.decode(encoding)
    except LookupError as error:
        raise UnknownEncoding(encoding=encoding) from error
    except UnicodeDecodeError as error:
        if len(start) == SNIFFED_BYTES and error.start > len(start) - 4:
            return start[: error.start].decode(encoding)
        raise UndecodableText(name=name, encoding=encoding, position=error.start) from error


def _parse(path: Path, found: CsvFormat, rows: int | None = None) -> tuple[pd.DataFrame, int]:
    """All cells as text, and how many lines had too many; what pandas calls missing (NaN) is
    missing, as in the recipe."""
    with _open(path) as file:
        frame, skipped, cut = _read_csv(file, path.name, found, rows)
    if cut:
        # Where the first row is longer than the header, pandas cuts long rows without a word.
        text, skipped = _without_long_rows(path, found, rows)
        frame, _, _ = _read_csv(text, path.name, replace(found, declared=False), rows)
    frame.columns = _distinct([str(column).strip() for column in frame.columns])
    return frame, skipped


def _read_csv(
    file: Any, name: str, found: CsvFormat, rows: int | None
) -> tuple[pd.DataFrame, int, bool]:
    """The table, how many lines pandas skipped, and whether it cut some short."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", pd.errors.ParserWarning)
        try:
            frame = pd.read_csv(
                file,
                sep=found.delimiter,
                encoding=found.encoding,
                dtype=str,
                nrows=rows,
                skiprows=int(found.declared),
                on_bad_lines="warn",
                index_col=False,
            )
        except pd.errors.EmptyDataError as error:
            raise EmptyFile(name=name) from error
        except UnicodeError as error:  # plain where UTF-16 lacks its first two bytes
            position = getattr(error, "start", 0)
            raise UndecodableText(name=name, encoding=found.encoding, position=position) from error
        except pd.errors.ParserError as error:
            raise NotACsv(name=name, reason=str(error).strip()) from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UnreadableGzip(name=name, reason=error) from error
    told = [str(warning.message) for warning in caught]
    skipped = sum(message.count("Skipping line") for message in told)
    return frame, skipped, any("Length of header" in message for message in told)


def _without_long_rows(path: Path, found: CsvFormat, rows: int | None) -> tuple[io.StringIO, int]:
    """The CSV less the rows that hold more than the header names, and how many those are."""
    text, long = io.StringIO(), 0
    writer = csv.writer(text, delimiter=found.delimiter)
    with io.TextIOWrapper(_open(path), encoding=found.encoding, newline="") as file:
        if found.declared:
            file.readline()
        reader = csv.reader(file, delimiter=found.delimiter)
        header = next(filter(None, reader))  # pandas skips blank lines too
        width = len(header)
        writer.writerow(header)
        for number, row in enumerate(reader, start=1):
            if rows is not None and number > rows + long:
                break
            if any(row[width:]):
                long += 1
            else:
                writer.writerow(row[:width])
    text.seek(0)
    return text, long


def _distinct(names: list[str]) -> list[str]:
    """' Titre' beside 'Titre' becomes 'Titre (2)'."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return distinct


def _looks_like_markup(text: str) -> bool:
    return bool(re.match(r"\s*(<!doctype|<html|<\?xml|[{\[])", text, re.IGNORECASE))


def _plain(name: str) -> str:
    """'Date (dd.mm.yyyy)' -> 'date dd mm yyyy'; accents and case dropped."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return " ".join(re.findall(r"[a-z0-9]+", letters.encode("ascii", "ignore").decode()))
