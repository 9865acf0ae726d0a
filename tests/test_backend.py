import csv
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from fakes import FakeEngine, FakeSource

from e5demo.backend import SAMPLE, Backend, Choices, timed
from e5demo.config import PROMPTS, EvaluationSettings, SplitSettings
from e5demo.data.browsing import Scope
from e5demo.errors import (
    AlreadyTrained,
    BaseModelChanged,
    EmptyQuery,
    FileMissing,
    FolderNotWritable,
    NotATuned,
    NotComparable,
    NoVectors,
    TooDeep,
    TooFewPairs,
    TrainingRuns,
    TwinsWanted,
    UnknownDataset,
    UnknownExperiment,
    UnknownRetriever,
)
from e5demo.evaluation.comparison import paired_difference
from e5demo.evaluation.votes import Side, Vote
from e5demo.retrieval.engine import Engine
from e5demo.training.checkpoints import BEST
from e5demo.training.estimate import Timing
from e5demo.training.recipe import TrainingSettings, make_recipe
from e5demo.training.triplets import Extra
from e5demo.workspace import Workspace, timings, write_json

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


def test_a_map_draws_the_models_that_have_vectors_once_each(backend, dataset):
    made = {
        name: backend.evaluate(dataset, name, SPLIT, EvaluationSettings())
        for name in ("bm25", "baseline", "fusion")
    }
    calls = len(backend.engine.fake.calls)
    both = backend.news_map(made["baseline"], made["fusion"], "pca")
    assert list(both.places) == [made["baseline"].id]  # fusion reads with the same model
    assert list(backend.news_map(made["bm25"], made["fusion"], "pca").places) == [made["fusion"].id]
    assert len(backend.engine.fake.calls) == calls  # all read from the cache
    passages, queries = both.places[made["baseline"].id]
    assert len(passages) == len(both.sample.passages) == both.sample.total
    assert len(queries) == len(both.sample.queries)
    with pytest.raises(NoVectors, match="Neither bm25 nor bm25"):
        backend.news_map(made["bm25"], made["bm25"], "pca")


def test_a_map_is_not_drawn_with_other_weights_than_were_measured(backend, dataset):
    made = [backend.evaluate(dataset, n, SPLIT, EvaluationSettings()) for n in ("bm25", "baseline")]
    backend.engine.find_model = lambda: FakeSource(fingerprint="fake-2")
    with pytest.raises(NoVectors):
        backend.news_map(*made, "pca")


def test_votes_are_the_workspace_s_own(backend, tmp_path):
    side = Side("bm25", ("p1",), "Un article")
    vote = Vote("neige", side, replace(side, retriever="baseline"), "tie", "d", "all", 512, 10, 1.0)
    backend.votes.add(vote)
    assert backend.votes.votes() == [vote]
    assert backend.votes.path == tmp_path / "mine" / "votes.jsonl"
    assert Backend(Workspace(tmp_path / "other"), backend.engine).votes.votes() == []


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


def test_an_ablation_is_an_experiment_of_its_own_on_the_same_ground(backend, dataset):
    plain = backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings())
    ways = ({"prompts": "none"}, {"prompts": "swapped"}, {"precision": "int8"}, {"max_length": 64})
    for way in ways:
        found = backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(**way))
        assert found.id != plain.id
        assert found.measured.ground == plain.measured.ground
        assert found.measured.ablated == ("max_length" not in way)
    assert plain.query_milliseconds > 0
    assert not plain.measured.ablated
    assert len(backend.experiments()) == 5
    comparison = backend.compare(backend.experiments())
    assert len(comparison.differences) == 10 * 9


def test_experiments_on_other_ground_or_with_other_cutoffs_do_not_compare(backend, dataset):
    first = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings())
    whole = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(corpus="all"))
    third = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(cutoffs=(3,)))
    with pytest.raises(NotComparable, match="corpus"):
        backend.compare([first, whole])
    with pytest.raises(NotComparable, match="cutoffs"):
        backend.compare([first, third])


