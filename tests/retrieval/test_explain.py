import json
import math
import shutil
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fakes import corpus_of

from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.explain import marks, snippet, term_scores, token_heat, word_spans
from e5demo.retrieval.lexical import BM25Retriever, tokenise

SAMPLE = Path(__file__).parents[2] / "assets" / "sample_news.csv"
LATE = "Le vent. " * 30 + "La neige, puis un train, arrive enfin. " + "Le vent. " * 30
TRICKY = [
    "",
    " \n\t ",
    "Les élections présidentielles, et l'ÉTÉ à Sète",
    "a b é e\u0301 x\u0301 y",  # 'e\u0301' is one letter, so no word
    "xy\u0301zt, ne\u0301\u0323\u0301ige",  # an accent that no letter takes in parts a word
    "e\u0316\u0301te\u0301 E\u0301te\u0301 \u0301a\u0301",
    "İstanbul, KİLİS, İ, aİ",  # 'i' and a dot that is no letter
    "ΟΔΟΣ ΟΔΟΣ'Α Σ ΣΣ",  # the last sigma of a word is another letter
    "cœur ŒUVRE æquo ﬁn ½ x² \u212bngstro\u0308m \u212a\u212a",
    unicodedata.normalize("NFD", "한국어 뉴스, tiếng Việt, été"),
    "\u0915\u093c\u0958 \u09ac\u09be\u09c7\u09be \u0bc6\u0bbe",
    "日本語の文 l’île_d'Ouessant 3\u00a0000 aujourd'hui c'est-à-dire __ a_",
    "👩🏽‍🚒 feu\u200bfollet e\u0301\u200dte\u0301",
]


@pytest.fixture(scope="module")
def encoders(tiny_model):
    """By max length: loaded once. <s> ▁passage : and </s> leave 4 of 8 tokens."""
    return {length: E5Encoder(tiny_model, length) for length in (8, 24)}


def at(text, spans):
    return [text[start:end] for start, end in spans]


def terms_of(text):
    return frozenset(tokenise([text], ids=False)[0])


@pytest.mark.parametrize("text", TRICKY)
def test_words_are_the_terms_of_bm25(text):
    assert [word.term for word in word_spans(text)] == tokenise([text], ids=False)[0]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_words_are_the_terms_of_bm25_in_the_sample_too(form):
    table = pd.read_csv(SAMPLE, dtype=str).fillna("")
    texts = [unicodedata.normalize(form, t) for t in [*table["Titre"], *table["Contenu"]]]
    assert len(texts) > 500
    found = [[word.term for word in word_spans(text)] for text in texts]
    assert found == tokenise(texts, ids=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Les élections, à Sète", ["élections", "Sète"]),
        ("e\u0301te\u0301 a\u0300 Se\u0300te", ["e\u0301te\u0301", "Se\u0300te"]),
        ("İstanbul e\u0301té", ["stanbul", "e\u0301té"]),
        ("neige\u200b l’e\u0301te\u0301", ["neige", "e\u0301te\u0301"]),
    ],
)
def test_places_are_those_of_the_text_as_written(text, words):
    assert at(text, [(word.start, word.end) for word in word_spans(text)]) == words


def test_every_word_of_the_sample_gives_its_term_by_itself():
    table = pd.read_csv(SAMPLE, dtype=str).fillna("")
    for text in unicodedata.normalize("NFD", "\n".join(table["Contenu"][:20])).split("\n"):
        for word in word_spans(text):
            assert tokenise([text[word.start : word.end]], ids=False) == [[word.term]]


def test_marks_are_the_words_of_the_terms_whatever_their_ending():
    title = "Élections : l’élection du train"
    assert at(title, marks(title, terms_of("élections neige"))) == ["Élections", "élection"]
    assert marks(title, frozenset()) == marks("", terms_of("neige")) == []


def test_a_short_text_is_shown_whole_on_one_line():
    shown = snippet(" La neige\n tombe ", terms_of("neige"), 14)
    assert (shown.text, shown.marks) == ("La neige tombe", [(3, 8)])
    assert snippet("", terms_of("neige"), 14).text == ""


@pytest.mark.parametrize("asked", ["", "zyzzyva"])
def test_nothing_found_shows_the_start(asked):
    shown = snippet("La neige tombe sur Sète", terms_of(asked), 16)
    assert (shown.text, shown.marks) == ("La neige tombe …", [])
    assert snippet("La neige tombe sur Sète", terms_of(asked), 15).text == "La neige …"


def test_words_that_the_start_holds_are_shown_from_the_start():
    shown = snippet("Sur Sète la neige tombe encore, la neige", terms_of("neige"), 22)
    assert shown.text == "Sur Sète la neige …"
    assert at(shown.text, shown.marks) == ["neige"]


def test_words_far_off_are_shown_with_some_words_before_and_after():
    shown = snippet(LATE, terms_of("trains de neige"), 60)
    assert at(shown.text, shown.marks) == ["neige", "train"]
    assert shown.text == "… Le vent. La neige, puis un train, arrive enfin. Le vent. …"


def test_the_text_s_end_is_shown_to_the_end():
    shown = snippet("le vent " * 20 + "et la neige", terms_of("neige"), 30)
    assert shown.text == "… vent le vent et la neige"
    assert at(shown.text, shown.marks) == ["neige"]


def test_different_words_count_for_more_than_one_repeated():
    text = "neige neige neige " + "vent " * 20 + "train neige " + "vent " * 20
    assert at(*vars(snippet(text, terms_of("neige train"), 40)).values()) == ["train", "neige"]


def test_a_word_longer_than_the_window_is_cut():
    assert snippet("z" * 50, frozenset(), 12).text == "z" * 10 + " …"
    assert len(snippet("neige " + "z" * 50 + " neige", terms_of("neige"), 12).text) <= 12


