"""What a training will cost here, from a few timed steps on this machine."""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd
import psutil

from e5demo.config import PROMPTS
from e5demo.retrieval.compiled import capabilities
from e5demo.training.recipe import TrainingSettings

PROBE_PAIRS = 8
LEAST_PROBES, MOST_PROBES = 2, 9
PROBE_SECONDS = 5  # after which no further probe begins
OPTIMISER_BYTES = 8  # AdamW keeps two floats for each parameter that it changes
CHECKPOINT_BYTES = 12  # they, and the parameter itself
WATCH_SECONDS = 0.05
# Settings that change what a pair costs; all others only change how many pairs there are.
COSTLY = (
    "method",
    "cached",
    "mini_batch",
    "max_length",
    "freeze_embeddings",
    "dropout",
    "bf16",
    "hard_negatives",
    "lora_rank",
    "lora_targets",
    "lora_layers",
)


@dataclass(frozen=True)
class Timing:
    """What the probes told. `probe_mb` is what a probe of `probe_pairs` needs over `model_mb`."""

    seconds_per_pair: float
    seconds_per_validation_text: float
    probe_pairs: int
    model_mb: float
    probe_mb: float
    trainable: int
    weights_mb: float

    def seconds_per_step(self, settings: TrainingSettings) -> float:
        return self.seconds_per_pair * settings.batch_size

    def train_seconds(self, settings: TrainingSettings, steps: int) -> float:
        """With the validations on the way."""
        return steps * self.seconds_per_step(settings) + self.validation_seconds(settings)

    def validation_seconds(self, settings: TrainingSettings) -> float:
        """Of all validations, one of the untrained model among them; a query is a short text."""
        times = settings.validations + 1 if settings.validations else 0
        return times * settings.validation_queries * self.seconds_per_validation_text

    def memory_mb(self, settings: TrainingSettings) -> float:
        """At the peak. Chunks of a cached loss need no more for a larger batch."""
        texts = settings.batch_size
        if settings.cached:
            texts = min(texts, settings.mini_batch)
        probes = max(1.0, texts / self.probe_pairs)
        return self.model_mb + self.probe_mb * probes + OPTIMISER_BYTES * self.trainable / 1e6

    def disk_mb(self) -> float:
        """Of the weights and the checkpoint beside them while training goes on."""
        return self.weights_mb + CHECKPOINT_BYTES * self.trainable / 1e6


@dataclass(frozen=True)
class Estimate:
    """What a training takes; seconds of training, of validating, of the evaluations, and of
    training tokens to rerank by."""

    steps: int
    train_seconds: float
    validate_seconds: float
    evaluate_seconds: float
    memory_mb: float
    disk_mb: float
    rerank_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        training = self.train_seconds + self.validate_seconds + self.rerank_seconds
        return training + self.evaluate_seconds


def estimate(
    timing: Timing, steps: int, settings: TrainingSettings, evaluate_seconds: float
) -> Estimate:
    return Estimate(
        steps=steps,
        train_seconds=steps * timing.seconds_per_step(settings),
        validate_seconds=timing.validation_seconds(settings),
        evaluate_seconds=evaluate_seconds,
        memory_mb=timing.memory_mb(settings),
        disk_mb=timing.disk_mb(),
    )


class PeakMemory:
    """The most memory that this process has while the block runs, in megabytes."""

    def __enter__(self) -> "PeakMemory":
        self.peak_mb = 0.0
        self._process = psutil.Process()
        self._ended = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            self._look()

    def _look(self) -> None:
        self.peak_mb = max(self.peak_mb, self._process.memory_info().rss / 1e6)


def time_training(model: Any, loss: Any, pairs: pd.DataFrame, settings: TrainingSettings) -> Timing:
    """Forward and backward on a few pairs, the first time unmeasured; no weight is changed.

    The median of several: other work on the machine, during one, must not plan a training short.
    """
    import torch

    probe = min(PROBE_PAIRS, settings.batch_size, len(pairs))
    prompts = text_prompts(pairs)
    autocast = torch.autocast(model.device.type, torch.bfloat16, enabled=in_bf16(settings))
    model_mb = psutil.Process().memory_info().rss / 1e6
    model.train()

    def step(number: int) -> float:
        batch = pairs.sample(probe, random_state=number)
        began = time.perf_counter()
        loss([features_of(model, batch[name], prompts[name]) for name in prompts], None).backward()
        return time.perf_counter() - began

    with PeakMemory() as memory, autocast:
        step(0)
        took: list[float] = []
        while len(took) < LEAST_PROBES or (len(took) < MOST_PROBES and sum(took) < PROBE_SECONDS):
            took.append(step(1 + len(took)))
    model.zero_grad(set_to_none=True)
    model.eval()
    texts = pairs.sample(probe, random_state=0)["passage"].tolist()
    began = time.perf_counter()
    model.encode_document(texts, show_progress_bar=False)
    encoding = time.perf_counter() - began
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    whole = sum(p.numel() for p in model.parameters())
    return Timing(
        seconds_per_pair=median(took) / probe,
        seconds_per_validation_text=encoding / probe,
        probe_pairs=probe,
        model_mb=model_mb,
        probe_mb=max(0.0, memory.peak_mb - model_mb),
        trainable=trainable,
        weights_mb=4 * (trainable if settings.method == "lora" else whole) / 1e6,
    )


def in_bf16(settings: TrainingSettings) -> bool:
    """Are layers computed in bf16 here? Weights, similarities and the loss stay float32."""
    import torch
    from sentence_transformers.util import get_device_name

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    if not settings.bf16 or get_device_name() != "cpu":
        return False
    try:
        return "BF16" in capabilities()
    except ImportError:  # without OpenVINO nobody tells; what is used instead is told at the end
        return False


def text_prompts(pairs: pd.DataFrame) -> dict[str, str]:
    """The prompts of `query`, `passage` and hard negatives, in the order that the loss takes."""
    negatives = (name for name in pairs.columns if name.startswith("negative_"))
    passages = dict.fromkeys(["passage", *negatives], PROMPTS["document"])
    return {"query": PROMPTS["query"], **passages}


def features_of(model: Any, texts: Iterable[str], prompt: str) -> Any:
    """What the model takes, on its device."""
    features = model.preprocess([prompt + text for text in texts])
    return {k: v.to(model.device) if hasattr(v, "to") else v for k, v in features.items()}
