import os
import signal

import numpy as np
import pandas as pd
import pytest
from fakes import Known
from safetensors.numpy import load_file

from e5demo.data.corpus import Corpus
from e5demo.retrieval.lexical import BM25Retriever
from e5demo.training import reranking
from e5demo.training.checkpoints import History
from e5demo.training.recipe import TrainingSettings, make_recipe
from e5demo.training.reranking import LATE, grouped, late_settings, train_late, trains_tokens
from e5demo.training.worker import TrainingStopped

SETTINGS = make_recipe("full", "quick", rerank_minutes=5, seed=7)
WEIGHTS = f"{LATE}/adapter/adapter_model.safetensors"


def pairs_of(titles, passages):
    ids = [f"p{passages.index(passage)}" for passage in passages]
    return pd.DataFrame({"query": titles, "passage": passages, "passage_id": ids})


def retriever_of(pairs):
    once = pairs.drop_duplicates("passage_id").set_index("passage_id").sort_index()
    return BM25Retriever(Corpus(once.rename(columns={"query": "title"})))


SUBJECTS = ["neige", "train", "vin"]
MANY = pairs_of(
    [f"{subject} {i}" for i in range(4) for subject in SUBJECTS],
    [f"{subject} {subject} {i}" for i in range(4) for subject in SUBJECTS],
)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(reranking, "GROUP", 2)
    monkeypatch.setitem(reranking.RECIPE, "batch_size", 4)
    monkeypatch.setitem(reranking.RECIPE, "lora_layers", 1)


@pytest.mark.parametrize("seed", range(5))
def test_titles_that_would_be_reranked_stand_with_what_is_taken_for_theirs(seed, small):
    ranked = Known(
        ["n", "l", "t", "v"],
        {
            "neige": {"n": 10, "l": 9, "t": 1},
            "la neige": {"l": 10, "n": 8, "v": 1},
            "train": {"t": 10, "n": 2, "l": 1},  # found without: nothing is near it
            "vin": {"n": 10, "v": 9},
        },
    )
    pairs = pairs_of(list(ranked.scores), ranked.corpus.passages)
    pairs["passage_id"] = ranked.corpus.ids
    order = grouped(pairs, ranked, seed)
    assert sorted(map(sorted, zip(order[::2], order[1::2], strict=True))) == [[0, 1], [0, 3]]


def test_its_order_is_the_seed_s(small):
    orders = [grouped(MANY, retriever_of(MANY), seed) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert len(orders[0]) == len(MANY)


def test_a_passage_s_second_title_is_in_no_group_with_its_first(small):
    pairs = pairs_of(["neige", "la neige", "train", "vin"], ["neige", "neige", "train", "vin"])
    order = grouped(pairs, retriever_of(pairs), seed=0)
    assert {0, 1} not in map(set, zip(order[::2], order[1::2], strict=True))


def test_it_takes_the_training_s_seed_minutes_and_precision():
    settings = late_settings(SETTINGS)
    assert (settings.method, settings.seed, settings.max_minutes) == ("lora", 7, 5)
    assert settings.bf16
    assert not late_settings(TrainingSettings(rerank_minutes=1)).bf16


def test_it_trains_the_upper_layers_alone(tiny_model, tmp_path, small):
    stages = []
    told = lambda *step: stages.append(step)  # noqa: E731
    trained = train_late(MANY, retriever_of(MANY), SETTINGS, tiny_model, tmp_path, told)
    assert trained.steps == 3
    assert ("late", 3, 3) in stages
    assert "train" not in {stage for stage, *_ in stages}
    saved = load_file(tmp_path / WEIGHTS)
    assert saved
    assert all(".layer.1." in name for name in saved)
    assert any(np.abs(saved[name]).max() > 0 for name in saved if "lora_B" in name)
    assert not list((tmp_path / LATE).glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("minutes", "pairs", "wanted"), [(5, 4, True), (5, 3, False), (None, 4, False)]
)
def test_it_is_done_where_it_is_asked_for_and_pairs_fill_a_batch(small, minutes, pairs, wanted):
    assert trains_tokens(TrainingSettings(rerank_minutes=minutes), pairs) is wanted


def test_stopped_it_goes_on_as_if_it_never_stopped(tiny_model, tmp_path, small):
    asked = (MANY, retriever_of(MANY), SETTINGS, tiny_model)
    train_late(*asked, tmp_path / "whole")

    def stop(stage, done, total):
        if (stage, done) == ("late", 2):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TrainingStopped, match=r"step 2 of 3.*--resume halves"):
        train_late(*asked, tmp_path / "halves", stop)
    assert not (tmp_path / "halves" / WEIGHTS).exists()
    assert train_late(*asked, tmp_path / "halves").steps == 3
    whole, halves = (History(tmp_path / name / LATE).rows() for name in ("whole", "halves"))
    assert [row["loss"] for row in halves] == pytest.approx(
        [row["loss"] for row in whole], rel=1e-5
    )
