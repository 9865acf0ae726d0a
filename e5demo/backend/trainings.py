"""Trainings: begun, gone on with, what they cost, and moved from one place to another."""

import secrets
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import xxhash

from e5demo.backend.library import Library
from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.data.corpus import make_corpus
from e5demo.data.store import Dataset
from e5demo.errors import AlreadyTrained, FileMissing, FolderNotWritable, NoPreference, TooFewPairs
from e5demo.evaluation.comparison import compare
from e5demo.evaluation.experiments import Experiment
from e5demo.evaluation.votes import triplets
from e5demo.jobs import Progress, silent
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.reduction import REDUCTION, Reduction
from e5demo.retrieval.search import Retriever
from e5demo.training.checkpoints import forget_checkpoints
from e5demo.training.estimate import COSTLY, PROBE_PAIRS, Estimate, Timing, estimate, time_training
from e5demo.training.negatives import add_negatives
from e5demo.training.package import export_tuned, import_tuned, merge_adapter
from e5demo.training.recipe import TrainingSettings
from e5demo.training.reranking import late_settings, time_late, train_late, trains_tokens
from e5demo.training.triplets import Extra, add_triplets, tidied, usable
from e5demo.training.tuned import ASKED, SCORES, Tuned, begin_tuned, end_tuned, open_tuned
from e5demo.training.validation import make_validator
from e5demo.training.worker import count_steps, make_loss, prepare_model, train
from e5demo.workspace import read_json, remove_folder, timings, write_csv, write_json, write_text

FITTED_PAIRS = 20_000  # that fewer dimensions are fitted to, where there are more
KEPT_RECIPES = 200  # a form writes one for each of its states