def test_ranks_are_those_of_what_is_searched_now(backend, dataset):
    choices = Choices(dataset.id, SPLIT)
    assert backend.measured_ranks(dataset, choices, "test", ["bm25", "baseline"]).empty
    backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(limit_queries=2))
    backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings())
    backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(precision="int8"))
    backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(max_length=64))
    backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(corpus="all"))
    ranks = backend.measured_ranks(dataset, choices, "test", ["bm25", "baseline"])
    assert list(ranks) == ["query", "bm25"]  # the other was measured in other ways alone
    assert len(ranks) == len(backend.split_rows(dataset, SPLIT, "test")["query_id"].unique())
    assert ranks["bm25"].min() == 1
    backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings())
    ranks = backend.measured_ranks(dataset, choices, "test", ["baseline", "bm25"])
    assert list(ranks) == ["query", "baseline", "bm25"]


def test_fusion_is_not_asked_for_more_than_it_ranks(backend, dataset):
    with pytest.raises(TooDeep, match="up to 100"):
        backend.evaluate(dataset, "fusion", SPLIT, EvaluationSettings(cutoffs=(10, 200)))
    found = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(cutoffs=(10, 200)))
    assert "recall@200" in found.metrics


def test_a_repeated_article_passes_a_filter_by_any_of_its_pairs(backend, tmp_path):
    rows = [["Un titre de l'AFP", "La même neige tombe partout", "", "AFP", ""],
            ["Un titre de Reuters", "La même neige tombe partout", "", "Reuters", ""]]  # fmt: skip
    path = tmp_path / "deux.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    corpus = backend.corpus(backend.import_csv(path), SPLIT, "all")
    for agency, count in (("AFP", 1), ("Reuters", 1), ("Autre", 0)):
        column = backend.search(corpus, "neige", "bm25", scope=Scope((agency,)))
        assert len(column.hits) == count


