import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from e5demo.errors import TooFewPairs
from e5demo.retrieval import models
from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.reduction import REDUCTION, Reduction
from e5demo.training import worker
from e5demo.training.checkpoints import History, last_checkpoint
from e5demo.training.estimate import Timing
from e5demo.training.recipe import TrainingSettings, make_recipe
from e5demo.training.worker import TrainingStopped, validation_steps

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


def losses(folder):
    return [row["loss"] for row in History(folder).rows() if "loss" in row]


def test_lora_saves_an_adapter_alone_and_leaves_the_base_as_it_was(tiny_model, tmp_path):
    before = vectors(tiny_model)
    recipe = make_recipe("lora", "quick", **SMALL | {"learning_rate": 0.01})
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
    recipe = make_recipe("full", "quick", **SMALL | {"learning_rate": 0.01})
    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path / "frozen")
    moved = changed(weights(tiny_model.folder), weights(tmp_path / "frozen" / "model"))
    assert EMBEDDINGS not in moved
    assert "encoder.layer.1.output.dense.weight" in moved
    size = weights(tiny_model.folder)[EMBEDDINGS].size
    assert trained.total_parameters - trained.trainable_parameters == size
    free = recipe.model_copy(update={"freeze_embeddings": False})
    worker.train(PAIRS, free, tiny_model, tmp_path / "free")
    assert EMBEDDINGS in changed(weights(tiny_model.folder), weights(tmp_path / "free" / "model"))


@pytest.mark.parametrize(("dropout", "repeats"), [(0.0, True), (0.5, False)])
def test_without_dropout_a_model_in_training_gives_the_same_each_time(tiny_model, dropout, repeats):
    model = worker.prepare_model(tiny_model, make_recipe("full", "quick", dropout=dropout)).train()
    first, second = (worker.make_loss(model, make_recipe("full", "quick"))(
        [model.preprocess(PAIRS[name].tolist()) for name in ("query", "passage")], None
    ).item() for _ in range(2))  # fmt: skip
    assert (first == second) == repeats


@pytest.mark.parametrize(
    ("wanted", "able", "precision"),
    [(True, ["FP32", "BF16"], "bf16"), (True, ["FP32"], "float32"), (False, ["BF16"], "float32")],
)
def test_bf16_is_used_where_it_is_wanted_and_the_processor_has_it(
    tiny_model, tmp_path, monkeypatch, wanted, able, precision
):
    monkeypatch.setattr("e5demo.training.estimate.capabilities", lambda: able)
    seen = []
    original = worker.make_loss

    def watched(model, settings):
        def note(layer, given, found):
            if layer.training:
                seen.append(found.dtype)

        model[0].auto_model.encoder.layer[0].output.dense.register_forward_hook(note)
        return original(model, settings)

    monkeypatch.setattr(worker, "make_loss", watched)
    recipe = make_recipe("full", "quick", **SMALL, bf16=wanted)
    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path)
    assert trained.precision == precision
    assert {str(kind) for kind in seen} == {f"torch.{precision.replace('bf16', 'bfloat16')}"}


def batch_of(model):
    return [model.preprocess(PAIRS[name].tolist()) for name in ("query", "passage")]


def loss_and_gradient(source, **changes):
    recipe = make_recipe("full", "notebook", dropout=0, batch_size=4, mini_batch=3, **changes)
    model = worker.prepare_model(source, recipe).train()
    loss = worker.make_loss(model, recipe)(batch_of(model), None)
    loss.backward()
    reducer = getattr(model[0], "reducer", None)
    weight = model[0].auto_model.encoder.layer[0].output.dense.weight
    return loss.item(), weight.grad, reducer.axes.grad if reducer else None


