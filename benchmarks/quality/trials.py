"""What the study tries: one change at a time, then changes together."""

from dataclasses import dataclass, field
from typing import Any, Literal

from e5demo.training.recipe import TrainingSettings

QUICK_STEPS = 110  # what ten minutes on two cores are enough for at 64 tokens
BEST_STEPS = 700  # and two hours, at 128

# What `quick` was when the study began; the trials are told apart from it, whatever it becomes.
START = {
    "cached": False,
    "scale": 100.0,
    "max_length": 64,
    "freeze_embeddings": True,
    "dropout": 0.0,
    "bf16": True,
    "no_duplicates": True,
}

Loss = Literal["ranking", "symmetric", "all pairs", "guided", "guided queries", "distilled", "late"]


@dataclass(frozen=True)
class Trial:
    """A training to be scored. `settings` change START; the other fields are what no preset has.

    `frozen_layers` counts the lowest ones; `guide_margin` is how far below the right passage's
    score, by the untuned model, a passage must be to count as wrong; `passages` and `queries` say
    how texts are altered; `averaged` is the share of the last steps whose weights are averaged;
    `late_weight` is the share of late interaction in the loss "late", `late_scale` its scale;
    `tuned_share` mixes the tuned weights with the base's; `dimensions` are Matryoshka's;
    `teacher_weight` and `teacher_scale` are the distilled loss's; scored are the first
    `scored_length` tokens.
    """

    name: str
    group: str
    steps: int = QUICK_STEPS
    settings: dict[str, Any] = field(default_factory=dict)
    loss: Loss = "ranking"
    guide_margin: float = 0.0
    frozen_layers: int = 0
    passages: Literal["lead", "window", "overlap"] = "lead"
    queries: Literal["whole", "dropped", "cut"] = "whole"
    averaged: float = 0.0
    tuned_share: float = 1.0
    dimensions: tuple[int, ...] = ()
    late_weight: float = 0.5
    late_scale: float = 50.0
    teacher_weight: float = 0.5
    teacher_scale: float = 1.0
    scored_length: int = 192

    def recipe(self) -> TrainingSettings:
        return TrainingSettings.checked(**{**START, **self.settings})


def one_change(group: str, steps: int = QUICK_STEPS, **options: list[Any]) -> list[Trial]:
    """A trial for each value of each of `options`, a setting or a field of `Trial`."""
    fields = Trial.__dataclass_fields__
    return [
        Trial(f"{group}: {name} {value}", group, steps, **{name: value})
        if name in fields
        else Trial(f"{group}: {name} {value}", group, steps, {name: value})
        for name, values in options.items()
        for value in values
    ]
