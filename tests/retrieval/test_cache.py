import multiprocessing
import os
import time
import zlib

import numpy as np
import pytest
from fakes import FakeEncoder

from e5demo.retrieval import cache as cache_module
from e5demo.retrieval import encoder as encoder_module
from e5demo.retrieval import shards as shards_module
from e5demo.retrieval.cache import IN_USE_SECONDS, MERGE_AT, EmbeddingCache
from e5demo.retrieval.encoder import slices_by_length
from e5demo.retrieval.shards import merge_shards, read_shards


class HashEncoder(FakeEncoder):
    """Each text has a direction of its own, the same in every process."""

    def encode(self, texts, role):
        self.calls.append((role, list(texts)))
        draws = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=24) for text in texts]
        return np.stack([draw / np.linalg.norm(draw) for draw in draws]).astype(np.float32)


def texts_of(count):
    return [f"texte {i}" for i in range(count)]


def files(cache):
    return sorted(cache.folder.glob("*/*.npy"))


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


def test_vectors_are_unit_float32_within_float16_of_the_encoder_s(cache):
    texts = texts_of(300)
    first, _ = cache.encode(HashEncoder(), "document", texts)
    again, _ = cache.encode(HashEncoder(), "document", texts)
    assert first.dtype == again.dtype == np.float32
    np.testing.assert_array_equal(again, first)  # also bit by bit what a later run gets
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(first, HashEncoder().encode(texts, "document"), atol=3e-4)
    assert cache.size() < 300 * (24 * 2 + 8) + 5 * 300


def test_repeated_texts_share_a_vector_wherever_it_comes_from(cache):
    cache.encode(HashEncoder(), "document", ["texte 1"])
    texts = ["texte 0", "texte 1", "texte 0", "texte 1", "texte 2", "texte 0"]
    encoder = HashEncoder()
    vectors, found = cache.encode(encoder, "document", texts)
    assert (sorted(encoder.calls[0][1]), found) == (["texte 0", "texte 2"], 2)
    expected = HashEncoder().encode(texts, "document")
    np.testing.assert_allclose(vectors, expected, atol=3e-4)
    assert vectors[0].tolist() == vectors[2].tolist() == vectors[5].tolist()


def test_fill_keeps_and_counts_as_encode_does(cache):
    encoder, steps = HashEncoder(), []
    assert cache.fill(encoder, "document", ["a", "b", "a"], lambda *step: steps.append(step)) == 0
    assert steps == [("encode", 0, 2), ("encode", 2, 2)]
    assert cache.fill(encoder, "document", ["a", "c", "a"]) == 2
    assert [texts for _, texts in encoder.calls] == [["a", "b"], ["c"]]
    assert cache.missing(encoder, "document", ["c", "b", "d", "a", "d"]) == ["d"]


def test_small_shards_are_merged_and_nothing_is_lost(cache):
    encoder = HashEncoder()
    for i in range(2 * MERGE_AT + 5):
        cache.encode(encoder, "document", texts_of(i + 1)[-2:])
        assert len(files(cache)) < MERGE_AT
    texts, encoder = texts_of(2 * MERGE_AT + 5), HashEncoder()
    vectors, found = cache.encode(encoder, "document", texts)
    assert (found, encoder.calls) == (len(texts), [])
    np.testing.assert_allclose(vectors, HashEncoder().encode(texts, "document"), atol=3e-4)


def test_full_shards_are_left_as_they_are(cache, monkeypatch):
    monkeypatch.setattr(shards_module, "FULL", 1800)  # more than two of ten texts, less than three
    for start in range(0, 120, 10):
        cache.encode(HashEncoder(), "document", texts_of(120)[start : start + 10])
    (folder,) = cache.folder.glob("[!.]*")
    for _ in range(6):
        merge_shards(folder, 2)
    assert [len(shard.texts) for shard in read_shards(folder)] == [30, 30, 30, 30]
    assert cache.missing(HashEncoder(), "document", texts_of(120)) == []


def _write_and_merge(folder, start, wrong):
    cache_module.MERGE_AT = 3
    cache = EmbeddingCache(folder)
    for i in range(start, start + 60, 3):  # half of them are the next process's too
        texts = texts_of(i + 3)[i:]
        vectors, _ = cache.encode(HashEncoder(), "document", texts)
        if not np.allclose(vectors, HashEncoder().encode(texts, "document"), atol=3e-4):
            wrong.put(texts)
        cache.missing(HashEncoder(), "document", texts_of(150))


def test_processes_write_read_and_merge_at_once(cache):
    spawn = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
    wrong = spawn.Queue()
    workers = [
        spawn.Process(target=_write_and_merge, args=(cache.folder, start, wrong))
        for start in (0, 30, 60, 90)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert wrong.empty()
    assert cache.missing(HashEncoder(), "document", texts_of(150)) == []
    assert len(files(cache)) < 12


def test_a_reader_that_meets_a_vanished_shard_lists_again(cache, monkeypatch):
    for text in texts_of(3):
        cache.encode(HashEncoder(), "document", [text])
    (folder,) = cache.folder.glob("[!.]*")
    read, merged = shards_module._read_shard, []

    def merge_first(path):
        if not merged:
            merged.append(path)
            merge_shards(folder, 2)
        return read(path)

    monkeypatch.setattr(shards_module, "_read_shard", merge_first)
    assert cache.missing(HashEncoder(), "document", texts_of(3)) == []
    assert len(files(cache)) == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "other record"])
