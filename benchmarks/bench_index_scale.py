"""How many vectors an index holds: time to build, memory, time per query, recall against flat.

    python benchmarks/bench_index_scale.py [NEWS.csv] [--vectors 1000000] [--json FILE]

Real passages are encoded and each is jittered, in random directions, to a cosine of 0.95 with its
source until there are as many vectors as wanted. The queries are real titles, asked one at a time
for their first 10. Without a CSV the sample is taken, whose few passages make thicker clouds. Each
index is built and asked in a process of its own. Linux and macOS only, as `resource` is.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measured import ROOT, machine, table, tell

# Nothing heavier is imported here: on Linux a child's peak memory starts at its parent's.
sys.path.insert(0, str(ROOT))
COSINE = 0.95
BATCH = 20_000
K = 10
COLUMNS = {
    "index": ("index", None),
    "build_seconds": ("build, s", 0),
    "index_mb": ("index, MB", 0),
    "disk_mb": ("beside it on disk, MB", 0),
    "peak_mb": ("peak memory, MB", 0),
    "p50_ms": ("p50, ms", 2),
    "p95_ms": ("p95, ms", 2),
    "recall": ("recall@10 of flat", 4),
    "recall_of_flat": ("as it knows itself", 4),
}


def encode(folder: Path, options: argparse.Namespace) -> None:
    """Passages and titles, as `passages.npy` and `titles.npy`; each title at most once."""
    from e5demo.backend import Backend
    from e5demo.retrieval.engine import Engine
    from e5demo.workspace import Workspace, embeddings

    backend = Backend(Workspace.local(), Engine(embeddings()))
    dataset = backend.resolve(options.csv) if options.csv else backend.sample()
    encoder = backend.engine.encoder(options.max_length)
    pairs = dataset.pairs.head(options.passages)
    texts = {
        "passages": ("document", pairs["passage"].drop_duplicates().tolist()),
        "titles": ("query", pairs["query"].drop_duplicates().head(options.queries).tolist()),
    }
    for name, (role, chosen) in texts.items():
        np.save(folder / f"{name}.npy", backend.engine.cache.encode(encoder, role, chosen)[0])


def jitter(folder: Path, count: int) -> None:
    """`count` vectors around the passages, as `vectors.npy` in float16."""
    draw = np.random.default_rng(0)
    sources = np.load(folder / "passages.npy")
    shape = (count, sources.shape[1])
    made = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float16, shape)
    for start in range(0, count, BATCH):
        near = sources[draw.integers(0, len(sources), min(BATCH, count - start))]
        away = draw.standard_normal(near.shape, dtype=np.float32)
        away -= np.einsum("ij,ij->i", away, near)[:, None] * near
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        made[start : start + BATCH] = COSINE * near + np.sqrt(1 - COSINE**2) * away


def measure(folder: Path, kind: str) -> dict[str, Any]:
    """Build one index and ask it, in this process; its hits go to a file beside."""
    from e5demo.retrieval.index import TIE_MARGIN, VectorIndex, build_index
    from e5demo.retrieval.shards import as_read

    def read(places: np.ndarray) -> np.ndarray:
        # Mapped anew, or what was read would stay in this process's memory.
        return as_read(np.load(folder / "vectors.npy", mmap_mode="r")[places])[0]

    count = len(np.load(folder / "vectors.npy", mmap_mode="r"))
    titles = np.load(folder / "titles.npy")
    began = time.perf_counter()
    if kind == "hnsw":
        index = VectorIndex(hnsw(read, count), "flat", recall_of_flat=float("nan"))
    else:
        index = build_index(read, count, kind=kind, folder=folder)
    built = time.perf_counter() - began
    took, hits = [], []
    for title in [*titles[:5], *titles]:  # the first ones warm up
        began = time.perf_counter()
        _, positions = index.search(title[None], K + TIE_MARGIN)
        took.append(1000 * (time.perf_counter() - began))
        hits.append(positions[0, :K])
    np.save(folder / f"hits-{kind}.npy", hits[5:])
    p50, p95 = np.percentile(took[5:], (50, 95))
    return {
        "kind": kind,
        "build_seconds": built,
        "index_mb": memory(index.faiss) / 1e6,
        "disk_mb": 0 if index.stored is None else index.stored.nbytes / 1e6,
        "peak_mb": peak_mb(),
        "p50_ms": p50,
        "p95_ms": p95,
        "recall_of_flat": index.recall_of_flat,
        "cells": getattr(index.faiss, "nlist", None),
        "probes": index.probes or None,
    }


def hnsw(read: Any, count: int) -> Any:
    """The graph that could take the cells' place, of 8-bit vectors too."""
    import faiss

    index = faiss.IndexHNSWSQ(
        read(np.arange(1)).shape[1], faiss.ScalarQuantizer.QT_8bit, 32, faiss.METRIC_INNER_PRODUCT
    )
    index.hnsw.efConstruction, index.hnsw.efSearch = 80, 128
    index.train(read(np.arange(min(count, 100_000))))
    for start in range(0, count, BATCH):
        index.add(read(np.arange(start, min(start + BATCH, count))))
    return index


def memory(index: Any) -> int:
    """Bytes, as they would be written."""
    import faiss

    writer = faiss.PyCallbackIOWriter(lambda part: sizes.append(len(part)))
    sizes: list[int] = []
    faiss.write_index(index, writer)
    return sum(sizes)


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def apart(step: str, folder: Path, options: argparse.Namespace) -> str:
    """What a fresh process prints that does one step."""
    command = [sys.executable, __file__, *([options.csv] if options.csv else []), "--step", step]
    for name in ("vectors", "passages", "queries", "max_length"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    command += ["--folder", str(folder)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def run(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), []
        for step in ("encode", "jitter"):
            print(f"{step} …", file=sys.stderr, flush=True)
            apart(step, folder, options)
        told = {
            "vectors": options.vectors,
            "passages": len(np.load(folder / "passages.npy", mmap_mode="r")),
            "queries": len(np.load(folder / "titles.npy", mmap_mode="r")),
            "max_length": options.max_length,
        }
        for kind in ["flat", *(kind for kind in options.kinds if kind != "flat")]:
            print(f"{kind} …", file=sys.stderr, flush=True)
            row = json.loads(apart(kind, folder, options))
            hits, exact = (np.load(folder / f"hits-{k}.npy") for k in (kind, "flat"))
            shared = [np.isin(*two).mean() for two in zip(exact, hits, strict=True)]
            rows.append(row | {"recall": float(np.mean(shared))})
    return {"machine": machine("faiss-cpu", "numpy"), "data": told, "indexes": rows}


def rows_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    """With how many cells are looked at."""
    named = []
    for row in report["indexes"]:
        cells = f", {row['probes']} of {row['cells']} cells" if row["probes"] else ""
        named.append(row | {"index": f"{row['kind']}{cells}"})
    return named


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", nargs="?", help="a CSV, or a data set's id; else the sample")
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--passages", type=int, default=4_000, help="real ones, to be jittered")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--kinds", nargs="+", choices=("flat", "ivf", "hnsw"), default=["ivf"])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == "encode":
        encode(options.folder, options)
    elif options.step == "jitter":
        jitter(options.folder, options.vectors)
    elif options.step:
        print(json.dumps(measure(options.folder, options.step)))
    else:
        report = run(options)
        data = ", ".join(f"{name} {value:,}" for name, value in report["data"].items())
        tell(report, f"{data}\n\n{table(COLUMNS, rows_of(report))}", options.json)


if __name__ == "__main__":
    main()
