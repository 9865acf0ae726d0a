"""The one object that tabs and command line call: a person's workspace over a shared engine."""

import itertools
import secrets
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Any

import pandas as pd
from cachetools import LRUCache

from e5demo.answers import Answer, Column, Reasons, ask, hits_table, reasons, side_by_side
from e5demo.backend.comparisons import Comparisons, check_patience
from e5demo.backend.library import Choices
from e5demo.backend.trainings import Trainings
from e5demo.config import (
    MAX_LENGTH,
    CorpusKind,
    EvaluationSettings,
    Prompting,
    SplitSettings,
    prompts_of,
)
from e5demo.data.browsing import Scope
from e5demo.data.corpus import Corpus, Queries, make_queries
from e5demo.data.pairs import text_id
from e5demo.data.store import Dataset
from e5demo.errors import EmptyQuery, NoRetriever, TooDeep, TooManyRetrievers
from e5demo.evaluation.contrasts import gold_ranks
from e5demo.evaluation.experiments import Experiment, Measured, method_of, save_experiment
from e5demo.evaluation.metrics import average, score_run
from e5demo.evaluation.runs import DEPTH, make_run
from e5demo.evaluation.votes import Choice, Vote
from e5demo.jobs import Progress, silent
from e5demo.retrieval.engine import DENSE, OVER, Engine
from e5demo.retrieval.fusion import DEPTH as FUSED
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.search import Retriever
from e5demo.workspace import Workspace, remove_folder

KEPT_BALLOTS = 64
TIMED_QUERIES = 10
MOST_COLUMNS = 4


