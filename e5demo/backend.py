"""The one object that tabs and command line call: a person's workspace over a shared engine."""

import itertools
import secrets
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Condition, Lock
from typing import Any

import pandas as pd
import xxhash
from cachetools import LRUCache, cachedmethod

from e5demo.analysis import Ground
from e5demo.answers import Answer, Column, Reasons, ask, hits_table, reasons, side_by_side
from e5demo.config import (
    MAX_LENGTH,
    SAMPLE,
    CorpusKind,
    EvaluationSettings,
    Prompting,
    SplitSettings,
    prompting_of,
    prompts_of,
)
from e5demo.data.browsing import Scope
from e5demo.data.corpus import Corpus, Queries, make_corpus, make_queries
from e5demo.data.pairs import text_id
from e5demo.data.splits import SPLITS, Leak, Split, leak_examples, make_split
from e5demo.data.store import Dataset, import_csv, list_datasets, open_dataset
from e5demo.errors import (
    AlreadyTrained,
    BaseModelChanged,
    E5DemoError,
    EmptyQuery,
    FileMissing,
    FolderNotWritable,
    NoRetriever,
    NotComparable,
    NotEncoded,
    NoVectors,
    NoVotes,
    TooDeep,
    TooFewPairs,
    TooManyRetrievers,
    TwinsWanted,
    UnknownDataset,
    UnknownExperiment,
    UnknownRetriever,
)
from e5demo.evaluation.comparison import Comparison, compare, paired_difference
from e5demo.evaluation.contrasts import gains, gold_ranks
from e5demo.evaluation.experiments import (
    EVALUATION,
    GROUND,
    Experiment,
    Measured,
    list_experiments,
    method_of,
    open_experiment,
    save_experiment,
)
from e5demo.evaluation.metrics import average, score_run
from e5demo.evaluation.projection import Method, NewsMap, Sample, Vectors, draw_sample, make_map
from e5demo.evaluation.runs import DEPTH, make_run
from e5demo.evaluation.votes import Choice, Vote, VoteBook, triplets
from e5demo.jobs import Progress, silent
from e5demo.report import (
    Evidence,
    call_experiments,
    library_versions,
    report_title,
    write_evidence,
)
from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.engine import DENSE, OVER, RETRIEVERS, Engine
from e5demo.retrieval.fusion import DEPTH as FUSED
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.search import Retriever
from e5demo.training.checkpoints import forget_checkpoints
from e5demo.training.estimate import (
    COSTLY,
    PROBE_PAIRS,
    Estimate,
    Timing,
    estimate,
    time_training,
)
from e5demo.training.negatives import add_negatives
from e5demo.training.package import export_tuned, import_tuned, merge_adapter
from e5demo.training.recipe import TrainingSettings
from e5demo.training.triplets import Extra, add_triplets, tidied, usable
from e5demo.training.tuned import (
    ASKED,
    SCORES,
    Tuned,
    begin_tuned,
    end_tuned,
    list_tuned,
    open_tuned,
)
from e5demo.training.validation import make_validator
from e5demo.training.worker import count_steps, make_loss, prepare_model, train
from e5demo.workspace import (
    Workspace,
    draft_file,
    read_json,
    remove_folder,
    timings,
    write_csv,
    write_json,
    write_parquet,
    write_text,
)

QUICK_PAIRS = 6_000  # so many are searched for twins while a person waits: about 3 seconds
LONGEST_ID = 100  # more is no id, and no file name on some systems
KEPT_UPLOAD_SECONDS = 24 * 3600
KEPT_DATASETS = 4
KEPT_RECIPES = 200  # a form writes one for each of its states
KEPT_CORPORA = 8
KEPT_COMPARISONS = 8
KEPT_MAPS = 8
KEPT_BALLOTS = 64
TIMED_QUERIES = 10
MOST_COLUMNS = 4
PATIENCE_SECONDS = 20  # what takes longer to encode is a job


@dataclass(frozen=True)
class Choices:
    """What the person works on: found again after a reload."""

    dataset: str
    split: SplitSettings
    max_length: int = MAX_LENGTH
    columns: tuple[str, ...] = ("bm25", "baseline")  # of the search


