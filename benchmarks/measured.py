"""What the benchmarks share: the machine that they tell of, their table and file, and the app."""

import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
START_SECONDS = 180


def machine(*libraries: str) -> dict[str, Any]:
    """Processor, cores and load, and the versions of Python and `libraries`."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    told = {"processor": _processor(), "cores": cores, "load": load}
    return told | {"python": platform.python_version()} | {n: version(n) for n in libraries}


def table(columns: Mapping[str, tuple[str, int | None]], rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown. `columns` give each value's heading and its decimals, None for a text."""
    heads = [head for head, _ in columns.values()]
    marks = ["---" if places is None else "---:" for _, places in columns.values()]
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(marks)}|"]
    for row in rows:
        cells = (_cell(row.get(name), places) for name, (_, places) in columns.items())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def tell(report: Mapping[str, Any], shown: str, path: Path | None) -> None:
    """Print the machine and what is `shown`; write the report as JSON where a path is given."""
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    print(f"\n{shown}", flush=True)
    if path:
        path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


@contextmanager
def served(**environment: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """The app as a person starts it, and its address; it may not answer yet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    told = {**os.environ, "HOST": "127.0.0.1", "PORT": port, **environment}
    server = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=told, stdout=subprocess.DEVNULL
    )
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(address: str) -> None:
    """Raises TimeoutError."""
    import httpx

    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            httpx.get(address, timeout=5)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the app did not start")


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    if cpus.is_file():
        for line in cpus.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cell(value: Any, places: int | None) -> str:
    if value is None:
        return ""
    return str(value) if places is None else f"{value:,.{places}f}"
