import numpy as np
import pytest
from fakes import FakeEncoder

from e5demo.retrieval import encoder as encoder_module
from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.encoder import slices_by_length


@pytest.fixture
def cache(tmp_path):
    return EmbeddingCache(tmp_path / "embeddings")


def test_the_second_time_nothing_is_encoded(cache):
    first, again = FakeEncoder(), FakeEncoder()
    texts = ["la neige", "un train", "du vin"]
    vectors, found = cache.encode(first, "document", texts)
    assert found == 0
    same, found = EmbeddingCache(cache.folder).encode(again, "document", texts)
    assert (found, again.calls) == (3, [])
    np.testing.assert_array_equal(same, vectors)
    assert same.dtype == np.float32


def test_vectors_come_in_the_order_of_the_texts(cache):
    """Encoded longest first, read back as asked, also where some were known before."""
    encoder = FakeEncoder()
    texts = ["vin", "une très longue histoire de neige", "le train du soir", "rien"]
    cache.encode(encoder, "document", texts[2:])
    vectors, found = cache.encode(encoder, "document", texts)
    assert found == 2
    np.testing.assert_array_equal(vectors, FakeEncoder().encode(texts, "document"))


def test_a_repeated_text_is_encoded_once(cache):
    encoder = FakeEncoder()
    vectors, found = cache.encode(encoder, "document", ["neige", "vin", "neige", "neige"])
    assert [sorted(texts) for _, texts in encoder.calls] == [["neige", "vin"]]
    assert found == 0
    np.testing.assert_array_equal(vectors[0], vectors[3])
    assert vectors.shape == (4, 6)
    assert cache.encode(encoder, "document", ["vin", "vin", "train"])[1] == 2


@pytest.mark.parametrize("change", ["role", "length", "weights"])
def test_another_prompt_length_or_model_is_another_key(cache, change):
    cache.encode(FakeEncoder(), "document", ["neige"])
    other = FakeEncoder(max_length=64 if change == "length" else 512)
    if change == "weights":
        other.source = type(other.source)(fingerprint="fake-2")
    role = "query" if change == "role" else "document"
    assert cache.missing(other, role, ["neige"]) == ["neige"]
    assert cache.encode(other, role, ["neige"])[1] == 0
    assert len(other.calls) == 1


def test_an_interrupted_encode_keeps_the_finished_slices(cache, monkeypatch):
    monkeypatch.setattr(encoder_module.slices_by_length, "__defaults__", (2,))
    texts = ["neige" + "!" * i for i in range(6)]
    seen = []

    def stop_before_the_third(stage, done, total):
        seen.append((stage, done, total))
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.encode(FakeEncoder(), "document", texts, stop_before_the_third)
    # Characters, the longest texts first: 10 + 9, then 8 + 7, of 45.
    assert seen == [("encode", 0, 45), ("encode", 19, 45), ("encode", 34, 45)]
    resumed = FakeEncoder()
    assert cache.missing(resumed, "document", texts) == texts[:2]
    vectors, found = cache.encode(resumed, "document", texts)
    assert found == 4
    assert resumed.calls == [("document", [texts[1], texts[0]])]
    assert vectors.shape == (6, 6)


def test_progress_ends_at_its_total_and_is_silent_where_all_is_known(cache):
    seen = []
    for _ in range(2):
        cache.encode(FakeEncoder(), "document", ["vin"], lambda *step: seen.append(step))
    assert seen == [("encode", 0, 3), ("encode", 3, 3)]


def test_no_text_is_on_disk(cache):
    cache.encode(FakeEncoder(), "document", ["un secret bien gardé de la neige"])
    files = [path for path in cache.folder.rglob("*") if path.is_file()]
    assert cache.size() == sum(path.stat().st_size for path in files) > 0
    assert all(b"secret" not in path.read_bytes() for path in files)


def test_slices_hold_each_position_once_longest_first():
    slices = [part.tolist() for part in slices_by_length(["aa", "a", "aaaa", "aaa", "aa"], 2)]
    assert slices == [[2, 3], [0, 4], [1]]