@pytest.mark.parametrize("cached", [True, False])
def test_fewer_dimensions_have_a_loss_of_their_own(tiny_model, cached):
    import torch
    from torch.nn.functional import cross_entropy, normalize

    recipe = make_recipe("full", "notebook", dropout=0, cached=cached, matryoshka=8)
    model = worker.prepare_model(tiny_model, recipe).train()
    asked, read = (model(dict(one))["sentence_embedding"] for one in batch_of(model))
    right = torch.arange(len(asked))
    whole = cross_entropy(20 * asked @ read.T, right).item()
    first = [normalize(texts[:, :8]) for texts in (asked, read)]  # where it begins
    cosines = 50 * first[0] @ first[1].T
    wanted = torch.softmax(100 * asked @ read.T, dim=1)
    likeness = -(wanted * torch.log_softmax(cosines, dim=1)).sum(dim=1).mean().item()
    expected = whole + cross_entropy(cosines, right).item() + 0.5 * likeness
    found = worker.make_loss(model, recipe)(batch_of(model), None).item()
    assert found == pytest.approx(expected, rel=1e-4)


def test_chunks_of_a_batch_give_the_same_gradients_in_fewer_dimensions_too(tiny_model):
    plain = loss_and_gradient(tiny_model, cached=False, matryoshka=8)
    cached = loss_and_gradient(tiny_model, cached=True, matryoshka=8)
    assert cached[0] == pytest.approx(plain[0], rel=1e-5)
    for one, other in zip(plain[1:], cached[1:], strict=True):
        assert other.numpy() == pytest.approx(one.numpy(), abs=1e-5)
        assert one.abs().max() > 1e-3


@pytest.mark.parametrize("matryoshka", [32, 64])
def test_dimensions_that_a_model_has_not_more_of_change_nothing(tiny_model, matryoshka):
    found = loss_and_gradient(tiny_model, matryoshka=matryoshka)
    assert found[0] == loss_and_gradient(tiny_model)[0]
    assert found[2] is None


def test_an_interrupted_fit_goes_on_after_the_last_step(tiny_model, tmp_path):
    recipe = make_recipe("full", "quick", **SMALL, matryoshka=8, validations=2, patience=2)
    scores = iter([0.5, 0.6, 0.4])
    first = worker.train(PAIRS, recipe, tiny_model, tmp_path, validate=lambda _: next(scores))
    assert (first.steps, first.kept) == (4, 2)
    kept, learned = weights(tmp_path / "model"), Reduction.read(tmp_path / REDUCTION)
    again = worker.train(PAIRS, recipe, tiny_model, tmp_path)  # its checkpoint is there still
    assert (again.steps, again.kept) == (4, 2)
    assert not changed(kept, weights(tmp_path / "model"))  # so that vectors are cached still
    assert np.array_equal(Reduction.read(tmp_path / REDUCTION).axes, learned.axes)
    best = load_file(tmp_path / "best.safetensors")["0.reducer.axes"]
    last = load_file(tmp_path / "checkpoint-4" / "weights.safetensors")["0.reducer.axes"]
    assert np.array_equal(learned.axes, best)  # of the step that was kept, as the weights are
    assert not np.array_equal(learned.axes, last)
    assert len(losses(tmp_path)) == 4


@pytest.mark.parametrize("method", ["full", "lora"])
def test_fewer_dimensions_begin_at_principal_components_and_are_learned(
    tiny_model, tmp_path, method
):
    changes = {**SMALL, "matryoshka": 8, "learning_rate": 0.01}
    recipe = make_recipe(method, "quick", **changes)
    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path)
    plain = worker.prepare_model(tiny_model, recipe.model_copy(update={"matryoshka": None}))
    assert trained.total_parameters == sum(p.numel() for p in plain.parameters())
    learned = Reduction.read(tmp_path / REDUCTION)
    passages = E5Encoder(tiny_model, 16).encode(PAIRS["passage"].tolist(), "document")
    assert learned.mean == pytest.approx(passages.mean(axis=0), abs=1e-5)
    assert learned.axes.shape == (32, 8)
    axes = np.linalg.svd(passages - passages.mean(axis=0))[2][:4].T
    near = np.abs(learned.axes[:, :4].T @ axes)
    assert near == pytest.approx(np.eye(4), abs=0.05)  # four steps do not turn them far
    assert not np.allclose(np.abs(learned.axes[:, :4]), np.abs(axes), atol=1e-4)
    folder = "model" if method == "full" else "adapter"
    assert not any("reducer" in name for path in (tmp_path / folder).rglob("*.safetensors")
                   for name in load_file(path))  # fmt: skip


