import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from e5demo.retrieval.encoder import E5Encoder


def test_nothing_is_loaded_before_the_first_text(tiny_model):
    encoder = E5Encoder(tiny_model)
    assert not encoder.loaded
    encoder.key("query")
    assert not encoder.loaded
    encoder.load()
    assert encoder.loaded


def test_a_folder_that_changes_after_loading_changes_no_key(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model.folder, tmp_path / "model")
    encoder = E5Encoder(replace(tiny_model, folder=folder))
    key = encoder.key("query")
    (folder / "added.json").write_text("{}")
    assert encoder.key("query") == key
    assert E5Encoder(encoder.source).key("query") != key


def test_vectors_are_unit_float32_a_row_per_text_in_order(tiny_model):
    encoder = E5Encoder(tiny_model)
    texts = ["la neige", "train", "la la la neige train", "neige"]
    vectors = encoder.encode(texts, "document")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alone = np.concatenate([encoder.encode([text], "document") for text in texts])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)


def test_each_role_has_e5_s_prompt(tiny_model):
    encoder = E5Encoder(tiny_model)
    plain = encoder.model.encode(["query: la neige", "passage: la neige"], prompt="")
    given = [encoder.encode(["la neige"], role)[0] for role in ("query", "document")]
    np.testing.assert_allclose(given, plain, atol=1e-5)
    assert np.abs(given[0] - given[1]).max() > 0.01


def test_texts_are_cut_at_max_length_tokens(tiny_model):
    # <s> ▁passage : and </s> leave 4 of 8 tokens.
    texts = ["la neige la neige train", "la neige la neige la la la"]
    cut, whole = (E5Encoder(tiny_model, n).encode(texts, "document") for n in (8, 24))
    np.testing.assert_allclose(cut[0], cut[1], atol=1e-6)
    assert np.abs(whole[0] - whole[1]).max() > 0.01


def test_a_length_beyond_the_model_s_positions_is_the_model_s_own(tiny_model):
    assert E5Encoder(tiny_model, 512).model.max_seq_length == 24
    assert E5Encoder(tiny_model, 512).encode(["la neige " * 50], "query").shape == (1, 32)


def test_a_folder_that_does_not_normalise_gives_unit_vectors_too(tiny_model, tmp_path):
    folder = tmp_path / "plain"
    shutil.copytree(tiny_model.folder, folder)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:2]))
    texts = ["la neige", "train"]
    plain = E5Encoder(replace(tiny_model, folder=folder)).encode(texts, "query")
    np.testing.assert_allclose(plain, E5Encoder(tiny_model).encode(texts, "query"), atol=1e-6)


@pytest.mark.parametrize("role", ["query", "document"])
@pytest.mark.parametrize("max_length", [24, 8])
def test_the_mean_of_token_vectors_is_the_text_s(tiny_model, role, max_length):
    encoder = E5Encoder(tiny_model, max_length)
    assert encoder.averages_tokens()
    tokens = encoder.token_vectors("la neige\nla train la", role)
    assert tokens.vectors.dtype == np.float32
    assert len(tokens.vectors) == len(tokens.offsets) <= max_length
    mean = tokens.vectors.mean(axis=0)
    (vector,) = encoder.encode(["la neige\nla train la"], role)
    np.testing.assert_allclose(mean / np.linalg.norm(mean), vector, atol=1e-5)


def test_tokens_stand_in_the_text_without_its_prompt(tiny_model):
    text = "la neige, train"
    offsets = E5Encoder(tiny_model).token_vectors(text, "document").offsets
    assert offsets[:3] == [(0, 0)] * 3  # <s> ▁passage :
    assert offsets[-1] == (0, 0)
    assert [text[a:b].strip() for a, b in offsets[3:-1]] == ["la", "neige", ",", "train"]


@pytest.mark.parametrize("other", ["role", "length", "model"])
def test_the_cache_key_differs_by_prompt_length_and_weights(tiny_model, tmp_path, other):
    key = E5Encoder(tiny_model, 128).key("query")
    assert key == E5Encoder(tiny_model, 128).key("query")
    if other == "role":
        changed = E5Encoder(tiny_model, 128).key("document")
    elif other == "length":
        changed = E5Encoder(tiny_model, 127).key("query")
    else:
        (tmp_path / "config.json").write_text("{}")
        changed = E5Encoder(replace(tiny_model, folder=tmp_path), 128).key("query")
    assert changed != key


@pytest.mark.parametrize(
    ("prompting", "query", "document"),
    [("none", "", ""), ("swapped", "passage: ", "query: "), ("own", "query: ", "passage: ")],
)
def test_prompts_can_be_left_out_or_swapped_for_an_ablation(tiny_model, prompting, query, document):
    encoder = E5Encoder(tiny_model, 512, prompting)
    plain = encoder.model.encode([f"{query}la neige", f"{document}la neige"], prompt="")
    given = [encoder.encode(["la neige"], role)[0] for role in ("query", "document")]
    np.testing.assert_allclose(given, plain, atol=1e-5)


def test_a_swapped_query_has_the_cached_vector_of_a_passage(tiny_model):
    own, swapped = E5Encoder(tiny_model), E5Encoder(tiny_model, 512, "swapped")
    assert swapped.key("query") == own.key("document")
    assert E5Encoder(tiny_model, 512, "none").key("query") not in (own.key("query"), "")
