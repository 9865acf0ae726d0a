import os

import pandas as pd
import pytest
from dispatches import SPLIT, write_news

from e5demo.backend import Backend
from e5demo.backend.library import Choices
from e5demo.config import SAMPLE, EvaluationSettings, SplitSettings
from e5demo.errors import (
    FileMissing,
    TwinsWanted,
    UnknownDataset,
)
from e5demo.workspace import Workspace, read_json, write_json


def test_import_keeps_pairs_and_counts_losses(dataset):
    assert dataset.id.startswith("mes-depeches-")
    assert (dataset.rows, dataset.size) == (44, 43)
    assert dataset.dropped_counts == {"missing": 0, "short_query": 1, "short_passage": 0}
    assert dataset.columns["date"] == "Date (dd.mm.yyyy)"
    assert not dataset.is_sample


def test_import_obeys_chosen_columns_and_is_another_data_set(backend, dataset, path):
    swapped = backend.import_csv(path, columns={"query": "Contenu", "passage": "Titre"})
    assert swapped.id != dataset.id
    assert swapped.pairs["query"][0] == dataset.pairs["passage"][0]


def test_other_dates_are_another_data_set_of_the_same_texts(backend, dataset, path):
    path.write_text(path.read_text("utf-8").replace("05.02.2014", "06.02.2014"), "utf-8")
    other = backend.import_csv(path)
    assert (other.pairs["date"][0], dataset.pairs["date"][0]) == ("2014-02-06", "2014-02-05")
    assert other.fingerprint == dataset.fingerprint  # evaluations of both compare


def test_resolve_by_id_and_by_path_gives_the_same_set(backend, dataset, path):
    assert backend.resolve(dataset.id) is dataset
    assert backend.resolve(str(path)).id == dataset.id
    other = Backend(backend.workspace, backend.engine)
    assert other.resolve(dataset.id).folder == dataset.folder
    with pytest.raises(FileMissing):
        backend.resolve("none.csv")
    with pytest.raises(UnknownDataset):  # one that was deleted is no file that is missing
        backend.resolve("news-1a2b3c4d")


@pytest.mark.parametrize("dataset_id", ["none", "..", "../mine", ".", "", "/etc"])
def test_an_unknown_id_opens_nothing(backend, dataset, dataset_id):
    with pytest.raises(UnknownDataset):
        backend.dataset(dataset_id)
    with pytest.raises(UnknownDataset):
        backend.delete_dataset(dataset_id)
    assert dataset.folder.is_dir()


def test_ids_stay_what_they_were(backend):
    assert backend.sample().id == "sample-news-2c004daf"


def test_data_sets_are_listed_newest_first_and_the_sample_last(backend, dataset, tmp_path):
    newer = backend.import_csv(write_news(tmp_path / "b.csv", rows=30))
    ids = [one.id for one in backend.datasets()]
    assert ids == [newer.id, dataset.id, backend.sample().id]
    assert [one.is_sample for one in backend.datasets()] == [False, False, True]


def test_the_sample_is_shared_and_nobody_s_to_delete(backend, tmp_path):
    sample = backend.sample()
    other = Backend(Workspace(tmp_path / "other"), backend.engine)
    assert other.sample().folder == sample.folder
    with pytest.raises(UnknownDataset):
        backend.delete_dataset(sample.id)
    assert sample.folder.is_dir()


def test_delete_takes_the_set_its_experiments_and_no_other_s(backend, dataset, tmp_path):
    other = backend.import_csv(write_news(tmp_path / "b.csv", rows=30))
    for one in (dataset, other):
        backend.evaluate(one, "bm25", SPLIT, EvaluationSettings())
    backend.delete_dataset(dataset.id)
    assert not dataset.folder.exists()
    assert (tmp_path / "Mes dépêches.csv").is_file()  # the person's own file, not an upload
    with pytest.raises(UnknownDataset):
        backend.dataset(dataset.id)
    assert [one.dataset for one in backend.experiments()] == [other.id]
    assert other.folder.is_dir()


def test_delete_takes_an_upload_once_no_other_set_was_read_from_it(backend, path):
    uploads = backend.workspace.uploads
    kept, sent = uploads / "kept" / "x.csv", uploads / "sent" / "news.csv"
    for file in (kept, sent):
        file.parent.mkdir(parents=True)
        file.write_bytes(path.read_bytes())
    first = backend.import_csv(sent)
    second = backend.import_csv(sent, columns={"query": "Contenu", "passage": "Titre"})
    backend.delete_dataset(first.id)
    assert sent.is_file()
    backend.delete_dataset(second.id)
    assert not sent.parent.exists()
    assert kept.is_file()


def test_the_same_upload_under_another_name_stays_when_the_first_goes(backend, path):
    folder = backend.workspace.uploads / "digest"
    folder.mkdir(parents=True)
    first, second = folder / "a.csv", folder / "b.csv"
    for file in (first, second):
        file.write_bytes(path.read_bytes())
    backend.import_csv(second)
    backend.delete_dataset(backend.import_csv(first).id)
    assert second.is_file()


