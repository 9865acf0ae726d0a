"""How fast the page's search answers while a training runs beside it.

A training on the data set is started as the page starts one, and once its steps are under way
test titles are searched for, one at a time, by BM25, E5 and their fusion.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from e5demo.backend import Backend
from e5demo.config import SplitSettings
from e5demo.jobs import Jobs
from e5demo.retrieval.engine import RETRIEVERS, Engine
from e5demo.workspace import Workspace, embeddings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", nargs="?", help="a CSV of thousands of articles, or a data set's id")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--max-length", type=int, default=128)
    options = parser.parse_args()
    if not options.csv:  # the sample's training would end before the searches do
        print(json.dumps({"skipped": "give a CSV of thousands of articles"}))
        return
    backend = Backend(Workspace.local(), Engine(embeddings()))
    dataset = backend.resolve(options.csv)
    split = SplitSettings(mode="notebook")
    corpus = backend.corpus(dataset, split, "test")
    titles = backend.split_rows(dataset, split, "test")["query"].sample(
        options.queries, random_state=0
    )
    jobs = Jobs()
    for busy in (False, True):
        job = _train(jobs, backend, dataset.id, split) if busy else None
        for retriever in RETRIEVERS:
            took = [_seconds(backend, corpus, title, retriever, options) for title in titles]
            percentiles = dict(zip(("p50", "p95"), np.percentile(took, (50, 95)), strict=True))
            shown = {name: round(1000 * value, 1) for name, value in percentiles.items()}
            print(json.dumps({"training": busy, "retriever": retriever, "milliseconds": shown}))
        if job:
            assert jobs.get(job).active, "the training ended before the searches did"
            jobs.cancel(job)
            while jobs.get(job).active:
                time.sleep(0.5)
            backend.delete_training(next(t.id for t in backend.all_trainings() if t.job == job))


def _seconds(backend: Backend, corpus, title: str, retriever: str, options) -> float:
    began = time.perf_counter()
    backend.search(corpus, title, retriever, max_length=options.max_length)
    return time.perf_counter() - began


def _train(jobs: Jobs, backend: Backend, dataset: str, split: SplitSettings) -> str:
    """The job's id, once its third step is done."""
    command = ["train", dataset, "--method=full", *split.as_options(), "--set=max_minutes=null"]
    known = {tuned.id for tuned in backend.all_trainings()}
    job = jobs.submit(str(Path(backend.workspace.root)), "full", [*command, "--max-length=128"])
    while True:
        jobs.advance()
        assert jobs.get(job.id).active, jobs.log(job.id)
        new = [tuned for tuned in backend.all_trainings() if tuned.id not in known]
        if new and len(new[0].history) >= 3:
            return job.id
        time.sleep(1)


if __name__ == "__main__":
    main()
