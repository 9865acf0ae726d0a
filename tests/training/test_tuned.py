import subprocess
import sys
import threading
from dataclasses import asdict

import pandas as pd
import pytest

from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.errors import (
    BadName,
    BaseModelChanged,
    TrainingRuns,
    UnknownExperiment,
    UnreadableRecord,
)
from e5demo.retrieval.models import ModelSource
from e5demo.training import tuned as module
from e5demo.training.checkpoints import History
from e5demo.training.estimate import Timing
from e5demo.training.recipe import make_recipe
from e5demo.training.triplets import Extra
from e5demo.training.tuned import begin_tuned, end_tuned, list_tuned, open_tuned, unreadable_tuned
from e5demo.training.worker import PLAN, Trained
from e5demo.workspace import read_json, write_json

SPLIT, EVALUATION = SplitSettings(seed=7), EvaluationSettings(max_length=64, cutoffs=(1, 3))
TRAINED = Trained(10, 12, 8, 3.5, 4096, 23520, 640.0)
TOLD = {
    "preset": "quick",
    "dataset": "news-1",
    "dataset_name": "news.csv",
    "data": "data-1",
    "pairs": 100,
    "job": "job-1",
}


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "base"
    write_json(folder / "config.json", {})
    return ModelSource("e5", folder, "hub")


@pytest.fixture
def begun(tmp_path, base):
    return begin(tmp_path / "all" / "lora-0123abcd", base)


def begin(folder, base, method="lora", triplets=None, **more):
    settings = make_recipe(method)
    return begin_tuned(folder, settings, base, SPLIT, EVALUATION, triplets, **TOLD, **more)


def test_what_was_asked_is_found_again(begun, base):
    opened = open_tuned(begun.folder)
    assert opened == begun
    assert (opened.id, opened.settings) == ("lora-0123abcd", make_recipe("lora"))
    assert (opened.split, opened.evaluation) == (SPLIT, EVALUATION)
    assert {name: getattr(opened, name) for name in TOLD} == TOLD
    assert opened.base == {"name": "e5", "weights": "hub", "fingerprint": base.fingerprint}
    assert opened.versions.keys() == set(module.LIBRARIES)
    assert (opened.trained, opened.plan, opened.scores, opened.history) == (None, None, None, [])
    assert make_recipe("lora").from_yaml(begun.folder / "recipe.yaml") == opened.settings


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (module.ASKED, {"settings": {"method": "full", "dropout": None}}, "dropout = None"),
        (module.ASKED, {"later": 1}, "later"),
        (module.DESCRIPTION, {"later": 1}, "later"),
    ],
)
def test_a_training_of_another_version_is_told_and_left_out(
    tmp_path, base, begun, name, change, reason
):
    odd = end_tuned(begin(tmp_path / "all" / "full-1", base), TRAINED).folder
    write_json(odd / name, read_json(odd / name) | change)
    with pytest.raises(UnreadableRecord, match=f"full-1.*{name}.*{reason}"):
        open_tuned(odd)
    assert list_tuned(tmp_path / "all") == [begun]
    (told,) = unreadable_tuned(tmp_path / "all")
    assert told.values["path"] == f"all/full-1/{name}"


def test_triplets_are_kept_with_it(tmp_path, base):
    given = pd.DataFrame({"query": ["q"], "positive": ["été"], "negative": ["n"]}, dtype="object")
    counts = {"used": 1, "left_out": 2}
    tuned = open_tuned(begin(tmp_path / "lora-1", base, triplets=given, extra=counts).folder)
    assert tuned.extra == Extra(1, 2)
    pd.testing.assert_frame_equal(tuned.triplets, given, check_column_type=False)


def test_one_of_before_there_were_triplets_has_none(begun):
    assert "extra" not in read_json(begun.folder / "training.json")
    assert begun.extra == Extra(0, 0)
    assert not (begun.folder / "extra.parquet").exists()


def test_its_end_makes_it_a_model(begun):
    ended = end_tuned(begun, TRAINED)
    assert (ended.state, ended.trained) == ("done", TRAINED)
    assert open_tuned(begun.folder) == ended


