"""How long the page takes to open, and what is loaded by then.

    python benchmarks/bench_startup.py [--rounds 3] [--json FILE]

The app is started as a person starts it, after `python -m e5demo setup`. Told are the seconds until
the server answers, until a real Chromium can type into the search field (where playwright and
Chromium are installed), until the model is ready, and whether the server has loaded torch then.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from measured import ROOT, machine, served, table, tell, wait_for

MODEL_SECONDS = 120
COLUMNS = {
    "answers": ("server answers, s", 1),
    "interactive": ("page interactive, s", 1),
    "model": ("model ready, s", 1),
    "torch": ("torch loaded", None),
    "rss_mb": ("memory of the server, MB", 0),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    subprocess.run([sys.executable, "-m", "e5demo", "setup"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    rounds = [measure() for _ in range(options.rounds)]
    row = {name: _middle([one[name] for one in rounds]) for name in COLUMNS}
    report = {"machine": machine("gradio", "openvino", "torch"), "rounds": rounds, "median": row}
    tell(report, table(COLUMNS, [row]), options.json)


def measure() -> dict[str, Any]:
    import psutil

    with browser() as chromium:
        began = time.perf_counter()
        with served() as (server, address):
            wait_for(address)
            row: dict[str, Any] = {"answers": time.perf_counter() - began, "interactive": None}
            row["model"] = None
            if chromium:
                page = chromium.new_page(locale="en-US")
                page.goto(address)
                page.get_by_role("tab", name="Search", exact=True).click()
                page.locator("#query").locator("input, textarea").fill("baleine")
                row["interactive"] = time.perf_counter() - began
                told = page.locator("#side", has_text="ready")
                told.wait_for(timeout=1000 * MODEL_SECONDS)
                row["model"] = time.perf_counter() - began
            row["rss_mb"] = psutil.Process(server.pid).memory_info().rss / 1e6
            row["torch"] = _maps(server.pid, "libtorch")
    return row


class browser:
    """Chromium, or None where it or playwright is missing."""

    def __enter__(self) -> Any:
        self.playwright = None
        names = ("chromium", "google-chrome", "chromium-browser")
        path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            return None
        if path is None:
            return None
        self.playwright = sync_playwright().start()
        return self.playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])

    def __exit__(self, *_: Any) -> None:
        if self.playwright:
            self.playwright.stop()


def _maps(process: int, name: str) -> bool | None:
    """Has the process loaded this library? None where the system does not tell."""
    maps = Path(f"/proc/{process}/maps")
    return name in maps.read_text() if maps.is_file() else None


def _middle(values: list[Any]) -> Any:
    if isinstance(values[0], bool):
        return all(values)
    return None if None in values else statistics.median(values)


if __name__ == "__main__":
    main()