class Backend:
    """Data sets, splits, search and scores of one workspace. Safe under threads."""

    def __init__(self, workspace: Workspace, engine: Engine) -> None:
        self.workspace = workspace
        self.engine = engine
        self._datasets: LRUCache = LRUCache(KEPT_DATASETS)
        self._splits: LRUCache = LRUCache(KEPT_CORPORA)
        self._corpora: LRUCache = LRUCache(KEPT_CORPORA)
        self._ballots: LRUCache = LRUCache(KEPT_BALLOTS)
        self._ballot_lock = Lock()
        self._comparisons: LRUCache = LRUCache(KEPT_COMPARISONS)
        self._comparison_ready = Condition()
        self._maps: LRUCache = LRUCache(KEPT_MAPS)
        self._map_ready = Condition()
        self._dataset_ready, self._split_ready = Condition(), Condition()
        self._split_rows: LRUCache = LRUCache(KEPT_CORPORA)
        self._corpus_ready, self._rows_ready = Condition(), Condition()

    # --- data sets ---------------------------------------------------------------------------

    def sample(self) -> Dataset:
        """The built-in sample, shared by all workspaces."""
        return self._sample

    @cached_property
    def _sample(self) -> Dataset:
        return import_csv(Workspace.shared().datasets, SAMPLE)

    def datasets(self) -> list[Dataset]:
        """The person's own, newest first, then the sample."""
        sample = self.dataset(self.sample().id)
        own = list_datasets(self.workspace.datasets)
        return [*(dataset for dataset in own if dataset.id != sample.id), sample]

    def source_of(self, dataset: Dataset) -> Path:
        """The CSV that it was read from, if it is still there."""
        return SAMPLE if dataset.is_sample else Path(dataset.source)

    def keep_upload(self, path: Path) -> Path:
        """A copy under its content's hash: the page's own temporary files are swept by age."""
        self._sweep_uploads()
        with path.open("rb") as file:
            digest = xxhash.xxh3_64()
            while chunk := file.read(1 << 24):
                digest.update(chunk)
        kept = self.workspace.uploads / digest.hexdigest() / path.name
        if not kept.is_file():
            with path.open("rb") as source, draft_file(kept) as copy:
                shutil.copyfileobj(source, copy)
        return kept

    def _sweep_uploads(self) -> None:
        """Files that became no data set go after a day."""
        used = {Path(dataset.source).parent for dataset in list_datasets(self.workspace.datasets)}
        for folder in self.workspace.uploads.glob("[!.]*"):
            if folder not in used and time.time() - folder.stat().st_mtime > KEPT_UPLOAD_SECONDS:
                remove_folder(folder)

    def import_csv(self, path: Path, **read_as: Any) -> Dataset:
        """A CSV as a data set; `read_as` are `reading.read_table`'s overrides."""
        return self.dataset(import_csv(self.workspace.datasets, path, **read_as).id)

    @cachedmethod(lambda self: self._datasets, condition=lambda self: self._dataset_ready)
    def dataset(self, dataset_id: str) -> Dataset:
        """Raises UnknownDataset."""
        if Path(dataset_id).name != dataset_id or len(dataset_id) > LONGEST_ID:
            raise UnknownDataset(dataset=dataset_id)
        for place in (Workspace.shared(), self.workspace):
            if (place.datasets / dataset_id).is_dir():
                return open_dataset(place.datasets / dataset_id)
        raise UnknownDataset(dataset=dataset_id)

    def resolve(self, reference: str, **read_as: Any) -> Dataset:
        """A CSV's path, read as told, or the id of a data set loaded before."""
        try:
            return self.dataset(reference)
        except UnknownDataset:
            return self.import_csv(Path(reference), **read_as)

    def delete_dataset(self, dataset_id: str) -> None:
        """Its tables, its copy of the CSV and its experiments. Raises UnknownDataset."""
        folder = self.workspace.datasets / self.dataset(dataset_id).id
        if not folder.is_dir():  # the shared sample is not one person's to delete
            raise UnknownDataset(dataset=dataset_id)
        source = Path(open_dataset(folder).source)
        for experiment in self.experiments():
            if experiment.dataset == dataset_id:
                remove_folder(experiment.folder)
        remove_folder(folder)
        self._datasets.pop((dataset_id,), None)
        others = [other.source for other in list_datasets(self.workspace.datasets)]
        if source.parent.parent == self.workspace.uploads and str(source) not in others:
            remove_folder(source.parent)  # a folder for each upload

    def choices(self) -> Choices:
        """The last ones, or the sample with the default split."""
        try:
            kept = read_json(self.workspace.choices)
            split = SplitSettings.checked(**kept["split"])
            length = EvaluationSettings.checked(max_length=kept["max_length"]).max_length
            columns = tuple(map(str, kept.get("columns", Choices.columns)))
            return Choices(self.dataset(kept["dataset"]).id, split, length, columns)
        except (FileNotFoundError, KeyError, TypeError, ValueError, E5DemoError):
            return Choices(self.sample().id, SplitSettings())

    def choose(self, choices: Choices) -> None:
        kept = {
            "dataset": choices.dataset,
            "split": choices.split.model_dump(mode="json"),
            "max_length": choices.max_length,
            "columns": choices.columns,
        }
        write_json(self.workspace.choices, kept)

    # --- splits ------------------------------------------------------------------------------

    @cachedmethod(
        lambda self: self._splits,
        key=lambda self, dataset, settings, progress=silent: (dataset.id, settings),
        condition=lambda self: self._split_ready,
    )
    def split(
        self, dataset: Dataset, settings: SplitSettings, progress: Progress = silent
    ) -> Split:
        """Raises EmptySplit. The first time it looks for twins, which may take a minute."""
        return make_split(dataset.twins(progress), settings)

    @cachedmethod(
        lambda self: self._split_rows,
        key=lambda self, dataset, settings, part: (dataset.id, settings, part),
        condition=lambda self: self._rows_ready,
    )
    def split_rows(self, dataset: Dataset, settings: SplitSettings, part: str) -> pd.DataFrame:
        """The pairs of one split: one table each, so that its plain text is made once."""
        return dataset.pairs[(self.split(dataset, settings).parts == part).to_numpy()]

    def leak_examples(self, dataset: Dataset, settings: SplitSettings) -> list[Leak]:
        return leak_examples(dataset.pairs, dataset.twins(), settings)

    def save_splits(self, dataset: Dataset, split: Split, folder: Path) -> list[Path]:
        """The recipe's three CSVs (`question,answer`) and Parquet with ids and all columns."""
        written = []
        for name in SPLITS:
            rows = self.split_rows(dataset, split.settings, name)
            stem = folder / ("val_pairs" if name == "validation" else f"{name}_pairs")
            named = rows[["query", "passage"]].set_axis(["question", "answer"], axis=1)
            write_csv(stem.with_suffix(".csv"), named)
            write_parquet(stem.with_suffix(".parquet"), rows.reset_index(drop=True))
            written += [stem.with_suffix(".csv"), stem.with_suffix(".parquet")]
        return written

    def finds_twins_quickly(self, dataset: Dataset) -> bool:
        return dataset.has_twins or dataset.size <= QUICK_PAIRS

    def quick_split(self, dataset: Dataset, settings: SplitSettings) -> Split:
        """The same for who waits at a page. Raises TwinsWanted where twins are yet to be found."""
        if not self.finds_twins_quickly(dataset):
            raise TwinsWanted(dataset=dataset.name)
        return self.split(dataset, settings)

    # --- retrievers --------------------------------------------------------------------------

    def find_retriever(self, name: str) -> tuple[str, ModelSource | None]:
        """The kind of retriever that `name` means, and the tuned model in it.

        Those without a tuned model are themselves; a tuned model's id is a dense retriever,
        `fusion:ID` its fusion with BM25, `rerank:ID` that one reranked. Raises UnknownRetriever,
        BaseModelChanged.
        """
        if name in RETRIEVERS:
            return name, None
        prefix, _, rest = name.rpartition(":")
        try:
            tuned = self.tuned(rest)
        except UnknownExperiment:
            tuned = None
        if tuned is None or prefix not in ("", *OVER):
            raise UnknownRetriever(retriever=name, known=", ".join(self.retrievers()))
        return prefix or "baseline", tuned.source(self.engine.find_model())

    def retrievers(self) -> list[str]:
        """The names that can be asked for, then each tuned model and what is made over it."""
        tuned = [t.id for t in self.all_tuned()]
        return [
            *RETRIEVERS,
            *(name for i in tuned for name in (i, *(f"{way}:{i}" for way in OVER))),
        ]

    def all_trainings(self) -> list[Tuned]:
        """Newest first, whether they came to their end or not."""
        return list_tuned(self.workspace.experiments)

    def names(self) -> dict[str, str]:
        """What the person calls trainings, by id, where a name was given."""
        return {tuned.id: tuned.name for tuned in self.all_trainings() if tuned.name}

    def all_tuned(self) -> list[Tuned]:
        """The models that came of them, newest first."""
        return [tuned for tuned in self.all_trainings() if tuned.trained]

    def tuned(self, experiment_id: str) -> Tuned:
        """A model. Raises UnknownExperiment."""
        found = self.training(experiment_id)
        if not found.trained:
            raise UnknownExperiment(experiment=experiment_id)
        return found

    def training(self, experiment_id: str) -> Tuned:
        """Raises UnknownExperiment."""
        return open_tuned(self._experiment_folder(experiment_id))

    def _experiment_folder(self, experiment_id: str) -> Path:
        """Raises UnknownExperiment for what is no id."""
        if Path(experiment_id).name != experiment_id or len(experiment_id) > LONGEST_ID:
            raise UnknownExperiment(experiment=experiment_id)
        return self.workspace.experiments / experiment_id

    # --- search ------------------------------------------------------------------------------

    @cachedmethod(
        lambda self: self._corpora,
        key=lambda self, dataset, settings, kind: (dataset.id, kind == "all" or settings, kind),
        condition=lambda self: self._corpus_ready,
    )
    def corpus(self, dataset: Dataset, settings: SplitSettings, kind: CorpusKind) -> Corpus:
        """The test split's passages, or all: those need no split."""
        if kind == "all":
            return make_corpus(dataset.pairs, pd.Series(), "all")
        return make_corpus(dataset.pairs, self.split(dataset, settings).parts, kind)

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
            self.engine.encoder(max_length, tuned).load()  # not a part of the time shown
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

    @property
    def votes(self) -> VoteBook:
        """The person's blind votes between retrievers."""
        return VoteBook(self.workspace.votes)

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

    # --- training ----------------------------------------------------------------------------

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
                miner = self._miner(pairs, settings, progress)
                pairs = add_negatives(pairs, miner, settings, progress)
            if tuned.extra.used:
                pairs = add_triplets(pairs, tuned.triplets)
            validate = None
            if settings.validations:
                parts = self.split(dataset, tuned.split).parts
                validate = make_validator(dataset.pairs, parts, settings)
            trained = train(pairs, settings, base, tuned.folder, progress, validate)
            tuned = end_tuned(tuned, trained)
            forget_checkpoints(tuned.folder)
        return tuned

    def keep_votes(self, dataset: Dataset) -> Path:
        """The triplets of the votes on a data set as a file, which a command can name.

        Raises NoVotes where no vote gives one.
        """
        found = triplets(vote for vote in self.votes.votes() if vote.dataset == dataset.id)
        if found.empty:
            raise NoVotes
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

    def _miner(
        self, pairs: pd.DataFrame, settings: TrainingSettings, progress: Progress
    ) -> Retriever:
        corpus = make_corpus(pairs, pd.Series(), "all")
        return self.engine.retriever(settings.negatives_from, corpus, settings.max_length, progress)

    def keep_scores(self, tuned: Tuned, before: Experiment, after: Experiment) -> dict[str, Any]:
        """Both averages and the paired difference of each metric, beside the weights."""
        scores = {
            "evaluations": [before.id, after.id],
            "before": before.metrics,
            "after": after.metrics,
            "difference": {
                name: asdict(paired_difference(before.scores[name], after.scores[name]))
                for name in before.metrics
            },
        }
        write_json(tuned.folder / SCORES, scores)
        return scores

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
        pairs = len(self.train_pairs(dataset, split_settings, settings))
        corpus = self.corpus(dataset, split_settings, evaluation.corpus)
        missing = self.engine.unencoded(corpus, evaluation.max_length)
        texts = len(corpus) + len(missing)  # all of them again after training
        return estimate(timing, count_steps(pairs, settings, timing), settings,
                        texts * told["seconds_per_passage"])  # fmt: skip

    def _timing_path(
        self, dataset: Dataset, settings: TrainingSettings, evaluation: EvaluationSettings
    ) -> Path:
        """One for all visitors: it holds no text."""
        cost = settings.model_dump(mode="json", include=set(COSTLY))
        cost["probe"] = min(settings.batch_size, PROBE_PAIRS)
        model = self.engine.find_model().fingerprint
        key = repr((dataset.fingerprint, model, sorted(cost.items()), evaluation.max_length))
        return timings() / f"{xxhash.xxh3_64_hexdigest(key.encode())}.json"

    # --- experiments -------------------------------------------------------------------------

    def taken_up(self, tuned: Tuned, job: str | None) -> Tuned:
        """The same, from now on the work of that job."""
        record = read_json(tuned.folder / ASKED)
        write_json(tuned.folder / ASKED, {**record, "job": job})
        return open_tuned(tuned.folder)

    def is_evaluation(self, experiment_id: str) -> bool:
        return (self._experiment_folder(experiment_id) / EVALUATION).is_file()

    def experiment(self, experiment_id: str) -> Experiment:
        """An evaluation. Raises UnknownExperiment."""
        return open_experiment(self._experiment_folder(experiment_id))

    def delete_experiment(self, experiment_id: str) -> None:
        """An evaluation, or a training with its evaluations. Raises UnknownExperiment."""
        if self.is_evaluation(experiment_id):
            remove_folder(self.experiment(experiment_id).folder)
        else:
            self.delete_training(experiment_id)

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
                if experiment.measured.retriever.rpartition(":")[2] == tuned.id:
                    remove_folder(experiment.folder)
            remove_folder(tuned.folder)

    def queries_of(self, experiment: Experiment) -> Queries:
        """Those that it was measured on, in their order. Raises UnknownDataset."""
        dataset = self.dataset(experiment.dataset)
        split = SplitSettings.checked(**experiment.measured.split)
        corpus = self.corpus(dataset, split, experiment.measured.corpus_kind)
        found = make_queries(dataset.pairs, self.split(dataset, split).parts, corpus)
        asked = experiment.scores.index
        return Queries({i: found.texts[i] for i in asked}, {i: found.qrels[i] for i in asked})

    def ground(self, experiment: Experiment) -> Ground:
        """What it was measured on. Raises UnknownDataset, TwinsWanted."""
        dataset = self.dataset(experiment.dataset)
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

    @cachedmethod(
        lambda self: self._maps,
        key=lambda self, left, right, method: (left.id, left.created, right.id, right.created,
                                               method),
        condition=lambda self: self._map_ready,
    )  # fmt: skip
    def news_map(self, left: Experiment, right: Experiment, method: Method) -> NewsMap:
        """What the models of both, or the one that has vectors, make of their corpus.

        Raises NoVectors, NotEncoded, UnknownDataset.
        """
        queries = self.queries_of(left)
        dataset, split = self.dataset(left.dataset), SplitSettings.checked(**left.measured.split)
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
            _, tuned = self.find_retriever(measured.retriever)
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

    def evidence(
        self, ids: Sequence[str], language: str = "en", progress: Progress = silent
    ) -> Evidence:
        """What a report of these evaluations is made from, in French or English.

        Raises UnknownExperiment, UnknownDataset, NotComparable.
        """
        experiments = [self.experiment(one) for one in dict.fromkeys(ids)]
        comparison = self.compare(experiments)
        first = experiments[0]
        dataset = self.dataset(first.dataset)
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
        made_by = {one.id: one.measured.retriever.rpartition(":")[2] for one in experiments}
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

    def experiments(self) -> list[Experiment]:
        """Newest first."""
        return list_experiments(self.workspace.experiments)

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
            model_fingerprint=source.fingerprint if source else None,
            prompts=prompts_of(settings.prompts) if dense else None,
            max_length=settings.max_length if dense else None,
            precision=settings.precision if dense else None,
            computed=encoder.precision if encoder else None,
            method=method_of(retriever),
        )


def check_patience(retriever: str, passages: int, seconds: float) -> None:
    """Raises NotEncoded where a person would wait too long: that is a job then."""
    if seconds > PATIENCE_SECONDS:
        raise NotEncoded(retriever=retriever, passages=passages, seconds=round(seconds))


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
