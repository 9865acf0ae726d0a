"""How long a file of Kaggle's size takes to load, prepare and search for near-duplicates.

    python benchmarks/bench_prepare.py [NEWS.csv] [--attempts 3] [--json]

Without a path a made-up file of the same shape is written first (make_news.py). Each attempt is a
fresh process with an empty data folder. With --json the figures go to stdout as JSON and the table
to stderr. Linux and macOS only: the peak memory comes from `resource`.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Nothing heavy is imported here: on Linux a child's peak memory starts at its parent's.

ROOT = Path(__file__).parents[1]
# What is measured, and its bar where there is one.
MEASURES = {
    "import_seconds": ("load and prepare (`import_csv`), s", 10.0),
    "import_peak_gb": ("peak memory until there, GB", 1.5),
    "twins_seconds": ("near-duplicates (`Dataset.twins`), s more", 60.0),
    "split_seconds": ("split (`make_split`), s more", None),
    "peak_gb": ("peak memory of the whole run, GB", None),
    "start_seconds": ("importing pandas and e5demo before, s", None),
}


def measure(path: Path) -> dict[str, Any]:
    """One attempt, in this process."""
    started = time.perf_counter()
    from e5demo.config import SplitSettings
    from e5demo.data.splits import make_split
    from e5demo.data.store import import_csv
    from e5demo.workspace import Workspace

    loaded = time.perf_counter()
    dataset = import_csv(Workspace.local().datasets, path)
    imported, import_peak = time.perf_counter(), peak_gb()
    keys = dataset.twins()
    searched = time.perf_counter()
    split = make_split(keys, SplitSettings())
    done = time.perf_counter()
    articles = keys.drop_duplicates("passage")["near"].value_counts()
    return {
        "start_seconds": loaded - started,
        "import_seconds": imported - loaded,
        "import_peak_gb": import_peak,
        "twins_seconds": searched - imported,
        "split_seconds": done - searched,
        "peak_gb": peak_gb(),
        "rows": dataset.rows,
        "dropped": dataset.rows - dataset.size,
        "pairs": dataset.size,
        "repeated_articles": int(keys.duplicated("passage").sum()),
        "near_groups": int((articles > 1).sum()),
        "near_grouped_articles": int(articles[articles > 1].sum()),
        "leaks_notebook_split": split.plain_leaks,
        "leaks_grouped_split": split.leaks,
    }


def peak_gb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9


def measure_apart(path: Path) -> dict[str, Any]:
    """One attempt in a fresh process, whose data folder is thrown away."""
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"E5DEMO_HOME": home, "PYTHONPATH": str(ROOT)}
        env.pop("E5DEMO_WORKSPACE", None)
        command = [sys.executable, __file__, str(path), "--measure"]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def run_attempts(path: Path, count: int) -> list[dict[str, Any]]:
    attempts = []
    for number in range(1, count + 1):
        print(f"attempt {number} of {count} on {path.name} …", file=sys.stderr, flush=True)
        attempts.append(measure_apart(path))
    return attempts


def make_file(folder: str) -> Path:
    path = Path(folder) / "FrenchNews-made-up.csv"
    script = ROOT / "benchmarks" / "make_news.py"
    subprocess.run([sys.executable, str(script), str(path)], stdout=sys.stderr, check=True)
    return path


def machine() -> dict[str, Any]:
    import pandas as pd

    return {
        "system": platform.platform(terse=True),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "pandas": pd.__version__,
    }


def table(report: dict[str, Any]) -> str:
    """Markdown: the best and the worst attempt beside the bar, then what the file held."""
    attempts, first = report["attempts"], report["attempts"][0]
    lines = [
        ", ".join(f"{name} {value}" for name, value in report["machine"].items()),
        f"{report['file']}, {report['megabytes']:.0f} MB",
        "",
        f"| | best of {len(attempts)} | worst | bar | |",
        "|---|---:|---:|---:|---|",
    ]
    for name, (label, bar) in MEASURES.items():
        values = [attempt[name] for attempt in attempts]
        verdict = "" if bar is None else "met" if min(values) < bar else "MISSED"
        shown = "" if bar is None else f"{bar:g}"
        lines.append(f"| {label} | {min(values):.2f} | {max(values):.2f} | {shown} | {verdict} |")
    lines.append("")
    counts = [name for name in first if name not in MEASURES]
    return "\n".join(lines + [f"{name.replace('_', ' ')}: {first[name]:,}" for name in counts])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.path)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.path or make_file(folder)
        attempts = run_attempts(path, options.attempts)
        megabytes = path.stat().st_size / 1e6
    report = {"machine": machine(), "file": path.name, "megabytes": megabytes, "attempts": attempts}
    print(table(report), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