def test_lora_keeps_a_dropout_of_its_own(tiny_model):
    recipe = make_recipe("lora", "quick", dropout=0.0, lora_dropout=0.25)
    model = worker.prepare_model(tiny_model, recipe)
    shares = {name: m.p for name, m in model.named_modules() if type(m).__name__ == "Dropout"}
    assert {p for name, p in shares.items() if "lora" in name} == {0.25}
    assert {p for name, p in shares.items() if "lora" not in name} == {0.0}


def test_who_was_tuned_on_short_texts_reads_long_ones(tiny_model, tmp_path):
    recipe = make_recipe("full", "quick", **SMALL | {"max_length": 8})
    worker.train(PAIRS, recipe, tiny_model, tmp_path)
    positions = models.load(tiny_model)[0].auto_model.config.max_position_embeddings
    assert positions > 8
    saved = models.load(ModelSource("t", tmp_path / "model", "local"))  # as anybody loads it
    assert saved.max_seq_length == positions
    saved.max_seq_length = 8
    saved.save(str(tmp_path / "old"))
    old = models.load(ModelSource("t", tmp_path / "old", "tuned"))  # saved by earlier versions
    assert old.max_seq_length == positions


def test_steps_history_and_progress_by_hand(tiny_model, tmp_path):
    seen = []
    recipe = make_recipe("full", "notebook", batch_size=4, max_length=16, epochs=5, mini_batch=2)
    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path, lambda *now: seen.append(now))
    assert (trained.steps, trained.planned, trained.kept) == (10, 10, 10)  # 5 times 2 batches of 4
    assert seen[1] == ("train", 0, 10)
    assert seen[-1] == ("train", 10, 10)
    rows = History(tmp_path).rows()
    assert [row["step"] for row in rows] == list(range(1, 11))
    rates = [row["learning_rate"] for row in rows]
    # warm-up of int(0.1 x 10) step from 0, then down in a line: 9/9, 8/9, ...
    assert rates == pytest.approx([0, *(2e-5 * share / 9 for share in range(9, 0, -1))], abs=1e-9)
    assert rows[-1]["seconds_left"] == 0
    assert all(row["pairs_per_second"] > 0 for row in rows)
    assert trained.peak_memory_mb > 0


def test_the_same_seed_gives_the_same_weights(tiny_model, tmp_path):
    recipe = make_recipe("full", "quick", **SMALL)
    for name in ("a", "b"):
        worker.train(PAIRS, recipe, tiny_model, tmp_path / name)
    assert not changed(weights(tmp_path / "a" / "model"), weights(tmp_path / "b" / "model"))


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize(
    "others", [{"no_duplicates": True}, {"no_duplicates": False}, {"matryoshka": 8}]
)
def test_a_stopped_training_goes_on_as_if_it_never_stopped(tiny_model, tmp_path, method, others):
    changes = {**SMALL, "epochs": 5, "learning_rate": 0.01, **others}
    recipe = make_recipe(method, "quick", **changes)
    worker.train(PAIRS, recipe, tiny_model, tmp_path / "whole")

    def stop_at_three(stage, done, total):
        if (stage, done) == ("train", 3):
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingStopped, match=r"step 3 of 10.*--resume halves"):
        worker.train(PAIRS, recipe, tiny_model, tmp_path / "halves", stop_at_three)
    assert signal.getsignal(signal.SIGTERM) == before
    assert last_checkpoint(tmp_path / "halves").name == "checkpoint-3"
    assert not list((tmp_path / "halves").rglob("*.bin"))
    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path / "halves")
    assert trained.steps == 10
    assert losses(tmp_path / "halves") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)
    name = "model/model" if method == "full" else "adapter/adapter_model"
    whole = load_file(tmp_path / f"whole/{name}.safetensors")
    halves = load_file(tmp_path / f"halves/{name}.safetensors")
    assert all(np.allclose(whole[part], halves[part], atol=1e-6) for part in whole)
    if "matryoshka" in others:
        whole, halves = (Reduction.read(tmp_path / run / REDUCTION) for run in ("whole", "halves"))
        assert halves.axes == pytest.approx(whole.axes, abs=1e-5)


