import ctypes
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from tiny import adapted

from e5demo.errors import BadSetting
from e5demo.retrieval import adapters, compiled
from e5demo.retrieval.compiled import Conversion, batches, chosen
from e5demo.retrieval.encoder import E5Encoder, sample_texts
from e5demo.workspace import remove_folder

TEXTS = ["la neige", "train", "la la la neige train", "", "neige, la 12 été " * 9]
FINE = {"openvino": 0.9999999, "openvino-bf16": 0.99998}


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """One for the module: the tiny model is converted once."""
    return tmp_path_factory.mktemp("caches")


@pytest.fixture
def openvino(caches, monkeypatch):
    monkeypatch.setenv("E5DEMO_CACHE", str(caches))
    monkeypatch.setenv("E5DEMO_BACKEND", "openvino")


@pytest.mark.parametrize("role", ["query", "document"])
@pytest.mark.parametrize("max_length", [24, 8, 512])
def test_vectors_are_torch_s(openvino, tiny_model, monkeypatch, role, max_length):
    encoder = E5Encoder(tiny_model, max_length)
    assert encoder.backend == "openvino"
    given = encoder.encode(TEXTS, role)
    assert (given.dtype, given.shape) == (np.float32, (len(TEXTS), 32))
    monkeypatch.setenv("E5DEMO_BACKEND", "torch")
    torch = E5Encoder(tiny_model, max_length)
    assert torch.backend == "torch"
    np.testing.assert_allclose(given, torch.encode(TEXTS, role), atol=1e-5)
    assert encoder.key(role) == torch.key(role)


@pytest.mark.parametrize("max_length", [24, 8])
def test_tokens_are_those_of_sentence_transformers(openvino, tiny_model, max_length):
    encoder = E5Encoder(tiny_model, max_length)
    _, tokenizer = encoder.graph
    prompted = [f"passage: {text}" for text in TEXTS]
    theirs = [encoder.model.tokenize([text])["input_ids"][0].tolist() for text in prompted]
    assert tokenizer.ids(prompted) == theirs
    assert max(map(len, theirs)) == max_length


def test_token_vectors_and_places_are_torch_s(openvino, tiny_model, monkeypatch):
    encoder = E5Encoder(tiny_model, 16)
    assert encoder.backend == "openvino"
    monkeypatch.setenv("E5DEMO_BACKEND", "torch")
    torch = E5Encoder(tiny_model, 16)
    for text in TEXTS:
        ours, theirs = (one.token_vectors(text, "document") for one in (encoder, torch))
        np.testing.assert_allclose(ours.vectors, theirs.vectors, atol=1e-5)
        assert ours.offsets == theirs.offsets


def test_a_tuned_model_is_as_fast_as_its_base_was(openvino, tiny_model, tmp_path, monkeypatch):
    base = E5Encoder(tiny_model).plan.conversion
    monkeypatch.setattr(compiled, "speeds", lambda *_: {"torch": 1e9})
    folder = tmp_path / "other"
    shutil.copytree(tiny_model.folder, folder)
    (folder / "more.txt").write_text("another fingerprint")
    other = E5Encoder(replace(tiny_model, folder=folder)).plan
    assert other.folder != E5Encoder(tiny_model).plan.folder
    assert other.conversion.speeds == base.speeds


def test_no_text_gives_no_row(openvino, tiny_model):
    assert E5Encoder(tiny_model).encode([], "query").shape == (0, 32)


def test_bf16_has_a_cache_key_of_its_own(openvino, tiny_model, monkeypatch):
    float32 = E5Encoder(tiny_model).key("query")
    monkeypatch.setattr(compiled, "prepare", lambda *_: (converted(1, 2, 4), Path()))
    monkeypatch.setenv("E5DEMO_BACKEND", "")
    encoder = E5Encoder(tiny_model)
    assert (encoder.backend, encoder.precision) == ("openvino-bf16", "bf16")
    assert encoder.key("query") == float32.replace("float32", "bf16") != float32


