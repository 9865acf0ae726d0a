import numpy as np
import pytest
from tiny import HIDDEN, LAYERS, adapted

from e5demo.retrieval import models
from e5demo.retrieval.adapters import layers_of, read_factors, take_factors, write_factors


def taken(source):
    return take_factors(models.load(source)[0].auto_model)


def test_factors_make_what_peft_adds_to_the_weights(tiny_model, tmp_path):
    source = adapted(tiny_model, tmp_path, r=3, target_modules=["query", "value"])
    bert = models.load(source)[0].auto_model
    factors = take_factors(bert)
    layers = layers_of(factors)
    assert len(layers) == 2 * LAYERS
    assert set(factors) == {f"{layer}.{name}" for layer in layers for name in "AB"}
    for layer in layers:
        first, second = factors[f"{layer}.A"], factors[f"{layer}.B"]
        assert (first.shape, second.shape) == ((3, HIDDEN), (HIDDEN, 3))
        (adapter,) = bert.get_submodule(layer).lora_A
        expected = bert.get_submodule(layer).get_delta_weight(adapter).detach().numpy()
        np.testing.assert_allclose(second @ first, expected, atol=1e-6)


def test_the_pooler_has_no_part(tiny_model, tmp_path):
    factors = taken(adapted(tiny_model, tmp_path, target_modules=["dense"]))
    assert len(layers_of(factors)) == 3 * LAYERS
    assert not any("pooler" in name for name in factors)


def test_a_model_without_an_adapter_has_no_factors(tiny_model):
    assert taken(tiny_model) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["value"], "use_dora": True},
        {"target_modules": ["value"], "bias": "all"},
        {"target_modules": ["value"], "bias": "lora_only"},
        {"target_modules": ["value"], "modules_to_save": ["key"]},
        {"target_modules": ["value", "word_embeddings"]},
    ],
)
def test_what_is_more_than_two_factors_is_left_alone(tiny_model, tmp_path, settings):
    assert taken(adapted(tiny_model, tmp_path, **settings)) is None


def test_factors_are_read_as_written(tmp_path):
    factors = {"one.A": np.ones((2, 3), np.float32), "one.B": np.zeros((4, 2), np.float32)}
    write_factors(tmp_path / "adapter.npz", factors)
    found = read_factors(tmp_path / "adapter.npz")
    assert found.keys() == factors.keys()
    assert all((found[name] == factors[name]).all() for name in factors)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"no zip"])
def test_damaged_factors_are_told_as_such(tmp_path, content):
    (tmp_path / "adapter.npz").write_bytes(content)
    with pytest.raises((OSError, ValueError)):
        read_factors(tmp_path / "adapter.npz")
