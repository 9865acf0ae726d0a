"""How fast passages are encoded: our engine against the recipe's call, taking turns.

    python benchmarks/bench_encode.py [NEWS.csv] [--passages 64] [--rounds 3] [--quality N]
                                      [--json FILE]

The recipe's call is `SentenceTransformer.encode` in batches of 64, in float32, up to 512 tokens.
Without a path the sample is read. First the float32 peak of the cores is measured, by a large
product of matrices in torch. Each round runs the recipe and each of our sides once; a ratio is the
median of the rounds' own, so that a machine's slow minute weighs on both. The ratio of processor
seconds is told beside, for a machine on which others work too. With --quality N titles
search N articles besides, by each side's vectors.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measured import ROOT, machine, table, tell

sys.path.insert(0, str(ROOT))
from e5demo.config import PROMPTS, SAMPLE, EvaluationSettings
from e5demo.retrieval import compiled, models
from e5demo.retrieval.encoder import E5Encoder, slices_by_length

LIBRARIES = ("torch", "sentence-transformers", "transformers", "openvino")
COLUMNS = {
    "side": ("side", None),
    "passages_per_second": ("passages/s", 2),
    "ratio": ("ratio", 2),
    "processor_ratio": ("of processor s", 2),
    "gflops": ("GFLOP/s", 0),
    "of_peak": ("% of peak", 0),
    "least_cosine": ("least cosine", 5),
    "query": ("query, ms", 1),
    "recall@10": ("recall@10", 4),
    "ndcg@10": ("ndcg@10", 4),
}
MFLOP_PER_TOKEN = 42.6  # one token through the 12 layers: 21.3 million weights, twice
QUERIES_TIMED = 50
K = 10


def main() -> None:
    options = _parser().parse_args()
    titles, passages = read_pairs(options.csv or SAMPLE, max(options.passages, options.quality))
    default = EvaluationSettings().max_length
    lengths = sorted({512, 256, 128, default}, reverse=True)
    sides: dict[str, Any] = {"recipe": Recipe()}
    sides |= {f"engine {length}": E5Encoder(models.base_model(), length) for length in lengths}
    report = {
        "machine": machine(*LIBRARIES),
        "default_max_length": default,
        "passages": options.passages,
    }
    report |= {"peak_gflops": peak_gflops(), "backend": sides[f"engine {default}"].backend}
    for side in sides.values():
        side.load()
        encode_all(side, passages[:8])
    report["sides"] = speeds(sides, passages[: options.passages], options.rounds)
    report["query_milliseconds"] = {
        name: query_milliseconds(side, titles) for name, side in sides.items()
    }
    if options.quality:
        for name, found in quality(sides, titles, passages, options.quality).items():
            report["sides"][name] |= found
    told = (
        f"{report['passages']} passages, backend {report['backend']}, float32 peak "
        f"{report['peak_gflops']:.0f} GFLOP/s, default length {default}"
    )
    tell(report, f"{told}\n\n{table(COLUMNS, rows_of(report))}", options.json)


class Recipe:
    """The notebook's call."""

    def load(self) -> None:
        self.model = models.load(models.base_model())
        self.model.max_seq_length = 512

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        prompted = [PROMPTS[role] + text for text in texts]
        return self.model.encode(
            prompted, prompt="", batch_size=64, normalize_embeddings=True, show_progress_bar=False
        )


def read_pairs(path: Path, count: int) -> tuple[list[str], list[str]]:
    """Titles and articles, drawn with a fixed seed."""
    import pandas as pd

    frame = pd.read_csv(path).dropna(subset=["Titre", "Contenu"])
    frame = frame.drop_duplicates("Contenu").drop_duplicates("Titre")
    frame = frame.sample(min(count, len(frame)), random_state=0)
    return frame["Titre"].tolist(), frame["Contenu"].tolist()


def peak_gflops(size: int = 2048, rounds: int = 8) -> float:
    """The best of some float32 products."""
    import torch

    torch.set_num_threads(compiled.threads())
    left, right = torch.randn(size, size), torch.randn(size, size)
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e9


def encode_all(side: Any, texts: Sequence[str], role: str = "document") -> np.ndarray:
    """The recipe in one call, ours in slices as the cache of vectors asks for them."""
    if isinstance(side, Recipe):
        return side.encode(texts, role)
    parts = [(places, side.encode([texts[i] for i in places], role))
             for places in slices_by_length(texts)]  # fmt: skip
    vectors = np.empty((len(texts), parts[0][1].shape[1]), np.float32)
    for places, part in parts:
        vectors[places] = part
    return vectors


def speeds(sides: dict[str, Any], passages: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Of each side: medians of the rounds."""
    took: dict[str, list[float]] = {name: [] for name in sides}
    worked: dict[str, list[float]] = {name: [] for name in sides}
    vectors = {}
    for number in range(rounds):
        for name, side in sides.items():
            began, worked_before = time.perf_counter(), time.process_time()
            vectors[name] = encode_all(side, passages)
            took[name].append(time.perf_counter() - began)
            worked[name].append(time.process_time() - worked_before)
            print(f"round {number + 1}: {name} {took[name][-1]:.1f} s", file=sys.stderr, flush=True)
    figures = {}
    for name, seconds in took.items():
        count = tokens(sides[name], passages)
        median = statistics.median(seconds)
        figures[name] = {
            "tokens": count,
            "passages_per_second": len(passages) / median,
            "ratio": _ratio(took["recipe"], seconds),
            "processor_ratio": _ratio(worked["recipe"], worked[name]),
            "gflops": count * MFLOP_PER_TOKEN / 1e3 / median,
            "least_cosine": float((vectors[name] * vectors["recipe"]).sum(axis=1).min()),
        }
    return figures


def _ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def tokens(side: Any, passages: Sequence[str]) -> int:
    """Without padding."""
    tokenizer = side.model.tokenizer
    length = side.model.max_seq_length
    prompted = [PROMPTS["document"] + text for text in passages]
    return sum(map(len, tokenizer(prompted, truncation=True, max_length=length)["input_ids"]))


def query_milliseconds(side: Any, titles: Sequence[str]) -> float:
    """One title at a time: the median."""
    took = []
    for title in titles[:QUERIES_TIMED]:
        began = time.perf_counter()
        side.encode([title], "query")
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


def quality(
    sides: dict[str, Any], titles: list[str], passages: list[str], count: int
) -> dict[str, dict[str, float]]:
    """recall@10 and ndcg@10 of the first `count` titles in their own articles."""
    figures = {}
    for name, side in sides.items():
        print(f"quality: {name} …", file=sys.stderr, flush=True)
        queries = encode_all(side, titles[:count], "query")
        scores = queries @ encode_all(side, passages[:count]).T
        ranks = (scores > np.diag(scores)[:, None]).sum(axis=1)
        gains = np.where(ranks < K, 1 / np.log2(ranks + 2.0), 0)
        figures[name] = {"recall@10": float((ranks < K).mean()), "ndcg@10": float(gains.mean())}
    return figures


def rows_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"side": name, "query": report["query_milliseconds"][name]}
        | side
        | {"of_peak": 100 * side["gflops"] / report["peak_gflops"]}
        for name, side in report["sides"].items()
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path, nargs="?", help="else the sample")
    parser.add_argument("--passages", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quality", type=int, metavar="N", default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    main()