def test_a_second_process_converts_nothing_and_loads_no_torch(openvino, tiny_model):
    vectors = E5Encoder(tiny_model).encode(TEXTS, "query")
    program = f"""
import json, sys
from pathlib import Path
from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.models import ModelSource
source = ModelSource("tiny", Path({str(tiny_model.folder)!r}), "bundled-4bit")
vectors = E5Encoder(source).encode({TEXTS!r}, "query")
loaded = [name for name in ("torch", "transformers") if name in sys.modules]
print(json.dumps([vectors.tolist(), loaded, sys.modules.get("openvino_telemetry")]))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                         check=True, cwd=Path(__file__).parents[2])  # fmt: skip
    theirs, loaded, telemetry = json.loads(ran.stdout)
    np.testing.assert_allclose(theirs, vectors, atol=1e-6)
    assert (loaded, telemetry) == ([], None)


def test_encoders_of_all_lengths_share_one_model(openvino, tiny_model):
    short, long = E5Encoder(tiny_model, 8), E5Encoder(tiny_model, 24)
    assert not short.loaded
    short.load()
    assert short.loaded
    assert short.graph[0] is long.graph[0]


def test_what_tokens_are_averaged_is_known_without_torch(openvino, tiny_model):
    encoder = E5Encoder(tiny_model)
    assert encoder.averages_tokens()
    assert encoder._model is None


def test_what_is_no_mean_of_tokens_stays_with_torch_and_says_why(openvino, tiny_model, tmp_path):
    folder = tmp_path / "first-token"
    shutil.copytree(tiny_model.folder, folder)
    pooling = folder / "1_Pooling" / "config.json"
    settings = json.loads(pooling.read_text())
    pooling.write_text(json.dumps(settings | {"pooling_mode": "cls"}))
    encoder = E5Encoder(replace(tiny_model, folder=folder))
    assert (encoder.backend, encoder.plan.reason) == ("torch", "it does not average all tokens")
    assert not encoder.averages_tokens()
    assert encoder.encode(["la neige"], "query").shape == (1, 32)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's signal stacks")
def test_the_stack_for_signals_is_what_it_was(openvino, tiny_model):
    """OpenVINO would leave its own, and free it with the model: the next signal is a crash then."""

    def stack():
        found = compiled.SignalStack()
        ctypes.CDLL(None).sigaltstack(None, ctypes.byref(found))
        return found.pointer, found.flags, found.size

    before, encoder = stack(), E5Encoder(tiny_model)
    encoder.encode(TEXTS, "query")
    assert stack() == before


def test_an_unknown_backend_is_refused_with_the_known_ones(tiny_model, monkeypatch):
    monkeypatch.setenv("E5DEMO_BACKEND", "cuda")
    with pytest.raises(BadSetting, match="'cuda': use torch, openvino, openvino-bf16"):
        E5Encoder(tiny_model).key("query")


def converted(torch, openvino, bf16, cosines=FINE):
    speeds = {"torch": torch, "openvino": openvino, "openvino-bf16": bf16}
    return Conversion("words.npy", 1, 24, None, speeds, cosines)


@pytest.mark.parametrize(
    ("conversion", "wanted", "kind"),
    [
        (converted(1, 2, 4), None, "openvino-bf16"),
        (converted(1, 2, 2.3), None, "openvino"),  # not clearly faster: float32
        (converted(3, 2, 2.3), None, "torch"),
        (converted(3, 2, 4), None, "openvino-bf16"),
        (converted(3, 2, 4), "openvino", "openvino"),  # wanted, however slow
        (converted(1, 2, 4), "torch", "torch"),
        (converted(1, 2, 4, {"openvino": 0.9999999}), None, "openvino"),  # no bf16 here
        (converted(1, 2, 4, {"openvino": 0.9999999}), "openvino-bf16", "torch"),
        (converted(1, 2, 4, FINE | {"openvino-bf16": 0.998}), None, "openvino"),
        (converted(1, 2, 4, FINE | {"openvino": 0.9998}), None, "openvino-bf16"),
        (converted(1, 2, 4, {"openvino": 0.9998, "openvino-bf16": 0.998}), None, "torch"),
        (Conversion(problem="no mean"), "openvino", "torch"),
    ],
)
def test_the_fastest_that_agrees_is_chosen(conversion, wanted, kind):
    found, reason = chosen(conversion, wanted)
    assert found == kind
    assert (reason is None) == (kind != "torch")


def test_batches_hold_each_text_once_within_the_budget():
    # The longest first: 9 alone is over 8; 4 x 2 fit, 3 x 2 and no third; 1.
    assert list(batches([3, 9, 1, 4, 4, 3], 8)) == [[1], [3, 4], [0, 5], [2]]
    assert list(batches([2, 2, 2, 2], 8)) == [[0, 1, 2, 3]]
    assert list(batches([], 8)) == []


def test_a_conversion_that_is_damaged_is_made_again(openvino, tiny_model):
    folder = E5Encoder(tiny_model).plan.folder
    vectors = E5Encoder(tiny_model).encode(TEXTS, "query")
    (folder / "model.bin").write_bytes(b"")
    np.testing.assert_allclose(E5Encoder(tiny_model).encode(TEXTS, "query"), vectors, atol=1e-6)
    assert (folder / "model.bin").stat().st_size > 0
    (folder / "about.json").unlink()  # a removal that was cut off
    assert E5Encoder(tiny_model).backend == "openvino"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ImportError("openvino")])
def test_what_may_pass_leaves_it_to_torch_and_is_tried_again(
    openvino, tiny_model, tmp_path, monkeypatch, error
):
    monkeypatch.setenv("E5DEMO_CACHE", str(tmp_path))

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(compiled, "_write_graph", fail)
        encoder = E5Encoder(tiny_model)
        assert (encoder.backend, encoder.plan.reason) == (
            "torch", f"{type(error).__name__}: {error}")  # fmt: skip
        assert encoder.encode(["la neige"], "query").shape == (1, 32)
    assert E5Encoder(tiny_model).backend == "openvino"


def test_what_cannot_be_converted_is_not_tried_again(openvino, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("E5DEMO_CACHE", str(tmp_path))

    def fail(*_):
        raise RuntimeError("no such operation")

    with monkeypatch.context() as patch:
        patch.setattr(compiled, "_write_graph", fail)
        assert E5Encoder(tiny_model).backend == "torch"
    assert "no such operation" in E5Encoder(tiny_model).plan.reason


def test_a_model_on_a_graphics_card_stays_with_torch(openvino, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("E5DEMO_CACHE", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "_device", lambda: "cuda")
        assert E5Encoder(tiny_model).plan.reason == "the device is cuda"
    assert E5Encoder(tiny_model).backend == "openvino"  # nothing was kept of it


def test_word_embeddings_in_use_again_are_young(openvino, tiny_model):
    plan = E5Encoder(tiny_model).plan
    words = plan.folder.parent / plan.conversion.words
    os.utime(words, (1000, 1000))
    remove_folder(plan.folder)
    assert E5Encoder(tiny_model).plan.conversion.words == words.name
    assert words.stat().st_mtime > 1000


def test_the_conversions_used_last_are_kept(tmp_path):
    for age in range(compiled.KEPT_CONVERSIONS + 2):
        (tmp_path / str(age)).mkdir()
        about = json.dumps({"words": f"words-{age}.npy"})
        (tmp_path / str(age) / "about.json").write_text(about)
        (tmp_path / f"words-{age}.npy").touch()
        os.utime(tmp_path / f"words-{age}.npy", (1000, 1000))
        os.utime(tmp_path / str(age), (1000 - age, 1000 - age))
    (tmp_path / "words-new.npy").touch()  # of a conversion that is not ready yet
    compiled._prune(tmp_path)
    (tmp_path / "words-new.npy").unlink()
    kept = {path.name for path in tmp_path.iterdir()}
    numbers = range(compiled.KEPT_CONVERSIONS)
    assert kept == {name for n in numbers for name in (str(n), f"words-{n}.npy")}


def test_backends_are_compared_on_queries_and_passages():
    texts = sample_texts()
    assert len(set(texts)) == 32
    assert sum(text.startswith("query: ") for text in texts) == 16
    assert all(len(text) > 20 for text in texts)


@pytest.mark.parametrize("targets", [["query", "value"], ["dense"], ["query", "key", "dense"]])
def test_an_adapter_s_vectors_are_torch_s_by_its_base_s_graph(
    openvino, tiny_model, tmp_path, monkeypatch, targets
):
    source = adapted(tiny_model, tmp_path / "adapter", target_modules=targets)
    encoder, base = E5Encoder(source), E5Encoder(tiny_model)
    assert encoder.backend == "openvino"
    given = encoder.encode(TEXTS, "query")
    assert encoder.plan.conversion.base == base.plan.folder.name
    assert {path.name for path in encoder.plan.folder.iterdir()} == {"about.json", adapters.FILE}
    assert np.abs(given - base.encode(TEXTS, "query")).max() > 0.01
    monkeypatch.setenv("E5DEMO_BACKEND", "torch")
    np.testing.assert_allclose(given, E5Encoder(source).encode(TEXTS, "query"), atol=1e-5)


def test_adapters_share_one_compiled_graph_and_keep_their_own_vectors(
    openvino, tiny_model, tmp_path, monkeypatch
):
    sources = [
        adapted(tiny_model, tmp_path / str(n), seed=n, r=n, target_modules=["query", "value"])
        for n in (1, 2, 5)
    ]
    encoders = [E5Encoder(source) for source in (tiny_model, *sources)]
    with ThreadPoolExecutor(8) as threads:
        asked = [encoder for _ in range(25) for encoder in encoders]
        given = list(threads.map(lambda encoder: encoder.encode(TEXTS, "query"), asked))
    base, *tuned = [encoder.graph[0] for encoder in encoders]
    assert len({id(model._model) for model in tuned}) == 1
    assert base._model is not tuned[0]._model
    assert base.words is tuned[0].words
    monkeypatch.setenv("E5DEMO_BACKEND", "torch")
    torch = [E5Encoder(source).encode(TEXTS, "query") for source in (tiny_model, *sources)]
    assert min(np.abs(a - b).max() for a, b in combinations(torch, 2)) > 0.01
    for vectors, expected in zip(given, torch * 25, strict=True):
        np.testing.assert_allclose(vectors, expected, atol=1e-5)


@pytest.mark.parametrize(
    "unusual", [{"use_dora": True}, {"bias": "lora_only"}, {"modules_to_save": ["key"]}]
)
def test_another_adapter_has_a_graph_of_its_own(
    openvino, tiny_model, tmp_path, monkeypatch, unusual
):
    source = adapted(tiny_model, tmp_path / "adapter", target_modules=["value"], **unusual)
    own_graph_is_torch_s(source, monkeypatch)


def test_an_adapter_that_disagrees_by_its_base_s_graph_has_its_own(
    openvino, tiny_model, tmp_path, monkeypatch
):
    source = adapted(tiny_model, tmp_path / "adapter", seed=9, target_modules=["value"])
    take = adapters.take_factors
    monkeypatch.setattr(
        adapters, "take_factors", lambda bert: {n: f * 1.5 for n, f in take(bert).items()}
    )
    own_graph_is_torch_s(source, monkeypatch)


def own_graph_is_torch_s(source, monkeypatch):
    encoder = E5Encoder(source)
    assert (encoder.backend, encoder.plan.conversion.base) == ("openvino", "")
    given = encoder.encode(TEXTS, "query")
    monkeypatch.setenv("E5DEMO_BACKEND", "torch")
    np.testing.assert_allclose(given, E5Encoder(source).encode(TEXTS, "query"), atol=1e-5)


@pytest.mark.parametrize("damaged", ["model.bin", "tokenizer.json", adapters.FILE])
def test_an_adapter_outlives_damage_to_its_files_and_its_base_s(
    openvino, tiny_model, tmp_path, damaged
):
    source = adapted(tiny_model, tmp_path / "adapter", seed=3, target_modules=["key"])
    plan, vectors = E5Encoder(source).plan, E5Encoder(source).encode(TEXTS, "query")
    folder = plan.folder if damaged == adapters.FILE else plan.folder.parent / plan.conversion.base
    (folder / damaged).write_bytes(b"")
    again = E5Encoder(source)
    np.testing.assert_allclose(again.encode(TEXTS, "query"), vectors, atol=1e-6)
    assert again.plan.conversion.base == plan.conversion.base
    remove_folder(folder)
    np.testing.assert_allclose(E5Encoder(source).encode(TEXTS, "query"), vectors, atol=1e-6)


def test_an_adapter_in_use_keeps_its_base_from_being_pruned(openvino, tiny_model, tmp_path):
    source = adapted(tiny_model, tmp_path / "adapter", seed=3, target_modules=["key"])
    plan = E5Encoder(source).plan
    base = plan.folder.parent / plan.conversion.base
    os.utime(base, (1000, 1000))
    assert E5Encoder(source).plan.folder == plan.folder
    assert base.stat().st_mtime >= plan.folder.stat().st_mtime > 1000
