import shutil
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from dispatches import SPLIT
from fakes import FakeSource
from filelock import FileLock

from e5demo.backend import Backend
from e5demo.config import DIMENSIONS, EvaluationSettings
from e5demo.errors import (
    AlreadyTrained,
    BaseModelChanged,
    FileMissing,
    FolderNotWritable,
    NotATuned,
    TokensOfOtherBase,
    TooFewPairs,
    TrainingRuns,
    UnknownDataset,
    UnknownExperiment,
    UnknownRetriever,
)
from e5demo.evaluation.comparison import paired_difference
from e5demo.retrieval.engine import Engine
from e5demo.retrieval.late import LATE_WEIGHT, TRAINED_WEIGHT
from e5demo.retrieval.models import ModelSource, local_model
from e5demo.retrieval.reduction import Reduction
from e5demo.training import reranking
from e5demo.training.checkpoints import BEST
from e5demo.training.estimate import Timing
from e5demo.training.recipe import TrainingSettings, make_recipe
from e5demo.training.triplets import Extra
from e5demo.workspace import Workspace, timings

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

    monkeypatch.setattr("e5demo.backend.trainings.train", train)
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


@pytest.mark.parametrize("method", ["full", "lora"])
def test_fewer_dimensions_are_fitted_to_all_that_was_trained_on(
    tuning, path, method, monkeypatch, tiny_model
):
    monkeypatch.setitem(DIMENSIONS, "int8-128", 8)
    seen = {}

    def fit(start, titles, passages, right, seed, progress):
        seen.update(start=start, titles=titles, passages=passages, right=right)
        progress("reduce", 1, 1)
        return Reduction(start.mean, 2 * start.axes)

    monkeypatch.setattr("e5demo.training.reducer.fit", fit)
    dataset = tuning.import_csv(path)
    stages = []
    begun = begin(tuning, dataset, method, matryoshka=8)
    tuned = tuning.go_on_training(begun, lambda *now: stages.append(now))
    assert {name for name, *_ in stages} == {"estimate", "train", "encode", "reduce"}
    source = tuned.source(tiny_model)
    encoder = tuning.engine.encoder(16, source)
    pairs = tuning.split_rows(dataset, SPLIT, "train")
    assert seen["titles"] == pytest.approx(encoder.encode(pairs["query"], "query"), abs=1e-3)
    once = pairs["passage"].unique().tolist()
    assert seen["passages"] == pytest.approx(encoder.encode(once, "document"), abs=1e-3)
    assert [once[row] for row in seen["right"]] == pairs["passage"].tolist()
    assert seen["start"].axes.shape == (32, 8)

    corpus = tuning.corpus(dataset, SPLIT, "test")
    short = tuning.engine.retriever("baseline", corpus, 16, tuned=source, precision="int8-128")
    assert np.array_equal(short.reduction.axes, 2 * seen["start"].axes)
    whole = tuning.engine.retriever("baseline", corpus, 16, tuned=source)
    assert whole.reduction is None
    asked = SHORT.model_copy(update={"precision": "int8-128"})
    measured = tuning.evaluate(dataset, tuned.id, SPLIT, asked)
    run, queries = measured.run, tuning.queries_of(measured)
    (found,) = short.search([queries.texts[run["query_id"][0]]], 10)
    assert run["score"][:5].tolist() == pytest.approx(found.scores[:5].tolist())


@pytest.fixture
def told_apart(tmp_path):
    """News in words that the tiny model knows: where all texts look the same to it, its weights
    follow rounding errors, which are as large in bf16, and no two trainings are alike."""
    titles = [" ".join(words) for words in product(("la", "neige", "train"), repeat=5)][::6]
    news = pd.DataFrame({"titre": titles, "contenu": [f"{title} : {title}" for title in titles]})
    news.to_csv(tmp_path / "words.csv", index=False)
    return tmp_path / "words.csv"


