"""The one object that tabs and command line call: a person's workspace over a shared engine."""

import secrets
import shutil
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition
from typing import Any

import pandas as pd
import xxhash
from cachetools import LRUCache, cachedmethod

from e5demo.config import (
    PROMPTS,
    CorpusKind,
    EvaluationSettings,
    SplitSettings,
)
from e5demo.data.corpus import Corpus, Queries, make_corpus, make_queries
from e5demo.data.pairs import text_id
from e5demo.data.splits import SPLITS, Leak, Split, leak_examples, make_split
from e5demo.data.store import Dataset, import_csv, list_datasets, open_dataset
from e5demo.errors import (
    E5DemoError,
    EmptyQuery,
    ModelFailed,
    TwinsWanted,
    UnknownDataset,
    UnknownExperiment,
    UnknownRetriever,
)
from e5demo.evaluation.experiments import (
    Experiment,
    Measured,
    list_experiments,
    save_experiment,
)
from e5demo.evaluation.metrics import average, score_run
from e5demo.evaluation.runs import DEPTH, make_run
from e5demo.jobs import Jobs, Progress, silent
from e5demo.retrieval.engine import DENSE, RETRIEVERS, Engine
from e5demo.retrieval.models import ModelSource
from e5demo.training.recipe import TrainingSettings
from e5demo.training.tuned import Tuned, describe_tuned, list_tuned, open_tuned
from e5demo.training.worker import train
from e5demo.workspace import (
    Workspace,
    draft_file,
    embeddings,
    is_public,
    published_folder,
    read_json,
    remove_folder,
    write_csv,
    write_json,
    write_parquet,
)

SAMPLE = Path(__file__).parents[1] / "assets" / "sample_news.csv"
QUICK_PAIRS = 6_000  # so many are searched for twins while a person waits: about 3 seconds
LONGEST_ID = 100  # more is no id, and no file name on some systems
KEPT_UPLOAD_SECONDS = 24 * 3600
KEPT_DATASETS = 4
KEPT_CORPORA = 8
KEPT_VISITORS = 64
QUEUE_SECONDS = 1


@dataclass(frozen=True)
class Hit:
    """One passage found, with the first pair's title and other fields; None where absent."""

    rank: int
    passage_id: str
    score: float
    title: str
    passage: str
    date: str | None
    agency: str | None
    url: str | None


@dataclass(frozen=True)
class Column:
    """One retriever's answer to one query."""

    retriever: str
    milliseconds: float
    hits: list[Hit]


@dataclass(frozen=True)
class Choices:
    """What the person works on: found again after a reload."""

    dataset: str
    split: SplitSettings
    max_length: int = 512


