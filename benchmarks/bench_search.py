"""How fast the HTTP API answers: one column of each kind, and four beside each other.

The app is started as a person starts it. Titles are asked one at a time over one connection, each
of them new to the server (where the data have so many), once the models and the corpus's vectors
are loaded.
"""

import argparse
import sys
import time
from pathlib import Path

import httpx
import numpy as np
from measured import ROOT, machine, served, table, tell, wait_for

sys.path.insert(0, str(ROOT))
from e5demo.backend import Backend
from e5demo.config import MAX_LENGTH, SplitSettings
from e5demo.retrieval.engine import RETRIEVERS, Engine
from e5demo.workspace import Workspace, embeddings

LOAD_SECONDS = 300  # the first question loads a model and builds an index
COLUMNS = {
    "request": ("request", None),
    "mean": ("mean, ms", 1),
    "p50": ("p50, ms", 1),
    "p95": ("p95, ms", 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", nargs="?", help="a CSV, or a data set's id; else the sample")
    parser.add_argument("--tuned", metavar="ID", help="a tuned model's id, for a fourth column")
    parser.add_argument("--queries", type=int, default=50, help="for each kind of request")
    parser.add_argument("--max-length", type=int, default=MAX_LENGTH)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    backend = Backend(Workspace.local(), Engine(embeddings()))
    dataset = backend.resolve(options.csv) if options.csv else backend.sample()
    split = SplitSettings(mode="notebook")
    titles = backend.split_rows(dataset, split, "train")["query"]
    columns = [*RETRIEVERS, *([options.tuned] if options.tuned else [])]
    everything = backend.corpus(dataset, split, "all")
    backend.check_read(everything, columns, options.max_length)  # raises where it is not encoded
    kinds = {name: [name] for name in columns} | {"beside each other": columns}
    wanted = (options.queries + 2) * len(kinds)
    drawn = titles.drop_duplicates()
    drawn = drawn.sample(wanted, replace=wanted > len(drawn), random_state=0).tolist()
    rows = []
    with served() as (_, address):
        wait_for(address)
        with httpx.Client(base_url=address, timeout=LOAD_SECONDS) as client:
            for kind, names in kinds.items():
                asked, drawn = drawn[: options.queries + 2], drawn[options.queries + 2 :]
                took = [_seconds(client, q, names, dataset.id, options.max_length) for q in asked]
                took = 1000 * np.array(took[2:])
                p50, p95 = np.percentile(took, (50, 95))
                rows.append({"request": kind, "mean": took.mean(), "p50": p50, "p95": p95})
    report = {
        "machine": machine("torch", "openvino", "gradio", "faiss-cpu"),
        "passages": int(dataset.pairs["passage_id"].nunique()),
        "max_length": options.max_length,
        "rows": rows,
    }
    shown = table(COLUMNS, rows)
    told = f"{report['passages']} passages, {options.max_length} tokens"
    tell(report, f"{told}\n\n{shown}", options.json)


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
