"""Tuned models on disk: weights, what they were tuned on and how, found by their id."""

import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from e5demo.errors import BaseModelChanged, UnknownExperiment
from e5demo.retrieval.models import ModelSource
from e5demo.training.recipe import TrainingSettings
from e5demo.training.worker import Trained
from e5demo.workspace import read_json, write_json

DESCRIPTION = "tuned.json"
LIBRARIES = ("torch", "transformers", "sentence-transformers", "peft", "accelerate")


@dataclass(frozen=True)
class Tuned:
    """What `tuned.json` says. `base` is the model it began from: name, weights, fingerprint."""

    folder: Path
    settings: TrainingSettings
    preset: str
    dataset: str
    data: str
    split: dict[str, Any]
    pairs: int
    base: dict[str, str]
    trained: Trained
    created: float
    versions: dict[str, str]

    @property
    def id(self) -> str:
        return self.folder.name

    def source(self, base: ModelSource) -> ModelSource:
        """The tuned weights, for LoRA over `base`. Raises BaseModelChanged where that is another
        one than the adapter was made for."""
        if self.settings.method == "full":
            return ModelSource(self.id, self.folder / "model", "tuned")
        if base.fingerprint != self.base["fingerprint"]:
            raise BaseModelChanged(experiment=self.id, weights=self.base["weights"])
        return ModelSource(self.id, base.folder, "tuned", self.folder / "adapter")


def describe_tuned(
    draft: Path,
    settings: TrainingSettings,
    base: ModelSource,
    trained: Trained,
    **told: Any,
) -> None:
    """Write `tuned.json` beside the weights; `told` are `Tuned`'s other fields."""
    record = {
        "settings": settings.model_dump(mode="json"),
        "base": {"name": base.name, "weights": base.weights, "fingerprint": base.fingerprint},
        "trained": asdict(trained),
        "created": time.time(),
        "versions": {name: version(name) for name in LIBRARIES},
        **told,
    }
    write_json(draft / DESCRIPTION, record)


def open_tuned(folder: Path) -> Tuned:
    """Raises UnknownExperiment."""
    try:
        record = read_json(folder / DESCRIPTION)
    except FileNotFoundError as error:
        raise UnknownExperiment(experiment=folder.name) from error
    record["settings"] = TrainingSettings.checked(**record["settings"])
    record["trained"] = Trained(**record["trained"])
    return Tuned(folder=folder, **record)


def list_tuned(experiments: Path) -> list[Tuned]:
    """Newest first."""
    found = [open_tuned(path.parent) for path in experiments.glob(f"[!.]*/{DESCRIPTION}")]
    return sorted(found, key=lambda tuned: -tuned.created)
