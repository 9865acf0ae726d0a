"""Embeddings on disk, per text: whoever encodes a text with the same model again reads it here.

A folder per encoder key holds shards, each one .npy file of (text id, vector) records, written
beside and renamed. No text is kept, so that visitors may share the folder.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xxhash

from e5demo.jobs import Progress, silent
from e5demo.retrieval.encoder import Encoder, Role, slices_by_length
from e5demo.workspace import write_npy


class EmbeddingCache:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def missing(self, encoder: Encoder, role: Role, texts: Sequence[str]) -> list[str]:
        """The texts, each once, that would have to be encoded."""
        known = self._read(encoder.key(role)).keys()
        return [text for text in dict.fromkeys(texts) if _text_number(text) not in known]

    def encode(
        self, encoder: Encoder, role: Role, texts: Sequence[str], progress: Progress = silent
    ) -> tuple[np.ndarray, int]:
        """Vectors of `texts` (float32, a row each) and how many texts were found in the cache.

        What is encoded is kept slice by slice, so that a stopped run loses little.
        """
        missing = self.missing(encoder, role, texts)
        weight, done = sum(map(len, missing)), 0
        for positions in slices_by_length(missing):
            progress("encode", done, weight)
            part = [missing[i] for i in positions]
            self._write(encoder.key(role), part, encoder.encode(part, role))
            done += sum(map(len, part))
        if missing:
            progress("encode", weight, weight)
        known = self._read(encoder.key(role))
        numbers = [_text_number(text) for text in texts]
        vectors = np.stack([known[number] for number in numbers])
        absent = {_text_number(text) for text in missing}
        return vectors, sum(number not in absent for number in numbers)

    def size(self) -> int:
        """Bytes on disk."""
        return sum(p.stat().st_size for p in self.folder.rglob("*.npy"))

    def _shards(self, key: str) -> Path:
        return self.folder / xxhash.xxh3_64_hexdigest(key.encode())

    def _write(self, key: str, texts: Sequence[str], vectors: np.ndarray) -> None:
        record = np.dtype([("text", "<u8"), ("vector", "<f4", vectors.shape[1])])
        shard = np.empty(len(texts), record)
        shard["text"] = [_text_number(text) for text in texts]
        shard["vector"] = vectors
        write_npy(self._shards(key) / f"{secrets.token_hex(8)}.npy", shard)

    def _read(self, key: str) -> dict[int, np.ndarray]:
        known: dict[int, np.ndarray] = {}
        for path in sorted(self._shards(key).glob("*.npy")):
            shard = np.load(path, mmap_mode="r", allow_pickle=False)
            known.update(zip(shard["text"].tolist(), shard["vector"], strict=True))
        return known


def _text_number(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8"))
