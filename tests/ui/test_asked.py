import pytest

from e5demo.data.browsing import Scope
from e5demo.errors import NoRetriever, TooManyRetrievers
from e5demo.ui.asked import link_to, of_link, read

KNOWN, AGENCIES = ["bm25", "baseline", "lora-1"], ["AFP", "A|B"]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("", {}),
        ("?lang=fr", {}),
        ("?q=une+baleine%20%26%20un+port", {"query": "une baleine & un port"}),
        ("?with=baseline,bm25,baseline,absent", {"columns": ["baseline", "bm25"]}),
        ("?with=absent&k=abc&in=half", {}),
        ("?k=0&in=test", {"k": 1, "kind": "test"}),
        ("?k=999", {"k": 50}),
        ("?k=" + "9" * 5000, {}),
        ("?agency=AFP&agency=A|B&agency=Autre&since=2016", {"agencies": AGENCIES, "since": "2016"}),
    ],
)
def test_a_link_asks_for_what_is_there_and_for_nothing_else(address, found):
    assert of_link(address, KNOWN, AGENCIES) == found


def test_a_link_made_here_is_read_here():
    address = link_to("Été & neige ?", ["bm25", "lora-1"], "all")
    told = {"query": "Été & neige ?", "columns": ["bm25", "lora-1"], "kind": "all"}
    assert of_link(address, KNOWN, AGENCIES) == told
    assert link_to("a", ["bm25"], "all") != link_to("a", ["bm25"], "all")  # each is a new visit


def test_settings_are_read_as_the_widgets_hold_them():
    asked = read(["bm25", "baseline", "bm25"], "test", 7.0, ["AFP"], "2016", "")
    assert (asked.names, asked.kind, asked.k) == (["bm25", "baseline"], "test", 7)
    assert asked.scope == Scope(("AFP",), "2016", "")
    assert asked.pair == ("bm25", "baseline")
    assert read(["bm25"], "all", 1, None, "", "").pair is None


@pytest.mark.parametrize(("typed", "hits"), [(None, 10), (0, 10), (-3, 1), (60, 50), (7, 7)])
def test_as_many_hits_as_can_be_shown(typed, hits):
    assert read(["bm25"], "all", typed, [], "", "").k == hits


def test_none_and_five_are_refused():
    with pytest.raises(NoRetriever):
        read(None, "all", 10, [], "", "")
    with pytest.raises(TooManyRetrievers, match="5 retrievers"):
        read(list("abcde"), "all", 10, [], "", "")
