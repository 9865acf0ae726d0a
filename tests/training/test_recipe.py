import pytest

from e5demo.errors import BadSetting, UnknownPreset
from e5demo.training.recipe import PRESETS, make_recipe


def test_the_notebook_preset_is_the_recipe():
    recipe = make_recipe("full", "notebook")
    assert (recipe.epochs, recipe.batch_size, recipe.max_length) == (1, 64, 512)
    assert (recipe.learning_rate, recipe.weight_decay) == (2e-5, 0.01)
    assert (recipe.max_grad_norm, recipe.warmup_share, recipe.scale) == (1, 0.1, 20)
    assert (recipe.freeze_embeddings, recipe.no_duplicates) == (False, False)
    assert (recipe.max_minutes, recipe.max_pairs) == (None, None)
    assert recipe.cached  # the one deviation: the same gradients in less memory
    lora = make_recipe("lora", "notebook")
    assert (lora.lora_rank, lora.lora_alpha, lora.lora_dropout) == (16, 32, 0.05)
    assert lora.lora_targets == ("query", "value")
    assert lora.model_copy(update={"method": "full"}) == recipe


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_each_preset_is_valid_and_can_be_changed(method, preset):
    recipe = make_recipe(method, preset, batch_size=8, max_minutes=None)
    assert (recipe.method, recipe.batch_size, recipe.max_minutes) == (method, 8, None)


def test_mistakes_are_named_at_once():
    with pytest.raises(UnknownPreset, match="zut"):
        make_recipe("full", "zut")
    with pytest.raises(BadSetting, match=r"batch_size.*learning_rate.*zut"):
        make_recipe("full", "quick", batch_size=1, learning_rate=-1, zut=0)
