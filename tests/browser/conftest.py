"""A real Chromium on a real server: the app as a person starts it, in a folder of its own."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[2]
START_SECONDS = 120
PAGES = []  # those of the running test
expect.set_options(timeout=30_000)


def chromium():
    names = ("chromium", "google-chrome", "chromium-browser")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def served(home, **environment):
    """The address of an app started for the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"E5DEMO_HOME": str(home), "HOST": "127.0.0.1", "PORT": str(port), **environment}
    log = (Path(home) / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **told}, stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process, Path(home) / "server.log")
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(address, process, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2)
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the app did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def app_home(tmp_path_factory):
    """As `make run` leaves it: the model and the sample's vectors are there before the page is."""
    folder = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "E5DEMO_HOME": str(folder)}
    subprocess.run([sys.executable, "-m", "e5demo", "setup"], cwd=ROOT, env=environment, check=True)
    return folder


@pytest.fixture(scope="session")
def server(app_home):
    with served(app_home) as address:
        yield address


@pytest.fixture
def app(server, app_home):
    """The address, with the sample and the default split in use."""
    (app_home / "choices.json").unlink(missing_ok=True)
    return server


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the pages had to say and the end of the server's log."""
    report = yield
    if report.when == "call" and report.failed:
        for number, page in enumerate(PAGES):
            toasts = page.locator(".toast-body").all_inner_texts()
            report.sections.append((f"page {number}", f"toasts {toasts}, errors {page.errors}"))
        if "app_home" in item.funcargs:
            log = (item.funcargs["app_home"] / "server.log").read_text()
            report.sections.append(("server log", log[-3000:]))
    return report


@pytest.fixture
def visit(browser):
    """Open the app: `visit(address, locale=..., width=...)` gives the page, once it can be used."""
    contexts = []

    def open_page(address, *, locale="fr-FR", width=1280, height=800):
        context = browser.new_context(locale=locale, viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.errors = []
        page.hosts = set()
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: page.hosts.add(request.url.split("/")[2]))
        PAGES.append(page)
        page.goto(address)
        expect(page.locator("#side h4").first).to_be_visible()
        return page

    yield open_page
    PAGES.clear()
    for context in contexts:
        context.close()
