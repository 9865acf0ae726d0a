from html.parser import HTMLParser

import pandas as pd
import pytest

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
        """As a reader sees them: spaces that no line ends at are spaces too."""
        return "".join(self.text).replace("\u00a0", " ")

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def news(**fields):
    row = {"row": 1, "query": "Titre", "passage": "Texte", "date": None, "agency": None}
    return pd.DataFrame([row | {"url": None} | fields])


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
        html.bar([("train", EVIL, 3)]),
        html.repeats("fr", [Repeat("title", [EVIL, "x"], [1, 2])]),
        html.folded(EVIL, ["x"]),
        html.folded("x", [EVIL]),
        html.table(["a"], [[EVIL]], opens="query"),
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
    assert Seen(html.opening("fr", "", "", url)).all("a") == []


@pytest.mark.parametrize("url", ["https://example.org/a?b=1&c=2", 'HTTP://x.fr/"onclick="alert(1)'])
def test_a_web_address_is_a_link_that_tells_nothing_of_the_page(url):
    for page in (html.articles("fr", news(url=url)), html.opening("fr", "", "", url)):
        seen = Seen(page)
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


def test_numbers_stand_to_the_right():
    seen = Seen(html.table(["a", "b", "c"], [["1", "2", "3"]], numeric=2))
    assert [cell.get("class") for cell in seen.all("td")] == [None, "number", "number"]
    assert [cell.get("class") for cell in seen.all("th")] == [None, "number", "number"]
    assert seen.text == ["a", "b", "c", "1", "2", "3"]


def test_a_row_that_opens_is_a_button_with_its_text():
    seen = Seen(html.table(["a", "b"], [['x"y', "2"]], numeric=1, opens="query"))
    assert [button["data-query"] for button in seen.all("button")] == ['x"y']
    assert seen.text == ["a", "b", 'x"y', "2"]


def test_repeats_name_each_title_once_and_eight_rows():
    group = Repeat("passage", ["Un", "Deux", "Un"] + ["Un"] * 6, list(range(1, 10)))
    seen = Seen(html.repeats("fr", [group]))
    assert seen.text == ["Un", "Deux", "9 × même article · lignes 1, 2, 3, 4, 5, 6, 7, 8 …"]
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
