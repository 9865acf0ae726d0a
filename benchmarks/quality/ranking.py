"""What the retrievers are made of: BM25's settings, the weights of fusion and of late interaction,
vectors of fewer dimensions and bits.

    python benchmarks/quality/ranking.py NEWS.csv [--other NEWS.csv] [--model FOLDER] [--queries N]
                                         [--max-length N] [--only TABLE ...] [--out FILE]

The validation titles of NEWS look for their article among all of NEWS; so do all titles of the
other file, which shows whether what was chosen on the one is good for the other. The test split is
not read. Differences are to the first row of each table.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from measured import machine, table
from quality.news import News, rankings, score, with_interval
from quality.projections import components, supervised

from e5demo.data.corpus import Queries
from e5demo.evaluation.comparison import paired_difference
from e5demo.retrieval import fusion, late, lexical
from e5demo.retrieval.engine import Engine
from e5demo.retrieval.index import build_index
from e5demo.retrieval.models import ModelSource, base_model, local_model
from e5demo.retrieval.reduction import REDUCTION, Reduction
from e5demo.retrieval.search import Ranking, top, unit
from e5demo.training.reranking import tokens_source
from e5demo.workspace import write_json

DEPTH = 10
LEADS = (0, 20, 40, 60)
WIDEST = 5.0  # behind the first hit's score
COLUMNS = {
    "data": ("data", None),
    "table": ("table", None),
    "way": ("way", None),
    "recall@10": ("recall@10", 4),
    "ndcg@10": ("ndcg@10", 4),
    "told": ("ndcg@10 against the table's first", None),
}
Way = tuple[str, list[Ranking]]


@dataclass(frozen=True)
class Bench:
    """One file, its titles, and retrievers of its articles by one model."""

    news: News
    queries: Queries
    engine: Engine
    model: ModelSource
    length: int

    @property
    def texts(self) -> list[str]:
        return list(self.queries.texts.values())

    def retriever(self, name: str) -> Any:
        corpus = self.news.corpus
        return self.engine.retriever(name, corpus, self.length, told, tuned=self.model)

    def vectors(self, texts: list[str], role: Any) -> np.ndarray:
        encoder = self.engine.encoder(self.length, self.model)
        return self.engine.cache.encode(encoder, role, texts, told)[0]


def bm25(bench: Bench) -> Iterator[Way]:
    chosen = lexical.K1, lexical.B, lexical.LEAD
    others = [(*pair, n) for pair in ((1.5, 0.75), (1.2, 0.75), (1.0, 0.5)) for n in LEADS]
    for k1, b, lead in [chosen, *(way for way in others if way != chosen)]:
        with patch.multiple(lexical, K1=k1, B=b, LEAD=lead):
            found = lexical.BM25Retriever(bench.news.corpus).search(bench.texts, DEPTH)
        yield f"k1 {k1}, b {b}, first {lead} twice", found


def fused(bench: Bench) -> Iterator[Way]:
    retriever = bench.retriever("fusion")
    retriever.prepare(bench.texts, told)
    members = [member.search(bench.texts, fusion.DEPTH) for member in retriever.members]
    yield "E5 alone", [top(r.scores, DEPTH, r.positions) for r in members[1]]
    pairs = list(zip(*members, strict=True))
    yield "reciprocal ranks (k = 60)", [_reciprocal(pair) for pair in pairs]
    for weight in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0):
        yield f"BM25 at {weight}", [fusion.fuse(pair, (weight, 1.0), DEPTH) for pair in pairs]


def reranked(bench: Bench) -> Iterator[Way]:
    retriever = bench.retriever("rerank")
    hits = retriever.fusion.search(bench.texts, late.RERANKED)
    yield "the fusion", hits
    with patch.object(late, "WITHIN", WIDEST):
        retriever.prepare(bench.texts, told)
    for within in (2.0, 3.0, 4.0, WIDEST):
        with patch.object(late, "WITHIN", within):
            read = np.mean([len(late.contenders(ranking)) for ranking in hits])
            for retriever.weight in (10, 20, 30, 40, 60, 80, 100, 130):
                way = f"within {within} ({read:.1f} articles a title), weight {retriever.weight}"
                yield way, retriever.search(bench.texts, DEPTH)


def vectors(bench: Bench) -> Iterator[Way]:
    """Projections learn from NEWS' train split: its articles, or its pairs; "learned" is what the
    model was trained with, where its training is the folder's parent."""
    passages = bench.vectors(bench.news.corpus.passages, "document")
    asked = bench.vectors(bench.texts, "query")
    yield "whole", rankings(asked, passages, DEPTH)
    yield "int8", in_bytes(asked, passages)
    learned = bench.model.folder.parent / REDUCTION
    if learned.is_file():
        reduction = Reduction.read(learned)
        pair = reduction.apply(asked), reduction.apply(passages)
        yield f"learned {pair[0].shape[1]}", rankings(*pair, DEPTH)
        yield f"learned {pair[0].shape[1]}, int8", in_bytes(*pair)
    train = bench.news.train
    if train.empty:
        return
    own = bench.vectors(train["passage"].tolist(), "document")
    titles = bench.vectors(train["query"].tolist(), "query")
    mean, axes = components(own)
    for size in (256, 128, 64):
        found = supervised(titles - mean, own - mean, axes[:, :size])
        for name, small_asked, small in (
            ("the first", asked[:, :size], passages[:, :size]),
            ("principal", (asked - mean) @ axes[:, :size], (passages - mean) @ axes[:, :size]),
            ("supervised", (asked - mean) @ found, (passages - mean) @ found),
        ):
            pair = unit(small_asked), unit(small)
            yield f"{name} {size}", rankings(*pair, DEPTH)
            yield f"{name} {size}, int8", in_bytes(*pair)


