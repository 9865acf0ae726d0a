import csv

import pandas as pd
import pytest
from fakes import FakeEngine

from e5demo.backend import SAMPLE, Backend, Backends, Choices, timed
from e5demo.config import PROMPTS, EvaluationSettings, SplitSettings
from e5demo.errors import (
    EmptyQuery,
    FileMissing,
    NoWeights,
    TwinsWanted,
    UnknownDataset,
    UnknownRetriever,
)
from e5demo.workspace import Workspace, new_visitor, write_json

SPLIT = SplitSettings()
COLUMNS = ["Titre", "Contenu", "Date (dd.mm.yyyy)", "Agency", "URL"]


def write_news(path, rows=40):
    """Each title shares one word with its article alone. A title stands twice, an article too."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i in range(rows):
            article = f"Corps alpha{i} beta{i} zyx{i:02} gamma{i}"
            writer.writerow(
                [f"Une dépêche numéro zyx{i:02}", article, "05.02.2014", "AFP", f"u/{i}"]
            )
        writer.writerow(["Une dépêche numéro zyx05", "Une suite zyx05 tout autre", "", "", ""])
        writer.writerow(["La neige, autre titre", "Corps alpha6 beta6 zyx06 gamma6", "", "", ""])
        writer.writerow(["Un titre sans rien", "Il neige sur la baleine zyx99", "", "", ""])
        writer.writerow(["court", "Un article sous un titre trop court", "", "", ""])
    return path


@pytest.fixture
def backend(tmp_path):
    return Backend(Workspace(tmp_path / "mine"), FakeEngine(tmp_path / "embeddings"))


@pytest.fixture
def path(tmp_path):
    return write_news(tmp_path / "Mes dépêches.csv")


@pytest.fixture
def dataset(backend, path):
    return backend.import_csv(path)


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


def test_resolve_by_id_and_by_path_gives_the_same_set(backend, dataset, path):
    assert backend.resolve(dataset.id) is dataset
    assert backend.resolve(str(path)).id == dataset.id
    other = Backend(backend.workspace, backend.engine)
    assert other.resolve(dataset.id).folder == dataset.folder
    with pytest.raises(FileMissing):
        backend.resolve("none.csv")


@pytest.mark.parametrize("dataset_id", ["none", "..", "../mine", ".", "", "/etc"])
def test_an_unknown_id_opens_nothing(backend, dataset, dataset_id):
    with pytest.raises(UnknownDataset):
        backend.dataset(dataset_id)
    with pytest.raises(UnknownDataset):
        backend.delete_dataset(dataset_id)
    assert dataset.folder.is_dir()


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
    monkeypatch.setattr("e5demo.backend.QUICK_PAIRS", 42)
    with pytest.raises(TwinsWanted, match="Mes dépêches"):
        backend.quick_split(dataset, SPLIT)
    found = backend.split(dataset, SPLIT)
    assert backend.quick_split(dataset, SPLIT) is found


def test_a_hit_has_its_article_s_fields_and_none_for_blank_ones(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    column = backend.search(corpus, "  zyx99 zyx07 zyx07 ", "bm25", k=2)
    first, second = column.hits
    assert (column.retriever, column.milliseconds > 0) == ("bm25", True)
    assert (first.rank, first.title, first.passage) == (
        1, "Une dépêche numéro zyx07", "Corps alpha7 beta7 zyx07 gamma7",
    )  # fmt: skip
    assert (first.date, first.agency, first.url) == ("2014-02-05", "AFP", "u/7")
    assert first.passage_id == dataset.pairs["passage_id"][7]
    assert (second.rank, second.date, second.agency, second.url) == (2, None, None, None)
    assert first.score > second.score > 0


def test_dense_search_ranks_by_the_encoder(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    column = backend.search(corpus, "De la neige", "baseline", k=3)
    assert column.hits[0].passage == "Il neige sur la baleine zyx99"
    assert [hit.rank for hit in column.hits] == [1, 2, 3]
    assert column.hits[0].score == pytest.approx(0.5**0.5)  # one word of the passage's two
    others = [hit.passage_id for hit in column.hits[1:]]
    assert others == sorted(others)
    assert backend.engine.fake.loaded


def test_search_refuses_what_it_cannot_do(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    with pytest.raises(EmptyQuery):
        backend.search(corpus, " \n", "bm25")
    with pytest.raises(UnknownRetriever):
        backend.search(corpus, "neige", "tfidf")
    assert backend.search(corpus, "introuvable", "bm25").hits == []


def test_gold_is_every_article_of_a_title(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    ids = dataset.pairs["passage_id"]
    assert backend.gold(dataset, corpus, " Une dépêche numéro zyx05 ") == {ids[5], ids[40]}
    assert backend.gold(dataset, corpus, "La neige, autre titre") == {ids[6]}
    assert backend.gold(dataset, corpus, "Aucun titre") == set()


def test_evaluation_by_hand(backend, dataset):
    """BM25 finds each title's one article by its one word, and knows no other title."""
    done = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(cutoffs=(2,)))
    test = dataset.pairs[(backend.split(dataset, SPLIT).parts == "test").to_numpy()]
    assert (done.queries, done.passages) == (
        test["query_id"].nunique(), test["passage_id"].nunique(),
    )  # fmt: skip
    lost = test["query"].isin(["La neige, autre titre", "Un titre sans rien"]).sum()
    expected = (done.queries - lost) / done.queries
    assert done.metrics == pytest.approx(
        {"recall@2": expected, "mrr@2": expected, "ndcg@2": expected}
    )
    assert done.scores.index.tolist() == test["query_id"].drop_duplicates().tolist()
    measured = done.measured
    assert (measured.model, measured.weights, measured.prompts) == (None, None, None)
    assert backend.engine.fake.calls == []


