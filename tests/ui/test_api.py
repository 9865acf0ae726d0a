"""The search over HTTP, asked as a program would, without a browser."""

import pytest
from fakes import FakeEngine
from fastapi.testclient import TestClient
from gradio.routes import App

from e5demo.backends import Backends
from e5demo.config import SplitSettings
from e5demo.ui import create_page
from e5demo.workspace import new_visitor

RETRIEVERS = ("bm25", "baseline", "fusion", "rerank")
EMPTY = {"agencies": [], "since": "", "until": "", "visitor": ""}


@pytest.fixture
def backends(tmp_path):
    return Backends(FakeEngine(tmp_path))


@pytest.fixture
def client(backends):
    page, _ = create_page(backends)
    return TestClient(App.create_app(page))


def ask(client, query, retrievers=("bm25", "baseline"), k=10, corpus="all", **more):
    given = {"dataset": "", "max_length": 512, **EMPTY, **more}
    data = [query, list(retrievers), k, corpus, *given.values()]
    return client.post("/gradio_api/run/search", json={"data": data})


def test_it_gives_what_the_command_line_gives(client, backends):
    (told,) = ask(client, "baleine dans un port", k=3).json()["data"]
    assert [column["retriever"] for column in told["columns"]] == ["bm25", "baseline"]
    (agreement,) = told["agreement"]
    assert agreement.keys() == {"left", "right", "overlap", "rbo"}
    backend = backends.of(None)
    corpus = backend.corpus(backend.sample(), SplitSettings(), "all")
    for column in told["columns"]:
        single = backend.search(corpus, "baleine dans un port", column["retriever"], k=3)
        assert [hit["passage_id"] for hit in column["hits"]] == single.ranked[:3]


def test_filters_hold_for_every_column(client):
    asked = {"agencies": ["Horizon"], "since": "2016", "until": "2017"}
    (told,) = ask(client, "la neige du train", **asked).json()["data"]
    hits = [hit for column in told["columns"] for hit in column["hits"]]
    assert len(hits) > 5
    assert {hit["agency"] for hit in hits} == {"Horizon"}
    assert {hit["date"][:4] for hit in hits} == {"2016", "2017"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"query": "  "}, "The query is empty"),
        ({"query": "x", "retrievers": ["tfidf"]}, "There is no retriever tfidf"),
        ({"query": "x", "retrievers": []}, "No retriever is chosen"),
        ({"query": "x", "retrievers": ["a", "b", "c", "d", "e"]}, "5 retrievers are too many"),
        ({"query": "x", "dataset": "absent"}, "There is no data set absent"),
        ({"query": "x", "since": "hier"}, "hier is not a YYYY-MM-DD date"),
        ({"query": "x", "max_length": 4}, "max_length = 4"),
        ({"query": "x", "corpus": "half"}, "corpus = 'half'"),
    ],
)
def test_a_mistake_is_told_in_its_sentence(client, asked, told):
    answer = ask(client, **asked)
    assert answer.status_code == 500
    assert told in answer.json()["error"]


def test_two_people_with_the_same_articles_each_see_their_own_titles(tmp_path, monkeypatch):
    """Vectors and indexes are shared, since they hold no text; titles and addresses are not."""
    monkeypatch.setenv("E5DEMO_PUBLIC", "1")
    backends = Backends(FakeEngine(tmp_path))
    client = TestClient(App.create_app(create_page(backends)[0]))
    for name in ("secret", "ouvert"):
        visitor = new_visitor()
        rows = [
            f"Un titre {name} numéro {i},La neige tombe sur la plaine {i},{name}" for i in range(30)
        ]
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(["titre,contenu,Agence", *rows]), "utf-8")
        dataset = backends.of(visitor).import_csv(path)
        for agencies in ([], [name]):
            asked = {"dataset": dataset.id, "visitor": visitor, "agencies": agencies}
            (told,) = ask(client, "la neige", RETRIEVERS, **asked).json()["data"]
            hits = [hit for column in told["columns"] for hit in column["hits"]]
            assert len(hits) == 40
            assert {hit["agency"] for hit in hits} == {name}
            assert all(name in hit["title"] for hit in hits)


def test_a_visitor_of_a_public_server_sees_the_sample_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("E5DEMO_PUBLIC", "1")
    client = TestClient(App.create_app(create_page(Backends(FakeEngine(tmp_path)))[0]))
    (told,) = ask(client, "baleine", k=1).json()["data"]
    assert "baleine" in told["columns"][0]["hits"][0]["title"]
    assert ask(client, "baleine", visitor="../x").status_code == 500
