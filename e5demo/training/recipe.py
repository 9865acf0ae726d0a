"""How E5 is fine-tuned: every setting with its default, and the presets."""

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from e5demo.config import Settings
from e5demo.errors import UnknownPreset

Method = Literal["full", "lora"]
Layer = Literal["query", "key", "value", "dense"]  # as E5's encoder names them
LEAST_STEPS = 12  # an epoch of fewer steps teaches little: a small data set gets smaller batches
LEAST_BATCH = 8


class TrainingSettings(Settings):
    """The defaults are the notebook's recipe: one epoch of in-batch negatives in batches of 64.

    `batch_size` is also the number of candidates that a query chooses from. `cached` computes the
    same gradients in chunks of `mini_batch` texts, in less memory and 1.3 times the work.
    `max_minutes` of training fits the number of steps to this machine. Vectors of `matryoshka`
    dimensions, a linear projection that is learned with the encoder, are trained to rank by
    themselves too; a model that has no more has nothing to add. `hard_negatives` passages are
    added to each pair, mined by `negatives_from` among the train split's, less those that score
    within `negative_margin` of the right one. `validations` are spread evenly over the training;
    where `patience` is given, as many without a better ndcg@10 end it and the best weights are
    kept. `bf16` computes layers in it where the processor can; graphics cards do so anyway.
    `rerank_minutes` more train tokens to rerank by. LoRA's five settings are unused by `full`;
    `lora_layers` are the last so many, all if not told.
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
    matryoshka: int | None = Field(None, ge=8, le=1024)
    max_length: int = Field(512, ge=8, le=512)
    no_duplicates: bool = False
    freeze_embeddings: bool = False
    dropout: float = Field(0.1, ge=0, lt=1)
    bf16: bool = False
    hard_negatives: int = Field(0, ge=0, le=8)
    negatives_from: Literal["bm25", "baseline"] = "bm25"
    negative_margin: float = Field(0.05, ge=0, lt=1)
    validations: int = Field(0, ge=0, le=100)
    validation_queries: int = Field(200, ge=1)
    patience: int | None = Field(None, ge=1)
    seed: int = Field(42, ge=0, lt=2**32)
    max_minutes: float | None = Field(None, gt=0)
    rerank_minutes: float | None = Field(None, gt=0)
    max_pairs: int | None = Field(None, ge=2)
    lora_rank: int = Field(16, ge=1, le=256)
    lora_alpha: int = Field(32, ge=1, le=1024)
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    lora_targets: tuple[Layer, ...] = Field(("query", "value"), min_length=1)
    lora_layers: int | None = Field(None, ge=1, le=100)

    @field_validator("patience")
    @classmethod
    def _has_validations(cls, patience: int | None, known: ValidationInfo) -> int | None:
        if patience and not known.data.get("validations"):
            raise PydanticCustomError("needs_validations", "needs at least one validation")
        return patience


# `quick` is what two cores can do in minutes: E5's own temperature (scale 100), an article's first
# 64 tokens, no dropout, bf16, no optimiser state for the 96 of 118 million parameters that are word
# embeddings, and a passage beside each right one that BM25 takes for it: the others of a batch are
# soon too easy. What each is worth: benchmarks/README.md and
# benchmarks/quality/README.md.
QUICK = {
    "cached": False,
    "scale": 100.0,
    "max_length": 64,
    "freeze_embeddings": True,
    "dropout": 0.0,
    "bf16": True,
    "no_duplicates": True,
    "hard_negatives": 1,
    "max_minutes": 10.0,
}
# `best` has two hours: texts of twice the length, and two hard negatives a pair in batches half as
# large, which is as many passages to choose from at the same cost. Without chunks, which take 1.3
# times the work. The last weights are kept: a validation small enough to be quick cannot tell those
# of neighbouring ones apart. Vectors of a third of the length are learned at hardly any cost. The
# last forty minutes are for tokens to rerank by: more epochs of the vectors are worth nothing.
BEST = {
    **QUICK,
    "batch_size": 32,
    "max_length": 128,
    "hard_negatives": 2,
    "learning_rate": 4e-5,
    "matryoshka": 128,
    "epochs": 3.0,
    "validations": 4,
    "validation_queries": 500,
    "max_minutes": 70.0,
    "rerank_minutes": 40.0,
}
# LoRA at the recipe's learning rate hardly moves in minutes.
LORA_RATE = {"learning_rate": 1e-3}
PRESETS: dict[str, dict[Method, dict[str, Any]]] = {
    "quick": {"full": QUICK, "lora": {**QUICK, **LORA_RATE}},
    "notebook": {"full": {}, "lora": {}},
    "best": {"full": BEST, "lora": {**BEST, **LORA_RATE}},
}


def make_recipe(
    method: Method, preset: str = "quick", pairs: int | None = None, /, **changes: Any
) -> TrainingSettings:
    """A preset with changes, its batch fitted to so many `pairs` where that isn't changed.

    Raises UnknownPreset, or BadSetting naming all mistakes at once.
    """
    if preset not in PRESETS:
        raise UnknownPreset(preset=preset, known=", ".join(PRESETS))
    settings = {**PRESETS[preset][method], **changes, "method": method}
    if pairs is not None and "batch_size" not in changes:
        wanted = settings.get("batch_size", TrainingSettings().batch_size)
        settings["batch_size"] = _fitted_batch(preset, wanted, pairs)
    return TrainingSettings.checked(**settings)


def _fitted_batch(preset: str, wanted: int, pairs: int) -> int:
    """The preset's, or what leaves a small data set enough steps; the notebook's own wherever it
    can be."""
    if preset == "notebook" and pairs >= wanted:
        return wanted
    return min(wanted, max(LEAST_BATCH, pairs // LEAST_STEPS))