def test_records_of_another_version_break_nothing_and_cost_nothing(backend, dataset, path):
    uploads = backend.workspace.uploads
    for name in ("old", "new"):
        (uploads / name).mkdir(parents=True)
        (uploads / name / "news.csv").write_bytes(path.read_bytes())
    old = backend.import_csv(
        uploads / "old" / "news.csv", columns={"query": "Contenu", "passage": "Titre"}
    )
    new = backend.import_csv(uploads / "new" / "news.csv")
    done = backend.evaluate(new, "bm25", SPLIT, EvaluationSettings())
    odd = backend.evaluate(backend.sample(), "bm25", SPLIT, EvaluationSettings())
    for record in (old.folder / "dataset.json", odd.folder / "experiment.json"):
        write_json(record, read_json(record) | {"later": 1})
    backend = Backend(backend.workspace, backend.engine)
    told = [error.values["path"] for error in backend.unreadable()]
    assert told == [f"datasets/{old.id}/dataset.json", f"experiments/{odd.id}/experiment.json"]
    assert old.id not in [one.id for one in backend.datasets()]
    assert [one.id for one in backend.experiments()] == [done.id]
    for name in ("old", "new"):
        os.utime(uploads / name, (0, 0))
    backend.keep_upload(path)
    backend.delete_dataset(new.id)
    assert (uploads / "old" / "news.csv").is_file()  # whose it is cannot be told
    assert done.folder.is_dir()  # perhaps on the texts of the one that cannot be read


def test_choices_survive_and_fall_back_to_the_sample(backend, dataset):
    sample = Choices(backend.sample().id, SplitSettings())
    assert backend.choices() == sample
    chosen = Choices(dataset.id, SplitSettings(mode="notebook", seed=7), max_length=128)
    backend.choose(chosen)
    assert Backend(backend.workspace, backend.engine).choices() == chosen
    backend.delete_dataset(dataset.id)
    assert backend.choices() == sample


@pytest.mark.parametrize(
    "change", [{"split": {"seed": -1}}, {"split": {"old": 1}}, "dataset", None]
)
def test_choices_of_another_version_fall_back(backend, dataset, change):
    kept = {"dataset": dataset.id, "split": SPLIT.model_dump(mode="json"), "max_length": 512}
    if change is None:
        backend.workspace.choices.parent.mkdir(parents=True, exist_ok=True)
        backend.workspace.choices.write_text("{")
    elif change == "dataset":
        write_json(backend.workspace.choices, {"split": kept["split"], "max_length": 512})
    else:
        write_json(backend.workspace.choices, kept | change)
    assert backend.choices().dataset == backend.sample().id


def test_the_three_csvs_are_the_recipe_s_and_hold_all_pairs(backend, dataset, tmp_path):
    split = backend.split(dataset, SPLIT)
    backend.save_splits(dataset, split, tmp_path / "out")
    names = {"train": "train", "validation": "val", "test": "test"}
    frames = {
        part: pd.read_csv(tmp_path / "out" / f"{name}_pairs.csv") for part, name in names.items()
    }
    assert {part: len(frame) for part, frame in frames.items()} == split.sizes
    assert all(list(frame.columns) == ["question", "answer"] for frame in frames.values())
    together = pd.concat(frames.values()).sort_values(["question", "answer"])
    pairs = dataset.pairs[["query", "passage"]].sort_values(["query", "passage"])
    assert together.to_numpy().tolist() == pairs.to_numpy().tolist()
    parquet = pd.read_parquet(tmp_path / "out" / "test_pairs.parquet")
    assert parquet["query"].tolist() == frames["test"]["question"].tolist()
    assert {"query_id", "passage_id", "row", "agency"} <= set(parquet.columns)


def test_a_large_set_s_twins_are_not_looked_for_while_a_person_waits(backend, dataset, monkeypatch):
    monkeypatch.setattr("e5demo.backend.library.QUICK_PAIRS", 42)
    with pytest.raises(TwinsWanted, match="Mes dépêches"):
        backend.quick_split(dataset, SPLIT)
    found = backend.split(dataset, SPLIT)
    assert backend.quick_split(dataset, SPLIT) is found


@pytest.mark.parametrize("text", ["[]", '"x"', '{"split": "x"}', '{"dataset": 5}'])
def test_choices_of_any_other_shape_fall_back(backend, text):
    backend.workspace.choices.parent.mkdir(parents=True, exist_ok=True)
    backend.workspace.choices.write_text(text)
    assert backend.choices().dataset == backend.sample().id


def test_a_deleted_set_is_not_brought_back_by_what_was_running(backend, dataset, path):
    assert len(dataset.pairs)  # read before, as the running job has
    backend.delete_dataset(dataset.id)
    with pytest.raises(UnknownDataset):
        dataset.twins()
    assert not dataset.folder.exists()
    dataset.folder.mkdir()  # as an older version left it
    assert backend.import_csv(path).size == dataset.size


def test_a_refused_upload_goes_after_a_day(backend, path, monkeypatch):
    refused = backend.keep_upload(path)
    monkeypatch.setattr("e5demo.backend.library.KEPT_UPLOAD_SECONDS", -1)
    backend.keep_upload(SAMPLE)
    assert not refused.exists()


def test_the_sample_s_file_is_where_the_app_is_now(backend):
    assert backend.source_of(backend.sample()) == SAMPLE