@pytest.mark.parametrize("method", ["full", "lora"])
def test_tokens_trained_to_rerank_do_it_in_the_model_s_fusion(
    tuning, told_apart, method, monkeypatch, tiny_model
):
    monkeypatch.setitem(reranking.RECIPE, "batch_size", 4)
    monkeypatch.setitem(reranking.RECIPE, "max_length", 16)
    dataset = tuning.import_csv(told_apart)
    stages = []
    begun = begin(tuning, dataset, method, rerank_minutes=5, bf16=False)
    assert (begun.wants_tokens, begun.lacks_tokens, begun.state) == (True, True, "stopped")
    tuned = tuning.go_on_training(begun)
    assert (tuned.lacks_tokens, tuned.state) == (True, "stopped")
    assert tuning.retrievers()[-2:] == [tuned.id, f"fusion:{tuned.id}"]  # of use already
    with pytest.raises(UnknownRetriever):
        tuning.find_retriever(f"rerank:{tuned.id}")
    before = tuned.source(tiny_model).fingerprint
    tuning.train_tokens(tuned, lambda *now: stages.append(now))
    assert (tuned.lacks_tokens, tuned.state) == (False, "done")
    assert tuned.source(tiny_model).fingerprint == before
    with pytest.raises(AlreadyTrained):
        tuning.train_tokens(tuned)
    pairs = len(tuning.split_rows(dataset, SPLIT, "train"))
    assert ("late", pairs // 4, pairs // 4) in stages
    plain = tuning.tuned(tuning.go_on_training(begin(tuning, dataset, method, bf16=False)).id)
    kind, source = tuning.find_retriever(f"rerank:{tuned.id}")
    corpus = tuning.corpus(dataset, SPLIT, "test")
    rerank = tuning.engine.retriever(kind, corpus, 16, tuned=source)
    assert rerank.weight == TRAINED_WEIGHT
    assert rerank.encoder.source == ModelSource(
        tuned.id, tiny_model.folder, "tuned", tuned.folder / "late" / "adapter"
    )
    assert rerank.fusion.members[1].encoder.source == source
    vectors = [tuning.engine.encoder(16, one.source(tiny_model)).encode(["neige"], "query")
               for one in (tuned, plain)]  # fmt: skip
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)  # the model's own are as without
    adapter = sum(path.stat().st_size for path in (tuned.folder / "late" / "adapter").iterdir())
    assert (tuned.late_size, tuned.weights_size) == (adapter, plain.weights_size)
    assert tuned.late_seconds > plain.late_seconds == 0
    other = tuning.find_retriever(f"rerank:{plain.id}")[1]
    assert tuning.engine.retriever("rerank", corpus, 16, tuned=other).weight == LATE_WEIGHT
    if method == "full":
        another = local_model(tuned.folder / "model")
        monkeypatch.setattr(tuning.engine, "find_model", lambda: another)
        assert tuning.find_retriever(f"fusion:{tuned.id}")[1]  # it is a model by itself
        with pytest.raises(TokensOfOtherBase, match=f"take fusion:{tuned.id}"):
            tuning.find_retriever(f"rerank:{tuned.id}")


def test_negatives_are_mined_and_the_best_validation_is_kept(tuning, path, monkeypatch):
    seen = {}

    def add(pairs, retriever, settings, progress):
        seen.update(corpus=set(retriever.corpus.ids), pairs=set(pairs["passage_id"]))
        progress("mine", 0, 1)
        return pairs.assign(negative_1=pairs["passage"].to_numpy()[::-1])

    monkeypatch.setattr("e5demo.backend.trainings.add_negatives", add)
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
    with FileLock(tuned.folder / ".lock"):  # as another process holds it
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
    found = kept["difference"]["mrr@5"]
    assert found["mean"] == expected.mean
    assert (found["low"] > 0, kept["verdicts"]["mrr@5"]) == (True, "no_evidence")  # seven titles
    assert expected.mean > 0  # each title's one word is not in the fake encoder's vocabulary


TIMING = Timing(0.5, 0.01, 8, 500, 100, 1_000_000, 470)


@pytest.fixture
def timed_by_hand(monkeypatch, backend):
    """Nothing is loaded or timed: a pair takes 0.5 s, a passage 0.1; gives the probes."""
    probes = []

    def time_training(model, loss, pairs, settings):
        probes.append(pairs)
        return TIMING

    for module, loss in (
        ("backend.trainings", "make_loss"), ("training.reranking", "make_late_loss")
    ):  # fmt: skip
        for name in ("prepare_model", loss):
            monkeypatch.setattr(f"e5demo.{module}.{name}", lambda *_: None)
        monkeypatch.setattr(f"e5demo.{module}.time_training", time_training)
    monkeypatch.setattr(
        backend.engine, "seconds_to_encode", lambda passages, _: 0.1 * len(passages)
    )
    return probes


def test_an_estimate_by_hand(backend, dataset, timed_by_hand, monkeypatch):
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
    late = recipe.model_copy(update={"rerank_minutes": 1})
    assert backend.estimate(dataset, SPLIT, late, SHORT) is None
    backend.time_training(dataset, SPLIT, late, SHORT)
    assert backend.estimate(dataset, SPLIT, late, SHORT) == again  # a batch is not to be filled
    monkeypatch.setitem(reranking.RECIPE, "batch_size", 4)
    tokens = backend.estimate(dataset, SPLIT, late, SHORT)
    batches = backend.split(dataset, SPLIT).sizes["train"] // 4
    assert tokens.rerank_seconds == batches * 4 * 0.5
    train = backend.corpus(dataset, SPLIT, "train")
    assert not set(train.passages) & set(corpus.passages)
    assert tokens.evaluate_seconds == pytest.approx(0.1 * (len(corpus) + len(train)))
    more = tokens.rerank_seconds + 0.1 * len(train)
    assert tokens.seconds == pytest.approx(again.seconds + more)
    short = recipe.model_copy(update={"matryoshka": 128})
    backend.time_training(dataset, SPLIT, short, SHORT)
    found = backend.estimate(dataset, SPLIT, short, SHORT)
    assert found.evaluate_seconds == pytest.approx(0.1 * (len(corpus) + len(train)))


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
