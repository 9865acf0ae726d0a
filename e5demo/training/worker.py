"""Fine-tune E5 on pairs with MultipleNegativesRankingLoss, fully or by LoRA, and save it."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from e5demo.errors import TooFewPairs
from e5demo.jobs import Progress, minding_stops, silent
from e5demo.retrieval import models
from e5demo.retrieval.late import CENTRE_PASSAGES
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.reduction import REDUCTION
from e5demo.training.checkpoints import (
    BEST,
    CHECKPOINT,
    WEIGHTS,
    History,
    checkpoint_step,
    last_checkpoint,
    load_trained,
    publish_checkpoint,
    save_trained,
)
from e5demo.training.estimate import (
    PeakMemory,
    Timing,
    in_bf16,
    text_prompts,
    time_training,
)
from e5demo.training.recipe import TrainingSettings
from e5demo.workspace import published_folder, read_json, write_json

PLAN = "plan.json"
ENDED = "ended"  # there: after which step, be it by time or for want of patience
REDUCED_FROM = 2000  # passages by whose principal components fewer dimensions begin
CHECKPOINT_SECONDS = 120  # so much work is lost at most when the power fails
Validator = Callable[[Any], float]  # ndcg@10 of the model on validation queries


@dataclass(frozen=True)
class Trained:
    """What training did: `steps` of `planned`, and the step whose weights were `kept`.
    `precision` is what layers were computed in."""

    steps: int
    planned: int
    kept: int
    seconds: float
    trainable_parameters: int
    total_parameters: int
    peak_memory_mb: float
    precision: str = "float32"


class TrainingStopped(KeyboardInterrupt):
    """Asked to stop, with all that is needed to go on saved."""

    def __init__(self, experiment: str, step: int, planned: int) -> None:
        super().__init__(
            f"Stopped after step {step} of {planned}. "
            f"To go on: python -m e5demo train --resume {experiment}"
        )


def train(
    pairs: pd.DataFrame,
    settings: TrainingSettings,
    source: ModelSource,
    folder: Path,
    progress: Progress = silent,
    validate: Validator | None = None,
    *,
    late: bool = False,
    name: str | None = None,
) -> Trained:
    """Tune `source` on `pairs` (`query`, `passage`, and hard negatives in further columns).

    `late` trains its tokens by late interaction, on the pairs in the order given. `name` is the
    training's, the folder's if not told.

    `folder` gets the weights as safetensors, `model` (full) or `adapter` (LoRA). Where it holds a
    checkpoint of the same training, that one goes on. `validate` is asked as often as the
    settings say. Raises TooFewPairs, and TrainingStopped once a stop was asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if len(pairs) < settings.batch_size:
        raise TooFewPairs(pairs=len(pairs), batch_size=settings.batch_size)
    model = prepare_model(source, settings)
    loss = make_late_loss(model, pairs) if late else make_loss(model, settings)
    steps = _planned_steps(folder, model, loss, pairs, settings, progress)
    resumed = last_checkpoint(folder)
    began_at = checkpoint_step(resumed) if resumed else 0
    if not resumed and (reducer := _reducer(model)):
        some = pairs["passage"].sample(min(REDUCED_FROM, len(pairs)), random_state=settings.seed)
        reducer.begin(
            model.encode_document(
                some.tolist(), convert_to_tensor=True, normalize_embeddings=True,
                show_progress_bar=False,
            )
        )  # fmt: skip
    with PeakMemory() as memory, minding_stops() as stop:
        watcher = _watcher(folder, began_at, steps, settings, progress, validate, stop)
        trainer = _trainer(model, loss, pairs, settings, steps, folder, watcher, in_order=late)
        if resumed and began_at >= read_json(folder / PLAN).get(ENDED, steps):
            # Interrupted after its last step.
            load_trained(model, resumed / WEIGHTS)
        else:
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    if watcher.stopped:
        raise TrainingStopped(name or folder.name, watcher.steps, steps)
    if not watcher.steps:  # no batch could be filled, as without duplicates in a small split
        raise TooFewPairs(pairs=len(pairs), batch_size=settings.batch_size)
    if watcher.best_step:
        load_trained(model, folder / BEST)
    save_weights(model, settings, folder)
    if reducer := _reducer(model):
        reducer.reduction().write(folder / REDUCTION)
    parameters = [p for name, p in model.named_parameters() if ".reducer." not in name]
    return Trained(
        steps=watcher.steps,
        planned=steps,
        kept=watcher.best_step or watcher.steps,
        seconds=watcher.seconds,
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        total_parameters=sum(p.numel() for p in parameters),
        peak_memory_mb=memory.peak_mb,
        precision="bf16" if in_bf16(settings) else "float32",
    )


