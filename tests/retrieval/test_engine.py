import threading
import time

import pytest
from fakes import FakeEncoder, FakeEngine, FakeSource, corpus_of

from e5demo.config import PROMPTS
from e5demo.errors import UnknownRetriever
from e5demo.retrieval.dense import DenseRetriever
from e5demo.retrieval.engine import RATE_SAMPLE, RETRIEVERS, Engine
from e5demo.retrieval.fusion import FusionRetriever
from e5demo.retrieval.late import LATE_LENGTH, RerankRetriever
from e5demo.retrieval.lexical import BM25Retriever

PASSAGES = ["la neige", "le train", "du vin"]


class SlowEncoder(FakeEncoder):
    def encode(self, texts, role):
        time.sleep(0.3)
        return super().encode(texts, role)


def together(count, call):
    """What `call(i)` gave or raised in `count` threads that start at once."""
    start, given = threading.Barrier(count), [None] * count

    def one(i):
        start.wait()
        try:
            given[i] = call(i)
        except Exception as error:
            given[i] = error

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return given


def test_each_name_gives_its_retriever(tmp_path):
    engine = FakeEngine(tmp_path)
    corpus = corpus_of(PASSAGES)
    made = [engine.retriever(name, corpus, 512) for name in RETRIEVERS]
    assert [type(one) for one in made] == [
        BM25Retriever, DenseRetriever, FusionRetriever, RerankRetriever,
    ]  # fmt: skip
    for one in made:
        assert one.search(["train"], 1)[0].positions.tolist() == [1]


def test_a_reranked_article_is_read_to_its_end_whatever_its_vector_is_made_of(tmp_path):
    asked = []

    class Engine(FakeEngine):
        def encoder(self, max_length, tuned=None, prompting="own"):
            asked.append((max_length, tuned, prompting))
            return FakeEncoder(max_length=max_length)

    rerank = Engine(tmp_path).retriever("rerank", corpus_of(PASSAGES), 64)
    assert rerank.encoder.max_length == LATE_LENGTH > 64
    assert asked == [(64, None, "own"), (LATE_LENGTH, None, "own")]


def test_an_unknown_retriever_is_named_with_the_known_ones(tmp_path):
    with pytest.raises(UnknownRetriever, match=r"tfidf: use bm25, baseline, fusion, rerank"):
        FakeEngine(tmp_path).retriever("tfidf", corpus_of(PASSAGES), 512)


def test_bm25_asks_for_no_model(tmp_path):
    def no_model():
        raise AssertionError("a model was asked for")

    engine = Engine(tmp_path, find_model=no_model)
    assert engine.retriever("bm25", corpus_of(PASSAGES), 512).search(["vin"], 1)


def test_two_threads_that_want_the_same_corpus_encode_it_once(tmp_path):
    engine = FakeEngine(tmp_path, SlowEncoder())
    given = together(4, lambda i: engine.retriever("baseline", corpus_of(PASSAGES), 512))
    assert [role for role, _ in engine.fake.calls] == ["document"]
    assert all(one is given[0] for one in given)


def test_bm25_does_not_wait_for_another_s_encoding(tmp_path):
    bm25_is_there = threading.Event()

    class WaitingEncoder(FakeEncoder):
        def encode(self, texts, role):
            self.in_time = bm25_is_there.wait(5)
            return super().encode(texts, role)

    engine = FakeEngine(tmp_path, WaitingEncoder())

    def build(i):
        engine.retriever(("baseline", "bm25")[i], corpus_of(PASSAGES), 512)
        if i == 1:
            bm25_is_there.set()

    together(2, build)
    assert engine.fake.in_time


def test_after_a_failed_encoding_nobody_waits_for_ever(tmp_path):
    class FailsOnce(SlowEncoder):
        def encode(self, texts, role):
            if not self.calls:
                self.calls.append(("failed", []))
                time.sleep(0.2)
                raise MemoryError
            return super().encode(texts, role)

    engine = FakeEngine(tmp_path, FailsOnce())
    given = together(2, lambda i: engine.retriever("baseline", corpus_of(PASSAGES), 512))
    assert {type(one) for one in given} == {MemoryError, DenseRetriever}


def test_one_encoder_per_length_and_the_model_is_found_when_first_needed(tmp_path):
    found = []

    def find_model():
        found.append(1)
        return FakeSource()

    engine = Engine(tmp_path, find_model)
    assert found == []
    assert engine.encoder(128) is engine.encoder(128)
    assert engine.encoder(128) is not engine.encoder(256)
    assert engine.encoder(256).key("query") != engine.encoder(128).key("query")


def test_unencoded_are_the_passages_that_no_cache_has(tmp_path):
    engine = FakeEngine(tmp_path)
    assert engine.unencoded(corpus_of(PASSAGES), 512) == PASSAGES
    engine.retriever("baseline", corpus_of(PASSAGES[:2]), 512)
    assert engine.unencoded(corpus_of(PASSAGES), 512) == PASSAGES[2:]


def test_the_estimate_grows_with_the_text_up_to_the_cut(tmp_path):
    engine = FakeEngine(tmp_path, SlowEncoder())
    once = engine.seconds_to_encode(["a" * 100] * 10, 64)
    assert once >= 0.3  # all ten were timed
    calls = len(engine.fake.calls)
    assert engine.seconds_to_encode(["a" * 100] * 20, 64) == pytest.approx(2 * once)
    assert engine.seconds_to_encode(["a" * 256], 64) == pytest.approx(once * 256 / 1000)
    assert engine.seconds_to_encode(["a" * 9999], 64) == pytest.approx(once * 256 / 1000)
    assert len(engine.fake.calls) == calls
    assert engine.seconds_to_encode([], 64) == 0


def test_the_estimate_is_made_with_texts_of_average_length(tmp_path):
    engine = FakeEngine(tmp_path)
    passages = ["court", *["a" * 100] * (RATE_SAMPLE + 4), "b" * 195]
    engine.seconds_to_encode(passages, 64)
    timed = engine.fake.calls[-1][1]
    assert timed == ["a" * 100] * RATE_SAMPLE


def test_ablations_reach_the_vectors_and_the_index(tmp_path, tiny_model):
    engine = Engine(tmp_path, find_model=lambda: tiny_model)
    corpus = corpus_of(PASSAGES)
    plain = engine.retriever("baseline", corpus, 64)
    swapped = engine.retriever("baseline", corpus, 64, prompting="swapped")
    int8 = engine.retriever("baseline", corpus, 64, precision="int8")
    assert swapped.encoder.prompts == {"query": "passage: ", "document": "query: "}
    assert plain.encoder.prompts == int8.encoder.prompts == PROMPTS
    assert len({id(one) for one in (plain, swapped, int8)}) == 3
    assert [type(one.index.faiss).__name__ for one in (plain, int8)] == [
        "IndexFlatIP", "IndexScalarQuantizer",
    ]  # fmt: skip
    scores = [one.search(["neige"], 3)[0].scores for one in (plain, swapped)]
    assert scores[0].tolist() != scores[1].tolist()


def test_a_model_is_loaded_once_however_it_is_asked_for(tmp_path, tiny_model):
    engine = Engine(tmp_path, find_model=lambda: tiny_model)
    assert engine.encoder(512) is engine.encoder(512, None) is engine.encoder(512, None, "own")