class Backend(Trainings, Comparisons):
    """Search and evaluation, and all that its parts do, in one workspace. Safe under threads."""

    def __init__(self, workspace: Workspace, engine: Engine) -> None:
        super().__init__(workspace, engine)
        self._ballots: LRUCache = LRUCache(KEPT_BALLOTS)
        self._ballot_lock = Lock()

    # --- search ------------------------------------------------------------------------------

    def search(
        self,
        corpus: Corpus,
        query: str,
        retriever: str,
        *,
        k: int = 10,
        max_length: int = MAX_LENGTH,
        depth: int = 0,
        scope: Scope | None = None,
        progress: Progress = silent,
    ) -> Column:
        """One retriever's first `k`, and ids down to `depth`; passages outside `scope` are no hits.

        Raises EmptyQuery, UnknownRetriever, NoWeights, NotAModel.
        """
        if not query.strip():
            raise EmptyQuery
        kind, tuned = self.find_retriever(retriever)
        found = self.engine.retriever(kind, corpus, max_length, progress, tuned)
        if kind in DENSE:
            self.engine.load(kind, max_length, tuned)  # not a part of the time shown
        allowed = corpus.allowed(scope) if scope else None
        return ask(found, corpus, retriever, query.strip(), k, max(k, depth), allowed)

    def side_by_side(
        self, corpus: Corpus, query: str, retrievers: Sequence[str], *, k: int = 10, **options: Any
    ) -> Answer:
        """A column each, in this order, and how far each two agree; `options` as for `search`.

        Raises NoRetriever, TooManyRetrievers, and what `search` raises.
        """
        names = columns_of(retrievers)
        columns = [self.search(corpus, query, name, k=k, **options) for name in names]
        return side_by_side(columns, k)

    def keep_ballot(self, ballot: Vote) -> str:
        """An id for `cast`: what was shown, complete but for the choice."""
        ballot_id = secrets.token_hex(8)
        with self._ballot_lock:
            self._ballots[ballot_id] = ballot
        return ballot_id

    def cast(self, ballot_id: str, choice: Choice) -> bool:
        """Write the vote down, for what was shown. False where that ballot was cast before."""
        with self._ballot_lock:
            ballot = self._ballots.get(ballot_id)
            if ballot is None:
                return False
            self.votes.add(replace(ballot, choice=choice, at=time.time()))
            del self._ballots[ballot_id]  # only now: a failed writing may be tried again
        return True

    def model_of(self, retriever: str) -> str | None:
        """The fingerprint of the weights that it reads with."""
        kind, tuned = self.find_retriever(retriever)
        return (tuned or self.engine.find_model()).fingerprint if kind in DENSE else None

    def to_read(self, corpus: Corpus, retriever: str, max_length: int) -> tuple[int, float]:
        """How many passages the retriever's model has yet to encode, and about how many seconds
        that takes here. Raises UnknownRetriever."""
        kind, tuned = self.find_retriever(retriever)
        if kind not in DENSE:
            return 0, 0.0
        passages = self.engine.unencoded(corpus, max_length, tuned)
        seconds = self.engine.seconds_to_encode(passages, max_length) if passages else 0.0
        return len(passages), seconds

    def check_read(self, corpus: Corpus, retrievers: Sequence[str], max_length: int) -> None:
        """Raises NotEncoded where a person would wait too long: that is a job then."""
        for name in retrievers:
            passages, seconds = self.to_read(corpus, name, max_length)
            check_patience(name, passages, seconds)

    def explain(
        self,
        corpus: Corpus,
        query: str,
        retriever: str,
        passage_id: str,
        *,
        max_length: int = MAX_LENGTH,
        scope: Scope | None = None,
    ) -> Reasons:
        """Why the passage stands where it does; fusion has the reasons of both its members, and
        reranked it has the fusion's.

        Raises UnknownRetriever, and KeyError for a passage that the corpus lacks.
        """
        kind, tuned = self.find_retriever(retriever)
        found = self.engine.retriever(kind, corpus, max_length, silent, tuned)
        encoder = self.engine.encoder(max_length, tuned) if kind in DENSE else None
        position = int(corpus.articles.index.get_loc(passage_id))
        allowed = corpus.allowed(scope) if scope else None
        return reasons(found, encoder, query.strip(), position, allowed)

    def search_all(
        self,
        corpus: Corpus,
        queries: Sequence[str],
        retriever: str,
        *,
        k: int = 10,
        max_length: int = MAX_LENGTH,
        scope: Scope | None = None,
    ) -> pd.DataFrame:
        """The first k of each query in one table: see `answers.hits_table`."""
        kind, tuned = self.find_retriever(retriever)
        found = self.engine.retriever(kind, corpus, max_length, silent, tuned)
        allowed = corpus.allowed(scope) if scope else None
        return hits_table(found, corpus, retriever, queries, k, allowed)

    def gold(
        self, dataset: Dataset, corpus: Corpus, query: str, scope: Scope | None = None
    ) -> set[str]:
        """Ids of the passages that answer the query, where it is a title of the data, and that
        `scope` lets through."""
        same = dataset.pairs["query_id"] == text_id(query.strip())
        allowed = corpus.allowed(scope) if scope else None
        there = corpus.ids if allowed is None else corpus.ids[allowed]
        return set(dataset.pairs.loc[same, "passage_id"]) & set(there)

    # --- scores ------------------------------------------------------------------------------

    def evaluate(
        self,
        dataset: Dataset,
        retriever: str,
        split_settings: SplitSettings,
        settings: EvaluationSettings,
        progress: Progress = silent,
    ) -> Experiment:
        """Score one retriever on the test queries and keep the experiment.

        Raises EmptySplit, UnknownRetriever, NoWeights, TooDeep.
        """
        kind, tuned = self.find_retriever(retriever)
        if kind in OVER and max(settings.cutoffs) > FUSED:
            raise TooDeep(retriever=retriever, depth=FUSED)
        split = self.split(dataset, split_settings, progress)
        corpus = self.corpus(dataset, split_settings, settings.corpus)
        queries = make_queries(
            dataset.pairs, split.parts, corpus, limit=settings.limit_queries, seed=settings.seed
        )
        timings: dict[str, float] = {}
        found_passages = 0
        length = settings.max_length
        if kind in DENSE:
            with timed(timings, "encode_passages"):
                _, found_passages = self.encode(corpus, length, progress, tuned, settings.prompts)
        with timed(timings, "index"):
            found = self.engine.retriever(
                kind, corpus, length, progress, tuned, settings.prompts, settings.precision
            )
        texts = list(queries.texts.values())
        with timed(timings, "encode_queries"):
            found.prepare(texts, progress)
        with timed(timings, "search"):
            rankings = found.search(texts, max(DEPTH, *settings.cutoffs))
        run = make_run(list(queries.texts), rankings, corpus)
        scores = score_run(run, queries.qrels, settings.cutoffs)
        return save_experiment(
            self.workspace.experiments,
            self._measured(dataset, retriever, split_settings, settings, corpus, queries),
            scores,
            run,
            dataset=dataset.id,
            queries=len(queries.texts),
            passages=len(corpus),
            metrics=average(scores),
            timings={"encode_passages": 0.0, **timings},
            cached_passages=found_passages,
            query_milliseconds=one_query_milliseconds(found, texts),
        )

    def measured_ranks(
        self, dataset: Dataset, choices: Choices, kind: CorpusKind, retrievers: Sequence[str]
    ) -> pd.DataFrame:
        """The test queries (`query`, by query id) with each retriever's rank of the passage sought,
        from evaluations made before: those on the ground that most of these share, with the most
        queries.

        A retriever that was not evaluated there has no column; a rank beyond 100 is NaN.
        """
        grounds: dict[Any, dict[str, Experiment]] = {}
        for experiment in self.experiments():
            if self._answers_to(experiment, dataset, choices, kind, retrievers):
                found = grounds.setdefault(experiment.measured.ground, {})
                found.setdefault(experiment.measured.retriever, experiment)
        if not grounds:
            return pd.DataFrame({"query": []})
        chosen = max(grounds.values(), key=lambda found: (len(found), _queries(found)))
        queries = self.queries_of(next(iter(chosen.values())))
        ranks = pd.DataFrame({"query": queries.texts}).rename_axis("query_id")
        for name in retrievers:
            if name in chosen:
                ranks[name] = gold_ranks(chosen[name].run, queries.qrels)
        return ranks

    def _answers_to(
        self,
        experiment: Experiment,
        dataset: Dataset,
        choices: Choices,
        kind: CorpusKind,
        retrievers: Sequence[str],
    ) -> bool:
        """Is it of one of these retrievers, on what is searched now?"""
        measured = experiment.measured
        return (
            measured.retriever in retrievers
            and measured.data == dataset.fingerprint
            and measured.corpus_kind == kind
            and measured.split == choices.split.model_dump(mode="json")
            and measured.max_length in (None, choices.max_length)
            and not measured.ablated
            and measured.model_fingerprint == self.model_of(measured.retriever)
        )

    def encode(
        self,
        corpus: Corpus,
        max_length: int,
        progress: Progress = silent,
        tuned: ModelSource | None = None,
        prompting: Prompting = "own",
    ) -> tuple[int, int]:
        """Encode a corpus ahead: how many passages it has and how many were in the cache."""
        encoder = self.engine.encoder(max_length, tuned, prompting)
        found = self.engine.cache.fill(encoder, "document", corpus.passages, progress)
        return len(corpus), found

    def delete_experiment(self, experiment_id: str) -> None:
        """An evaluation, or a training with its evaluations. Raises UnknownExperiment."""
        if self.is_evaluation(experiment_id):
            remove_folder(self.experiment(experiment_id).folder)
        else:
            self.delete_training(experiment_id)

    def _measured(
        self,
        dataset: Dataset,
        retriever: str,
        split_settings: SplitSettings,
        settings: EvaluationSettings,
        corpus: Corpus,
        queries: Queries,
    ) -> Measured:
        kind, tuned = self.find_retriever(retriever)
        dense = kind in DENSE
        encoder = self.engine.encoder(settings.max_length, tuned) if dense else None
        source = encoder.source if encoder else None
        return Measured(
            retriever=retriever,
            data=dataset.fingerprint,
            corpus=corpus.fingerprint,
            queries=queries.fingerprint,
            corpus_kind=settings.corpus,
            split=split_settings.model_dump(mode="json"),
            cutoffs=settings.cutoffs,
            model=source.name if source else None,
            weights=source.weights if source else None,
            model_fingerprint=encoder.fingerprint if encoder else None,
            prompts=prompts_of(settings.prompts) if dense else None,
            max_length=settings.max_length if dense else None,
            precision=settings.precision if dense else None,
            computed=encoder.precision if encoder else None,
            method=method_of(retriever),
        )


def columns_of(retrievers: Sequence[str]) -> list[str]:
    """Each once, one to four of them. Raises NoRetriever, TooManyRetrievers."""
    names = list(dict.fromkeys(retrievers))
    if not names:
        raise NoRetriever
    if len(names) > MOST_COLUMNS:
        raise TooManyRetrievers(count=len(names), most=MOST_COLUMNS)
    return names


def _queries(found: Mapping[str, Experiment]) -> int:
    return next(iter(found.values())).queries


_blanks = itertools.count(1)


def one_query_milliseconds(retriever: Retriever, queries: Sequence[str]) -> float:
    """As one person's query takes, encoding included: the median of a few.

    With blanks behind, more each time, they are queries that the retriever does not know.
    """
    took = []
    for query in queries[:TIMED_QUERIES]:
        began = time.perf_counter()
        retriever.search([f"{query}{' ' * next(_blanks)}"], 10)
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)


@contextmanager
def timed(timings: dict[str, float], name: str) -> Iterator[None]:
    """Seconds that the block took, into `timings`."""
    began = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - began