def test_a_file_that_is_no_whole_shard_is_said_and_encoded_again(cache, caplog, damage):
    cache.encode(HashEncoder(), "document", ["a", "b"])
    cache.encode(HashEncoder(), "document", ["c"])
    path = next(p for p in files(cache) if len(shards_module._read_shard(p).texts) == 2)
    whole = path.read_bytes()
    if damage == "other record":
        np.save(path, np.zeros(3, [("other", "f4")]))
    else:
        path.write_bytes({"truncated": whole[:-5], "empty": b"", "text": b"id,vector"}[damage])
    encoder = HashEncoder()
    vectors, found = cache.encode(encoder, "document", ["a", "b", "c"])
    assert (found, encoder.calls) == (1, [("document", ["a", "b"])])
    assert path.name in caplog.text
    assert not path.exists()
    np.testing.assert_allclose(
        vectors, HashEncoder().encode(["a", "b", "c"], "document"), atol=3e-4
    )


def test_a_damaged_vector_is_encoded_again_and_merged_away(cache):
    cache.encode(HashEncoder(), "document", ["a", "b", "c"])
    (path,) = files(cache)
    data = bytearray(path.read_bytes())
    data[-24 * 2 :] = bytes(24 * 2)  # the last row
    path.write_bytes(data)
    encoder = HashEncoder()
    vectors, found = cache.encode(encoder, "document", ["a", "b", "c"])
    assert (found, len(encoder.calls[0][1])) == (2, 1)
    np.testing.assert_allclose(
        vectors, HashEncoder().encode(["a", "b", "c"], "document"), atol=3e-4
    )
    merge_shards(path.parent, 2)
    encoder = HashEncoder()
    again, found = cache.encode(encoder, "document", ["a", "b", "c"])
    assert (found, encoder.calls) == (3, [])
    np.testing.assert_array_equal(again, vectors)


def test_shards_of_one_row_a_record_are_read_and_merged(cache):
    """As they were written before: float32, in no order."""
    cache.encode(HashEncoder(), "document", ["a"])
    (path,) = files(cache)
    texts = texts_of(20)
    old = np.empty(20, [("text", "<u8"), ("vector", "<f4", 24)])
    old["text"] = cache_module._text_numbers(texts)
    old["vector"] = HashEncoder().encode(texts, "document")
    np.save(path.parent / "old.npy", old)
    vectors, found = cache.encode(HashEncoder(), "document", texts)
    assert found == 20
    np.testing.assert_allclose(vectors, old["vector"], atol=3e-4)
    for i, part in enumerate(np.array_split(old, 2 * MERGE_AT // 3)):
        np.save(path.parent / f"old{i}.npy", part)
    cache.encode(HashEncoder(), "document", texts)  # reading is enough
    assert len(list(path.parent.glob("old*.npy"))) == 2 * MERGE_AT // 3 + 1
    for i in range(MERGE_AT):
        np.save(path.parent / f"more{i}.npy", old[:2])
    cache.encode(HashEncoder(), "document", texts)
    assert len(files(cache)) == 1
    again, found = cache.encode(HashEncoder(), "document", [*texts, "a"])
    assert found == 21
    np.testing.assert_array_equal(again[:20], vectors)


def age(path, hours):
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


def test_beyond_the_limit_the_least_recently_used_go(cache):
    for hours, text in enumerate("abcd"):
        cache.encode(HashEncoder(max_length=64 + hours), "document", [text])
        age(max(files(cache), key=lambda path: path.stat().st_mtime), 9 - hours)
    cache.encode(HashEncoder(max_length=64), "document", ["a"])  # used again
    small = EmbeddingCache(cache.folder, limit=3 * cache.size() // 4)
    small.encode(HashEncoder(max_length=99), "document", ["e"])
    assert small.size() <= small.limit
    left = [(i, t) for i, t in enumerate("abcd")
            if not small.missing(HashEncoder(max_length=64 + i), "document", [t])]  # fmt: skip
    assert left == [(0, "a"), (3, "d")]
    encoder = HashEncoder(max_length=65)
    assert small.encode(encoder, "document", ["b"])[1] == 0  # encoded again at need
    assert len(encoder.calls) == 1


def test_what_is_in_use_stays_whatever_the_limit(cache):
    tiny = EmbeddingCache(cache.folder, limit=0)
    tiny.encode(HashEncoder(), "document", ["a"])
    tiny.encode(HashEncoder(max_length=64), "document", ["b"])
    assert len(files(cache)) == 2
    age(files(cache)[0], IN_USE_SECONDS / 3600 + 0.1)
    tiny.encode(HashEncoder(max_length=128), "document", ["c"])
    assert len(files(cache)) == 2


def test_what_a_dead_process_left_half_written_is_swept(cache):
    cache.encode(HashEncoder(), "document", ["a"])
    folder = files(cache)[0].parent
    old, new = folder / ".x.npy.old", folder / ".y.npy.new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    age(old, 30)
    cache.encode(HashEncoder(), "document", ["b"])
    assert (old.exists(), new.exists()) == (False, True)


def test_no_texts_give_no_vectors(cache):
    vectors, found = cache.encode(HashEncoder(), "document", [])
    assert (len(vectors), found) == (0, 0)
