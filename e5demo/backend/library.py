"""What a workspace holds: data sets with their splits and corpora, trainings and evaluations."""

import re
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Condition
from typing import Any

import pandas as pd
import xxhash
from cachetools import LRUCache, cachedmethod

from e5demo.config import MAX_LENGTH, SAMPLE, CorpusKind, EvaluationSettings, SplitSettings
from e5demo.data.corpus import Corpus, make_corpus
from e5demo.data.splits import SPLITS, Leak, Split, leak_examples, make_split
from e5demo.data.store import (
    Dataset,
    import_csv,
    list_datasets,
    open_dataset,
    unreadable_datasets,
)
from e5demo.errors import (
    E5DemoError,
    TokensOfOtherBase,
    TwinsWanted,
    UnknownDataset,
    UnknownExperiment,
    UnknownRetriever,
    UnreadableRecord,
)
from e5demo.evaluation.experiments import (
    EVALUATION,
    Experiment,
    list_experiments,
    open_experiment,
    unreadable_experiments,
)
from e5demo.evaluation.votes import VoteBook
from e5demo.jobs import Progress, silent
from e5demo.retrieval.engine import OVER, RETRIEVERS, Engine
from e5demo.retrieval.models import ModelSource
from e5demo.training.tuned import Tuned, list_tuned, open_tuned, unreadable_tuned
from e5demo.workspace import (
    Workspace,
    draft_file,
    read_json,
    remove_folder,
    write_csv,
    write_json,
    write_parquet,
)

QUICK_PAIRS = 6_000  # so many are searched for twins while a person waits: about 3 seconds
DATASET_ID = re.compile(r".+-[0-9a-f]{8}")
LONGEST_ID = 100  # more is no id, and no file name on some systems
KEPT_UPLOAD_SECONDS = 24 * 3600
KEPT_DATASETS = 4
KEPT_CORPORA = 8


@dataclass(frozen=True)
class Choices:
    """What the person works on: found again after a reload."""

    dataset: str
    split: SplitSettings
    max_length: int = MAX_LENGTH
    columns: tuple[str, ...] = ("bm25", "baseline")  # of the search


class Library:
    """Finds what there is, and makes splits and corpora of it. Safe under threads."""

    def __init__(self, workspace: Workspace, engine: Engine) -> None:
        self.workspace = workspace
        self.engine = engine
        self._datasets: LRUCache = LRUCache(KEPT_DATASETS)
        self._splits: LRUCache = LRUCache(KEPT_CORPORA)
        self._split_rows: LRUCache = LRUCache(KEPT_CORPORA)
        self._corpora: LRUCache = LRUCache(KEPT_CORPORA)
        self._dataset_ready, self._split_ready = Condition(), Condition()
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
        if unreadable_datasets(self.workspace.datasets):
            return  # which of the files are theirs is not known
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
            short = len(reference) <= LONGEST_ID
            if short and DATASET_ID.fullmatch(reference) and not Path(reference).exists():
                raise
            return self.import_csv(Path(reference), **read_as)

    def delete_dataset(self, dataset_id: str) -> None:
        """Its tables, its copy of the CSV, and the experiments on its texts unless another data set
        has the same. Raises UnknownDataset."""
        folder = self.workspace.datasets / self.dataset(dataset_id).id
        if not folder.is_dir():  # the shared sample is not one person's to delete
            raise UnknownDataset(dataset=dataset_id)
        gone = open_dataset(folder)
        source = Path(gone.source)
        others = [o for o in list_datasets(self.workspace.datasets) if o.id != dataset_id]
        same = {o.fingerprint for o in (*others, self.sample())}
        known = not unreadable_datasets(self.workspace.datasets)  # which may have the same texts
        if known and gone.fingerprint not in same:
            for experiment in self.experiments():
                if experiment.measured.data == gone.fingerprint:
                    remove_folder(experiment.folder)
        remove_folder(folder)
        self._datasets.pop((dataset_id,), None)
        in_use = {Path(other.source).parent for other in others}
        uploaded = source.parent.parent == self.workspace.uploads
        if known and uploaded and source.parent not in in_use:
            remove_folder(source.parent)  # a folder for each content that was uploaded

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

    # --- retrievers and experiments ----------------------------------------------------------

    def find_retriever(self, name: str) -> tuple[str, ModelSource | None]:
        """The kind of retriever that `name` means, and the tuned model in it.

        Those without a tuned model are themselves; a tuned model's id is a dense retriever,
        `fusion:ID` its fusion with BM25, `rerank:ID` that one reranked. Raises UnknownRetriever,
        BaseModelChanged, TokensOfOtherBase.
        """
        if name in RETRIEVERS:
            return name, None
        prefix, _, rest = name.rpartition(":")
        try:
            tuned = self.tuned(rest)
        except UnknownExperiment:
            tuned = None
        if tuned is None or prefix not in ("", *_over(tuned)):
            raise UnknownRetriever(retriever=name, known=", ".join(self.retrievers()))
        base = self.engine.find_model()
        source = tuned.source(base)
        if prefix == "rerank" and source.tokens and not tuned.began_from(base):
            raise TokensOfOtherBase(experiment=rest, weights=tuned.base["weights"])
        return prefix or "baseline", source

    def retrievers(self) -> list[str]:
        """The names that can be asked for, then each tuned model and what is made over it."""
        over = ((tuned.id, _over(tuned)) for tuned in self.all_tuned())
        return [
            *RETRIEVERS,
            *(name for i, ways in over for name in (i, *(f"{way}:{i}" for way in ways))),
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

    def experiments(self) -> list[Experiment]:
        """Newest first."""
        return list_experiments(self.workspace.experiments)

    def experiment(self, experiment_id: str) -> Experiment:
        """An evaluation. Raises UnknownExperiment."""
        return open_experiment(self._experiment_folder(experiment_id))

    def is_evaluation(self, experiment_id: str) -> bool:
        return (self._experiment_folder(experiment_id) / EVALUATION).is_file()

    def _experiment_folder(self, experiment_id: str) -> Path:
        """Raises UnknownExperiment for what is no id."""
        if Path(experiment_id).name != experiment_id or len(experiment_id) > LONGEST_ID:
            raise UnknownExperiment(experiment=experiment_id)
        return self.workspace.experiments / experiment_id

    def unreadable(self) -> list[UnreadableRecord]:
        """What no list of data sets, trainings or evaluations has, and why."""
        experiments = self.workspace.experiments
        return [
            *unreadable_datasets(self.workspace.datasets),
            *unreadable_tuned(experiments),
            *unreadable_experiments(experiments),
        ]

    @property
    def votes(self) -> VoteBook:
        """The person's blind votes between retrievers."""
        return VoteBook(self.workspace.votes)


def _over(tuned: Tuned) -> tuple[str, ...]:
    """What can be made over it: no reranking yet, where the tokens for it are still to come."""
    return tuple(way for way in OVER if way != "rerank" or not tuned.lacks_tokens)
