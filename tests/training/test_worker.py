import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from e5demo.errors import BaseModelChanged, TooFewPairs
from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.models import ModelSource
from e5demo.training import worker
from e5demo.training.recipe import make_recipe
from e5demo.training.tuned import describe_tuned, list_tuned, open_tuned

WORDS = ["la neige", "train la", "neige train", "la", "train", "neige", "la la", "train train"]
PAIRS = pd.DataFrame({"query": WORDS, "passage": [f"{words} : {words}" for words in WORDS]})
SMALL = {"batch_size": 4, "max_length": 16, "epochs": 2, "max_minutes": None}
EMBEDDINGS = "embeddings.word_embeddings.weight"


def weights(folder):
    return load_file(folder / "model.safetensors")


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def vectors(source):
    return E5Encoder(source, 16).encode(WORDS, "document")


def test_lora_saves_an_adapter_alone_and_leaves_the_base_as_it_was(tiny_model, tmp_path):
    before = vectors(tiny_model)
    recipe = make_recipe("lora", "quick", **SMALL, learning_rate=0.01)
    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path)
    # rank 16 on query and value of two layers: 4 times 16 x (32 + 32)
    assert trained.trainable_parameters == 4 * 16 * 64
    assert trained.trainable_parameters < trained.total_parameters
    saved = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert len(saved) == 8  # two matrices for query and for value of two layers
    assert all("lora" in name for name in saved)
    assert not (tmp_path / "model").exists()
    tuned = ModelSource("t", tiny_model.folder, "tuned", tmp_path / "adapter")
    assert not np.allclose(vectors(tuned), before, atol=1e-4)
    assert np.allclose(vectors(tiny_model), before, atol=1e-6)
    assert tuned.fingerprint != tiny_model.fingerprint


def test_full_changes_all_but_frozen_embeddings(tiny_model, tmp_path):
    recipe = make_recipe("full", "quick", **SMALL, learning_rate=0.01)
    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path / "frozen")
    moved = changed(weights(tiny_model.folder), weights(tmp_path / "frozen" / "model"))
    assert EMBEDDINGS not in moved
    assert "encoder.layer.1.output.dense.weight" in moved
    size = weights(tiny_model.folder)[EMBEDDINGS].size
    assert trained.total_parameters - trained.trainable_parameters == size
    free = recipe.model_copy(update={"freeze_embeddings": False})
    worker.train(PAIRS, free, tiny_model, tmp_path / "free")
    assert EMBEDDINGS in changed(weights(tiny_model.folder), weights(tmp_path / "free" / "model"))


def test_steps_history_and_progress_by_hand(tiny_model, tmp_path):
    seen = []
    recipe = make_recipe("full", "notebook", batch_size=4, max_length=16, epochs=5, mini_batch=2)
    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path, lambda *now: seen.append(now))
    assert trained.steps == 10  # 8 pairs give 2 batches of 4, five times
    assert seen[0] == ("train", 0, 10)
    assert seen[-1] == ("train", 10, 10)
    assert [row["step"] for row in trained.history] == list(range(1, 11))
    rates = [row["learning_rate"] for row in trained.history]
    # warm-up of int(0.1 x 10) step from 0, then down in a line: 9/9, 8/9, ...
    assert rates == pytest.approx([0, *(2e-5 * share / 9 for share in range(9, 0, -1))], abs=1e-9)
    assert trained.peak_memory_mb > 0


def test_the_same_seed_gives_the_same_weights(tiny_model, tmp_path):
    recipe = make_recipe("full", "quick", **SMALL)
    for name in ("a", "b"):
        worker.train(PAIRS, recipe, tiny_model, tmp_path / name)
    assert not changed(weights(tmp_path / "a" / "model"), weights(tmp_path / "b" / "model"))


@pytest.mark.parametrize(
    ("pairs", "changes", "per_step", "steps"),
    [
        (1000, {}, 1.0, 15),  # 1000 // 64
        (1000, {"epochs": 2}, 1.0, 30),
        (1000, {"max_minutes": 0.1}, 2.0, 3),  # 6 seconds
        (64, {"max_minutes": 0.01}, 60.0, 1),  # at least one
    ],
)
def test_steps_are_what_data_and_time_allow(pairs, changes, per_step, steps):
    recipe = make_recipe("full", "notebook", **changes)
    assert worker.count_steps(pairs, recipe, per_step) == steps


def test_too_few_pairs_are_refused(tiny_model, tmp_path):
    with pytest.raises(TooFewPairs, match="8 train pairs"):
        worker.train(PAIRS, make_recipe("full", "quick"), tiny_model, tmp_path)


def test_a_tuned_model_is_found_again_and_knows_its_base(tiny_model, tmp_path):
    folder = tmp_path / "lora-0123abcd"
    recipe = make_recipe("lora", "quick", **SMALL)
    trained = worker.train(PAIRS, recipe, tiny_model, folder)
    told = {"preset": "quick", "dataset": "d", "data": "f", "split": {}, "pairs": 8}
    describe_tuned(folder, recipe, tiny_model, trained, **told)
    tuned = open_tuned(folder)
    assert (tuned.id, tuned.settings, tuned.trained) == (folder.name, recipe, trained)
    assert [one.id for one in list_tuned(tmp_path)] == [folder.name]
    assert tuned.source(tiny_model).adapter == folder / "adapter"
    other = ModelSource("other", folder / "adapter", "hub")
    with pytest.raises(BaseModelChanged, match="bundled-4bit"):
        tuned.source(other)
