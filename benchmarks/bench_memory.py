"""How much memory the search takes: four retrievers over 41,000 articles, and LoRA models.

    python benchmarks/bench_memory.py [--articles 41000] [--models 4] [--json FILE]

The retrievers are BM25, E5, a LoRA model and their fusion; then more LoRA models are opened. The
articles are of made-up words, and their vectors are drawn and not encoded: a number takes the same
room whatever it is. What is measured is the process in which the page searches, less the page
itself: memory of its own (anonymous), and all that is resident, where pages of mapped files count
that the system can take back.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measured import ROOT, machine, table, tell

sys.path.insert(0, str(ROOT))
COLUMNS = {
    "open": ("open by then", None),
    "own_mb": ("of its own, MB", 0),
    "resident_mb": ("resident, MB", 0),
}
WORDS = 200  # of an article


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--articles", type=int, default=41_000)
    parser.add_argument("--models", type=int, default=4, help="LoRA models")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        for row in measure(options):
            print(json.dumps(row), flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_adapters(Path(folder), options.models)
        command = [sys.executable, __file__, "--folder", folder, "--models", str(options.models),
                   "--articles", str(options.articles)]  # fmt: skip
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    report = {"machine": machine("openvino", "torch", "faiss-cpu"), "rows": rows}
    tell(report, table(COLUMNS, rows), options.json)


def make_adapters(folder: Path, count: int) -> None:
    """LoRA models as training saves them, converted ahead as a training's evaluation does it.

    An adapter begins as no change at all: its weights are drawn, so that each has its own vectors.
    """
    import torch

    from e5demo.retrieval.encoder import E5Encoder
    from e5demo.retrieval.models import base_model
    from e5demo.training.recipe import make_recipe
    from e5demo.training.worker import prepare_model, save_weights

    E5Encoder(base_model()).load()
    for number in range(count):
        settings = make_recipe("lora", "quick", seed=number)
        model = prepare_model(base_model(), settings)
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.02)
        save_weights(model, settings, folder / str(number))
        E5Encoder(_lora(folder, number)).load()


def measure(options: argparse.Namespace) -> Any:
    """A row after each step, in a process that has done nothing else."""
    import xxhash

    from e5demo.retrieval.engine import Engine
    from e5demo.retrieval.shards import write_shard

    articles = made_up(options.articles)
    engine = Engine(options.folder / "embeddings")
    corpus = corpus_of(articles)
    sources = [None, *(_lora(options.folder, number) for number in range(options.models))]
    draw = np.random.default_rng(0)
    numbers = np.array([xxhash.xxh3_64_intdigest(text.encode()) for text in articles], np.uint64)
    for source in sources:
        vectors = draw.standard_normal((len(articles), 384), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        key = engine.encoder(192, source).key("document")
        folder = engine.cache.folder / xxhash.xxh3_64_hexdigest(key.encode())
        write_shard(folder, numbers, vectors.astype(np.float16))
    del vectors
    yield row("the articles")
    for name, source in (("bm25", None), ("baseline", None), ("baseline", sources[1]),
                         ("fusion", sources[1])):  # fmt: skip
        found = engine.retriever(name, corpus, 192, tuned=source)
        found.search(["la baleine dans le port"], 10)
        label = name if source is None else f"{name} (LoRA 1)"
        yield row(f"+ {label}")
    for number, source in enumerate(sources[2:], start=2):
        engine.retriever("baseline", corpus, 192, tuned=source).search(["une question"], 10)
        yield row(f"+ LoRA {number}")


def made_up(count: int) -> list[str]:
    draw = np.random.default_rng(1)
    words = np.array([f"mot{number}" for number in range(50_000)])
    ranks = np.minimum(draw.zipf(1.3, (count, WORDS)) - 1, len(words) - 1)
    return [f"{number} " + " ".join(words[row]) for number, row in enumerate(ranks)]


def corpus_of(articles: Sequence[str]) -> Any:
    import pandas as pd

    from e5demo.data.corpus import Corpus

    index = pd.Index([f"p{number:06}" for number in range(len(articles))], name="passage_id")
    empty = dict.fromkeys(("date", "agency", "url"))
    return Corpus(pd.DataFrame({"row": 0, "title": "", "passage": articles} | empty, index))


def _lora(folder: Path, number: int) -> Any:
    from e5demo.retrieval.models import ModelSource, base_model

    return ModelSource(f"lora-{number}", base_model().folder, "tuned",
                       folder / str(number) / "adapter")  # fmt: skip


def row(open_by_then: str) -> dict[str, Any]:
    import psutil

    memory = psutil.Process(os.getpid()).memory_info()
    shared = getattr(memory, "shared", 0)
    return {
        "open": open_by_then,
        "own_mb": (memory.rss - shared) / 1e6,
        "resident_mb": memory.rss / 1e6,
    }


if __name__ == "__main__":
    main()