class Backend:
    """Data sets, splits, search and scores of one workspace. Safe under threads."""

    def __init__(self, workspace: Workspace, engine: Engine) -> None:
        self.workspace = workspace
        self.engine = engine
        self._datasets: LRUCache = LRUCache(KEPT_DATASETS)
        self._splits: LRUCache = LRUCache(KEPT_CORPORA)
        self._corpora: LRUCache = LRUCache(KEPT_CORPORA)
        self._dataset_ready, self._split_ready = Condition(), Condition()
        self._split_rows: LRUCache = LRUCache(KEPT_CORPORA)
        self._corpus_ready, self._rows_ready = Condition(), Condition()

    # --- data sets ---------------------------------------------------------------------------

    def sample(self) -> Dataset:
        """The built-in sample, shared by all workspaces."""
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
            return Choices(self.dataset(kept["dataset"]).id, split, length)
        except (FileNotFoundError, KeyError, TypeError, ValueError, E5DemoError):
            return Choices(self.sample().id, SplitSettings())

    def choose(self, choices: Choices) -> None:
        kept = {
            "dataset": choices.dataset,
            "split": choices.split.model_dump(mode="json"),
            "max_length": choices.max_length,
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

        `bm25`, `baseline` and `fusion` are themselves; a tuned model's id is a dense retriever,
        `fusion:ID` its fusion with BM25. Raises UnknownRetriever, BaseModelChanged.
        """
        if name in RETRIEVERS:
            return name, None
        prefix, _, rest = name.rpartition(":")
        try:
            tuned = self.tuned(rest)
        except UnknownExperiment:
            tuned = None
        if tuned is None or prefix not in ("", "fusion"):
            raise UnknownRetriever(retriever=name, known=", ".join(self.retrievers()))
        return prefix or "baseline", tuned.source(self.engine.find_model())

    def retrievers(self) -> list[str]:
        """The names that can be asked for: the three, then each tuned model and its fusion."""
        tuned = [t.id for t in self.all_tuned()]
        return [*RETRIEVERS, *(name for i in tuned for name in (i, f"fusion:{i}"))]

    def all_tuned(self) -> list[Tuned]:
        """Newest first."""
        return list_tuned(self.workspace.experiments)

    def tuned(self, experiment_id: str) -> Tuned:
        """Raises UnknownExperiment."""
        if Path(experiment_id).name != experiment_id or len(experiment_id) > LONGEST_ID:
            raise UnknownExperiment(experiment=experiment_id)
        return open_tuned(self.workspace.experiments / experiment_id)

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
        max_length: int = 512,
        progress: Progress = silent,
    ) -> Column:
        """Raises EmptyQuery, UnknownRetriever, NoWeights, NotAModel."""
        if not query.strip():
            raise EmptyQuery
        kind, tuned = self.find_retriever(retriever)
        found = self.engine.retriever(kind, corpus, max_length, progress, tuned)
        if kind in DENSE:
            self.engine.encoder(max_length, tuned).load()  # not a part of the time shown
        began = time.perf_counter()
        ranking = found.search([query.strip()], k)[0]
        milliseconds = (time.perf_counter() - began) * 1000
        rows = corpus.articles.iloc[ranking.positions].reset_index()
        rows = rows.astype(object).where(rows.notna(), None)
        hits = [
            Hit(rank, row.passage_id, float(score), row.title, row.passage, row.date, row.agency,
                row.url)
            for rank, (row, score) in enumerate(
                zip(rows.itertuples(), ranking.scores, strict=True), start=1
            )
        ]  # fmt: skip
        return Column(retriever, milliseconds, hits)

    def gold(self, dataset: Dataset, corpus: Corpus, query: str) -> set[str]:
        """Ids of the passages that answer the query, where it is a title of the data."""
        same = dataset.pairs["query_id"] == text_id(query.strip())
        return set(dataset.pairs.loc[same, "passage_id"]) & set(corpus.articles.index)

    # --- scores ------------------------------------------------------------------------------

    def evaluate(
        self,
        dataset: Dataset,
        retriever: str,
        split_settings: SplitSettings,
        settings: EvaluationSettings,
        progress: Progress = silent,
    ) -> Experiment:
        """Score one retriever on the test queries and keep the experiment."""
        split = self.split(dataset, split_settings, progress)
        corpus = self.corpus(dataset, split_settings, settings.corpus)
        queries = make_queries(
            dataset.pairs, split.parts, corpus, limit=settings.limit_queries, seed=settings.seed
        )
        timings: dict[str, float] = {}
        found_passages = 0
        kind, tuned = self.find_retriever(retriever)
        length = settings.max_length
        if kind in DENSE:
            with timed(timings, "encode_passages"):
                _, found_passages = self.encode(corpus, length, progress, tuned)
        with timed(timings, "index"):
            found = self.engine.retriever(kind, corpus, length, progress, tuned)
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
        )

    def encode(
        self,
        corpus: Corpus,
        max_length: int,
        progress: Progress = silent,
        tuned: ModelSource | None = None,
    ) -> tuple[int, int]:
        """Encode a corpus ahead: how many passages it has and how many were in the cache."""
        encoder = self.engine.encoder(max_length, tuned)
        _, found = self.engine.cache.encode(encoder, "document", corpus.passages, progress)
        return len(corpus), found

    def train(
        self,
        dataset: Dataset,
        split_settings: SplitSettings,
        settings: TrainingSettings,
        preset: str,
        progress: Progress = silent,
    ) -> Tuned:
        """Tune the base model on the train split and keep the weights. Raises TooFewPairs."""
        pairs = self.split_rows(dataset, split_settings, "train")
        base = self.engine.find_model()
        folder = self.workspace.experiments / f"{settings.method}-{secrets.token_hex(4)}"
        with published_folder(folder) as draft:
            trained = train(pairs, settings, base, draft, progress)
            describe_tuned(
                draft,
                settings,
                base,
                trained,
                preset=preset,
                dataset=dataset.id,
                data=dataset.fingerprint,
                split=split_settings.model_dump(mode="json"),
                pairs=len(pairs),
            )
        return open_tuned(folder)

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
        source = self.engine.encoder(settings.max_length, tuned).source if dense else None
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
            prompts=PROMPTS if dense else None,
            max_length=settings.max_length if dense else None,
            precision="float32" if dense else None,
        )


@contextmanager
def timed(timings: dict[str, float], name: str) -> Iterator[None]:
    """Seconds that the block took, into `timings`."""
    began = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - began


class Backends:
    """A backend per visitor over one engine and one job queue; for a person at home, one."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine(embeddings())
        self.jobs = Jobs()
        self.model: ModelSource | None = None
        self.model_problem: E5DemoError | None = None
        self.model_ready = False
        self._backends: LRUCache = LRUCache(KEPT_VISITORS)
        self._backend_ready = Condition()

    def of(self, visitor: str | None) -> Backend:
        """Raises ValueError for a visitor's id that is none; locally every id is the same one."""
        return self._of(visitor if is_public() else None)

    @cachedmethod(lambda self: self._backends, condition=lambda self: self._backend_ready)
    def _of(self, visitor: str | None) -> Backend:
        workspace = Workspace.of_visitor(visitor or "") if is_public() else Workspace.local()
        return Backend(workspace, self.engine)

    def start(self) -> None:
        """Load the model and move the queue on, beside the page."""
        threading.Thread(target=self._warm_up, daemon=True).start()
        threading.Thread(target=self._keep_queue, daemon=True).start()

    def _warm_up(self) -> None:
        length = EvaluationSettings().max_length
        try:
            encoder = self.engine.encoder(length)
            self.model = encoder.source
            encoder.load()
            backend = Backend(Workspace.shared(), self.engine)
            everything = backend.corpus(backend.sample(), SplitSettings(), "all")
            self.engine.retriever("baseline", everything, length)
        except E5DemoError as error:
            self.model_problem = error
        except Exception as error:  # a thread's end that nobody would see
            traceback.print_exc()
            self.model_problem = ModelFailed(reason=f"{type(error).__name__}: {error}")
        else:
            self.model_ready = True

    def _keep_queue(self) -> None:
        while True:
            try:
                self.jobs.advance()
            except OSError:  # a full disk, a lock held too long: the queue goes on after it
                traceback.print_exc()
            time.sleep(QUEUE_SECONDS)
