"""An experiment on disk: what was measured, on what, and the scores; never a bare number."""

import time
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import xxhash

from e5demo.config import prompts_of
from e5demo.errors import UnknownExperiment, UnreadableRecord
from e5demo.retrieval.late import LATE_LENGTH
from e5demo.workspace import (
    open_all,
    published_folder,
    read_json,
    recorded,
    unreadable,
    write_json,
    write_parquet,
)

LIBRARIES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "openvino",
    "faiss-cpu",
    "bm25s",
    "ir-measures",
)

EVALUATION = "experiment.json"
GROUND = ("data", "corpus", "queries")  # what must be the same for two to compare
# Raised where such retrievers rank otherwise than they did, so that older evaluations say so. 2:
# BM25 counts an article's lead twice. 3: an article is reranked by all of it. 4: where it is near
# the first, and by cosines as they are.
METHODS = {"bm25": 2, "fusion": 2, "rerank": 4}
READ_ON = 3  # since when


@dataclass(frozen=True)
class Measured:
    """All that decides the scores. Two experiments compare if `ground` is the same for both.

    `precision` is of the vectors searched, `computed` of the computation that made them; `method`
    is the version of how the retriever ranks: see `method_of`.
    """

    retriever: str
    data: str
    corpus: str
    queries: str
    corpus_kind: str
    split: dict[str, Any]
    cutoffs: tuple[int, ...]
    model: str | None
    weights: str | None
    model_fingerprint: str | None
    prompts: dict[str, str] | None
    max_length: int | None
    precision: str | None
    computed: str | None = None  # unknown of experiments of before it was noted: float32
    method: int = 1

    @property
    def ground(self) -> tuple[str, str, str]:
        return self.data, self.corpus, self.queries

    @property
    def training(self) -> str:
        """The id of the training whose model it reads with; its own name where there is none."""
        return self.retriever.rpartition(":")[2]

    @property
    def reranked(self) -> bool:
        return self.retriever.partition(":")[0] == "rerank"

    @property
    def ablations(self) -> list[str]:
        """What was done otherwise than one searches: 'none' or 'swapped' prompts, a precision, or
        'outdated' where the retriever ranks in another way now."""
        ways = [way for way in ("none", "swapped") if self.prompts == prompts_of(way)]
        if self.precision not in (None, "float32"):
            ways.append(str(self.precision))
        if self.method != method_of(self.retriever):
            ways.append("outdated")
        return ways

    @property
    def reading(self) -> tuple[int, str] | None:
        """How much of a text the model read and in which precision; None for BM25."""
        if self.max_length is None:
            return None
        return self.max_length, self.computed or "float32"

    @property
    def tokens_told(self) -> str:
        """How many of a passage's tokens were read: '192', or '192 + 512' where 512 were read anew
        to rerank; a dash for BM25."""
        if self.max_length is None:
            return "—"
        anew = self.reranked and self.method >= READ_ON
        return f"{self.max_length} + {LATE_LENGTH}" if anew else str(self.max_length)

    @property
    def ablated(self) -> bool:
        """Was it measured in another way than one searches?"""
        return bool(self.ablations)

    @property
    def id(self) -> str:
        """The same measurement has the same id: done again, it takes the old one's place."""
        name = self.retriever.replace(":", "-")
        told = asdict(self)
        if self.method == 1:  # as before there were others: ids of then stay
            del told["method"]
        return f"{name}-{xxhash.xxh32_hexdigest(repr(sorted(told.items())))}"


def method_of(retriever: str) -> int:
    """The version of how such a retriever ranks now."""
    return METHODS.get(retriever.partition(":")[0], 1)


@dataclass(frozen=True)
class Experiment:
    """What `experiment.json` says; per-query scores and the run are read when asked for."""

    folder: Path
    measured: Measured
    dataset: str
    created: float
    queries: int
    passages: int
    metrics: dict[str, float]
    timings: dict[str, float]
    cached_passages: int
    versions: dict[str, str]
    query_milliseconds: float | None = None  # of one query alone, encoding included

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def seconds(self) -> float:
        return sum(self.timings.values())

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Per query, as `metrics.score_run` gives them."""
        return pd.read_parquet(self.folder / "scores.parquet")

    @cached_property
    def run(self) -> pd.DataFrame:
        """The first 100 of each ranking, as `runs.make_run` gives them."""
        return pd.read_parquet(self.folder / "run.parquet")


def save_experiment(
    experiments: Path,
    measured: Measured,
    scores: pd.DataFrame,
    run: pd.DataFrame,
    **told: Any,
) -> Experiment:
    folder = experiments / measured.id
    record = {
        "measured": asdict(measured),
        "created": time.time(),
        "versions": {name: version(name) for name in LIBRARIES},
        **told,
    }
    with published_folder(folder, replace=True) as draft:
        write_parquet(draft / "scores.parquet", scores)
        write_parquet(draft / "run.parquet", run)
        write_json(draft / EVALUATION, record)
    return open_experiment(folder)


def open_experiment(folder: Path) -> Experiment:
    """Raises UnknownExperiment, UnreadableRecord."""
    try:
        with recorded(folder / EVALUATION):
            record = read_json(folder / EVALUATION)
            measured = record.pop("measured")
            measured["cutoffs"] = tuple(measured["cutoffs"])
            return Experiment(folder=folder, measured=Measured(**measured), **record)
    except FileNotFoundError as error:
        raise UnknownExperiment(experiment=folder.name) from error


def list_experiments(experiments: Path) -> list[Experiment]:
    """Newest first."""
    return open_all(experiments, EVALUATION, open_experiment, UnknownExperiment)


def unreadable_experiments(experiments: Path) -> list[UnreadableRecord]:
    """Why some are not listed."""
    return unreadable(experiments, EVALUATION, open_experiment, UnknownExperiment)
