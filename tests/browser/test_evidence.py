"""The files of a report, opened from a folder: they ask no host for anything."""

import zipfile
from dataclasses import replace

import pytest
from fakes import FakeEngine
from playwright.sync_api import expect

from e5demo.backend import Backend
from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.report import write_evidence
from e5demo.workspace import Workspace

pytestmark = pytest.mark.browser

NAME = "<b>Moteur</b> & <a href='https://example.org'>lien</a>"


@pytest.fixture
def folder(tmp_path):
    """A report on the sample, with a name that looks like HTML."""
    backend = Backend(Workspace(tmp_path / "mine"), FakeEngine(tmp_path / "embeddings"))
    sample, settings = backend.sample(), EvaluationSettings()
    made = [
        backend.evaluate(sample, kind, SplitSettings(), settings) for kind in ("bm25", "fusion")
    ]
    evidence = backend.evidence([one.id for one in made], "fr")
    evidence = replace(evidence, names={**evidence.names, made[0].id: NAME})
    path = write_evidence(tmp_path / "report.zip", evidence, "fr")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "report")
    return tmp_path / "report"


@pytest.mark.parametrize("name", ["report", "figures/scores", "figures/recall",
                                  "figures/differences"])  # fmt: skip
def test_a_page_opens_without_a_network(browser, folder, name):
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"file://{folder}/{name}.html")
    expect(page.locator("body")).to_contain_text(NAME)
    if name != "report":
        expect(page.locator(".main-svg").first).to_be_visible()
    assert page.locator("a[href*=example]").count() == 0
    assert [url for url in asked if not url.startswith("file://")] == []
    assert errors == []
    page.context.close()


def test_the_report_fits_a_phone(browser, folder):
    page = browser.new_context(viewport={"width": 390, "height": 800}).new_page()
    page.goto(f"file://{folder}/report.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()
