"""What the comparison tab is about: the experiments on one ground, and the two in question."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from e5demo.backend import Backend
from e5demo.errors import OneExperiment
from e5demo.evaluation.comparison import Comparison
from e5demo.evaluation.experiments import Experiment
from e5demo.ui.compare_views import experiment_names
from e5demo.ui.frame import current

MAIN_METRIC = "ndcg@10"
Grounds = Mapping[str, list[Experiment]]


@dataclass(frozen=True)
class Compared:
    """Experiments on one ground, all that are `there`, what these are called, and how the chosen
    ones compare. `picked` is what was picked: ground, left, right, metric, and
    the ids chosen, none of them for all but ablations."""

    experiments: Sequence[Experiment]
    there: Sequence[Experiment]
    names: dict[str, str]
    comparison: Comparison
    picked: tuple[str, str, str, str, str]

    @property
    def metric(self) -> str:
        return self.picked[3]

    @property
    def metrics(self) -> list[str]:
        return list(next(iter(self.comparison.intervals.values())))

    @property
    def pair(self) -> tuple[str, str] | None:
        _, left, right, *_ = self.picked
        return (left, right) if left and right else None


def grounds(backend: Backend) -> Grounds:
    """The experiments on the data set and split in use by what they compare on, the newest ground
    first; in each, retrievers in their order."""
    dataset, choices = current(backend)
    groups: dict[str, list[Experiment]] = defaultdict(list)
    for one in backend.experiments():
        same_split = one.measured.split == choices.split.model_dump(mode="json")
        if one.measured.data == dataset.fingerprint and same_split:
            # with others they would have no metric in common
            cutoffs = ",".join(map(str, sorted(one.measured.cutoffs)))
            groups["|".join([*one.measured.ground, cutoffs])].append(one)
    order = {name: place for place, name in enumerate(backend.retrievers())}
    return {  # a deleted model's experiments come last
        key: sorted(group, key=lambda one: order.get(one.measured.retriever, len(order)))
        for key, group in groups.items()
    }


def newest_of(found: Grounds) -> tuple[Experiment, str]:
    """The experiment made last, and its ground."""
    return max(
        ((one, key) for key, group in found.items() for one in group), key=lambda it: it[0].created
    )


def compared(language: str, backend: Backend, found: Grounds, wanted: Sequence[str]) -> Compared:
    """What was picked, as far as it is still there; else the newest ground, all but ablations, the
    baseline and the newest tuned model, ndcg@10."""
    ground, left, right, metric, kept = wanted
    ground = ground if ground in found else next(iter(found))
    there = found[ground]
    chosen = [one for one in there if one.id in kept.split(",")]
    plain = [one for one in there if not one.measured.ablated]
    group = chosen or plain or list(there)
    names = experiment_names(language, there, backend.names())
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
    picked = (ground, left, right, metric, ",".join(one.id for one in chosen))
    return Compared(group, there, names, comparison, picked)


def in_question(language: str, backend: Backend, wanted: Sequence[str]) -> Compared:
    """`compared`, where a person asks about what is shown. Raises OneExperiment."""
    found = grounds(backend)
    if not found:
        raise OneExperiment
    return compared(language, backend, found, wanted)


def _default_pair(group: Sequence[Experiment]) -> tuple[str, str]:
    """The newest tuned model and the baseline that read alike, as one searches; else the first
    two, the longest read, one twice where it is alone."""
    tuned = [one for one in group if one.measured.retriever.split("-")[0] in ("full", "lora")]
    newest = sorted(tuned, key=lambda e: (e.measured.ablated, -e.created))

    def order(one: Experiment) -> tuple[bool, bool, int]:
        unlike = bool(newest) and one.measured.reading != newest[0].measured.reading
        return one.measured.ablated, unlike, -(one.measured.max_length or 0)

    best = sorted(group, key=order)
    first = next((one for one in best if one.measured.retriever == "baseline"), best[0])
    others = [*newest, *best]
    return first.id, next((one.id for one in others if one.id != first.id), first.id)
