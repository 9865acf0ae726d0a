"""Evaluations beside each other: verdicts, the map of the news, reports."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from threading import Condition

from cachetools import LRUCache, cachedmethod

from e5demo.analysis import Ground
from e5demo.backend.library import Library
from e5demo.config import SplitSettings, prompting_of
from e5demo.data.corpus import Queries, make_queries
from e5demo.data.splits import SPLITS
from e5demo.data.store import Dataset
from e5demo.errors import (
    BaseModelChanged,
    FolderNotWritable,
    NotComparable,
    NotEncoded,
    NoVectors,
    SplitRedrawn,
    TwinsWanted,
    UnknownRetriever,
)
from e5demo.evaluation.comparison import Comparison, compare
from e5demo.evaluation.contrasts import gains, gold_ranks
from e5demo.evaluation.experiments import GROUND, Experiment
from e5demo.evaluation.projection import Method, NewsMap, Sample, Vectors, draw_sample, make_map
from e5demo.jobs import Progress, silent
from e5demo.report import Evidence, call_experiments, library_versions, report_title, write_evidence
from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.engine import Engine
from e5demo.training.tuned import Tuned
from e5demo.workspace import Workspace

KEPT_COMPARISONS = 8
KEPT_MAPS = 8
PATIENCE_SECONDS = 20  # what takes longer to encode is a job


class Comparisons(Library):
    """What is asked about several evaluations."""

    def __init__(self, workspace: Workspace, engine: Engine) -> None:
        super().__init__(workspace, engine)
        self._comparisons: LRUCache = LRUCache(KEPT_COMPARISONS)
        self._comparison_ready = Condition()
        self._maps: LRUCache = LRUCache(KEPT_MAPS)
        self._map_ready = Condition()

    # --- verdicts ----------------------------------------------------------------------------

    def queries_of(self, experiment: Experiment) -> Queries:
        """Those that it was measured on, in their order. Raises UnknownDataset, SplitRedrawn."""
        dataset = self._dataset_of(experiment)
        split = SplitSettings.checked(**experiment.measured.split)
        corpus = self.corpus(dataset, split, experiment.measured.corpus_kind)
        found = make_queries(dataset.pairs, self.split(dataset, split).parts, corpus)
        asked = experiment.scores.index
        if not set(asked) <= found.texts.keys():
            raise SplitRedrawn(experiment=experiment.id)
        return Queries({i: found.texts[i] for i in asked}, {i: found.qrels[i] for i in asked})

    def _dataset_of(self, experiment: Experiment) -> Dataset:
        """The one in use if it has the same texts, as a person may have chosen other columns
        meanwhile; else its own, else another with the same texts. Raises UnknownDataset."""
        data, own = experiment.measured.data, experiment.dataset
        used = self.dataset(self.choices().dataset)
        if used.fingerprint == data:
            return used
        same = [one.id for one in self.datasets() if one.fingerprint == data]
        return self.dataset(own if own in same or not same else same[0])

    def ground(self, experiment: Experiment) -> Ground:
        """What it was measured on. Raises UnknownDataset, TwinsWanted, SplitRedrawn."""
        dataset = self._dataset_of(experiment)
        if not self.finds_twins_quickly(dataset):
            raise TwinsWanted(dataset=dataset.name)
        split = SplitSettings.checked(**experiment.measured.split)
        kind = experiment.measured.corpus_kind
        return Ground(
            pairs=dataset.pairs,
            parts=self.split(dataset, split).parts,
            twins=dataset.twins(),
            corpus=self.corpus(dataset, split, kind),
            corpus_pairs=dataset.pairs if kind == "all" else self.split_rows(dataset, split, kind),
            queries=self.queries_of(experiment),
        )

    @cachedmethod(
        lambda self: self._comparisons,
        key=lambda self, experiments: tuple((one.id, one.created) for one in experiments),
        condition=lambda self: self._comparison_ready,
    )
    def compare(self, experiments: Sequence[Experiment]) -> Comparison:
        """Each two of them, right against left, by the ids. Raises NotComparable."""
        first = experiments[0]
        common = set(first.metrics)
        for other in experiments[1:]:
            parts = zip(GROUND, first.measured.ground, other.measured.ground, strict=True)
            differ = [name for name, left, right in parts if left != right]
            if differ:
                raise NotComparable(left=first.id, right=other.id, what=", ".join(differ))
            common &= other.metrics.keys()
            if not common:
                raise NotComparable(left=first.id, right=other.id, what="cutoffs")
        return compare({one.id: one.scores for one in experiments})

    # --- the map -----------------------------------------------------------------------------

    @cachedmethod(
        lambda self: self._maps,
        key=lambda self, left, right, method: (left.id, left.created, right.id, right.created,
                                               method, self._dataset_of(left).id),
        condition=lambda self: self._map_ready,
    )  # fmt: skip
    def news_map(self, left: Experiment, right: Experiment, method: Method) -> NewsMap:
        """What the models of both, or the one that has vectors, make of their corpus.

        Raises NoVectors, NotEncoded, UnknownDataset.
        """
        queries = self.queries_of(left)
        dataset, split = self._dataset_of(left), SplitSettings.checked(**left.measured.split)
        corpus = self.corpus(dataset, split, left.measured.corpus_kind)
        ranks = (gold_ranks(one.run, queries.qrels) for one in (left, right))
        sample = draw_sample(corpus, queries, gains(*ranks))
        vectors: dict[str, Vectors] = {}
        seen = set()
        for one in (left, right):
            encoder = self._encoder_of(one)
            if encoder and encoder.key("document") not in seen:
                seen.add(encoder.key("document"))
                vectors[one.id] = self._known_vectors(encoder, sample, one)
        if not vectors:
            raise NoVectors(left=left.measured.retriever, right=right.measured.retriever)
        return make_map(sample, vectors, method)

    def _encoder_of(self, experiment: Experiment) -> E5Encoder | None:
        """With which it was measured; None for BM25, and where those weights are gone."""
        measured = experiment.measured
        if not (measured.model_fingerprint and measured.max_length and measured.prompts):
            return None
        try:
            _, tuned = self.find_retriever(measured.training)
        except (UnknownRetriever, BaseModelChanged):
            return None
        if (tuned or self.engine.find_model()).fingerprint != measured.model_fingerprint:
            return None
        prompting = prompting_of(measured.prompts)
        return self.engine.encoder(measured.max_length, tuned, prompting)

    def _known_vectors(self, encoder: E5Encoder, sample: Sample, measured: Experiment) -> Vectors:
        """From the cache, where the evaluation left them. Raises NotEncoded where they are gone and
        would take long."""
        passages, cache = sample.passages["passage"].tolist(), self.engine.cache
        missing = cache.missing(encoder, "document", passages)
        seconds = self.engine.seconds_to_encode(missing, encoder.max_length) if missing else 0
        check_patience(measured.measured.retriever, len(missing), seconds)
        queries = sample.queries["query"].tolist()
        found = (cache.encode(encoder, *of) for of in (("document", passages), ("query", queries)))
        (of_passages, _), (of_queries, _) = found
        return of_passages, of_queries

    # --- reports -----------------------------------------------------------------------------

    def evidence(
        self, ids: Sequence[str], language: str = "en", progress: Progress = silent
    ) -> Evidence:
        """What a report of these evaluations is made from, in French or English.

        Raises UnknownExperiment, UnknownDataset, NotComparable.
        """
        experiments = [self.experiment(one) for one in dict.fromkeys(ids)]
        comparison = self.compare(experiments)
        first = experiments[0]
        dataset = self._dataset_of(first)
        settings = SplitSettings.checked(**first.measured.split)
        split = self.split(dataset, settings, progress)
        queries = self.queries_of(first)
        return Evidence(
            title=report_title(language, dataset.name),
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            split=settings,
            splits={part: self.split_rows(dataset, settings, part) for part in SPLITS},
            leaks=split.leaks,
            queries=queries.texts,
            qrels=queries.qrels,
            experiments=experiments,
            names=call_experiments(language, experiments, self.names()),
            comparison=comparison,
            versions=library_versions(),
            trainings=self._trainings_of(experiments),
        )

    def _trainings_of(self, experiments: Sequence[Experiment]) -> dict[str, Tuned]:
        """Which made the model that was measured, by the evaluation's id."""
        trainings = {tuned.id: tuned for tuned in self.all_trainings()}
        made_by = {one.id: one.measured.training for one in experiments}
        return {one: trainings[name] for one, name in made_by.items() if name in trainings}

    def write_report(
        self, ids: Sequence[str], path: Path, language: str = "en", progress: Progress = silent
    ) -> Path:
        """The evidence as one zip. Raises what `evidence` raises, and FolderNotWritable."""
        evidence = self.evidence(ids, language, progress)
        try:
            return write_evidence(path, evidence, language)
        except OSError as error:
            raise FolderNotWritable(folder=path.parent, reason=error.strerror) from error


def check_patience(retriever: str, passages: int, seconds: float) -> None:
    """Raises NotEncoded where a person would wait too long: that is a job then."""
    if seconds > PATIENCE_SECONDS:
        raise NotEncoded(retriever=retriever, passages=passages, minutes=ceil(seconds / 60))