def test_what_a_training_left_so_far_is_read(begun):
    timing = Timing(0.5, 0.01, 16, 500, 100, 1000, 470)
    write_json(begun.folder / PLAN, {"steps": 12, "timing": asdict(timing)})
    History(begun.folder).add({"step": 1, "loss": 2.0})
    assert begun.plan == (12, timing)
    assert begun.history == [{"step": 1, "loss": 2.0}]
    assert begun.resumes_at == 0
    for step in (9, 10):
        (begun.folder / f"checkpoint-{step}").mkdir()
    assert begun.resumes_at == 10


def test_who_trains_it_keeps_others_out(begun, monkeypatch):
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    assert begun.state == "stopped"
    refused = []

    def try_too():
        try:
            with open_tuned(begun.folder).working():
                pass
        except TrainingRuns as error:
            refused.append(str(error))

    with begun.working():
        assert begun.state == open_tuned(begun.folder).state == "running"
        other = threading.Thread(target=try_too)
        other.start()
        other.join()
    assert refused == ["lora-0123abcd is being trained right now: wait for its end, or stop it "
                       "first."]  # fmt: skip
    assert begun.state == "stopped"
    with begun.working():  # and it can be taken up again
        pass


HOLDER = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_a_killed_process_s_training_is_stopped_not_running(begun):
    lock = str(begun.folder / ".lock")
    child = subprocess.Popen([sys.executable, "-c", HOLDER, lock], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"held\n"
        assert begun.state == "running"
    finally:
        child.kill()
        child.communicate()
    assert begun.state == "stopped"


def test_an_error_inside_gives_the_lock_back(begun):
    with pytest.raises(ZeroDivisionError), begun.working():
        raise ZeroDivisionError
    assert begun.state == "stopped"


@pytest.mark.parametrize(
    ("name", "kept"), [("Essai", "Essai"), ("  Mon  premier\n été ", "Mon premier été"),
                       ("x" * 60, "x" * 60)]
)  # fmt: skip
def test_a_name_is_kept_tidy(begun, name, kept):
    assert begun.name is None
    begun.rename(name)
    assert open_tuned(begun.folder).name == kept


@pytest.mark.parametrize("name", ["", "  ", "\n\t", "x" * 61])
def test_what_is_no_name_leaves_the_old_one(begun, name):
    begun.rename("Essai")
    with pytest.raises(BadName, match="1 to 60 characters"):
        begun.rename(name)
    assert open_tuned(begun.folder).name == "Essai"


def test_an_adapter_wants_the_base_that_it_was_made_for(begun, base, tmp_path):
    source = begun.source(base)
    assert (source.name, source.weights) == (begun.id, "tuned")
    assert (source.folder, source.adapter) == (base.folder, begun.folder / "adapter")
    write_json(tmp_path / "other" / "config.json", {"other": 1})
    with pytest.raises(BaseModelChanged, match="lora-0123abcd.*hub"):
        begun.source(ModelSource("e5", tmp_path / "other", "bundled-4bit"))


def test_a_whole_model_wants_none(base, tmp_path):
    full = begin(tmp_path / "all" / "full-0123abcd", base, "full")
    other = ModelSource("other", tmp_path, "hub")
    assert full.source(other) == ModelSource(full.id, full.folder / "model", "tuned")


def test_all_are_listed_newest_first_but_drafts_and_evaluations(tmp_path, base):
    experiments = tmp_path / "all"
    assert list_tuned(experiments) == []
    for number in range(3):
        begin(experiments / f"lora-{number}", base)
    write_json(experiments / ".lora-9.x1" / "training.json", {})  # as `remove_folder` leaves it
    write_json(experiments / "bm25-1" / "experiment.json", {})
    assert [tuned.id for tuned in list_tuned(experiments)] == ["lora-2", "lora-1", "lora-0"]
    with pytest.raises(UnknownExperiment, match="bm25-1"):
        open_tuned(experiments / "bm25-1")
