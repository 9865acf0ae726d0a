"""Train E5's tokens for late interaction: a LoRA adapter of their own, for reranking alone.

The untuned model learns to tell a title's article from those of titles about the same things, by
`retrieval.late`'s score. One that was tuned on the same pairs would know them too well by then to
learn from them.
"""

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from e5demo.jobs import Progress, silent
from e5demo.retrieval.late import RERANKED, contenders
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.search import Retriever
from e5demo.training.checkpoints import forget_checkpoints
from e5demo.training.estimate import Timing, time_training
from e5demo.training.recipe import TrainingSettings
from e5demo.training.worker import Trained, make_late_loss, prepare_model, train

LATE = "late"  # the folder within a training's
TOKENS = f"{LATE}/adapter"  # what comes of it
GROUP = 4  # titles about the same things
# Nine of ten articles end within this length. The upper layers take half of the time of all.
RECIPE: dict[str, Any] = {
    "batch_size": 32,
    "cached": False,
    "max_length": 320,
    "learning_rate": 1e-3,
    "dropout": 0.0,
    "lora_dropout": 0.0,
    "lora_layers": 6,
    "lora_targets": ("query", "key", "value", "dense"),
}


def late_settings(settings: TrainingSettings) -> TrainingSettings:
    """How tokens are trained beside a training of these settings."""
    shared = {"bf16": settings.bf16, "seed": settings.seed, "max_minutes": settings.rerank_minutes}
    return TrainingSettings.checked(method="lora", **RECIPE, **shared)


def trains_tokens(settings: TrainingSettings, pairs: int) -> bool:
    """Is it asked for, and do so many pairs fill a batch?"""
    return bool(settings.rerank_minutes) and pairs >= RECIPE["batch_size"]


def tokens_source(folder: Path, base: ModelSource) -> ModelSource | None:
    """`base` with the adapter that a training's folder holds; None where it holds none."""
    adapter = folder / TOKENS
    return ModelSource(folder.name, base.folder, "tuned", adapter) if adapter.is_dir() else None


def train_late(
    pairs: pd.DataFrame,
    retriever: Retriever,
    settings: TrainingSettings,
    base: ModelSource,
    folder: Path,
    progress: Progress = silent,
) -> Trained:
    """The adapter in `LATE` of `folder`, a training's of these settings, from the last checkpoint
    there if one is. `retriever` searches the passages of `pairs`.

    Raises TooFewPairs, TrainingStopped.
    """
    recipe, late = late_settings(settings), folder / LATE
    retriever.prepare(pairs["query"].tolist(), progress)
    progress(LATE, 0, 1)
    near = pairs.iloc[grouped(pairs, retriever, settings.seed)][["query", "passage"]]

    def told(stage: str, done: int, total: int) -> None:
        progress(LATE if stage == "train" else stage, done, total)

    trained = train(near, recipe, base, late, told, late=True, name=folder.name)
    forget_checkpoints(late)
    return trained


def time_late(pairs: pd.DataFrame, settings: TrainingSettings, base: ModelSource) -> Timing:
    """What a few steps of it take here."""
    recipe = late_settings(settings)
    model = prepare_model(base, recipe)
    loss = make_late_loss(model, pairs)
    return time_training(model, loss, pairs[["query", "passage"]], recipe)


def grouped(pairs: pd.DataFrame, retriever: Retriever, seed: int) -> list[int]:
    """Rows in an order in which each title is followed by those of the articles that `retriever`
    takes for its own, `GROUP` together; one that meets the likeliest of them in another's group
    begins none. Titles that would be reranked come first. As many rows as there are pairs: hard
    ones again and again, and not all.
    """
    ids, own = retriever.corpus.ids, pairs["passage_id"].tolist()
    row_of = {passage: row for row, passage in reversed(list(enumerate(own)))}
    rankings = retriever.search(pairs["query"].tolist(), RERANKED)
    others = [
        [row_of[ids[at]] for at in ranking.positions.tolist() if ids[at] != own[row]]
        for row, ranking in enumerate(rankings)
    ]
    reranked = [
        own[row] in [ids[at] for at in contenders(ranking)] for row, ranking in enumerate(rankings)
    ]
    firsts = np.random.default_rng(seed).permutation(len(pairs)).tolist()
    order: list[int] = []
    met: set[int] = set()
    for first in sorted(firsts, key=lambda row: not reranked[row]):
        if first not in met:
            group = [first, *others[first][: GROUP - 1]]
            met.update(row for row in group if others[row] and others[row][0] in group)
            order += group
    return list(islice(cycle(order), len(pairs)))
