from html.parser import HTMLParser

import pandas as pd
import pytest

from e5demo.backend import Column, Hit
from e5demo.data.profile import Repeat
from e5demo.ui import html

EVIL = """<img src=x onerror="alert('1')">&amp;"""


class Seen(HTMLParser):
    """What a browser would see: tags with their attributes, and text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return "".join(self.text)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def news(**fields):
    row = {"row": 1, "query": "Titre", "passage": "Texte", "date": None, "agency": None}
    return pd.DataFrame([row | {"url": None} | fields])


def hits(count, **fields):
    plain = {"title": "Titre", "passage": "Texte", "date": None, "agency": None, "url": None}
    return [
        Hit(rank=i, passage_id=f"p{i}", score=1 / i, **(plain | fields))
        for i in range(1, count + 1)
    ]


def column(found, gold=(), k=3, language="fr", name="BM25"):
    return Seen(html.column(language, Column("bm25", 1.25, found), name, set(gold), k))


@pytest.mark.parametrize(
    "page",
    [
        html.note(EVIL),
        html.table(["a", "b"], [["x", EVIL]]),
        html.table([EVIL, "b"], []),
        html.articles("fr", news(query=EVIL)),
        html.articles("fr", news(passage=f"Un\n{EVIL}")),
        html.articles("fr", news(agency=EVIL)),
        html.articles("fr", news(date=EVIL)),
        html.column("fr", Column("bm25", 1.0, hits(1, title=EVIL)), "", set(), 3),
        html.column("fr", Column("bm25", 1.0, hits(1, passage=EVIL)), "", set(), 3),
        html.column("fr", Column("bm25", 1.0, hits(1, agency=EVIL)), "", set(), 3),
        html.column("fr", Column("bm25", 1.0, []), EVIL, set(), 3),
        html.waiting_column("bm25", EVIL, "x"),
        html.waiting_column("bm25", "x", EVIL),
        html.bar([("train", EVIL, 3)]),
        html.repeats("fr", [Repeat("title", [EVIL, "x"], [1, 2])]),
        html.folded(EVIL, ["x"]),
        html.folded("x", [EVIL]),
    ],
)
def test_text_is_shown_as_it_is_and_never_becomes_a_tag(page):
    seen = Seen(page)
    assert EVIL in seen.words
    assert seen.all("img") == []


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)//https://example.org",
        "data:text/html,https://example.org",
        "//example.org",
        "https://example.org/ b",
        "https://",
        "",
        None,
        float("nan"),
    ],
)
def test_what_is_no_web_address_is_no_link(url):
    assert Seen(html.articles("fr", news(url=url))).all("a") == []
    assert column(hits(1, url=url)).all("a") == []


@pytest.mark.parametrize("url", ["https://example.org/a?b=1&c=2", 'HTTP://x.fr/"onclick="alert(1)'])
def test_a_web_address_is_a_link_that_tells_nothing_of_the_page(url):
    for seen in (Seen(html.articles("fr", news(url=url))), column(hits(1, url=url))):
        link = {"href": url, "target": "_blank", "rel": "noopener noreferrer"}
        assert seen.all("a") == [link]


def test_an_article_has_its_byline_row_and_paragraphs():
    row = news(row=20417, passage="Un\n\n  \nDeux", date="2014-02-05", agency="AFP")
    seen = Seen(html.articles("en", row))
    assert seen.text == ["Titre", "2014-02-05 · AFP · row 20,417", "Un", "Deux"]
    assert len(seen.all("p")) == 2


def test_a_row_that_fell_out_says_what_it_lacks():
    seen = Seen(html.articles("fr", news(query=None, passage=float("nan"))))
    assert seen.text == ["(sans titre)", "ligne 1", "(sans article)"]
    assert "Rien ne correspond" in html.articles("fr", news().iloc[:0])


def test_the_article_sought_is_marked_among_the_first_k():
    seen = column(hits(5), gold=["p2", "p5"])
    assert [hit.get("class") for hit in seen.all("li")] == [None, "gold", None]
    assert len(seen.all("mark")) == 1
    assert "◆ article visé" in seen.words
    assert "Article visé : rang 2." in seen.words
    assert "1,2 ms" in seen.words  # 1.25 to one place


def test_the_rank_of_the_article_sought_is_told_beyond_k_and_beyond_what_was_looked_at():
    seen = column(hits(9), gold=["p7"])
    assert len(seen.all("li")) == 3
    assert seen.all("mark") == []
    assert "Article visé : rang 7." in seen.words
    assert "Article visé : au-delà du rang 9." in column(hits(9), gold=["p70"]).words
    assert "Article visé" not in column(hits(9)).words


def test_no_hit_is_said_once():
    seen = column([], gold=["p1"], language="en")
    assert "No word in common with any article." in seen.words
    assert "Article sought" not in seen.words
    assert seen.all("ol") == []


def test_numbers_stand_to_the_right():
    seen = Seen(html.table(["a", "b", "c"], [["1", "2", "3"]], numeric=2))
    assert [cell.get("class") for cell in seen.all("td")] == [None, "number", "number"]
    assert [cell.get("class") for cell in seen.all("th")] == [None, "number", "number"]
    assert seen.text == ["a", "b", "c", "1", "2", "3"]


def test_repeats_name_each_title_once_and_eight_rows():
    group = Repeat("passage", ["Un", "Deux", "Un"] + ["Un"] * 6, list(range(1, 10)))
    seen = Seen(html.repeats("fr", [group]))
    assert seen.text == ["Un", "Deux", "9 × même article · ligne 1, 2, 3, 4, 5, 6, 7, 8 …"]
    assert "…" not in html.repeats("fr", [Repeat("near", ["Un", "Deux"], [3, 4])])


@pytest.mark.parametrize(
    ("text", "size", "shown"),
    [
        ("un deux trois", 13, "un deux trois"),
        ("  un\n deux\t trois ", 13, "un deux trois"),
        ("un deux trois", 12, "un deux …"),
        ("un deux trois", 8, "un deux …"),
        ("anticonstitutionnellement", 5, "antic …"),
        ("", 5, ""),
    ],
)
def test_a_snippet_is_cut_after_a_word(text, size, shown):
    assert html.snippet(text, size) == shown
