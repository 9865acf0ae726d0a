"""Embeddings on disk, per text: whoever encodes a text with the same model again reads it here.

A folder per encoder key holds shards (see `shards`), written beside and renamed, merged where there
are many. No text is kept, so that visitors may share the folder. Beyond a number of bytes the
shards that were of no use for longest go; their texts are encoded again at need.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import xxhash
from filelock import FileLock, Timeout

from e5demo.jobs import Progress, silent
from e5demo.retrieval.encoder import Encoder, Role, slices_by_length
from e5demo.retrieval.shards import STORED, as_read, merge_shards, read_shards, remove, write_shard
from e5demo.workspace import embeddings_limit

MERGE_AT = 32  # small shards: a slice of texts gives one
IN_USE_SECONDS = 600  # a shard read or written since may be another process's
DRAFT_SECONDS = 24 * 3600  # from which a half-written file is of a process that died


class EmbeddingCache:
    """Safe for several processes. It may exceed `limit` (bytes) by what is in use."""

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.folder = folder
        self.limit = embeddings_limit() if limit is None else limit

    def missing(self, encoder: Encoder, role: Role, texts: Sequence[str]) -> list[str]:
        """The texts, each once, that would have to be encoded."""
        numbers = _text_numbers(texts)
        absent = ~self._has(encoder.key(role), numbers)
        return [texts[i] for i in np.flatnonzero(absent & _is_first(numbers)).tolist()]

    def fill(
        self, encoder: Encoder, role: Role, texts: Sequence[str], progress: Progress = silent
    ) -> int:
        """Encode and keep what is missing; how many texts were there before.

        As `encode`, for more vectors than are wanted in memory at once.
        """
        began, numbers = time.time(), _text_numbers(texts)
        found = self._has(encoder.key(role), numbers)
        missing = np.flatnonzero(~found & _is_first(numbers))
        for _ in self._encoded(encoder, role, texts, missing, progress):
            pass
        self._tidy(encoder.key(role), bool(len(missing)), began)
        return int(found.sum())

    def encode(
        self, encoder: Encoder, role: Role, texts: Sequence[str], progress: Progress = silent
    ) -> tuple[np.ndarray, int]:
        """Vectors of `texts` (float32, a row each, of length 1) and how many were found here.

        What is encoded is kept slice by slice, so that a stopped run loses little, and returned as
        it will be read: the second time gives the same.
        """
        began, numbers = time.time(), _text_numbers(texts)
        vectors, found = self._read(encoder.key(role), numbers)
        is_first = _is_first(numbers)
        missing = np.flatnonzero(~found & is_first)
        for places, rows in self._encoded(encoder, role, texts, missing, progress):
            vectors = _roomy(vectors, rows)
            vectors[places] = rows
        self._tidy(encoder.key(role), bool(len(missing)), began)
        copies = np.flatnonzero(~found & ~is_first)
        if len(copies):
            _, first, which = np.unique(numbers, return_index=True, return_inverse=True)
            vectors[copies] = vectors[first[which[copies]]]
        return vectors, int(found.sum())

    def size(self) -> int:
        """Bytes on disk."""
        return sum(bytes_ for _, bytes_, _ in self._files())

    def _encoded(
        self,
        encoder: Encoder,
        role: Role,
        texts: Sequence[str],
        places: np.ndarray,
        progress: Progress,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Encode the texts at `places` and keep them: places and vectors, slice by slice."""
        folder = self._folder(encoder.key(role))
        chosen = [texts[i] for i in places.tolist()]
        weight, done = sum(map(len, chosen)), 0
        for positions in slices_by_length(chosen):
            progress("encode", done, weight)
            part = [chosen[i] for i in positions]
            halves = encoder.encode(part, role).astype(STORED)
            write_shard(folder, _text_numbers(part), halves)
            self._tidy(encoder.key(role))
            yield places[positions], as_read(halves)[0]
            done += sum(map(len, part))
        if chosen:
            progress("encode", weight, weight)

    def _folder(self, key: str) -> Path:
        return self.folder / xxhash.xxh3_64_hexdigest(key.encode())

    def _has(self, key: str, numbers: np.ndarray) -> np.ndarray:
        """For each id, whether it is on disk."""
        found = np.zeros(len(numbers), bool)
        for shard in read_shards(self._folder(key)):
            found[shard.find(numbers)[0]] = True
        return found

    def _read(self, key: str, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A row for each id and whether it was found; no columns where none was."""
        found = np.zeros(len(numbers), bool)
        vectors = np.empty((len(numbers), 0), np.float32)
        for shard in read_shards(self._folder(key)):
            absent = np.flatnonzero(~found)
            places, at = shard.find(numbers[absent])
            if not len(places):
                continue
            rows, sound = as_read(shard.vectors[at])
            vectors, places = _roomy(vectors, rows), absent[places[sound]]
            vectors[places], found[places] = rows[sound], True
            shard.touch()
        return vectors, found

    def _tidy(self, key: str, grown: bool = False, since: float = 0) -> None:
        """Merge small shards, and shrink what has `grown`; or leave it to who does so now."""
        folder = self._folder(key)
        if not folder.is_dir():
            return
        with suppress(Timeout), FileLock(self.folder / ".lock", timeout=0):
            merge_shards(folder, MERGE_AT)
            if grown:
                self._shrink(min(since, time.time() - IN_USE_SECONDS))

    def _shrink(self, since: float) -> None:
        """Remove the shards of no use for longest, down to the limit; none used after `since`."""
        files = sorted(self._files(), key=lambda file: file[2])
        excess = sum(bytes_ for _, bytes_, _ in files) - self.limit
        for path, bytes_, used in files:
            if excess <= 0 or used > since:
                break
            remove(path)
            excess -= bytes_
        for draft in self.folder.glob("*/.*"):
            with suppress(FileNotFoundError):
                if time.time() - draft.stat().st_mtime > DRAFT_SECONDS:
                    remove(draft)

    def _files(self) -> list[tuple[Path, int, float]]:
        """Each shard, its bytes and the time of its last use."""
        found = []
        for path in self.folder.glob("*/*.npy"):
            with suppress(FileNotFoundError):
                state = path.stat()
                found.append((path, state.st_size, state.st_mtime))
        return found


def _text_numbers(texts: Sequence[str]) -> np.ndarray:
    return np.fromiter((xxhash.xxh3_64_intdigest(t.encode("utf-8")) for t in texts), np.uint64)


def _is_first(numbers: np.ndarray) -> np.ndarray:
    """For each, whether none before it is the same."""
    first = np.zeros(len(numbers), bool)
    first[np.unique(numbers, return_index=True)[1]] = True
    return first


def _roomy(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """`vectors`, with as many columns as `rows` has: their number shows with the first ones."""
    if vectors.shape[1]:
        return vectors
    return np.empty((len(vectors), rows.shape[1]), np.float32)
