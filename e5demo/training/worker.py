"""Fine-tune E5 on pairs with MultipleNegativesRankingLoss, fully or by LoRA, and save it."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from e5demo.config import PROMPTS
from e5demo.errors import TooFewPairs
from e5demo.jobs import Progress, silent
from e5demo.retrieval import models
from e5demo.retrieval.models import ModelSource
from e5demo.training.recipe import TrainingSettings

TIMED_STEPS = 3
OVERTIME = 1.1  # a busy machine may stretch the minutes asked for by so much


@dataclass(frozen=True)
class Trained:
    """What training did. `history` has a row per step: `step`, `loss`, `learning_rate`."""

    steps: int
    seconds: float
    seconds_per_step: float
    trainable_parameters: int
    total_parameters: int
    peak_memory_mb: float
    history: list[dict[str, float]]


def train(
    pairs: pd.DataFrame,
    settings: TrainingSettings,
    source: ModelSource,
    folder: Path,
    progress: Progress = silent,
) -> Trained:
    """Tune `source` on `pairs` (`query`, `passage`) and write the weights into `folder`.

    `folder` gets `model` (full) or `adapter` (LoRA), as safetensors. Raises TooFewPairs.
    """
    if settings.max_pairs and settings.max_pairs < len(pairs):
        pairs = pairs.sample(settings.max_pairs, random_state=settings.seed)
    if len(pairs) < settings.batch_size:
        raise TooFewPairs(pairs=len(pairs), batch_size=settings.batch_size)
    model = prepare_model(source, settings)
    per_step = time_steps(model, pairs, settings)
    steps = count_steps(len(pairs), settings, per_step)
    watcher = _watcher(progress, steps, settings)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        _trainer(model, pairs, settings, steps, Path(scratch), watcher).train()
    seconds = time.perf_counter() - began
    save_weights(model, settings, folder)
    parameters = list(model.parameters())
    return Trained(
        steps=watcher.steps,
        seconds=seconds,
        seconds_per_step=per_step,
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        total_parameters=sum(p.numel() for p in parameters),
        peak_memory_mb=watcher.peak / 1e6,
        history=watcher.history,
    )


def prepare_model(source: ModelSource, settings: TrainingSettings) -> Any:
    """The model with what is not trained frozen, and an adapter for LoRA."""
    from transformers import set_seed

    set_seed(settings.seed)  # before the adapter's random start
    model = models.load(source)
    model.max_seq_length = settings.max_length
    if settings.method == "lora":
        from peft import LoraConfig, TaskType

        model.add_adapter(
            LoraConfig(
                task_type=TaskType.FEATURE_EXTRACTION,
                r=settings.lora_rank,
                lora_alpha=settings.lora_alpha,
                lora_dropout=settings.lora_dropout,
                target_modules=list(settings.lora_targets),
                bias="none",
            )
        )
    elif settings.freeze_embeddings:
        model[0].auto_model.get_input_embeddings().requires_grad_(False)
    return model


def time_steps(model: Any, pairs: pd.DataFrame, settings: TrainingSettings) -> float:
    """Seconds that a step takes here: the median of a few, without a change to the weights."""
    loss = _loss(model, settings)
    model.train()
    took = []
    for number in range(TIMED_STEPS):
        batch = pairs.sample(settings.batch_size, random_state=number)
        began = time.perf_counter()
        texts = ((batch["query"], "query"), (batch["passage"], "document"))
        features = [
            model.preprocess([PROMPTS[role] + text for text in column]) for column, role in texts
        ]
        features = [
            {k: v.to(model.device) if hasattr(v, "to") else v for k, v in f.items()}
            for f in features
        ]
        loss(features, None).backward()
        took.append(time.perf_counter() - began)
    model.zero_grad(set_to_none=True)
    return sorted(took)[TIMED_STEPS // 2]


def count_steps(pairs: int, settings: TrainingSettings, seconds_per_step: float) -> int:
    """Whole batches of all epochs, or as many as `max_minutes` leave time for; at least one."""
    planned = int(pairs // settings.batch_size * settings.epochs)
    if settings.max_minutes:
        planned = min(planned, int(settings.max_minutes * 60 / seconds_per_step))
    return max(1, planned)


def save_weights(model: Any, settings: TrainingSettings, folder: Path) -> None:
    """Safetensors alone: the adapter's by itself, or the whole model."""
    if settings.method == "lora":
        model[0].auto_model.save_pretrained(folder / "adapter")
    else:
        model.save(str(folder / "model"), create_model_card=False)


def _loss(model: Any, settings: TrainingSettings) -> Any:
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
        MultipleNegativesRankingLoss,
    )

    if settings.cached:
        return CachedMultipleNegativesRankingLoss(
            model, scale=settings.scale, mini_batch_size=settings.mini_batch
        )
    return MultipleNegativesRankingLoss(model, scale=settings.scale)


def _trainer(
    model: Any,
    pairs: pd.DataFrame,
    settings: TrainingSettings,
    steps: int,
    scratch: Path,
    watcher: Any,
) -> Any:
    import torch
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.base.sampler import BatchSamplers
    from sentence_transformers.sentence_transformer.training_args import (
        SentenceTransformerTrainingArguments,
    )

    samplers = {True: BatchSamplers.NO_DUPLICATES, False: BatchSamplers.BATCH_SAMPLER}
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(scratch),
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        dataloader_drop_last=True,
        batch_sampler=samplers[settings.no_duplicates],
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        lr_scheduler_type="linear",
        warmup_steps=int(settings.warmup_share * steps),
        optim="adamw_torch",
        prompts={"query": PROMPTS["query"], "passage": PROMPTS["document"]},
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        seed=settings.seed,
        dataloader_pin_memory=torch.cuda.is_available(),
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    return SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(
            {"query": pairs["query"].tolist(), "passage": pairs["passage"].tolist()}
        ),
        loss=_loss(model, settings),
        callbacks=[watcher],
    )


def _watcher(progress: Progress, steps: int, settings: TrainingSettings) -> Any:
    """The trainer's callback that tells progress, keeps history and peak memory, and ends a
    training whose steps turn out slower than those that were timed."""
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):
        def __init__(self) -> None:
            self.history: list[dict[str, float]] = []
            self.peak = self.steps = 0
            self.began = time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.peak = max(self.peak, psutil.Process().memory_info().rss)
            self.steps = state.global_step
            progress("train", self.steps, steps)
            limit = (settings.max_minutes or float("inf")) * 60 * OVERTIME
            if time.perf_counter() - self.began > limit:
                control.should_training_stop = True

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                row = {"step": state.global_step, "loss": float(logs["loss"])}
                self.history.append({**row, "learning_rate": float(logs["learning_rate"])})

    progress("train", 0, steps)
    return Watcher()