def prepare_model(source: ModelSource, settings: TrainingSettings) -> Any:
    """The model with what is not trained frozen, and an adapter for LoRA."""
    from transformers import set_seed

    set_seed(settings.seed)  # before the adapter's random start
    model = models.load(source)
    model.max_seq_length = settings.max_length
    set_dropout(model, settings.dropout)
    if settings.matryoshka and settings.matryoshka < model.get_embedding_dimension():
        from e5demo.training.reducer import Reducer

        # Within the first module, not after it: trained and kept in checkpoints as all parameters
        # are, and no part of what makes a vector.
        reducer = Reducer(model.get_embedding_dimension(), settings.matryoshka)
        model[0].reducer = reducer.to(model.device)
    if settings.method == "lora":
        from peft import LoraConfig, TaskType

        model.add_adapter(
            LoraConfig(
                task_type=TaskType.FEATURE_EXTRACTION,
                r=settings.lora_rank,
                lora_alpha=settings.lora_alpha,
                lora_dropout=settings.lora_dropout,
                target_modules=list(settings.lora_targets),
                **_upper_layers(model, settings),
                bias="none",
            )
        )
    elif settings.freeze_embeddings:
        model[0].auto_model.get_input_embeddings().requires_grad_(False)
    return model


def _upper_layers(model: Any, settings: TrainingSettings) -> dict[str, Any]:
    """As peft names those that are adapted, where not all are."""
    count = model[0].auto_model.config.num_hidden_layers
    if not settings.lora_layers or settings.lora_layers >= count:
        return {}
    upper = list(range(count - settings.lora_layers, count))
    return {"layers_to_transform": upper, "layers_pattern": "layer"}


def set_dropout(model: Any, share: float) -> None:
    """In all layers. At 0 a step takes two thirds of the time on a CPU: no random numbers are drawn
    for each of attention's weights, which then are never written down."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share


def make_loss(model: Any, settings: TrainingSettings) -> Any:
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
        MultipleNegativesRankingLoss,
    )

    chunks = {"mini_batch_size": settings.mini_batch} if settings.cached else {}
    kind: Any = (
        CachedMultipleNegativesRankingLoss if settings.cached else MultipleNegativesRankingLoss
    )
    if _reducer(model):
        from e5demo.training.reducer import CachedRankingLoss, RankingLoss

        kind = CachedRankingLoss if settings.cached else RankingLoss
    return kind(model, scale=settings.scale, **chunks)


def make_late_loss(model: Any, pairs: pd.DataFrame) -> Any:
    from e5demo.training.interaction import LateLoss

    some = pairs["passage"].sample(min(CENTRE_PASSAGES, len(pairs)), random_state=0)
    return LateLoss(model, some.tolist())


def _reducer(model: Any) -> Any:
    return getattr(model[0], "reducer", None)


def count_steps(pairs: int, settings: TrainingSettings, timing: Timing) -> int:
    """Whole batches of all epochs, or as many as `max_minutes` leave time for; at least one."""
    planned = int(pairs // settings.batch_size * settings.epochs)
    if settings.max_minutes:
        room = settings.max_minutes * 60 - timing.validation_seconds(settings)
        planned = min(planned, int(room / timing.seconds_per_step(settings)))
    return max(1, planned)


def save_weights(model: Any, settings: TrainingSettings, folder: Path) -> None:
    """Safetensors alone: the adapter's by itself, or the whole model."""
    name = "adapter" if settings.method == "lora" else "model"
    with published_folder(folder / name, replace=True) as draft:
        if settings.method == "lora":
            model[0].auto_model.save_pretrained(draft)
        else:
            models.read_all(model)  # training cut texts, and its length would be saved
            model.save(str(draft), create_model_card=False)


def _planned_steps(
    folder: Path,
    model: Any,
    loss: Any,
    pairs: pd.DataFrame,
    settings: TrainingSettings,
    progress: Progress,
) -> int:
    """As many as were planned when this training began: a resumed one keeps its schedule."""
    plan = folder / PLAN
    if not plan.is_file():
        progress("estimate", 0, 1)
        timing = time_training(model, loss, pairs, settings)
        steps = count_steps(len(pairs), settings, timing)
        write_json(plan, {"steps": steps, "timing": asdict(timing)})
    return read_json(plan)["steps"]


def _trainer(
    model: Any,
    loss: Any,
    pairs: pd.DataFrame,
    settings: TrainingSettings,
    steps: int,
    folder: Path,
    watcher: Any,
    *,
    in_order: bool,
) -> Any:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer

    class Trainer(SentenceTransformerTrainer):
        """Its checkpoints hold the weights that change, and appear complete or not at all."""

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            super()._save_checkpoint(model, trial)
            name = f"{CHECKPOINT}{self.state.global_step}"
            publish_checkpoint(Path(self.args.output_dir) / name, folder)

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            save_trained(self.model, Path(output_dir or self.args.output_dir) / WEIGHTS)

        def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
            load_trained(self.model, Path(checkpoint_path) / WEIGHTS)

    prompts = text_prompts(pairs)
    arguments = training_arguments(settings, steps, prompts, folder)
    if _reducer(model):
        from e5demo.training.reducer import RATES

        arguments.learning_rate_mapping = {
            rf"reducer\.{name}$": rate for name, rate in RATES.items()
        }
    if in_order:
        arguments.batch_sampler = _in_order
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({name: pairs[name].tolist() for name in prompts}),
        loss=loss,
        callbacks=[watcher],
    )


