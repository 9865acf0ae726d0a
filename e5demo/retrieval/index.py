"""Vectors searched by inner product, in FAISS: exact up to FLAT_MOST, approximate beyond."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil, sqrt
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Literal

import faiss
import numpy as np

from e5demo.config import Precision
from e5demo.retrieval.shards import STORED, as_read

# Fetched beyond k, so that a tie over the last place is settled by id and not by FAISS; where more
# than these tie, all are fetched.
TIE_MARGIN = 16
THREADS = faiss.omp_get_max_threads()
METRIC = faiss.METRIC_INNER_PRODUCT
IndexKind = Literal["flat", "ivf"]
Read = Callable[[np.ndarray], np.ndarray]  # positions, ascending, to float32 rows of unit length
# Measured on two busy cores (benchmarks/bench_index_scale.py): flat asks 1,000,000 vectors in 104
# ms, and as much less as there are fewer.
FLAT_MOST = 200_000
BATCH = 32_768  # vectors read at once; 50 MB of E5's
# Cells and probes at 1,000,000 vectors: 1,024 cells that compare by inner product find 0.979 of
# what flat finds for titles in an eighth of them, 2,000 that compare by distance 0.998. To train
# 4,096 took longer than all of the building does now.
CELLS = 2  # times the root of the number of vectors
PROBED = 8  # an eighth of the cells is looked at, or more where that finds too little
TRAINED = 100_000  # vectors at most of which cells and extremes are found
TRAINED_PER_CELL = 40  # FAISS asks for 39
TRAINING_ROUNDS = 5
QUESTIONS = 200  # vectors that ask for their neighbours, to know the recall
RECALL = 0.99  # of flat's first 10, wanted of them
RECALL_AT = 10


@dataclass(frozen=True)
class VectorIndex:
    """`flat` is exact. `ivf` is not: of its cells only the `probes` nearest to a query are looked
    at, where vectors are 8 bits a dimension; what is found is scored and ordered by the `stored`
    vectors (float16, on disk), so that a hit may be missing, but none has a wrong score or place.

    `recall_of_flat` is the mean share of the exact first 10 that a search for 10 finds, asked for
    vectors between those of the index (see `_Questions`); deeper ranks miss more. 1 for flat.
    """

    faiss: Any  # its index
    kind: IndexKind
    probes: int = 0
    stored: np.ndarray | None = None
    recall_of_flat: float = 1.0

    def search(
        self, vectors: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (float32) and positions of `k` hits per vector, best first.

        `k` is at most the number of vectors, or of those `allowed` (a bool each). The fewer are
        allowed, the more cells are looked at: all, where the nearest hold fewer than `k`.
        """
        # Faiss's threads alone as long as it is imported before torch: they would share them else.
        # For one query a second thread costs more than it does: 2.8 ms, not 0.9, for 20,000.
        faiss.omp_set_num_threads(1 if len(vectors) == 1 else THREADS)
        selector = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
        if self.stored is None:
            options = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
            return self.faiss.search(vectors, k, params=options)
        share = 1.0 if allowed is None else float(allowed.mean())
        positions = self._probe(vectors, k, min(self.cells, ceil(self.probes / share)), selector)
        few = np.flatnonzero(positions[:, -1] < 0)
        if len(few):
            positions[few] = self._probe(vectors[few], k, self.cells, selector)
        return _scored(self.stored, vectors, positions)

    @property
    def cells(self) -> int:
        return self.faiss.nlist

    def _probe(self, vectors: np.ndarray, k: int, probes: int, selector: Any) -> np.ndarray:
        """Positions of the `k` best by 8 bits in the nearest `probes` cells, -1 where fewer are."""
        options = faiss.SearchParametersIVF(sel=selector, nprobe=probes)  # type: ignore[call-arg]
        return self.faiss.search(vectors, k, params=options)[1]


