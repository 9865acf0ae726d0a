import sys
from types import SimpleNamespace

import pytest

from e5demo.data import kaggle
from e5demo.errors import KaggleMissing, KaggleUnreachable


@pytest.fixture
def kagglehub(monkeypatch):
    """Put a `dataset_download` in the real one's place."""

    def pretend(download):
        monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=download))

    return pretend


def test_the_largest_csv_is_taken(kagglehub, tmp_path):
    asked = []
    (tmp_path / "inside").mkdir()
    for name, text in (("a.csv", "1"), ("inside/news.csv", "123"), ("z.csv", "12")):
        (tmp_path / name).write_text(text)
    (tmp_path / "picture.png").write_text("1234")
    kagglehub(lambda dataset: asked.append(dataset) or str(tmp_path))
    assert kaggle.download() == tmp_path / "inside" / "news.csv"
    assert asked == [kaggle.DATASET]


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(KaggleMissing, match=f"pip install kagglehub.*{kaggle.DATASET}"):
        kaggle.download()


def test_a_download_that_fails_or_holds_no_csv_is_an_error(kagglehub, tmp_path):
    def offline(dataset):
        raise ConnectionError("secret detail")

    kagglehub(offline)
    with pytest.raises(KaggleUnreachable, match=r"\(ConnectionError\)"):
        kaggle.download()
    kagglehub(lambda dataset: str(tmp_path))
    with pytest.raises(KaggleUnreachable, match="no CSV"):
        kaggle.download()
