"""What the comparison tab is about: the experiments on one ground, and the two in question."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from e5demo.backend import Backend
from e5demo.evaluation.comparison import Comparison
from e5demo.evaluation.experiments import Experiment
from e5demo.ui.compare_views import experiment_names
from e5demo.ui.frame import current

MAIN_METRIC = "ndcg@10"
Grounds = Mapping[str, list[Experiment]]


@dataclass(frozen=True)
class Compared:
    """Experiments on one ground, their names and how they compare. `picked` is what the widgets
    hold: ground, left, right, metric."""

    experiments: Sequence[Experiment]
    names: dict[str, str]
    comparison: Comparison
    picked: tuple[str, str, str, str]

    @property
    def metric(self) -> str:
        return self.picked[3]

    @property
    def metrics(self) -> list[str]:
        return list(next(iter(self.comparison.intervals.values())))

    @property
    def pair(self) -> tuple[str, str] | None:
        _, left, right, _ = self.picked
        return (left, right) if left and right else None


def grounds(backend: Backend) -> Grounds:
    """The experiments on the data set and split in use by what they compare on, the newest ground
    first; in each, retrievers in their order."""
    dataset, choices = current(backend)
    groups: dict[str, list[Experiment]] = defaultdict(list)
    for one in backend.experiments():
        same_split = one.measured.split == choices.split.model_dump(mode="json")
        if one.measured.data == dataset.fingerprint and same_split:
            cutoffs = ",".join(
                map(str, one.measured.cutoffs)
            )  # others would have no metric in common
            groups["|".join([*one.measured.ground, cutoffs])].append(one)
    order = {name: place for place, name in enumerate(backend.retrievers())}
    return {  # a deleted model's experiments come last
        key: sorted(group, key=lambda one: order.get(one.measured.retriever, len(order)))
        for key, group in groups.items()
    }


def newest_of(found: Grounds) -> tuple[str, str]:
    """The experiment made last, as a word that changes when it is made again, and its ground."""
    last, where = max(
        ((one, key) for key, group in found.items() for one in group), key=lambda it: it[0].created
    )
    return f"{last.id} {last.created}", where


def compared(language: str, backend: Backend, found: Grounds, wanted: Sequence[str]) -> Compared:
    """What was picked, as far as it is still there; else the newest ground, the baseline and the
    newest tuned model, ndcg@10."""
    ground, left, right, metric = wanted
    ground = ground if ground in found else next(iter(found))
    group = found[ground]
    names = experiment_names(language, group, backend.names())
    comparison = backend.compare(group)
    metrics = list(next(iter(comparison.intervals.values())))
    ids = [one.id for one in group]
    first, second = _default_pair(group)
    left = left if left in ids else first
    right = right if right in ids and right != left else second if second != left else first
    if right == left:
        left = right = ""
    if metric not in metrics:
        metric = MAIN_METRIC if MAIN_METRIC in metrics else metrics[-1]
    return Compared(group, names, comparison, (ground, left, right, metric))


def _default_pair(group: Sequence[Experiment]) -> tuple[str, str]:
    """The baseline and the newest tuned model, or the first two; one twice where it is alone."""
    by_retriever = {one.measured.retriever: one.id for one in reversed(group)}
    tuned = [one.id for one in group if one.measured.retriever.split("-")[0] in ("full", "lora")]
    first = by_retriever.get("baseline", group[0].id)
    others = [*tuned, *(one.id for one in group if one.id != first)]
    return first, next((one for one in others if one != first), first)
