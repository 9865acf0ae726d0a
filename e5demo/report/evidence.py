"""What a report is made from: plain results, and all that they were measured on."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import pandas as pd

from e5demo.config import SplitSettings
from e5demo.data.corpus import Qrels
from e5demo.evaluation.comparison import Comparison, Difference
from e5demo.evaluation.experiments import Experiment
from e5demo.training.tuned import Tuned

MAIN_METRIC = "ndcg@10"
LIBRARIES = ("ir-measures", "numpy", "pandas", "plotly", "scipy")


@dataclass(frozen=True)
class Evidence:
    """Experiments on the same queries and corpus, in the order in which they are compared.

    `splits` are the tables of pairs by split and `leaks` the rows of validation and test that have
    a twin in train. `queries` are the texts of those asked, by id. `names` says what each
    experiment is called, `trainings` which training made the model of those that measured a tuned
    one; both go by experiment id. `versions` are those of the libraries that the report is made by.
    """

    title: str
    dataset: str
    fingerprint: str
    split: SplitSettings
    splits: Mapping[str, pd.DataFrame]
    leaks: int
    queries: Mapping[str, str]
    qrels: Qrels
    experiments: Sequence[Experiment]
    names: Mapping[str, str]
    comparison: Comparison
    versions: Mapping[str, str]
    trainings: Mapping[str, Tuned] = field(default_factory=dict)

    @property
    def metrics(self) -> list[str]:
        """Those that all experiments have."""
        return list(self.comparison.intervals[self.experiments[0].id])

    @property
    def main_metric(self) -> str:
        """The one that verdicts and charts are about."""
        return MAIN_METRIC if MAIN_METRIC in self.metrics else self.metrics[-1]

    @property
    def main_differences(self) -> list[Difference]:
        return [d for d in self.comparison.differences if d.metric == self.main_metric]


def library_versions() -> dict[str, str]:
    """Of what computes and draws a report."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python, **{name: version(name) for name in LIBRARIES}}
