"""Everything on disk: whose folder, which data sets and experiments, files complete or absent."""

import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import pandas as pd
import platformdirs
from pydantic import Field

from e5demo.config import Settings
from e5demo.errors import BadSetting, UnreadableRecord, first_line

T = TypeVar("T")

APP = "e5demo"
WORKSPACE_FOLDER = "E5DEMO_WORKSPACE"  # tells a job whose folder it works in
KEPT_SECONDS = 24 * 3600
VISITOR = re.compile(r"[A-Za-z0-9_-]{32}")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a formula may begin with


def home() -> Path:
    """The data folder: E5DEMO_HOME, else the system's place for a user's data."""
    return _folder("E5DEMO_HOME", platformdirs.user_data_dir(APP))


def model_cache() -> Path:
    """Where unpacked weights stay: E5DEMO_CACHE, else the system's place for a user's cache."""
    return _folder("E5DEMO_CACHE", platformdirs.user_cache_dir(APP))


def _folder(name: str, default: str) -> Path:
    return Path(os.environ.get(name) or default).expanduser().absolute()


def embeddings() -> Path:
    """One cache of vectors for all workspaces: it holds no text."""
    return home() / "embeddings"


class CacheSettings(Settings):
    """Named as in the environment, so that a mistake is too."""

    E5DEMO_CACHE_GB: float = Field(2.0, ge=0, le=1e6)


def embeddings_limit() -> int:
    """Bytes that the cache of vectors may take: E5DEMO_CACHE_GB, else 2 GB. Raises BadSetting."""
    told = os.environ.get("E5DEMO_CACHE_GB")
    settings = CacheSettings.checked(E5DEMO_CACHE_GB=told) if told else CacheSettings()
    return int(settings.E5DEMO_CACHE_GB * 1e9)


def timings() -> Path:
    """What a few steps of each kind of training took on this machine."""
    return home() / "timings"


def downloads() -> Path:
    """Copies handed out by the page, each in a folder with an unguessable name."""
    return home() / "downloads"


def fresh_download() -> Path:
    """An unguessable folder for files to hand out; yesterday's, which hold copies, are swept."""
    for old in downloads().glob("*"):
        if time.time() - old.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    folder = downloads() / secrets.token_urlsafe(24)
    folder.mkdir(parents=True)
    return folder


def is_public() -> bool:
    """True on Hugging Face Spaces or with E5DEMO_PUBLIC=1: visitors don't see each other."""
    return os.environ.get("E5DEMO_PUBLIC", "0") not in ("", "0") or "SPACE_ID" in os.environ


@dataclass(frozen=True)
class Workspace:
    """One person's folder."""

    root: Path

    @classmethod
    def local(cls) -> "Workspace":
        """The one of the person at this machine; for a job, the one that asked for it."""
        return cls(Path(os.environ.get(WORKSPACE_FOLDER) or home()))

    @classmethod
    def shared(cls) -> "Workspace":
        """What every visitor sees and nobody changes: the sample."""
        return cls(home() / "shared")

    @classmethod
    def of_visitor(cls, visitor: str) -> "Workspace":
        """The folder behind an unguessable id. Raises ValueError for what is no such id."""
        if not is_visitor(visitor):
            raise ValueError(f"{visitor!r} is no visitor id")
        return cls(home() / "visitors" / visitor)

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def experiments(self) -> Path:
        return self.root / "experiments"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    @property
    def recipes(self) -> Path:
        """Training settings as files, named by their content."""
        return self.root / "recipes"

    @property
    def votes(self) -> Path:
        """Blind votes between retrievers, a line each."""
        return self.root / "votes.jsonl"

    @property
    def choices(self) -> Path:
        """What the person chose last: data set, split, length."""
        return self.root / "choices.json"

    def size(self) -> int:
        """Bytes of all files in the folder."""
        total = 0
        for path in self.root.rglob("*"):
            with suppress(FileNotFoundError):  # a draft renamed since
                total += path.stat().st_size if path.is_file() else 0
        return total


def new_visitor() -> str:
    """An id of 192 random bits that nobody can guess."""
    return secrets.token_urlsafe(24)


def is_visitor(visitor: str | None) -> bool:
    return isinstance(visitor, str) and VISITOR.fullmatch(visitor) is not None


@contextmanager
def draft_file(path: Path) -> Iterator[BinaryIO]:
    """A file written beside, flushed to disk, renamed: a reader sees the old one or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    with draft_file(path) as file:
        file.write(text.encode("utf-8"))


def write_npy(path: Path, array: np.ndarray) -> None:
    with draft_file(path) as file:
        np.save(file, array, allow_pickle=False)


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    with draft_file(path) as file:
        frame.to_parquet(file)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    with draft_file(path) as file:
        frame.to_csv(file, index=False)


def write_spreadsheet(path: Path, frame: pd.DataFrame) -> None:
    """A CSV for a person's spreadsheet, which runs no formula that a text may look like.

    It begins with a byte order mark: without one Excel takes UTF-8 for another encoding.
    """
    safe = frame.map(safe_cell).rename(columns=safe_cell)
    with draft_file(path) as file:
        safe.to_csv(file, index=False, encoding="utf-8-sig")


def safe_cell(value: Any) -> Any:
    """An apostrophe before text that a spreadsheet would take for a formula (OWASP, 'CSV
    Injection'); any other value, a negative number too, as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def open_all(
    root: Path, marker: str, open_one: Callable[[Path], T], gone: type[Exception]
) -> list[T]:
    """What `open_one` makes of each folder that holds the file `marker`, newest (`created`) first.

    One that was deleted since, for which it raises `gone`, is left out, and one that it cannot
    read: see `unreadable`.
    """
    found: list[Any] = [
        one
        for one in _opened(root, marker, open_one, gone)
        if not isinstance(one, UnreadableRecord)
    ]
    return sorted(found, key=lambda one: -one.created)


def unreadable(
    root: Path, marker: str, open_one: Callable[[Path], T], gone: type[Exception]
) -> list[UnreadableRecord]:
    """Why `open_all` leaves out what it cannot read, by folder."""
    opened = _opened(root, marker, open_one, gone)
    return [one for one in opened if isinstance(one, UnreadableRecord)]


def _opened(
    root: Path, marker: str, open_one: Callable[[Path], T], gone: type[Exception]
) -> Iterator[T | UnreadableRecord]:
    for path in sorted(root.glob(f"[!.]*/{marker}")):
        try:
            one: T | UnreadableRecord = open_one(path.parent)
        except UnreadableRecord as error:
            one = error
        except gone:
            continue
        yield one


@contextmanager
def recorded(path: Path) -> Iterator[None]:
    """For the block that makes something of the record `path`: what another version of the app
    wrote, or a failing disk, is no fault of this one. Raises UnreadableRecord."""
    try:
        yield
    except (BadSetting, ValueError, TypeError, KeyError, AttributeError) as error:
        where = "/".join(path.parts[-3:])  # within the workspace: the page may be a public one
        raise UnreadableRecord(path=where, reason=first_line(error)) from error


@contextmanager
def published_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """A draft folder that becomes `folder` when the block ends well and vanishes otherwise.

    Where another process published the same folder first, its copy stays, unless this one is to
    `replace` it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield draft
        draft.chmod(0o755)
        if replace and folder.is_dir():
            remove_folder(folder)
        try:
            os.rename(draft, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Rename out of sight, then delete: a half-deleted folder is never seen."""
    grave = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):  # another process was faster
        os.rename(folder, grave)
    shutil.rmtree(grave, ignore_errors=True)