def _scored(
    stored: np.ndarray, vectors: np.ndarray, positions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exact scores of what was found, and its positions, best first."""
    scores = np.empty(positions.shape, np.float32)
    for vector, score, position in zip(vectors, scores, positions, strict=True):
        for start in range(0, len(position), BATCH):
            rows = as_read(stored[position[start : start + BATCH]])[0]
            # Not rows @ vector: the sum of one row must not hang on where it stands, or equal
            # vectors would not tie.
            score[start : start + BATCH] = np.einsum("ij,j->i", rows, vector)
        order = np.argsort(-score)
        score[:], position[:] = score[order], position[order]
    return scores, positions


def build_index(
    read: Read,
    count: int,
    precision: Precision = "float32",
    kind: IndexKind | None = None,
    folder: Path | None = None,
) -> VectorIndex:
    """Of `count` vectors, of which a batch at a time is in memory beside the index.

    Without a `kind` it is flat up to FLAT_MOST vectors, and ivf beyond; that one also takes two
    bytes a dimension of disk, in a file without a name in `folder`, as long as it lives.
    """
    kind = kind or ("flat" if count <= FLAT_MOST else "ivf")
    if kind == "ivf":
        return _build_ivf(read, count, folder)
    dimensions = read(np.arange(1)).shape[1]
    index: faiss.Index = faiss.IndexFlatIP(dimensions)
    if precision != "float32":  # each dimension between its extremes
        index = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_8bit, METRIC)
        index.train(read(_sample(count, TRAINED)))
    for _, vectors in _batches(read, count):
        index.add(vectors)
    return VectorIndex(index, "flat")


def _build_ivf(read: Read, count: int, folder: Path | None) -> VectorIndex:
    cells = max(1, min(round(CELLS * sqrt(count)), count // TRAINED_PER_CELL))
    faiss.omp_set_num_threads(THREADS)
    trained = read(_sample(count, min(TRAINED, cells * TRAINED_PER_CELL)))
    questions, dimensions = _Questions(trained), trained.shape[1]
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatL2(dimensions), dimensions, cells, faiss.ScalarQuantizer.QT_8bit
    )
    index.cp.niter = TRAINING_ROUNDS
    index.train(trained)
    del trained
    with TemporaryFile(dir=folder) as file:
        for start, vectors in _batches(read, count):
            index.add(vectors)
            questions.look_at(start, vectors)
            file.write(vectors.astype(STORED).data)
        file.flush()
        stored = np.memmap(file, STORED, "r", shape=(count, dimensions))
    probes = ceil(cells / PROBED)
    while True:
        found = VectorIndex(index, "ivf", probes, stored)
        recall = questions.recall(found)
        if recall >= RECALL or probes == cells:
            return replace(found, recall_of_flat=recall)
        probes = min(2 * probes, cells)


class _Questions:
    """Vectors between those of an index, and their exact first 10 among those looked at.

    A vector itself would be too easy a question: it lies in the middle of what answers it.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        pairs = np.random.default_rng(0).integers(0, len(vectors), (QUESTIONS, 2))
        between = vectors[pairs[:, 0]] + vectors[pairs[:, 1]]
        self.vectors = between / np.linalg.norm(between, axis=1, keepdims=True)
        self.scores = np.empty((QUESTIONS, 0), np.float32)
        self.positions = np.empty((QUESTIONS, 0), np.int64)

    def look_at(self, start: int, vectors: np.ndarray) -> None:
        """`vectors` are those from position `start` on."""
        scores = np.hstack([self.scores, self.vectors @ vectors.T])
        there = np.broadcast_to(np.arange(start, start + len(vectors)), (QUESTIONS, len(vectors)))
        positions = np.hstack([self.positions, there])
        kept = np.argpartition(-scores, min(RECALL_AT, scores.shape[1]) - 1)[:, :RECALL_AT]
        self.scores = np.take_along_axis(scores, kept, 1)
        self.positions = np.take_along_axis(positions, kept, 1)

    def recall(self, index: VectorIndex) -> float:
        wanted = self.positions.shape[1]
        most = min(wanted + TIE_MARGIN, index.faiss.ntotal)  # as a retriever asks
        found = index.search(self.vectors, most)[1][:, :wanted]
        return float(
            np.mean([np.isin(*two).mean() for two in zip(self.positions, found, strict=True)])
        )


def _batches(read: Read, count: int) -> Iterator[tuple[int, np.ndarray]]:
    """First position and vectors of each batch."""
    for first in range(0, count, BATCH):
        yield first, read(np.arange(first, min(first + BATCH, count)))


def _sample(count: int, most: int) -> np.ndarray:
    """Positions, ascending: all, or `most` of them."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))
