"""The study's data: pairs and splits, what is searched, and scores of vectors."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from e5demo.config import SplitSettings
from e5demo.data.corpus import Corpus, Queries, make_corpus, make_queries
from e5demo.data.pairs import make_pairs
from e5demo.data.reading import read_table
from e5demo.data.splits import draw_plain
from e5demo.evaluation.comparison import Interval
from e5demo.evaluation.metrics import score_run
from e5demo.evaluation.runs import DEPTH, make_run
from e5demo.retrieval.search import Ranking, top
from e5demo.training.estimate import in_bf16
from e5demo.training.recipe import TrainingSettings


@dataclass(frozen=True)
class News:
    """Pairs of a file and the notebook's split of them.

    The corpus is every article, or for a quicker score those of validation and test.
    """

    pairs: pd.DataFrame
    parts: pd.Series
    without_train: bool = False

    @classmethod
    def read(cls, path: Path, without_train: bool = False) -> "News":
        pairs = make_pairs(read_table(path)).kept
        return cls(pairs, draw_plain(len(pairs), SplitSettings(mode="notebook")), without_train)

    @cached_property
    def corpus(self) -> Corpus:
        searched = self.pairs
        if self.without_train:
            searched = searched[(self.parts != "train").to_numpy()]
        return make_corpus(searched, self.parts, "all")

    @cached_property
    def train(self) -> pd.DataFrame:
        return self.pairs[(self.parts == "train").to_numpy()].reset_index(drop=True)

    def queries(self, split: str, limit: int | None = None) -> Queries:
        return make_queries(self.pairs, self.parts, self.corpus, split=split, limit=limit)


def encode(model: Any, texts: list[str], role: str, max_length: int) -> np.ndarray:
    """Unit vectors, float32 of shape (texts, dimensions); computed in bf16 where there is some."""
    import torch

    model.max_seq_length = max_length
    cuda, bf16 = model.device.type == "cuda", in_bf16(TrainingSettings(bf16=True))
    call = model.encode_query if role == "query" else model.encode_document
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        vectors = call(
            texts,
            batch_size=256 if cuda else 16,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_tensor=True,
        )
    vectors = torch.nn.functional.normalize(vectors.float(), dim=1)
    return vectors.cpu().numpy()


def rankings(asked: np.ndarray, passages: np.ndarray, depth: int = DEPTH) -> list[Ranking]:
    return [top(passages @ one, depth) for one in asked]


def score(found: list[Ranking], queries: Queries, corpus: Corpus) -> pd.DataFrame:
    """As `metrics.score_run`, at 1, 5 and 10."""
    return score_run(make_run(list(queries.texts), found, corpus), queries.qrels)


def with_interval(found: Interval) -> str:
    """A difference and its 95% interval."""
    return f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