def test_a_second_stop_interrupts_at_once(tiny_model, tmp_path):
    def stop_twice(stage, done, total):
        if (stage, done) == ("train", 2):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        worker.train(PAIRS, make_recipe("full", "quick", **SMALL), tiny_model, tmp_path, stop_twice)
    assert not isinstance(caught.value, TrainingStopped)


def test_the_best_validation_is_kept_and_patience_ends_it(tiny_model, tmp_path):
    changes = {**SMALL, "epochs": 5, "learning_rate": 0.01, "validations": 10, "patience": 2}
    recipe = make_recipe("full", "quick", **changes)
    scores = iter([0.5, 0.6, 0.7, 0.65, 0.66, 0.9])  # before the first step, then after each
    seen = []

    def validate(model):
        tensor = model[0].auto_model.encoder.layer[1].output.dense.weight
        seen.append(tensor.detach().numpy().copy())
        return next(scores)

    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path, validate=validate)
    assert (trained.steps, trained.kept) == (4, 2)
    saved = weights(tmp_path / "model")["encoder.layer.1.output.dense.weight"]
    assert np.array_equal(saved, seen[2])
    assert not np.array_equal(saved, seen[4])
    shown = [(r["step"], r["ndcg@10"]) for r in History(tmp_path).rows() if "ndcg@10" in r]
    assert shown == [(0, 0.5), (1, 0.6), (2, 0.7), (3, 0.65), (4, 0.66)]


def test_without_patience_the_last_weights_are_kept(tiny_model, tmp_path):
    recipe = make_recipe("full", "quick", **SMALL, validations=2)
    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path, validate=lambda model: 0.5)
    assert (trained.steps, trained.kept) == (4, 4)
    assert validation_steps(10, 4) == {2, 5, 8, 10}
    assert validation_steps(2, 8) == {0, 1, 2}


def test_hard_negatives_take_part_in_the_loss(tiny_model, tmp_path):
    recipe = make_recipe("full", "quick", **SMALL)
    worker.train(PAIRS, recipe, tiny_model, tmp_path / "plain")
    harder = PAIRS.assign(negative_1=PAIRS["passage"].to_numpy()[::-1])
    worker.train(harder, recipe, tiny_model, tmp_path / "hard")
    assert losses(tmp_path / "hard")[0] > losses(tmp_path / "plain")[0]


TIMING = Timing(2 / 64, 0.01, 16, 500, 100, 1000, 470)


@pytest.mark.parametrize(
    ("pairs", "changes", "steps"),
    [
        (1000, {}, 15),  # 1000 // 64
        (1000, {"epochs": 2}, 30),
        (1000, {"max_minutes": 0.1}, 3),  # 6 seconds, steps of 2
        (1000, {"max_minutes": 0.1, "validations": 1, "validation_queries": 100}, 2),  # 2 x 1 s
        (64, {"max_minutes": 0.01}, 1),  # at least one
    ],
)
def test_steps_are_what_data_and_time_allow(pairs, changes, steps):
    recipe = make_recipe("full", "notebook", **changes)
    assert worker.count_steps(pairs, recipe, TIMING) == steps


def test_too_few_pairs_are_refused(tiny_model, tmp_path):
    with pytest.raises(TooFewPairs, match="8 train pairs"):
        worker.train(PAIRS, make_recipe("full", "quick"), tiny_model, tmp_path)


CHILD = """
import json, sys
from pathlib import Path
from e5demo.retrieval.models import ModelSource
from e5demo.training import worker
from e5demo.training.recipe import TrainingSettings
import pandas as pd
folder, model, settings, words = sys.argv[1:]
worker.CHECKPOINT_SECONDS = 0
words = json.loads(words)
pairs = pd.DataFrame({"query": words, "passage": [f"{w} : {w}" for w in words]})
print("ready", flush=True)
recipe = TrainingSettings.checked(**json.loads(settings))
worker.train(pairs, recipe, ModelSource("tiny", Path(model), "bundled-4bit"), Path(folder))
"""