def test_no_other_window_holds_more():
    draw = np.random.default_rng(0)
    words = ["neige", "train", "vin,", "le", "ouragan", "à", "anticonstitutionnel."]
    terms = terms_of("neige train vin")
    for _ in range(200):
        size = int(draw.integers(24, 80))
        text = " ".join(draw.choice(words, draw.integers(1, 60), p=[0.05] * 3 + [0.2125] * 4))
        shown = snippet(text, terms, size)
        assert len(shown.text) <= size
        assert shown.text.removeprefix("… ").removesuffix(" …") in text
        assert worth(shown.text, terms) == max(worth(w, terms) for w in windows(text, size))
        assert shown.marks == marks(shown.text, terms)


def worth(text, terms):
    found = Counter(word.term for word in word_spans(text) if word.term in terms)
    return len(found), found.total()


def windows(text, size):
    """All parts between words that fit, with the marks of what is left out."""
    words = text.split(" ")
    for i in range(len(words)):
        for j in range(i, len(words) + 1):
            part = "… " * (i > 0) + " ".join(words[i:j]) + " …" * (j < len(words))
            if len(part) <= size:
                yield part


def test_scores_of_terms_by_hand():
    # As in test_lexical: idf x tf / (tf + 1), the lengths being alike and tf 2.
    retriever = BM25Retriever(corpus_of(["neige neige", "neige vin", "train budget"]))
    idf = {times: math.log(1 + (3 - times + 0.5) / (times + 0.5)) for times in (1, 2)}
    ((word, score),) = term_scores(retriever, "Le train de la Neige", 0)
    assert (word, score) == ("Neige", pytest.approx(idf[2] * 4 / 5))
    assert term_scores(retriever, "NEIGES, vins, neige et train", 1) == [
        ("vins", pytest.approx(idf[1] * 2 / 3)),
        ("NEIGES", pytest.approx(2 * idf[2] * 2 / 3)),  # asked for twice
    ]


@pytest.mark.parametrize("query", ["", "le la", "zyzzyva", "train"])
def test_no_term_no_scores(query):
    assert term_scores(BM25Retriever(corpus_of(["la neige", "un train"])), query, 0) == []
    assert term_scores(BM25Retriever(corpus_of(["le la", "les"])), query, 0) == []


def test_scores_of_terms_add_up_to_the_retriever_s():
    table = pd.read_csv(SAMPLE, dtype=str).fillna("")
    retriever = BM25Retriever(corpus_of(table["Contenu"]))
    queries = [f"{title} {title[:30]}" for title in table["Titre"][:30]]  # words come twice
    for query, ranking in zip(queries, retriever.search(queries, 3), strict=True):
        for position, score in zip(ranking.positions, ranking.scores, strict=True):
            scores = [part for _, part in term_scores(retriever, query, position)]
            assert scores == sorted(scores, reverse=True)
            assert sum(scores) == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("max_length", [24, 8])
@pytest.mark.parametrize(
    ("query", "passage"),
    [
        ("la neige", "train la  neige\nla train neige"),
        ("Neige ?", " la neigela: « zut » 日本 la "),
        ("", "la neige"),
        ("neige", ""),
    ],
)
def test_shares_add_up_to_the_cosine(encoders, query, passage, max_length):
    encoder = encoders[max_length]
    (q,), (p,) = encoder.encode([query], "query"), encoder.encode([passage], "document")
    heat = token_heat(encoder, query, passage)
    assert heat.cosine == pytest.approx(float(q @ p), abs=1e-4)
    for words, rest in (
        (heat.query_words, heat.query_rest),
        (heat.passage_words, heat.passage_rest),
    ):
        assert sum(word.share for word in words) + rest == pytest.approx(heat.cosine, abs=1e-4)
        assert max((abs(word.heat) for word in words), default=1) == pytest.approx(1)


def test_the_parts_of_a_word_are_one(encoders):
    encoder = encoders[24]
    query, passage = "la neige", "train neige: la"
    heat = token_heat(encoder, query, passage)
    assert at(passage, [(w.start, w.end) for w in heat.passage_words]) == ["train", "neige:", "la"]
    (q,) = encoder.encode([query], "query")
    vectors = encoder.token_vectors(passage, "document").vectors
    parts = vectors / np.linalg.norm(vectors.sum(axis=0))
    shares = by_word(parts @ q)
    np.testing.assert_allclose([w.share for w in heat.passage_words], shares, atol=1e-5)
    own = parts.sum(axis=0)
    more = shares - by_word(parts @ own) * (q @ own)
    heats = more / np.abs(more).max()
    np.testing.assert_allclose([w.heat for w in heat.passage_words], heats, atol=1e-3)


def by_word(tokens):
    """Of <s> ▁passage : ▁train ▁neige : ▁la </s>"""
    return np.array([tokens[3], tokens[4] + tokens[5], tokens[6]])


def test_words_beyond_the_cut_have_no_heat(encoders):
    passage = "la neige la train neige la"
    read = [(w.start, w.end) for w in token_heat(encoders[8], "la", passage).passage_words]
    assert at(passage, read) == ["la", "neige", "la", "train"]


@pytest.mark.parametrize("pooling", [{"pooling_mode": "cls"}, {"include_prompt": False}])
def test_a_model_that_takes_no_mean_of_all_has_no_heat(tiny_model, tmp_path, pooling):
    folder = tmp_path / "other"
    shutil.copytree(tiny_model.folder, folder)
    config = folder / "1_Pooling" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | pooling))
    assert token_heat(E5Encoder(replace(tiny_model, folder=folder)), "la neige", "train") is None
