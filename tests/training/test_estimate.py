import time

import numpy as np
import pandas as pd
import pytest

from e5demo.training import estimate as module
from e5demo.training.estimate import (
    LEAST_PROBES,
    PeakMemory,
    Timing,
    estimate,
    text_prompts,
    time_training,
)
from e5demo.training.recipe import make_recipe
from e5demo.training.worker import make_loss, prepare_model

TIMING = Timing(
    seconds_per_pair=0.5,
    seconds_per_validation_text=0.01,
    probe_pairs=16,
    model_mb=500,
    probe_mb=100,
    trainable=1_000_000,
    weights_mb=470,
)
WORDS = ["la neige", "train la", "neige train", "la", "train", "neige", "la la", "train train"]
PAIRS = pd.DataFrame({"query": WORDS, "passage": [f"{words} : {words}" for words in WORDS]})


def test_seconds_by_hand():
    plain = make_recipe("full", "notebook", batch_size=32)
    assert TIMING.seconds_per_step(plain) == 16
    assert TIMING.validation_seconds(plain) == 0
    assert TIMING.train_seconds(plain, 10) == 160
    validated = plain.model_copy(update={"validations": 4, "validation_queries": 200})
    assert TIMING.validation_seconds(validated) == pytest.approx(10)  # 5 times 200 texts
    assert TIMING.train_seconds(validated, 10) == pytest.approx(170)


@pytest.mark.parametrize(
    ("changes", "probes"),
    [
        ({"cached": True, "mini_batch": 16, "batch_size": 64}, 1),
        ({"cached": True, "mini_batch": 16, "batch_size": 1024}, 1),
        ({"cached": True, "mini_batch": 32}, 2),
        ({"cached": True, "mini_batch": 8}, 1),  # no less than what the probe took
        ({"cached": False, "batch_size": 64}, 4),
    ],
)
def test_memory_grows_with_what_is_held_at_once(changes, probes):
    recipe = make_recipe("full", "notebook", **changes)
    assert TIMING.memory_mb(recipe) == 500 + 100 * probes + 8


def test_an_estimate_adds_up():
    recipe = make_recipe("full", "notebook", batch_size=32, validations=4, validation_queries=200)
    found = estimate(TIMING, 10, recipe, 7.0)
    assert (found.steps, found.train_seconds, found.evaluate_seconds) == (10, 160, 7)
    assert found.validate_seconds == pytest.approx(10)
    assert found.seconds == pytest.approx(177)
    assert found.memory_mb == TIMING.memory_mb(recipe)
    assert found.disk_mb == 470 + 12  # the weights, and a checkpoint of three floats each


def test_the_peak_is_seen_although_it_is_gone_at_the_end():
    with PeakMemory() as before:
        pass
    with PeakMemory() as memory:
        block = np.ones(40_000_000)  # 320 MB
        time.sleep(0.2)
        del block
        time.sleep(0.1)
    with PeakMemory() as after:
        pass
    assert memory.peak_mb > before.peak_mb + 250
    assert after.peak_mb < memory.peak_mb - 250


@pytest.mark.parametrize("method", ["full", "lora"])
def test_timing_tells_the_sizes_and_leaves_the_model_as_it_was(tiny_model, method):
    recipe = make_recipe(method, "quick", batch_size=4, max_length=16)
    model = prepare_model(tiny_model, recipe)
    before = {name: values.clone() for name, values in model.state_dict().items()}
    timing = time_training(model, make_loss(model, recipe), PAIRS, recipe)
    assert timing.probe_pairs == 4
    assert timing.seconds_per_pair > 0
    assert timing.seconds_per_validation_text > 0
    assert timing.model_mb > 50
    total = sum(values.numel() for values in model.parameters())
    trained = 4 * 16 * 64 if method == "lora" else total - 12 * 32  # less the frozen embeddings
    assert timing.trainable == trained
    assert timing.weights_mb == pytest.approx(4e-6 * (trained if method == "lora" else total))
    assert all(before[name].equal(values) for name, values in model.state_dict().items())
    assert all(values.grad is None for values in model.parameters())
    assert not model.training


def test_hard_negatives_are_timed_with_the_rest(tiny_model):
    seen = []
    recipe = make_recipe("full", "quick", batch_size=2, max_length=16)
    model = prepare_model(tiny_model, recipe)
    loss = make_loss(model, recipe)

    def watched(features, labels):
        seen.append([len(one["input_ids"]) for one in features])
        return loss(features, labels)

    harder = PAIRS.assign(negative_1="la", other="x", negative_2="neige")
    assert list(text_prompts(harder)) == ["query", "passage", "negative_1", "negative_2"]
    time_training(model, watched, harder, recipe)
    assert len(seen) > LEAST_PROBES  # one unmeasured
    assert all(sizes == [2, 2, 2, 2] for sizes in seen)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([9, 1, 1, 4], 1),  # the third is another program's fault
        ([9, 1, 1, 1, 1, 1], 1),
        ([9, 8, 12], 10),  # two at least, however long they take
        ([9, 3, 3], 3),
    ],
)
def test_a_pair_takes_what_the_median_of_a_few_seconds_says(
    tiny_model, monkeypatch, seconds, expected
):
    recipe = make_recipe("full", "quick", batch_size=4, max_length=16)
    model = prepare_model(tiny_model, recipe)
    loss = make_loss(model, recipe)
    clock, left = [0.0], list(seconds)
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])

    def slow(features, labels):
        clock[0] += left.pop(0)
        return loss(features, labels)

    assert time_training(model, slow, PAIRS, recipe).seconds_per_pair == expected / 4
    assert left == []