def in_bytes(asked: np.ndarray, passages: np.ndarray) -> list[Ranking]:
    """By the app's index of int8 vectors."""
    index = build_index(lambda places: passages[places], len(passages), "int8")
    return [Ranking(at, scores) for scores, at in zip(*index.search(asked, DEPTH), strict=True)]


TABLES: dict[str, Callable[[Bench], Iterator[Way]]] = {
    "bm25": bm25,
    "fused": fused,
    "reranked": reranked,
    "vectors": vectors,
}


def main() -> None:
    options = _parser().parse_args()
    model = tuned_model(options.model) if options.model else base_model()
    benches = {}
    with TemporaryDirectory() as scratch:
        engine = Engine(options.embeddings or Path(scratch), lambda: model)
        for path in filter(None, (options.csv, options.other)):
            news = News.read(path)
            asked = "validation"
            if path == options.other:
                news, asked = News(news.pairs, pd.Series("all", index=news.pairs.index)), "all"
            queries = news.queries(asked, options.queries)
            benches[path.name] = Bench(news, queries, engine, model, options.max_length)
        rows = [
            row
            for name, bench in benches.items()
            for kind in options.only or TABLES
            for row in measured(name, kind, bench)
        ]
    report = {"machine": machine("bm25s", "openvino"), "length": options.max_length, "rows": rows}
    if options.out:
        write_json(options.out, report)
    print(table(COLUMNS, rows))
    print(json.dumps(report))


def tuned_model(folder: Path) -> ModelSource:
    """With the tokens that were trained beside it, if they were."""
    return replace(local_model(folder, "tuned"), tokens=tokens_source(folder.parent, base_model()))


def measured(data: str, kind: str, bench: Bench) -> Iterator[dict[str, Any]]:
    first = None
    for way, found in TABLES[kind](bench):
        scores = score(found, bench.queries, bench.news.corpus)
        row = {"data": data, "table": kind, "way": way}
        row |= {name: float(scores[name].mean()) for name in ("recall@10", "ndcg@10")}
        if first is not None:
            row["told"] = with_interval(paired_difference(first, scores["ndcg@10"]))
        first = scores["ndcg@10"] if first is None else first
        told(f"{data} {kind} {way}: {row['ndcg@10']:.4f}", 0, 0)
        yield row


def told(what: str, done: int, of: int) -> None:
    """Progress, a line for each thousand."""
    if not done % 1000:
        print(what, done, of, file=sys.stderr, flush=True)


def _reciprocal(pair: tuple[Ranking, ...]) -> Ranking:
    """Cormack, Clarke and Büttcher 2009."""
    positions = np.unique(np.concatenate([ranking.positions for ranking in pair]))
    total = np.zeros(len(positions))
    for ranking in pair:
        places = np.searchsorted(positions, ranking.positions)
        total[places] += 1 / (60 + np.arange(1, len(places) + 1))
    return top(total, DEPTH, positions)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--queries", type=int)
    parser.add_argument("--max-length", type=int, default=192)
    parser.add_argument("--only", nargs="*", choices=TABLES)
    parser.add_argument("--embeddings", type=Path, help="a folder to keep vectors in")
    parser.add_argument("--out", type=Path)
    return parser


if __name__ == "__main__":
    main()
