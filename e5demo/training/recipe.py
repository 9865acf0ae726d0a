"""How E5 is fine-tuned: every setting with its default, and the presets."""

from typing import Any, Literal

from pydantic import Field

from e5demo.config import Settings
from e5demo.errors import UnknownPreset

Method = Literal["full", "lora"]


class TrainingSettings(Settings):
    """The defaults are the notebook's recipe: one epoch of in-batch negatives in batches of 64.

    `batch_size` is also the number of candidates that a query chooses from. `cached` computes the
    same gradients in chunks of `mini_batch` texts, in less memory and 1.3 times the work.
    `max_minutes` of training fits the number of steps to this machine. LoRA's four settings are
    unused by `full`.
    """

    method: Method = "full"
    epochs: float = Field(1.0, gt=0, le=50)
    batch_size: int = Field(64, ge=2, le=2048)
    cached: bool = True
    mini_batch: int = Field(16, ge=1, le=256)
    learning_rate: float = Field(2e-5, gt=0, lt=1)
    weight_decay: float = Field(0.01, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)
    warmup_share: float = Field(0.1, ge=0, lt=1)
    scale: float = Field(20.0, gt=0, le=1000)
    max_length: int = Field(512, ge=8, le=512)
    no_duplicates: bool = False
    freeze_embeddings: bool = False
    seed: int = Field(42, ge=0, lt=2**32)
    max_minutes: float | None = Field(None, gt=0)
    max_pairs: int | None = Field(None, ge=2)
    lora_rank: int = Field(16, ge=1, le=256)
    lora_alpha: int = Field(32, ge=1, le=1024)
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    lora_targets: tuple[str, ...] = Field(("query", "value"), min_length=1)


# `quick` is what two cores can do in minutes: E5's own temperature (scale 100), shorter texts, and
# no optimiser state for the 96 of 118 million parameters that are word embeddings.
QUICK = {
    "cached": False,
    "scale": 100.0,
    "max_length": 128,
    "freeze_embeddings": True,
    "no_duplicates": True,
    "max_minutes": 10.0,
}
PRESETS: dict[str, dict[Method, dict[str, Any]]] = {
    "notebook": {"full": {}, "lora": {}},
    # LoRA at the recipe's learning rate hardly moves in minutes.
    "quick": {"full": QUICK, "lora": {**QUICK, "learning_rate": 1e-3}},
}


def make_recipe(method: Method, preset: str = "quick", **changes: Any) -> TrainingSettings:
    """A preset with changes. Raises UnknownPreset, or BadSetting naming all mistakes at once."""
    if preset not in PRESETS:
        raise UnknownPreset(preset=preset, known=", ".join(PRESETS))
    return TrainingSettings.checked(**{**PRESETS[preset][method], **changes, "method": method})