def test_the_article_sought_may_be_outside_the_filters(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    title = "Une dépêche numéro zyx07"
    assert len(backend.gold(dataset, corpus, title)) == 1
    assert backend.gold(dataset, corpus, title, Scope(("Autre",))) == set()


def test_all_queries_are_searched_as_each_is(backend, dataset):
    corpus = backend.corpus(dataset, SPLIT, "all")
    queries = ["De la neige", "zyx07", "introuvable"]
    for name in ("bm25", "baseline", "fusion", "rerank"):
        table = backend.search_all(corpus, queries, name, k=3)
        for query in queries:
            single = backend.search(corpus, query, name, k=3)
            rows = table[table["query"] == query]["passage_id"].dropna()
            assert rows.tolist() == single.ranked[:3]


def test_evaluated_twice_is_one_experiment_with_cached_passages(backend, dataset):
    settings = EvaluationSettings()
    first = backend.evaluate(dataset, "fusion", SPLIT, settings)
    calls = len(backend.engine.fake.calls)
    assert first.cached_passages == 0
    again = Backend(backend.workspace, FakeEngine(backend.engine.cache.folder))
    second = again.evaluate(dataset, "fusion", SPLIT, settings)
    assert calls > 0
    timed = [len(texts) for role, texts in again.engine.fake.calls if role == "query"]
    assert timed == [1] * len(again.engine.fake.calls)  # one by one, to see what one takes
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


# --- trainings ---------------------------------------------------------------------------------

SHORT = EvaluationSettings(max_length=16)
QUICK = {
    "batch_size": 4, "max_length": 16, "max_minutes": None, "learning_rate": 0.01,
    "hard_negatives": 0,
}  # fmt: skip


def begin(
    backend, dataset, method="full", preset="quick", evaluation=SHORT, job=None, extra=None,
    **changes,
):  # fmt: skip
    recipe = make_recipe(method, preset, **QUICK | changes)
    return backend.begin_training(dataset, SPLIT, recipe, preset, evaluation, job, extra)


@pytest.fixture
def tuning(tmp_path, tiny_model):
    """A backend that trains and searches with the real two-layer model."""
    engine = Engine(tmp_path / "embeddings", find_model=lambda: tiny_model)
    return Backend(Workspace(tmp_path / "mine"), engine)


def test_a_training_is_written_down_before_it_starts(backend, dataset):
    tuned = begin(backend, dataset, "lora", job="job-1")
    assert tuned.id.startswith("lora-")
    assert (tuned.state, tuned.preset, tuned.job) == ("stopped", "quick", "job-1")
    assert (tuned.dataset, tuned.dataset_name) == (dataset.id, dataset.name)
    assert tuned.data == dataset.fingerprint
    assert tuned.pairs == backend.split(dataset, SPLIT).sizes["train"]
    assert (tuned.split, tuned.evaluation) == (SPLIT, SHORT)
    assert tuned.base == {"name": "fake", "weights": "local", "fingerprint": "fake-1"}
    assert backend.training(tuned.id) == tuned
    assert backend.taken_up(tuned, "job-2") == replace(tuned, job="job-2")
    assert backend.training(tuned.id).job == "job-2"
    assert backend.taken_up(tuned, None).job is None


def test_an_unfinished_training_is_listed_but_is_no_model(backend, dataset, tmp_path):
    first, second = begin(backend, dataset), begin(backend, dataset)
    second.rename("Essai")
    assert [one.id for one in backend.all_trainings()] == [second.id, first.id]
    assert backend.names() == {second.id: "Essai"}
    assert (backend.all_tuned(), backend.retrievers()) == (
        [],
        ["bm25", "baseline", "fusion", "rerank"],
    )
    with pytest.raises(UnknownRetriever):
        backend.find_retriever(first.id)
    for ask in (backend.tuned, lambda i: backend.export_training(first, tmp_path / "x.zip")):
        with pytest.raises(UnknownExperiment):
            ask(first.id)
    assert not (tmp_path / "x.zip").exists()


def test_too_few_pairs_begin_no_training(backend, dataset):
    for changes in ({"batch_size": 64}, {"max_pairs": 3}):
        with pytest.raises(TooFewPairs):
            begin(backend, dataset, **changes)
    assert backend.all_trainings() == []


def test_max_pairs_are_drawn_of_train_by_the_seed(backend, dataset):
    def drawn(**changes):
        settings = make_recipe("full", "quick", **changes)
        return backend.train_pairs(dataset, SPLIT, settings)["row"].tolist()

    train = drawn()
    few = drawn(max_pairs=10)
    assert len(few) == 10
    assert set(few) < set(train) == set(backend.split_rows(dataset, SPLIT, "train")["row"])
    assert drawn(max_pairs=10) == few != drawn(max_pairs=10, seed=1)
    assert drawn(max_pairs=1000) == train


OTHERS = ("Un article pour", "Un article contre")


def triplets(*rows):
    return pd.DataFrame(rows, columns=["query", "positive", "negative"])


def test_a_triplet_that_gives_validation_or_test_away_is_left_out_and_counted(backend, dataset):
    train, validation, test = (
        backend.split_rows(dataset, SPLIT, part).iloc[0] for part in ("train", "validation", "test")
    )
    fine = [(train["query"], train["passage"], "Un article contre"), ("Une question", *OTHERS)]
    leaking = [
        (test["query"], *OTHERS),
        (validation["query"].upper(), *OTHERS),
        ("Une question", test["passage"], "Un article contre"),
        ("Une question", train["passage"], validation["passage"]),
    ]
    given = triplets(leaking[0], fine[0], *leaking[1:], fine[1], fine[1], ("", *OTHERS))
    tuned = begin(backend, dataset, extra=given)
    assert tuned.extra == Extra(used=2, left_out=4)
    assert tuned.triplets.to_numpy().tolist() == [list(row) for row in fine]
    assert backend.training(tuned.id).extra == tuned.extra
    assert tuned.pairs == backend.split(dataset, SPLIT).sizes["train"]
    assert tuned.settings.hard_negatives == 1  # none were asked for
    assert TrainingSettings.from_yaml(tuned.folder / "recipe.yaml") == tuned.settings
    assert begin(backend, dataset, extra=given, hard_negatives=3).settings.hard_negatives == 3

    none = begin(backend, dataset, extra=triplets(*leaking))
    assert (none.extra, none.settings.hard_negatives) == (Extra(0, 4), 0)
    assert not (none.folder / "extra.parquet").exists()
    assert begin(backend, dataset).extra == Extra(0, 0)


def test_triplets_fill_a_batch_too(backend, dataset):
    train = backend.split(dataset, SPLIT).sizes["train"]
    two = triplets(("Une question", *OTHERS), ("Une autre", *OTHERS))
    assert begin(backend, dataset, extra=two, batch_size=train + 2).extra.used == 2
    with pytest.raises(TooFewPairs, match=f"{train + 2} train pairs .* of {train + 3}"):
        begin(backend, dataset, extra=two, batch_size=train + 3)


def test_who_resumes_trains_on_the_same_triplets(backend, dataset, monkeypatch):
    seen = []

    def train(pairs, *_):
        seen.append(pairs)
        raise KeyboardInterrupt

    monkeypatch.setattr("e5demo.backend.train", train)
    given = triplets(("Une question", *OTHERS), ("Une autre", *OTHERS))
    begun = begin(backend, dataset, extra=given, hard_negatives=2)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            backend.go_on_training(backend.training(begun.id))
    first, again = seen
    pd.testing.assert_frame_equal(first, again)
    assert list(first) == ["query", "passage", "negative_1", "negative_2"]
    pairs = backend.split_rows(dataset, SPLIT, "train")
    assert first["query"].tolist() == [*pairs["query"], "Une question", "Une autre"]
    assert first[-2:].to_numpy()[:, 1:].tolist() == [[*OTHERS, OTHERS[1]]] * 2
    mined = set(first[:-2].filter(like="negative_").to_numpy().ravel())
    assert mined <= set(pairs["passage"])  # BM25 ranks the train split's passages alone


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_trained_model_is_a_retriever(tuning, path, method):
    dataset = tuning.import_csv(path)
    begun = begin(tuning, dataset, method)
    stages = []
    tuned = tuning.go_on_training(begun, lambda *now: stages.append(now))
    assert (tuned.id, tuned.state) == (begun.id, "done")
    assert tuned.trained.steps == tuned.plan[0] == tuned.pairs // 4
    assert {name for name, *_ in stages} == {"estimate", "train"}
    assert tuning.retrievers()[4:] == [tuned.id, f"fusion:{tuned.id}", f"rerank:{tuned.id}"]
    done = tuning.evaluate(dataset, tuned.id, SPLIT, SHORT)
    assert (done.measured.retriever, done.measured.weights) == (tuned.id, "tuned")
    base = tuning.evaluate(dataset, "baseline", SPLIT, SHORT)
    assert base.measured.model_fingerprint != done.measured.model_fingerprint
    with pytest.raises(AlreadyTrained, match=tuned.id):
        tuning.go_on_training(tuned)


def test_negatives_are_mined_and_the_best_validation_is_kept(tuning, path, monkeypatch):
    seen = {}

    def add(pairs, retriever, settings, progress):
        seen.update(corpus=set(retriever.corpus.ids), pairs=set(pairs["passage_id"]))
        progress("mine", 0, 1)
        return pairs.assign(negative_1=pairs["passage"].to_numpy()[::-1])

    monkeypatch.setattr("e5demo.backend.add_negatives", add)
    dataset = tuning.import_csv(path)
    begun = begin(tuning, dataset, preset="best", epochs=1, validations=2, patience=2,
                  hard_negatives=1)  # fmt: skip
    stages = []
    tuned = tuning.go_on_training(begun, lambda stage, *_: stages.append(stage))
    assert seen["corpus"] == seen["pairs"]  # no passage of validation or test
    assert {"mine", "train", "validate"} <= set(stages)
    validated = [row["step"] for row in tuned.history if "ndcg@10" in row]
    steps = tuned.trained.steps
    assert validated == [0, round(steps / 2), steps]
    assert tuned.trained.kept in validated[1:]
    assert not (tuned.folder / BEST).exists()


def test_begun_again_without_a_checkpoint_the_start_is_validated_once(tuning, path):
    begun = begin(tuning, tuning.import_csv(path), epochs=0.5, validations=1)

    def die(stage, done, total):
        if (stage, done) == ("train", 1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tuning.go_on_training(begun, die)
    assert [row["step"] for row in begun.history] == [0, 1]
    tuned = tuning.go_on_training(tuning.training(begun.id))
    assert [row["step"] for row in tuned.history if "ndcg@10" in row] == [0, tuned.trained.steps]
    losses = [row["step"] for row in tuned.history if "loss" in row]
    assert losses == [*range(1, tuned.trained.steps + 1)]


def test_what_a_training_needs_has_to_be_as_it_was(backend, dataset, monkeypatch):
    tuned = begin(backend, dataset)
    monkeypatch.setattr("e5demo.training.tuned.LOCK_SECONDS", 0.1)
    changed = FakeSource(fingerprint="fake-2")
    with monkeypatch.context() as patch:
        patch.setattr(backend.engine, "find_model", lambda: changed)
        with pytest.raises(BaseModelChanged, match="local"):
            backend.go_on_training(tuned)
    with tuned.working():
        for ask in (backend.go_on_training, lambda one: backend.delete_training(one.id)):
            with pytest.raises(TrainingRuns):
                ask(tuned)
    backend.delete_dataset(dataset.id)
    with pytest.raises(UnknownDataset):
        backend.go_on_training(tuned)


def test_scores_before_and_after_with_their_difference(backend, dataset):
    tuned = begin(backend, dataset)
    before = backend.evaluate(dataset, "baseline", SPLIT, EvaluationSettings(cutoffs=(1, 5)))
    after = backend.evaluate(dataset, "bm25", SPLIT, EvaluationSettings(cutoffs=(1, 5)))
    kept = backend.keep_scores(tuned, before, after)
    assert backend.training(tuned.id).scores == kept
    assert kept["evaluations"] == [before.id, after.id]
    assert (kept["before"], kept["after"]) == (before.metrics, after.metrics)
    assert kept["difference"].keys() == before.metrics.keys()
    for name, found in kept["difference"].items():
        gained = after.metrics[name] - before.metrics[name]
        assert found["mean"] == pytest.approx(gained)
        assert found["low"] <= found["mean"] <= found["high"]
    expected = paired_difference(before.scores["mrr@5"], after.scores["mrr@5"])
    assert kept["difference"]["mrr@5"] == vars(expected)
    assert expected.mean > 0  # each title's one word is not in the fake encoder's vocabulary


TIMING = Timing(0.5, 0.01, 8, 500, 100, 1_000_000, 470)


@pytest.fixture
def timed_by_hand(monkeypatch, backend):
    """Nothing is loaded or timed: a pair takes 0.5 s, a passage 0.1; gives the probes."""
    probes = []

    def time_training(model, loss, pairs, settings):
        probes.append(pairs)
        return TIMING

    for name in ("prepare_model", "make_loss"):
        monkeypatch.setattr(f"e5demo.backend.{name}", lambda *_: None)
    monkeypatch.setattr("e5demo.backend.time_training", time_training)
    monkeypatch.setattr(
        backend.engine, "seconds_to_encode", lambda passages, _: 0.1 * len(passages)
    )
    return probes


def test_an_estimate_by_hand(backend, dataset, timed_by_hand):
    recipe = make_recipe("full", "notebook", batch_size=8, epochs=2, validations=1,
                         validation_queries=100)  # fmt: skip
    asked = (dataset, SPLIT, recipe, SHORT)
    assert backend.estimate(*asked) is None
    backend.time_training(*asked)
    found = backend.estimate(*asked)
    steps = backend.split(dataset, SPLIT).sizes["train"] // 8 * 2
    assert (found.steps, found.train_seconds) == (steps, steps * 8 * 0.5)
    queries = backend.split(dataset, SPLIT).sizes["validation"]  # 100 are more than there are
    assert found.validate_seconds == pytest.approx(2 * queries * 0.01)
    corpus = backend.corpus(dataset, SPLIT, "test")
    assert found.evaluate_seconds == pytest.approx(0.1 * 2 * len(corpus))  # before and after
    assert (found.memory_mb, found.disk_mb) == (TIMING.memory_mb(recipe), 482)
    backend.encode(corpus, 16)
    again = backend.estimate(*asked)
    assert again.evaluate_seconds == pytest.approx(0.1 * len(corpus))  # after training alone


def test_what_costs_the_same_is_timed_once(backend, dataset, timed_by_hand):
    recipe = make_recipe("full", "notebook", batch_size=16)

    def probes_after(**changes):
        settings = recipe.model_copy(update=changes)
        backend.time_training(dataset, SPLIT, settings, SHORT)
        assert backend.estimate(dataset, SPLIT, settings, SHORT)
        return len(timed_by_hand)

    assert probes_after() == 1
    assert probes_after(epochs=3, batch_size=32, validations=4, learning_rate=0.1, seed=1) == 1
    assert probes_after(batch_size=4) == 2  # a smaller probe
    assert probes_after(max_length=128) == 3
    assert probes_after(hard_negatives=2) == 4
    assert list(timed_by_hand[-1].filter(like="negative_")) == ["negative_1", "negative_2"]
    assert "negative_1" not in backend.split_rows(dataset, SPLIT, "train")
    assert len(list(timings().glob("*.json"))) == 4
    text = "".join(path.read_text() for path in timings().iterdir())
    assert "zyx" not in text  # all visitors share it


def test_the_real_thing_is_timed_too(tuning, path):
    dataset = tuning.import_csv(path)
    recipe = make_recipe("lora", "quick", **QUICK)
    tuning.time_training(dataset, SPLIT, recipe, SHORT)
    found = tuning.estimate(dataset, SPLIT, recipe, SHORT)
    assert found.steps == tuning.split(dataset, SPLIT).sizes["train"] // 4
    assert found.seconds > found.train_seconds > 0
    assert found.disk_mb == pytest.approx((4 + 12) * 4096 / 1e6)


@pytest.fixture
def finished(tuning, path):
    dataset = tuning.import_csv(path)
    tuned = tuning.go_on_training(begin(tuning, dataset, "lora", epochs=0.5))
    for retriever in (tuned.id, f"fusion:{tuned.id}", "bm25"):
        tuning.evaluate(dataset, retriever, SPLIT, SHORT)
    return tuned


def test_export_with_merged_weights_and_import_elsewhere(tuning, finished, tmp_path):
    target = tmp_path / "out" / "model.zip"
    assert tuning.export_training(finished, target, merged=True) == target
    assert (finished.folder / "merged" / "model.safetensors").is_file()
    other = Backend(Workspace(tmp_path / "other"), tuning.engine)
    imported = other.import_training(target)
    assert other.retrievers()[4:] == [
        finished.id, f"fusion:{finished.id}", f"rerank:{finished.id}",
    ]  # fmt: skip
    assert imported.source(tuning.engine.find_model()).adapter == imported.folder / "adapter"
    again = other.import_training(imported.folder)
    assert len(other.all_tuned()) == 2
    assert again.id != imported.id


def test_export_and_import_refuse_what_cannot_be(tuning, finished, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderNotWritable, match="file"):
        tuning.export_training(finished, tmp_path / "file" / "x.zip")
    with pytest.raises(FileMissing):
        tuning.import_training(tmp_path / "none.zip")
    with pytest.raises(NotATuned, match="file is no tuned model"):
        tuning.import_training(tmp_path / "file")
    (tmp_path / "out").mkdir()
    with pytest.raises(NotATuned, match="out is no tuned model"):
        tuning.import_training(tmp_path / "out")
    other = FakeSource(fingerprint="fake-2")
    tuning.engine.find_model = lambda: other
    with pytest.raises(BaseModelChanged):
        tuning.export_training(finished, tmp_path / "x.zip", merged=True)
    assert not (tmp_path / "x.zip").exists()


def test_delete_takes_a_training_with_its_evaluations_and_no_other_s(tuning, finished):
    shutil.copytree(finished.folder, finished.folder.with_name("lora-other"))
    assert len(tuning.experiments()) == 3
    tuning.delete_experiment(finished.id)
    assert [one.id for one in tuning.all_trainings()] == ["lora-other"]
    assert [one.measured.retriever for one in tuning.experiments()] == ["bm25"]
    (evaluation,) = tuning.experiments()
    assert (tuning.is_evaluation(evaluation.id), tuning.is_evaluation("lora-other")) == (
        True,
        False,
    )
    tuning.delete_experiment(evaluation.id)
    assert tuning.experiments() == []
    for name in (finished.id, evaluation.id, "", "..", "x/../lora-other", "x" * 101):
        with pytest.raises(UnknownExperiment):
            tuning.delete_experiment(name)
    assert [one.id for one in tuning.all_trainings()] == ["lora-other"]


def test_a_recipe_is_kept_under_its_content_s_name(backend):
    recipe = make_recipe("lora", "best")
    path = backend.keep_recipe(recipe)
    assert recipe.from_yaml(path) == recipe
    assert backend.keep_recipe(recipe) == path
    assert backend.keep_recipe(make_recipe("lora", "quick")) != path
    assert len(list(backend.workspace.recipes.iterdir())) == 2
