import pytest

from e5demo.errors import BadSetting, UnknownPreset
from e5demo.training.recipe import PRESETS, make_recipe


def test_the_notebook_preset_is_the_recipe():
    recipe = make_recipe("full", "notebook")
    assert (recipe.epochs, recipe.batch_size, recipe.max_length) == (1, 64, 512)
    assert (recipe.learning_rate, recipe.weight_decay) == (2e-5, 0.01)
    assert (recipe.max_grad_norm, recipe.warmup_share, recipe.scale) == (1, 0.1, 20)
    assert (recipe.freeze_embeddings, recipe.no_duplicates) == (False, False)
    assert recipe.dropout == 0.1  # E5's own
    assert (recipe.max_minutes, recipe.max_pairs) == (None, None)
    assert (recipe.hard_negatives, recipe.validations, recipe.patience) == (0, 0, None)
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


@pytest.mark.parametrize("method", ["full", "lora"])
def test_best_has_as_many_passages_a_step_as_quick_and_more_of_them_hard(method):
    best, quick = make_recipe(method, "best"), make_recipe(method, "quick")
    assert (best.hard_negatives, best.validations, best.patience) == (2, 4, None)
    assert (best.max_minutes, best.rerank_minutes, best.epochs) == (70, 40, 3)
    assert (best.max_length, quick.rerank_minutes) == (128, None)
    assert (best.cached, best.scale, best.batch_size) == (False, 100, 32)
    assert best.learning_rate == {"full": 4e-5, "lora": quick.learning_rate}[method]
    assert (best.matryoshka, quick.matryoshka) == (128, None)


@pytest.mark.parametrize(
    ("preset", "pairs", "batch"),
    [
        ("quick", None, 64),
        ("quick", 768, 64),  # 12 batches of 64
        ("quick", 767, 63),
        ("best", None, 32),
        ("best", 384, 32),
        ("best", 240, 20),
        ("quick", 50, 8),
        ("quick", 3, 8),
        ("notebook", None, 64),
        ("notebook", 64, 64),  # one step, as the recipe has it
        ("notebook", 63, 8),
    ],
)
def test_the_batch_fits_the_pairs(preset, pairs, batch):
    assert make_recipe("full", preset, pairs).batch_size == batch
    assert make_recipe("full", preset, pairs, batch_size=32).batch_size == 32


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patience": 2}, "patience = 2: needs at least one validation"),
        ({"patience": 2, "validations": 0}, "needs at least one validation"),
        ({"lora_targets": ["zut"]}, "lora_targets.0 = 'zut'"),
        ({"lora_targets": []}, "lora_targets"),
    ],
)
def test_settings_that_do_nothing_together_are_refused(changes, words):
    with pytest.raises(BadSetting, match=words):
        make_recipe("lora", "notebook", **changes)
    fine = make_recipe("lora", "notebook", patience=2, validations=1, lora_targets=["key"])
    assert (fine.patience, fine.lora_targets) == (2, ("key",))
