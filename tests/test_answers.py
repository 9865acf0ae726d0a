import numpy as np
import pytest
from fakes import FakeEncoder, corpus_of

from e5demo.answers import as_json, hits_table, reasons, side_by_side
from e5demo.answers import ask as ask_to
from e5demo.retrieval.cache import EmbeddingCache
from e5demo.retrieval.dense import DenseRetriever
from e5demo.retrieval.fusion import BM25_WEIGHT, FusionRetriever, fuse
from e5demo.retrieval.late import RerankRetriever, TokenCache
from e5demo.retrieval.lexical import BM25Retriever

PASSAGES = ["Une baleine", "La neige", "La neige sur un train", "Un train", "Du vin"]
FIELDS = ["title", "date", "agency", "url"]
MEMBERS = ("bm25", "baseline")


def ask(retriever, name, query, k, depth=100, allowed=None):
    return ask_to(retriever, retriever.corpus, name, query, k, depth, allowed)


def retrievers(tmp_path, passages=PASSAGES):
    corpus = corpus_of(passages)
    corpus.articles[FIELDS] = None
    corpus.articles["title"] = [f"Titre {i}" for i in range(len(passages))]
    lexical = BM25Retriever(corpus)
    dense = DenseRetriever(corpus, FakeEncoder(), EmbeddingCache(tmp_path))
    fusion = FusionRetriever(lexical, dense)
    rerank = RerankRetriever(fusion, dense.encoder, TokenCache())
    return {"bm25": lexical, "baseline": dense, "fusion": fusion, "rerank": rerank}


def test_a_column_has_its_first_k_and_the_ranks_of_the_rest(tmp_path):
    column = ask(retrievers(tmp_path)["baseline"], "baseline", "neige", k=2)
    assert [(hit.rank, hit.passage_id, hit.title) for hit in column.hits] == [
        (1, "p001", "Titre 1"),
        (2, "p002", "Titre 2"),
    ]
    assert column.ranked == ["p001", "p002", "p000", "p003", "p004"]
    assert (column.rank_of({"p003", "p002"}), column.rank_of({"p9"})) == (2, None)


def test_a_margin_is_the_way_to_the_next_hit_shown_or_not(tmp_path):
    dense = retrievers(tmp_path)["baseline"]
    first, second = ask(dense, "baseline", "neige", k=2).hits
    assert first.margin == pytest.approx(1 - 0.5**0.5)
    assert second.margin == pytest.approx(0.5**0.5)  # the third, beyond k, has nothing in common
    assert [hit.margin for hit in ask(dense, "baseline", "neige", k=9).hits][-1] is None


@pytest.mark.parametrize("name", [*MEMBERS, "fusion"])
@pytest.mark.parametrize("kept", [[0, 2, 3], [4], [], [0, 1, 2, 3, 4]])
def test_what_is_not_allowed_is_no_hit_and_the_rest_keeps_its_order(tmp_path, name, kept):
    """As brute force: the whole ranking, less what is not allowed. Fusion's members are filtered
    before their scores are fused."""
    found = retrievers(tmp_path)
    allowed = np.isin(np.arange(len(PASSAGES)), kept)
    ids = {f"p{i:03}" for i in kept}

    def filtered(retriever):
        whole = ask(retriever, "x", "neige train", k=5).ranked
        return [one for one in whole if one in ids]

    column = ask(found[name], name, "neige train", k=5, allowed=allowed)
    if name == "fusion":
        members = [found[one].search(["neige train"], 100, allowed)[0] for one in MEMBERS]
        fused = fuse(members, (BM25_WEIGHT, 1.0), 5)
        expected = [f"p{at:03}" for at in fused.positions]
    else:
        expected = filtered(found[name])
    assert column.ranked == expected
    assert [hit.passage_id for hit in column.hits] == expected