def start_child(folder: Path, model: ModelSource, settings: TrainingSettings):
    arguments = [str(folder), str(model.folder), settings.model_dump_json(), json.dumps(WORDS)]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout.readline() == "ready\n", child.stderr.read()
    return child


def wait_for(condition, child, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def test_killed_ten_times_at_any_moment_it_still_ends_complete(tiny_model, tmp_path):
    """A checkpoint after every step, so that kills fall into saves too; some are made to."""
    recipe = make_recipe("lora", "quick", **SMALL | {"epochs": 50, "learning_rate": 0.01})
    folder, draw = tmp_path / "killed", random.Random(42)
    scratch, reached, during_saves = folder / ".checkpoint", 0, 0
    for number in range(10):
        child = start_child(folder, tiny_model, recipe)
        threading.Thread(target=child.stderr.read, daemon=True).start()
        if number % 2:
            wait_for(lambda: any(scratch.glob("checkpoint-*/*")), child)
        else:
            wait_for(lambda at=reached: len(losses(folder)) > at, child)
            time.sleep(draw.uniform(0, 0.3))
        child.send_signal(signal.SIGKILL)
        child.wait()
        during_saves += any(scratch.glob("checkpoint-*"))
        checkpoint = last_checkpoint(folder)
        if checkpoint:
            assert (checkpoint / "trainer_state.json").is_file()
            assert {"optimizer.pt", "weights.safetensors"} <= {p.name for p in checkpoint.iterdir()}
        reached = max(reached, len(losses(folder)))
    assert during_saves
    trained = worker.train(PAIRS, recipe, tiny_model, folder)
    worker.train(PAIRS, recipe, tiny_model, tmp_path / "whole")
    assert trained.steps == 100
    killed, whole = losses(folder), losses(tmp_path / "whole")
    assert len(killed) == len(whole) == 100
    assert killed[-1] == pytest.approx(whole[-1], rel=0.01)
    assert load_file(folder / "adapter" / "adapter_model.safetensors")


def test_a_training_whose_steps_turn_out_slow_ends_within_its_minutes(
    tiny_model, tmp_path, monkeypatch
):
    """Planned are ten steps, but each takes a second: only two fit into 2.5 seconds."""
    recipe = make_recipe("full", "quick", **SMALL | {"epochs": 5, "max_minutes": 2.5 / 60})
    monkeypatch.setattr(worker, "count_steps", lambda *_: 10)

    def dawdle(stage, done, total):
        if stage == "train" and done < total:
            time.sleep(1)

    trained = worker.train(PAIRS, recipe, tiny_model, tmp_path, dawdle)
    assert trained.planned == 10
    assert 1 <= trained.steps <= 2
    assert trained.seconds < 4


def test_one_that_time_has_ended_is_not_trained_further_when_its_fit_goes_on(
    tiny_model, tmp_path, monkeypatch
):
    changes = {"epochs": 5, "max_minutes": 2.5 / 60, "matryoshka": 8}
    recipe = make_recipe("full", "quick", **SMALL | changes)
    monkeypatch.setattr(worker, "count_steps", lambda *_: 10)

    def dawdle(stage, done, total):
        if stage == "train" and done < total:
            time.sleep(1)

    first = worker.train(PAIRS, recipe, tiny_model, tmp_path, dawdle)
    assert first.steps < 10
    kept = weights(tmp_path / "model")
    again = worker.train(PAIRS, recipe, tiny_model, tmp_path, dawdle)
    assert again.steps == first.steps
    assert not changed(kept, weights(tmp_path / "model"))


def test_a_stop_after_the_last_step_is_kept_too(tiny_model, tmp_path):
    """What follows a training, its evaluation first of all, may take long."""

    def stop_at_the_end(stage, done, total):
        if (stage, done) == ("train", total):
            os.kill(os.getpid(), signal.SIGTERM)

    recipe = make_recipe("full", "quick", **SMALL)
    with pytest.raises(TrainingStopped, match="step 4 of 4"):
        worker.train(PAIRS, recipe, tiny_model, tmp_path, stop_at_the_end)
    assert worker.train(PAIRS, recipe, tiny_model, tmp_path).steps == 4
    assert len(losses(tmp_path)) == 4