def test_a_repeated_title_has_two_right_articles(backend, dataset):
    settings = EvaluationSettings(corpus="all", cutoffs=(1, 2))
    for seed in range(50):
        split = SplitSettings(seed=seed)
        parts = backend.split(dataset, split).parts
        if parts[5] == "test":
            break
    scores = backend.evaluate(dataset, "bm25", split, settings).scores
    assert scores.loc[dataset.pairs["query_id"][5], ["recall@1", "recall@2"]].tolist() == [0.5, 1]


def test_evaluated_twice_is_one_experiment_with_cached_passages(backend, dataset):
    settings = EvaluationSettings()
    first = backend.evaluate(dataset, "fusion", SPLIT, settings)
    calls = len(backend.engine.fake.calls)
    assert first.cached_passages == 0
    again = Backend(backend.workspace, FakeEngine(backend.engine.cache.folder))
    second = again.evaluate(dataset, "fusion", SPLIT, settings)
    assert calls > 0
    assert again.engine.fake.calls == []
    assert (second.id, second.cached_passages) == (first.id, first.passages)
    assert second.metrics == first.metrics
    assert [one.id for one in again.experiments()] == [first.id]
    assert first.measured.prompts == PROMPTS
    assert (first.measured.model, first.measured.model_fingerprint) == ("fake", "fake-1")
    assert first.timings.keys() == {"encode_passages", "index", "encode_queries", "search"}


def test_a_sample_of_the_queries_leaves_the_corpus_as_it_is(backend, dataset):
    whole = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings())
    few = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(limit_queries=2))
    same = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(limit_queries=2))
    other = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(limit_queries=2, seed=1))
    assert (few.queries, few.passages) == (2, whole.passages)
    assert few.measured.corpus == whole.measured.corpus
    assert few.measured.ground != whole.measured.ground
    assert set(few.scores.index) < set(whole.scores.index)
    assert few.id == same.id
    assert few.id not in (whole.id, other.id)


def test_all_articles_are_searched_without_a_split(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    assert len(corpus) == dataset.pairs["passage_id"].nunique() == 42
    assert backend.corpus(dataset, SplitSettings(seed=1), "all") is corpus
    assert not dataset.has_twins
    assert backend.encode(corpus, 512) == (42, 0)
    assert backend.encode(corpus, 512) == (42, 42)


def test_time_is_noted_for_a_block_that_ends():
    timings = {}
    with timed(timings, "nothing"):
        pass
    assert 0 <= timings["nothing"] < 1


def test_the_sample_can_be_used(backend):
    assert SAMPLE.is_file()
    done = backend.evaluate(backend.sample(), "bm25", SPLIT, EvaluationSettings())
    assert done.metrics["recall@10"] > 0.5


def test_at_home_everyone_is_one_and_in_public_nobody_sees_another(tmp_path, monkeypatch):
    me, you = new_visitor(), new_visitor()
    backends = Backends(FakeEngine(tmp_path))
    assert backends.of(me) is backends.of(you) is backends.of(None)
    monkeypatch.setenv("E5DEMO_PUBLIC", "1")
    backends = Backends(FakeEngine(tmp_path))
    mine, yours = backends.of(me), backends.of(you)
    assert backends.of(me) is mine
    assert mine.workspace.root != yours.workspace.root
    assert mine.engine is yours.engine
    for visitor in (None, "", "../" + me):
        with pytest.raises(ValueError, match="no visitor id"):
            backends.of(visitor)


def test_warming_up_encodes_the_sample_or_keeps_the_problem(tmp_path):
    backends = Backends(FakeEngine(tmp_path))
    backends._warm_up()
    assert backends.model_ready
    assert (backends.model.name, backends.model_problem) == ("fake", None)
    assert len(backends.engine.fake.calls) > 0

    class NoModel(FakeEngine):
        def encoder(self, max_length):
            raise NoWeights(model="e5", reason="offline")

    backends = Backends(NoModel(tmp_path))
    backends._warm_up()
    assert not backends.model_ready
    assert isinstance(backends.model_problem, NoWeights)


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
    monkeypatch.setattr("e5demo.backend.KEPT_UPLOAD_SECONDS", -1)
    backend.keep_upload(SAMPLE)
    assert not refused.exists()


def test_the_sample_s_file_is_where_the_app_is_now(backend):
    assert backend.source_of(backend.sample()) == SAMPLE
