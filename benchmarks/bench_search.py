"""How fast the HTTP API answers: one column of each kind, and four beside each other.

The app is started as a person starts it. Titles are asked one at a time over one connection, each
of them new to the server (where the data have so many), once the models and the corpus's vectors
are loaded.
"""

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from e5demo.backend import Backend
from e5demo.config import SplitSettings
from e5demo.retrieval.engine import RETRIEVERS, Engine
from e5demo.workspace import Workspace, embeddings

ROOT = Path(__file__).parents[1]
START_SECONDS = 180
LOAD_SECONDS = 300  # the first question loads a model and builds an index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", nargs="?", help="a CSV, or a data set's id; else the sample")
    parser.add_argument("--tuned", metavar="ID", help="a tuned model's id, for a fourth column")
    parser.add_argument("--queries", type=int, default=50, help="for each kind of request")
    parser.add_argument("--max-length", type=int, default=128)
    options = parser.parse_args()
    backend = Backend(Workspace.local(), Engine(embeddings()))
    dataset = backend.resolve(options.csv) if options.csv else backend.sample()
    titles = backend.split_rows(dataset, SplitSettings(mode="notebook"), "train")["query"]
    columns = [*RETRIEVERS, *([options.tuned] if options.tuned else [])]
    kinds = {name: [name] for name in columns} | {"beside each other": columns}
    wanted = (options.queries + 2) * len(kinds)
    drawn = titles.drop_duplicates()
    drawn = drawn.sample(wanted, replace=wanted > len(drawn), random_state=0).tolist()
    told = {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "passages": int(dataset.pairs["passage_id"].nunique()),
        "max_length": options.max_length,
    }
    print(json.dumps(told | {name: version(name) for name in ("torch", "gradio", "faiss-cpu")}))
    corpus = backend.corpus(dataset, SplitSettings(mode="notebook"), "all")
    for name in ["baseline", *([options.tuned] if options.tuned else [])]:  # a request does not
        backend.encode(corpus, options.max_length, tuned=backend.find_retriever(name)[1])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, stdout=subprocess.DEVNULL,
        env={**os.environ, "HOST": "127.0.0.1", "PORT": str(port)},
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LOAD_SECONDS) as client:
            _wait_for(client)
            for kind, names in kinds.items():
                asked, drawn = drawn[: options.queries + 2], drawn[options.queries + 2 :]
                took = [_seconds(client, q, names, dataset.id, options.max_length) for q in asked]
                percentiles = zip(("p50", "p95"), np.percentile(took[2:], (50, 95)), strict=True)
                shown = {name: round(1000 * value, 1) for name, value in percentiles}
                print(json.dumps({"request": kind, "milliseconds": shown}), flush=True)
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(client: httpx.Client) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            client.get("/", timeout=5)
        except httpx.HTTPError:
            time.sleep(0.5)
        else:
            return
    raise TimeoutError("the app did not start")


def _seconds(
    client: httpx.Client, query: str, names: list[str], dataset: str, max_length: int
) -> float:
    data = [query, names, 10, "all", dataset, max_length, [], "", "", ""]
    began = time.perf_counter()
    answer = client.post(
        "/gradio_api/run/search", json={"data": data, "session_hash": "bench_search"}
    )
    took = time.perf_counter() - began
    answer.raise_for_status()
    assert len(answer.json()["data"][0]["columns"]) == len(names)
    return took


if __name__ == "__main__":
    main()