def _in_order(dataset: Any, batch_size: int, drop_last: bool, **_: Any) -> Any:
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler

    return DefaultBatchSampler(SequentialSampler(dataset), batch_size, drop_last)


def training_arguments(
    settings: TrainingSettings, steps: int, prompts: dict[str, str], folder: Path
) -> Any:
    """The trainer's, for `steps` steps on columns with these `prompts`."""
    import torch
    from sentence_transformers.base.sampler import BatchSamplers
    from sentence_transformers.sentence_transformer.training_args import (
        SentenceTransformerTrainingArguments,
    )

    samplers = {True: BatchSamplers.NO_DUPLICATES, False: BatchSamplers.BATCH_SAMPLER}
    bf16 = in_bf16(settings)
    return SentenceTransformerTrainingArguments(
        output_dir=str(folder / ".checkpoint"),
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
        prompts=prompts,
        bf16=bf16,
        use_cpu=bf16 and not torch.cuda.is_available(),  # else bf16 is refused there
        seed=settings.seed,
        dataloader_pin_memory=torch.cuda.is_available(),
        logging_steps=1,
        save_strategy="no",  # the watcher says when
        report_to="none",
        disable_tqdm=True,
    )


def _watcher(
    folder: Path,
    began_at: int,
    steps: int,
    settings: TrainingSettings,
    progress: Progress,
    validate: Validator | None,
    stop: Any,
) -> Any:
    """The trainer's callback: history, validation, checkpoints, and when to end."""
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):
        def __init__(self) -> None:
            self.history = History(folder)
            rows = self.history.go_back(began_at)
            self.before = max((row.get("seconds", 0.0) for row in rows), default=0.0)
            self.steps = began_at
            self.stopped = False
            self.best, self.best_step, self.worse = 0.0, 0, 0
            for row in rows:
                self.compare(row)
            self.took = 0.0
            self.began = self.saved = self.stepped = time.perf_counter()

        @property
        def ended(self) -> bool:
            """Out of steps, of time for another one like the last, or of patience."""
            over = self.seconds + self.took > (settings.max_minutes or float("inf")) * 60
            impatient = settings.patience is not None and self.worse >= settings.patience
            return self.steps >= steps or over or impatient

        @property
        def seconds(self) -> float:
            return self.before + time.perf_counter() - self.began

        def compare(self, row: dict[str, float]) -> bool:
            """Is this row's validation the best so far?"""
            if "ndcg@10" not in row or not row["step"] or not settings.patience:
                return False
            better = row["ndcg@10"] > self.best or not self.best_step
            if better:
                self.best, self.best_step, self.worse = row["ndcg@10"], int(row["step"]), 0
            else:
                self.worse += 1
            return better

        def validated(self, model: Any, step: int) -> None:
            assert validate
            progress("validate", step, steps)
            row = {"step": step, "ndcg@10": validate(model)}
            if self.compare(row):
                save_trained(model, folder / BEST)
            self.history.add(row)

        def on_train_begin(self, *_: Any, model: Any = None, **__: Any) -> None:
            progress("train", self.steps, steps)
            if validate and settings.validations and not self.history.rows():
                self.validated(model, 0)
            self.stepped = time.perf_counter()

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, model: Any = None, **_: Any
        ) -> None:
            if not logs or "loss" not in logs:
                return
            now, step = time.perf_counter(), state.global_step
            self.steps, self.took = step, now - self.stepped
            self.history.add(
                {
                    "step": step,
                    "loss": float(logs["loss"]),
                    "learning_rate": float(logs["learning_rate"]),
                    "pairs_per_second": settings.batch_size / self.took,
                    "seconds": self.seconds,
                    "seconds_left": self.seconds / step * (steps - step),
                }
            )
            progress("train", step, steps)
            if validate and step in validation_steps(steps, settings.validations):
                self.validated(model, step)
                progress("train", step, steps)
            self.stopped = stop.is_set()
            ended = self.ended
            if self.stopped or ended:
                control.should_training_stop = True
            if ended:
                write_json(folder / PLAN, {**read_json(folder / PLAN), ENDED: step})
            more = ended and settings.matryoshka  # whose last fitting may be interrupted too
            if self.stopped or more or now - self.saved > CHECKPOINT_SECONDS:
                control.should_save = True
                self.saved = now
            self.stepped = time.perf_counter()

    return Watcher()


def validation_steps(steps: int, validations: int) -> set[int]:
    """The last step and as many before it as make `validations`, evenly spread."""
    return {round(steps * (i + 1) / validations) for i in range(validations)}