def test_filtered_scores_are_those_of_the_whole_corpus(tmp_path):
    for name in ("bm25", "baseline"):
        retriever = retrievers(tmp_path)[name]
        whole = {hit.passage_id: hit.score for hit in ask(retriever, name, "train", k=5).hits}
        allowed = np.array([False, False, True, False, True])
        for hit in ask(retriever, name, "train", k=5, allowed=allowed).hits:
            assert hit.score == pytest.approx(whole[hit.passage_id])


def test_fusion_s_first_do_not_depend_on_how_many_are_asked_for(tmp_path):
    draw = np.random.default_rng(0)
    words = np.array(["baleine", "budget", "neige", "train", "vin", "sel", "mer"])
    passages = [f"{i} " + " ".join(draw.choice(words, 3)) for i in range(400)]
    fusion = retrievers(tmp_path, passages)["fusion"]
    (few,), (many,) = (fusion.search(["neige vin"], k) for k in (10, 1000))
    assert few.positions.tolist() == many.positions[:10].tolist()


def test_a_query_is_encoded_once_for_all_columns(tmp_path):
    found = retrievers(tmp_path)
    calls = found["baseline"].encoder.calls
    for name in ("baseline", "fusion", "baseline"):
        ask(found[name], name, "neige", k=2)
    assert [texts for role, texts in calls if role == "query"] == [["neige"]]


def test_side_by_side_as_plain_values(tmp_path):
    found = retrievers(tmp_path)
    columns = [ask(found[name], name, "neige", k=3) for name in ("bm25", "baseline")]
    told = as_json(side_by_side(columns, k=3))
    (agreement,) = told["agreement"]
    assert (agreement["left"], agreement["right"]) == ("bm25", "baseline")
    assert agreement["overlap"] == pytest.approx(2 / 3)  # BM25 lists those with the word alone
    bm25 = told["columns"][0]
    assert [hit["passage_id"] for hit in bm25["hits"]] == ["p001", "p002"]
    assert bm25["milliseconds"] == bm25["encode_milliseconds"] + bm25["search_milliseconds"]


def test_a_table_of_many_queries_has_a_row_a_hit_and_one_where_nothing_was_found(tmp_path):
    bm25 = retrievers(tmp_path)["bm25"]
    table = hits_table(bm25, bm25.corpus, "bm25", ["neige", "introuvable", "train"], k=2)
    assert table["query"].tolist() == ["neige", "neige", "introuvable", "train", "train"]
    assert table["rank"].fillna(0).tolist() == [1, 2, 0, 1, 2]
    assert table["passage_id"].fillna("").tolist() == ["p001", "p002", "", "p003", "p002"]
    single = [hit.score for hit in ask(bm25, "bm25", "neige", k=2).hits]
    assert table["score"].tolist()[:2] == pytest.approx(single)


def test_bm25_s_reasons_are_its_terms_and_fusion_s_its_members_ranks_besides(tmp_path):
    found = retrievers(tmp_path)
    found["baseline"].encoder.averages_tokens = lambda: False
    why = reasons(found["bm25"], None, "neige train", 2)
    assert {word for word, _ in why.terms} == {"neige", "train"}
    assert (why.dense, why.heat, why.ranks) == (False, None, None)
    total = sum(score for _, score in why.terms)
    (first, *_) = ask(found["bm25"], "bm25", "neige train", k=1).hits
    assert (first.passage_id, first.score) == ("p002", pytest.approx(total))
    why = reasons(found["fusion"], found["baseline"].encoder, "neige", 1)
    assert why.dense
    assert why.ranks == [1, 1]
    assert reasons(found["fusion"], found["baseline"].encoder, "neige", 0).ranks == [None, 3]
    allowed = np.array([True, False, True, True, True])
    assert reasons(found["fusion"], found["baseline"].encoder, "neige", 2, allowed).ranks == [1, 1]
    assert not why.reranked
    again = reasons(found["rerank"], found["baseline"].encoder, "neige", 1)
    assert (again.terms, again.ranks, again.reranked) == (why.terms, why.ranks, True)
    why = reasons(found["baseline"], found["baseline"].encoder, "neige", 1)
    assert (why.terms, why.dense, why.ranks) == (None, True, None)
