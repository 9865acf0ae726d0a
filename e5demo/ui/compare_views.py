"""What the comparison tab shows: a verdict in words, the leaderboard, what each costs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from e5demo.backend import Backend
from e5demo.evaluation.comparison import ALPHA, Comparison, Difference, Interval
from e5demo.evaluation.experiments import GROUND, Experiment
from e5demo.training.tuned import Tuned
from e5demo.ui import html
from e5demo.ui.text import between, count, decimal, duration, label, say, signed
from e5demo.ui.train_views import gigabytes

FEW_QUERIES = 100
SMALLEST_P = 0.0001  # what 10,000 permutations can tell


def experiment_names(
    language: str, experiments: Sequence[Experiment], called: Mapping[str, str]
) -> dict[str, str]:
    """By id, all differently: the retriever, what was ablated, and where that does not tell two
    apart, weights and length, then the id."""
    names = {e.id: html.retriever_name(language, e.measured.retriever, called) for e in experiments}
    for one in experiments:
        ways = (say(language, f"ablated_{way}") for way in one.measured.ablations)
        names[one.id] = " · ".join([names[one.id], *ways])
    further: list[Callable[[str, Experiment], str]] = [
        settings,
        lambda _, one: one.id.rpartition("-")[2],
    ]
    for more in further:
        times = Counter(names.values())
        for one in experiments:
            if times[names[one.id]] > 1:
                names[one.id] += f" · {more(language, one)}"
    return names


def settings(language: str, experiment: Experiment) -> str:
    """Which weights and how much of a text they read; a dash for BM25."""
    measured = experiment.measured
    if not measured.weights:
        return "—"
    told = [say(language, f"short_{measured.weights}"), measured.tokens_told]
    return " · ".join([*told, *(["bf16"] if measured.computed == "bf16" else [])])


def ground_name(language: str, experiment: Experiment) -> str:
    """What it was measured on, in words."""
    return say(
        language,
        "ground_name",
        queries=count(language, experiment.queries),
        passages=count(language, experiment.passages),
        corpus=label(language, f"corpus_{experiment.measured.corpus_kind}"),
        cutoffs=", ".join(map(str, experiment.measured.cutoffs)),
    )


def verdict(
    language: str, found: Difference, names: Mapping[str, str], comparison: Comparison
) -> str:
    """Better, worse, or no evidence: one sentence, and what it rests on."""
    told = {
        "left": names[found.left],
        "right": names[found.right],
        "metric": found.metric,
        "mean": signed(language, found.mean),
        "interval": between(language, signed(language, found.low), signed(language, found.high)),
    }
    pairs = sum(one.metric == found.metric for one in comparison.differences)
    corrected = ""
    if pairs > 1:
        shown = _equals(p_value(language, found.p_corrected))
        corrected = say(language, "verdict_corrected", pairs=count(language, pairs), p=shown)
    counts = say(
        language,
        "verdict_counts",
        queries=count(language, found.wins + found.ties + found.losses),
        wins=count(language, found.wins),
        losses=count(language, found.losses),
        ties=count(language, found.ties),
        p=_equals(p_value(language, found.p_value)),
        corrected=corrected,
    )
    needed = ""
    if found.queries_needed:
        needed = say(language, "verdict_needed", needed=count(language, found.queries_needed))
    sentence = html.note(say(language, f"says_{found.verdict}", **told), "summary verdict")
    return sentence + html.note(f"{counts} {needed}")


def pair_table(language: str, differences: Sequence[Difference]) -> str:
    """The same two in every metric."""
    heads = [say(language, f"head_{name}") for name in
             ("metric", "difference", "interval", "corrected", "counts", "verdict")]  # fmt: skip
    rows = [
        [
            one.metric,
            signed(language, one.mean),
            between(language, signed(language, one.low), signed(language, one.high)),
            p_value(language, one.p_corrected),
            " / ".join(count(language, n) for n in (one.wins, one.ties, one.losses)),
            say(language, f"short_{one.verdict}"),
        ]
        for one in differences
    ]
    return html.table(heads, rows, numeric=5)


def leaderboard(
    language: str,
    experiments: Sequence[Experiment],
    names: Mapping[str, str],
    comparison: Comparison,
    metric: str,
) -> str:
    """Means with their intervals, the best in `metric` first."""
    intervals = comparison.intervals
    all_metrics = next(iter(intervals.values()))
    metrics = [metric, *(name for name in all_metrics if name != metric)]  # in sight on a phone
    ordered = sorted(experiments, key=lambda e: -intervals[e.id][metric].mean)
    heads = [say(language, f"head_{name}") for name in ("retriever", "settings")]
    rows = [
        [names[e.id], settings(language, e),
         *(_interval(language, intervals[e.id][name]) for name in metrics)]
        for e in ordered
    ]  # fmt: skip
    table = html.table([*heads, *metrics], rows, len(metrics))
    return f'<div class="leaderboard">{table}</div>'


def costs(
    language: str,
    experiments: Sequence[Experiment],
    names: Mapping[str, str],
    trainings: Mapping[str, Tuned],
) -> str:
    """Share of weights trained, time of training, disk, and speed, where they are known; of tokens
    to rerank by, where they are what reranks."""
    heads = [say(language, f"head_{name}") for name in
             ("retriever", "trainable", "training", "disk", "encoding", "query_time")]  # fmt: skip
    rows = []
    for one in experiments:
        tuned = trainings.get(one.measured.training)
        training = _training_costs(language, tuned, one.measured.reranked)
        rows.append([names[one.id], *training, *_speeds(language, one)])
    return html.folded_html(say(language, "costs"), html.table(heads, rows, len(heads) - 1))


def apart(
    language: str, others: Sequence[Experiment], first: Experiment, called: Mapping[str, str]
) -> str:
    """Those that were measured on something else, and on what."""
    if not others:
        return ""
    heads = [say(language, f"head_{name}") for name in ("retriever", "settings", "why")]
    names = experiment_names(language, others, called)
    rows = [
        [names[e.id], f"{settings(language, e)} · {ground_name(language, e)}",
         _why_apart(language, e, first)]
        for e in others
    ]  # fmt: skip
    title = say(language, "apart", count=count(language, len(others)))
    return html.folded_html(title, html.table(heads, rows))


def left_out(
    language: str,
    there: Sequence[Experiment],
    shown: Sequence[Experiment],
    names: Mapping[str, str],
) -> str:
    """Those that are not shown because their retriever ranks in another way now."""
    ids = {one.id for one in shown}
    old = [e for e in there if "outdated" in e.measured.ablations and e.id not in ids]
    if not old:
        return ""
    listed = ", ".join(names[e.id] for e in old)
    return html.note(say(language, "left_out", names=listed))


def p_value(language: str, value: float) -> str:
    if value < 2 * SMALLEST_P:
        return say(language, "below", value=decimal(language, 2 * SMALLEST_P, 4))
    return decimal(language, value, 4 if value < ALPHA / 10 else 3)


def _equals(shown: str) -> str:
    return shown if shown.startswith("<") else f"= {shown}"


def _interval(language: str, one: Interval) -> str:
    bounds = between(language, decimal(language, one.low), decimal(language, one.high))
    return f"{decimal(language, one.mean)} {bounds}"


def _training_costs(language: str, tuned: Tuned | None, reranked: bool) -> list[str]:
    if not tuned or not tuned.trained:
        return ["—", "—", "—"]
    trained = tuned.trained
    share = 100 * trained.trainable_parameters / trained.total_parameters
    return [
        say(language, "percent", share=decimal(language, share, 1)),
        duration(language, trained.seconds + reranked * tuned.late_seconds),
        gigabytes(language, (tuned.weights_size + reranked * tuned.late_size) / 1e6),
    ]


def _speeds(language: str, experiment: Experiment) -> list[str]:
    encoded = experiment.passages - experiment.cached_passages
    seconds = experiment.timings.get("encode_passages", 0.0)
    speed = decimal(language, encoded / seconds, 1) if encoded and seconds else "—"
    took = experiment.query_milliseconds
    return [speed, decimal(language, took, 1) if took is not None else "—"]


def _why_apart(language: str, experiment: Experiment, first: Experiment) -> str:
    parts = zip(GROUND, experiment.measured.ground, first.measured.ground, strict=True)
    differ = [name for name, a, b in parts if a != b]
    differ += ["split"] * (experiment.measured.split != first.measured.split)
    differ += ["cutoffs"] * (set(experiment.measured.cutoffs) != set(first.measured.cutoffs))
    return ", ".join(say(language, f"apart_{name}") for name in differ)


def cautions(
    language: str,
    experiments: Sequence[Experiment],
    pair: tuple[str, str],
    names: Mapping[str, str],
    backend: Backend,
) -> str:
    """What speaks against the verdict: few queries, a model that may have trained on them."""
    both = [one for one in experiments if one.id in pair]
    trainings = {tuned.id: tuned for tuned in backend.all_tuned()}
    told = []
    if both[0].queries < FEW_QUERIES:
        told.append(say(language, "caution_few", queries=count(language, both[0].queries)))
    readings = {one.measured.reading for one in both} - {None}
    if len(readings) > 1:
        told.append(say(language, "caution_reading"))
    for one in both:
        tuned = trainings.get(one.measured.training)
        if tuned and not _trained_beside(tuned, one):
            told.append(say(language, "caution_elsewhere", name=names[one.id]))
    return html.note(" ".join(told), "problem") if told else ""


def _trained_beside(tuned: Tuned, experiment: Experiment) -> bool:
    """On the train split of the same data and split, whose test it has not seen."""
    measured = experiment.measured
    same_split = tuned.split.model_dump(mode="json") == measured.split
    return tuned.data == measured.data and same_split
