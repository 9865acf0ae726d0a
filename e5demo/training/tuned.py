"""Trainings on disk: what was asked, how far it came, and the tuned model that it gave.

A folder per training: `training.json` (what was asked), `extra.parquet` (the triplets beside its
pairs, where there are some), what `checkpoints` keeps while it goes on, the weights, the reduction
to fewer dimensions where it was asked for, and `tuned.json`, without which it is no tuned model
yet. Last come tokens to rerank by, where they were asked for: their history, checkpoints and
adapter are in `late`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from filelock import FileLock, Timeout

from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.errors import (
    BadName,
    BaseModelChanged,
    TrainingRuns,
    UnknownExperiment,
    UnreadableRecord,
)
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.reduction import REDUCTION
from e5demo.training.checkpoints import History, checkpoint_step, last_checkpoint
from e5demo.training.estimate import Timing
from e5demo.training.recipe import TrainingSettings
from e5demo.training.reranking import LATE, TOKENS, tokens_source, trains_tokens
from e5demo.training.triplets import Extra
from e5demo.training.worker import PLAN, Trained
from e5demo.workspace import (
    open_all,
    published_folder,
    read_json,
    recorded,
    unreadable,
    write_json,
    write_parquet,
    write_text,
)

ASKED, DESCRIPTION, SCORES, NAME = "training.json", "tuned.json", "scores.json", "name.json"
TRIPLETS = "extra.parquet"
LIBRARIES = ("torch", "transformers", "sentence-transformers", "peft", "accelerate")
LOCK_SECONDS = 5  # a page that looks whether it is free holds it for a moment
LONGEST_NAME = 60

State = Literal["done", "running", "stopped"]


@dataclass(frozen=True)
class Tuned:
    """One training. `base` is the model it began from: name, weights, fingerprint; `extra` counts
    the triplets beside its `pairs`; `trained` is None until its end. `job` names the job that works
    on it, if one does."""

    folder: Path
    settings: TrainingSettings
    preset: str
    dataset: str
    dataset_name: str
    data: str
    split: SplitSettings
    evaluation: EvaluationSettings
    pairs: int
    base: dict[str, str]
    created: float
    versions: dict[str, str]
    extra: Extra
    job: str | None = None
    trained: Trained | None = None

    @property
    def id(self) -> str:
        return self.folder.name

    @cached_property
    def name(self) -> str | None:
        """What the person calls it."""
        path = self.folder / NAME
        return read_json(path)["name"] if path.is_file() else None

    @property
    def state(self) -> State:
        if self.finished:
            return "done"
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                return "stopped"
        except Timeout:
            return "running"

    @property
    def history(self) -> list[dict[str, float]]:
        """As `checkpoints.History` has it."""
        return History(self.folder).rows()

    @property
    def late_history(self) -> list[dict[str, float]]:
        """The same of training tokens to rerank by; nothing where that was not asked for."""
        return History(self.folder / LATE).rows()

    @property
    def resumes_at(self) -> int:
        """The step that its last checkpoint was made after: the model's, or once that is trained
        the tokens'."""
        checkpoint = last_checkpoint(self.folder / LATE if self.trained else self.folder)
        return checkpoint_step(checkpoint) if checkpoint else 0

    @property
    def plan(self) -> tuple[int, Timing] | None:
        """Steps planned, and what was timed before the first; None before that."""
        return _plan_in(self.folder)

    @property
    def late_plan(self) -> tuple[int, Timing] | None:
        """The same of training tokens to rerank by."""
        return _plan_in(self.folder / LATE)

    @property
    def triplets(self) -> pd.DataFrame:
        """The `extra.used` ones to train on beside the pairs; a finished training that came in a
        zip has them no more."""
        return pd.read_parquet(self.folder / TRIPLETS).astype("object")

    @property
    def scores(self) -> dict[str, Any] | None:
        """`before`, `after` and `difference`, once both are measured."""
        path = self.folder / SCORES
        return read_json(path) if path.is_file() else None

    @property
    def wants_tokens(self) -> bool:
        """Are tokens to rerank by asked for, and pairs enough for them?"""
        return trains_tokens(self.settings, self.pairs)

    @property
    def lacks_tokens(self) -> bool:
        """Are they wanted, and not trained yet?"""
        return self.wants_tokens and not (self.folder / TOKENS).is_dir()

    @property
    def finished(self) -> bool:
        """Is the model trained, and its tokens too where they are wanted?"""
        return self.trained is not None and not self.lacks_tokens

    @property
    def late_seconds(self) -> float:
        """What training tokens to rerank by took; 0 where that was not asked for."""
        rows = self.late_history
        return rows[-1]["seconds"] if rows else 0.0

    @property
    def weights_size(self) -> int:
        """Bytes of the whole model, or of the adapter alone."""
        return _bytes_in(self.folder / ("model" if self.settings.method == "full" else "adapter"))

    @property
    def late_size(self) -> int:
        """Bytes of the adapter for tokens to rerank by."""
        return _bytes_in(self.folder / TOKENS)

    def source(self, base: ModelSource) -> ModelSource:
        """The tuned weights, for LoRA over `base`. Raises BaseModelChanged where that is another
        one than the adapter was made for."""
        path = self.folder / REDUCTION
        reduction = path if path.is_file() else None
        tokens = tokens_source(self.folder, base)
        if self.settings.method == "full":
            folder, adapter = self.folder / "model", None
        else:
            self.check_base(base)
            folder, adapter = base.folder, self.folder / "adapter"
        return ModelSource(self.id, folder, "tuned", adapter, reduction, tokens)

    def began_from(self, base: ModelSource) -> bool:
        return base.fingerprint == self.base["fingerprint"]

    def check_base(self, base: ModelSource) -> None:
        """Raises BaseModelChanged where `base` is not the one that this training began from."""
        if not self.began_from(base):
            raise BaseModelChanged(experiment=self.id, weights=self.base["weights"])

    def rename(self, name: str) -> None:
        """Raises BadName."""
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME:
            raise BadName(name=name, longest=LONGEST_NAME)
        write_json(self.folder / NAME, {"name": name})

    @contextmanager
    def working(self) -> Iterator[None]:
        """While the block runs nobody else trains or deletes this one; blocks of one thread may
        stand in each other. Raises TrainingRuns."""
        lock = FileLock(self.folder / ".lock", timeout=LOCK_SECONDS, is_singleton=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise TrainingRuns(experiment=self.id) from error
        try:
            yield
        finally:
            lock.release()


def begin_tuned(
    folder: Path,
    settings: TrainingSettings,
    base: ModelSource,
    split: SplitSettings,
    evaluation: EvaluationSettings,
    triplets: pd.DataFrame | None = None,
    **told: Any,
) -> Tuned:
    """Write down what is asked for; `told` are `Tuned`'s other fields."""
    record = {
        "settings": settings.model_dump(mode="json"),
        "split": split.model_dump(mode="json"),
        "evaluation": evaluation.model_dump(mode="json"),
        "base": {"name": base.name, "weights": base.weights, "fingerprint": base.fingerprint},
        "created": time.time(),
        "versions": {name: version(name) for name in LIBRARIES},
        **told,
    }
    with published_folder(folder) as draft:
        write_json(draft / ASKED, record)
        write_text(draft / "recipe.yaml", settings.to_yaml())
        if triplets is not None:
            write_parquet(draft / TRIPLETS, triplets)
    return open_tuned(folder)


def end_tuned(tuned: Tuned, trained: Trained) -> Tuned:
    """The weights are there: from now on it is a model."""
    write_json(tuned.folder / DESCRIPTION, asdict(trained))
    return open_tuned(tuned.folder)


def open_tuned(folder: Path) -> Tuned:
    """Raises UnknownExperiment, UnreadableRecord."""
    trained = folder / DESCRIPTION
    try:
        with recorded(folder / ASKED):
            record = read_json(folder / ASKED)
            record["settings"] = TrainingSettings.checked(**record["settings"])
            record["split"] = SplitSettings.checked(**record["split"])
            record["evaluation"] = EvaluationSettings.checked(**record["evaluation"])
            record["extra"] = Extra(**record.get("extra", {}))
            tuned = Tuned(folder=folder, **record)
        if not trained.is_file():
            return tuned
        with recorded(trained):
            return replace(tuned, trained=Trained(**read_json(trained)))
    except FileNotFoundError as error:
        raise UnknownExperiment(experiment=folder.name) from error


def list_tuned(experiments: Path) -> list[Tuned]:
    """All trainings, the newest first."""
    return open_all(experiments, ASKED, open_tuned, UnknownExperiment)


def unreadable_tuned(experiments: Path) -> list[UnreadableRecord]:
    """Why some trainings are not listed."""
    return unreadable(experiments, ASKED, open_tuned, UnknownExperiment)


def _plan_in(folder: Path) -> tuple[int, Timing] | None:
    path = folder / PLAN
    if not path.is_file():
        return None
    plan = read_json(path)
    return plan["steps"], Timing(**plan["timing"])


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