class Trainings(Library):
    """What is done with trainings."""

    def begin_training(
        self,
        dataset: Dataset,
        split_settings: SplitSettings,
        settings: TrainingSettings,
        preset: str,
        evaluation: EvaluationSettings,
        job: str | None = None,
        extra: pd.DataFrame | None = None,
    ) -> Tuned:
        """Write down a training that `go_on_training` does, on `extra` triplets too: those that
        don't give validation or test away. Each pair then gets a hard negative, as a triplet has.

        Raises TooFewPairs, EmptySplit.
        """
        pairs = self.train_pairs(dataset, split_settings, settings)
        used, counts = self._usable(dataset, split_settings, extra)
        if len(pairs) + counts.used < settings.batch_size:
            raise TooFewPairs(pairs=len(pairs) + counts.used, batch_size=settings.batch_size)
        if counts.used and not settings.hard_negatives:
            settings = settings.model_copy(update={"hard_negatives": 1})
        return begin_tuned(
            self.workspace.experiments / f"{settings.method}-{secrets.token_hex(4)}",
            self._fitted(dataset, split_settings, settings),
            self.engine.find_model(),
            split_settings,
            evaluation,
            used,
            preset=preset,
            dataset=dataset.id,
            dataset_name=dataset.name,
            data=dataset.fingerprint,
            pairs=len(pairs),
            job=job,
            extra=asdict(counts),
        )

    def go_on_training(self, tuned: Tuned, progress: Progress = silent) -> Tuned:
        """Train from its last checkpoint, or from the start, to the end.

        Raises AlreadyTrained, TrainingRuns, BaseModelChanged, UnknownDataset, TrainingStopped.
        """
        if tuned.trained:
            raise AlreadyTrained(experiment=tuned.id)
        base = self.engine.find_model()
        tuned.check_base(base)
        dataset, settings = self.dataset(tuned.dataset), tuned.settings
        with tuned.working():
            pairs = self.train_pairs(dataset, tuned.split, settings)
            if settings.hard_negatives:
                name, length = settings.negatives_from, settings.max_length
                miner = self._retriever(pairs, name, length, progress)
                pairs = add_negatives(pairs, miner, settings, progress)
            if tuned.extra.used:
                pairs = add_triplets(pairs, tuned.triplets)
            validate = None
            if settings.validations:
                parts = self.split(dataset, tuned.split).parts
                validate = make_validator(dataset.pairs, parts, settings)
            trained = train(pairs, settings, base, tuned.folder, progress, validate)
            if (tuned.folder / REDUCTION).is_file():
                self._fit_reduction(tuned, pairs, base, progress)
            tuned = end_tuned(tuned, trained)
            forget_checkpoints(tuned.folder)
        return tuned

    def train_tokens(self, tuned: Tuned, progress: Progress = silent) -> None:
        """Those to rerank by, of a trained model that lacks them, from their last checkpoint.

        Raises AlreadyTrained, TrainingRuns, BaseModelChanged, UnknownDataset, TrainingStopped.
        """
        if not tuned.lacks_tokens:
            raise AlreadyTrained(experiment=tuned.id)
        base, settings = self.engine.find_model(), tuned.settings
        tuned.check_base(base)
        with tuned.working():
            pairs = self.train_pairs(self.dataset(tuned.dataset), tuned.split, settings)
            length, source = tuned.evaluation.max_length, tuned.source(base)
            fusion = self._retriever(pairs, "fusion", length, progress, source)
            train_late(pairs, fusion, settings, base, tuned.folder, progress)

    def _fit_reduction(
        self, tuned: Tuned, pairs: pd.DataFrame, base: ModelSource, progress: Progress
    ) -> None:
        """To the train pairs, now that their vectors change no more."""
        from e5demo.training.reducer import fit  # with torch

        if len(pairs) > FITTED_PAIRS:
            pairs = pairs.sample(FITTED_PAIRS, random_state=tuned.settings.seed)
        encoder = self.engine.encoder(tuned.evaluation.max_length, tuned.source(base))
        cache = self.engine.cache
        titles, _ = cache.encode(encoder, "query", pairs["query"].tolist(), progress)
        right, once = pd.factorize(pairs["passage"])
        passages, _ = cache.encode(encoder, "document", once.tolist(), progress)
        path = tuned.folder / REDUCTION
        learned = Reduction.read(path)
        fit(learned, titles, passages, right, tuned.settings.seed, progress).write(path)

    def keep_votes(self, dataset: Dataset) -> Path:
        """The triplets of the votes on a data set as a file, which a command can name.

        Raises NoPreference where no vote gives one.
        """
        found = triplets(vote for vote in self.votes.votes() if vote.dataset == dataset.id)
        if found.empty:
            raise NoPreference
        path = self.workspace.recipes / f"votes-{dataset.id}.csv"
        write_csv(path, found)
        return path

    def keep_recipe(self, settings: TrainingSettings) -> Path:
        """The settings as a YAML file of their own, which a command can name."""
        text = settings.to_yaml()
        name = f"{settings.method}-{xxhash.xxh32_hexdigest(text.encode())}.yaml"
        path = self.workspace.recipes / name
        if not path.is_file():
            write_text(path, text)
            newest = sorted(self.workspace.recipes.glob("[!.]*"), key=lambda p: -p.stat().st_mtime)
            for old in newest[KEPT_RECIPES:]:
                old.unlink(missing_ok=True)
        return path

    def train_pairs(
        self, dataset: Dataset, split_settings: SplitSettings, settings: TrainingSettings
    ) -> pd.DataFrame:
        """The train split, or `max_pairs` of it drawn by the seed."""
        pairs = self.split_rows(dataset, split_settings, "train")
        if settings.max_pairs and settings.max_pairs < len(pairs):
            pairs = pairs.sample(settings.max_pairs, random_state=settings.seed)
        return pairs.astype({"query": "object", "passage": "object"})

    def _fitted(
        self, dataset: Dataset, split_settings: SplitSettings, settings: TrainingSettings
    ) -> TrainingSettings:
        """With no more validation queries than there are: their time is planned for."""
        there = self.split(dataset, split_settings).sizes["validation"]
        fewer = max(1, min(settings.validation_queries, there))
        return settings.model_copy(update={"validation_queries": fewer})

    def _usable(
        self, dataset: Dataset, split_settings: SplitSettings, extra: pd.DataFrame | None
    ) -> tuple[pd.DataFrame | None, Extra]:
        """The triplets to train on, None where there is none, and their count."""
        if extra is None:
            return None, Extra()
        given = tidied(extra)
        used = usable(given, dataset.twins(), self.split(dataset, split_settings).parts)
        return used if len(used) else None, Extra(len(used), len(given) - len(used))

    def _retriever(
        self,
        pairs: pd.DataFrame,
        name: str,
        max_length: int,
        progress: Progress,
        tuned: ModelSource | None = None,
    ) -> Retriever:
        """Of the passages of `pairs`."""
        corpus = make_corpus(pairs, pd.Series(), "all")
        return self.engine.retriever(name, corpus, max_length, progress, tuned)

    def keep_scores(self, tuned: Tuned, before: Experiment, after: Experiment) -> dict[str, Any]:
        """Both averages, the paired difference of each metric, and what a comparison says of it,
        beside the weights."""
        found = compare({before.id: before.scores, after.id: after.scores}).differences
        scores = {
            "evaluations": [before.id, after.id],
            "before": before.metrics,
            "after": after.metrics,
            "difference": {d.metric: {"mean": d.mean, "low": d.low, "high": d.high} for d in found},
            "verdicts": {d.metric: d.verdict for d in found},
        }
        write_json(tuned.folder / SCORES, scores)
        return scores

    def taken_up(self, tuned: Tuned, job: str | None) -> Tuned:
        """The same, from now on the work of that job."""
        record = read_json(tuned.folder / ASKED)
        write_json(tuned.folder / ASKED, {**record, "job": job})
        return open_tuned(tuned.folder)

    def export_training(self, tuned: Tuned, path: Path, *, merged: bool = False) -> Path:
        """A zip; with LoRA's merged weights on request. Raises UnknownExperiment for a training
        that has not ended, BaseModelChanged, FolderNotWritable."""
        tuned = self.tuned(tuned.id)
        if merged:
            merge_adapter(tuned, self.engine.find_model())
        try:
            return export_tuned(tuned, path)
        except OSError as error:
            raise FolderNotWritable(folder=path.parent, reason=error.strerror) from error

    def import_training(self, path: Path) -> Tuned:
        """A zip or folder. Raises FileMissing, NotATuned."""
        if not path.exists():
            raise FileMissing(path=path)
        return import_tuned(self.workspace.experiments, path)

    def delete_training(self, experiment_id: str) -> None:
        """Its weights and the evaluations made with them.

        Raises UnknownExperiment, TrainingRuns.
        """
        tuned = self.training(experiment_id)
        with tuned.working():
            for experiment in self.experiments():
                if experiment.measured.training == tuned.id:
                    remove_folder(experiment.folder)
            remove_folder(tuned.folder)

    # --- what a training will cost -----------------------------------------------------------

    def time_training(
        self,
        dataset: Dataset,
        split_settings: SplitSettings,
        settings: TrainingSettings,
        evaluation: EvaluationSettings,
        progress: Progress = silent,
    ) -> None:
        """Time a few steps here, for `estimate`; what was timed once is not timed again."""
        path = self._timing_path(dataset, settings, evaluation)
        if path.is_file():
            return
        progress("estimate", 0, 1)
        pairs = self.train_pairs(dataset, split_settings, settings)
        for i in range(settings.hard_negatives):  # of a passage's length; which one does not matter
            pairs[f"negative_{i + 1}"] = pairs["passage"].to_numpy()[::-1]
        model = prepare_model(self.engine.find_model(), settings)
        timing = time_training(model, make_loss(model, settings), pairs, settings)
        passages = self.corpus(dataset, split_settings, evaluation.corpus).passages
        seconds = self.engine.seconds_to_encode(passages, evaluation.max_length)
        told = {"timing": asdict(timing), "seconds_per_passage": seconds / len(passages)}
        if settings.rerank_minutes:
            told["late"] = asdict(time_late(pairs, settings, self.engine.find_model()))
        write_json(path, told)
        progress("estimate", 1, 1)

    def estimate(
        self,
        dataset: Dataset,
        split_settings: SplitSettings,
        settings: TrainingSettings,
        evaluation: EvaluationSettings,
    ) -> Estimate | None:
        """Time, memory and disk of a training and its two evaluations; None where nothing of the
        kind has been timed on this machine."""
        path = self._timing_path(dataset, settings, evaluation)
        if not path.is_file():
            return None
        told = read_json(path)
        timing = Timing(**told["timing"])
        settings = self._fitted(dataset, split_settings, settings)
        pairs = self.train_pairs(dataset, split_settings, settings)
        corpus = self.corpus(dataset, split_settings, evaluation.corpus)
        again = set(corpus.passages)  # after training
        if tokens := trains_tokens(settings, len(pairs)):
            again |= set(pairs["passage"])
        elif settings.matryoshka:
            again |= set(pairs["passage"].head(FITTED_PAIRS))
        texts = len(self.engine.unencoded(corpus, evaluation.max_length)) + len(again)
        found = estimate(timing, count_steps(len(pairs), settings, timing), settings,
                         texts * told["seconds_per_passage"])  # fmt: skip
        if not tokens:
            return found
        late = late_settings(settings)
        timing = Timing(**told["late"])
        seconds = timing.train_seconds(late, count_steps(len(pairs), late, timing))
        memory = max(found.memory_mb, timing.memory_mb(late))
        return replace(found, rerank_seconds=seconds, memory_mb=memory)

    def _timing_path(
        self, dataset: Dataset, settings: TrainingSettings, evaluation: EvaluationSettings
    ) -> Path:
        """One for all visitors: it holds no text."""
        cost = settings.model_dump(mode="json", include=set(COSTLY))
        cost["probe"] = min(settings.batch_size, PROBE_PAIRS)
        if settings.rerank_minutes:
            cost["late"] = True
        model = self.engine.find_model().fingerprint
        key = repr((dataset.fingerprint, model, sorted(cost.items()), evaluation.max_length))
        return timings() / f"{xxhash.xxh3_64_hexdigest(key.encode())}.json"
