"""What the training tab shows of trainings: cards, costs, how far one is, a table, curves."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from e5demo import figures
from e5demo.jobs import Job
from e5demo.training.estimate import Estimate, Timing
from e5demo.training.recipe import TrainingSettings
from e5demo.training.reranking import late_settings
from e5demo.training.tuned import Tuned
from e5demo.ui import html
from e5demo.ui.frame import SEPARATORS
from e5demo.ui.text import between, count, decimal, duration, label, say, signed

LOG_LINES = 40


def training_name(language: str, tuned: Tuned) -> str:
    return tuned.name or html.retriever_name(language, tuned.id)


def card(language: str, preset: str, estimate: Estimate | None) -> str:
    """A preset's name, what it is for, and what it costs here."""
    cost = say(language, "cost_unknown") if estimate is None else _cost(language, estimate)
    name = f"preset_{preset}"
    return "\n".join([label(language, name), say(language, f"about_{preset}"), cost])


def _cost(language: str, estimate: Estimate) -> str:
    return say(
        language,
        "cost",
        time=duration(language, estimate.seconds),
        memory=gigabytes(language, estimate.memory_mb),
    )


def cost_note(language: str, estimate: Estimate | None, settings: TrainingSettings) -> str:
    """The estimate of the form as it stands, taken apart."""
    if estimate is None:
        return html.note(say(language, "estimate_unknown"))
    more = ""
    if estimate.validate_seconds:
        time = duration(language, estimate.validate_seconds)
        more = say(language, "estimate_validation", time=time)
    if estimate.rerank_seconds:
        time = duration(language, estimate.rerank_seconds)
        more += say(language, "estimate_rerank", time=time)
    return html.note(
        say(
            language,
            "estimate",
            total=duration(language, estimate.seconds),
            steps=count(language, estimate.steps),
            pairs=count(language, estimate.steps * settings.batch_size),
            train=duration(language, estimate.train_seconds),
            more=more,
            evaluate=duration(language, estimate.evaluate_seconds),
            memory=gigabytes(language, estimate.memory_mb),
            disk=gigabytes(language, estimate.disk_mb),
        ),
        "summary",
    )


def gigabytes(language: str, megabytes: float) -> str:
    if megabytes < 1000:
        return say(language, "megabytes", count=count(language, max(1, megabytes)))
    return say(language, "gigabytes", count=decimal(language, megabytes / 1000, 1))


def status(language: str, tuned: Tuned, job: Job | None) -> str:
    """One training: its state in words, how far it is, and what it gave."""
    name = training_name(language, tuned)
    head = f"{name} · {_state(language, tuned, job)}"
    rows = tuned.history
    steps = [row for row in rows if "loss" in row]
    checks = [row for row in rows if "ndcg@10" in row]
    plan, step = tuned.plan, say(language, "fact_step")
    going = not tuned.trained
    if tuned.lacks_tokens and (late := tuned.late_history):  # they come after the model's
        steps, plan, step = late, tuned.late_plan, say(language, "fact_late_step")
        going = True
    planned = plan[0] if plan else 0
    done = int(steps[-1]["step"]) if steps else 0
    facts = [(step, f"{count(language, done)} / {count(language, planned)}")]
    if steps:
        last = steps[-1]
        left = last["seconds_left"] if going and tuned.state == "running" else 0
        facts += [
            (say(language, "fact_loss"), decimal(language, last["loss"])),
            (say(language, "fact_rate"), _rate(language, last["learning_rate"])),
            (say(language, "fact_speed"), decimal(language, last["pairs_per_second"], 1)),
            *([(say(language, "fact_left"), duration(language, left))] if left else []),
        ]
    if not tuned.trained and tuned.wants_tokens:
        most = duration(language, 60 * (tuned.settings.rerank_minutes or 0))
        facts.append((say(language, "fact_late"), f"≤ {most}"))
    if checks:
        first, latest = (decimal(language, checks[at]["ndcg@10"]) for at in (0, -1))
        facts.append((say(language, "fact_validation"), f"{first} → {latest}"))
    bar = html.progress_bar(done / planned) if planned and going else ""
    return html.note(head, "summary") + bar + html.facts(facts) + _end(language, tuned)


def _state(language: str, tuned: Tuned, job: Job | None) -> str:
    if job and job.active:
        if job.stopping:
            return say(language, "state_stopping")
        if job.stalled:
            return say(language, "state_stalled")
        if job.state == "running" and job.stage:
            share = decimal(language, 100 * job.share, 0)
            share = say(language, "percent", share=share)
            return f"{say(language, f'stage_{job.stage}')} {share}"
        return say(language, f"state_{job.state}")
    if tuned.state == "done":
        return say(language, "state_trained" if tuned.scores else "state_unscored")
    if not job and tuned.state == "running":  # from a command line
        return say(language, "state_running")
    failed = say(language, "state_broke") if job and job.state == "failed" else None
    step = count(language, tuned.resumes_at)
    stopped = say(
        language, "state_resumable" if tuned.resumes_at else "state_restartable", step=step
    )
    if tuned.trained:
        stopped = say(language, "state_lacks_tokens")
    return f"{failed}, {stopped}" if failed else stopped


def _end(language: str, tuned: Tuned) -> str:
    """After the end: scores before and after, and how far off the estimate was."""
    parts = []
    if tuned.scores:
        verdict = _verdict(language, tuned.scores)
        parts.append(html.note(verdict, "summary"))
    if tuned.trained and tuned.plan:
        steps, timing = tuned.plan
        trained = tuned.trained
        share = trained.steps / steps  # less than 1 where it ended early
        expected = timing.train_seconds(tuned.settings, steps) * share
        memory = timing.memory_mb(tuned.settings)
        parts.append(
            html.note(
                say(
                    language,
                    "off",
                    expected=duration(language, expected),
                    took=duration(language, trained.seconds),
                    time=_off(language, trained.seconds / expected),
                    memory=gigabytes(language, memory),
                    used=gigabytes(language, trained.peak_memory_mb),
                    more=_off(language, trained.peak_memory_mb / memory),
                    precision=trained.precision,
                )
            )
        )
        if trained.kept < trained.steps:
            parts.append(html.note(say(language, "kept", step=count(language, trained.kept))))
    if tuned.finished and tuned.late_plan:
        parts.append(html.note(_late(language, tuned, tuned.late_plan[1])))
    return "".join(parts)


def _late(language: str, tuned: Tuned, timing: Timing) -> str:
    """What training tokens took, and what it was to take for as many steps."""
    steps = len(tuned.late_history)
    return say(
        language,
        "late_told",
        steps=count(language, steps),
        time=duration(language, tuned.late_seconds),
        expected=duration(language, timing.train_seconds(late_settings(tuned.settings), steps)),
    )


def _verdict(language: str, scores: Mapping[str, Any]) -> str:
    difference = scores["difference"]["ndcg@10"]
    low, high = difference["low"], difference["high"]
    # Scores of before there was a test beside the interval have no verdict of their own.
    by_interval = "better" if low > 0 else "worse" if high < 0 else "no_evidence"
    return say(
        language,
        f"gain_{scores.get('verdicts', {}).get('ndcg@10', by_interval)}",
        before=decimal(language, scores["before"]["ndcg@10"]),
        after=decimal(language, scores["after"]["ndcg@10"]),
        difference=_interval(language, difference),
    )


def _interval(language: str, difference: Mapping[str, float]) -> str:
    mean, low, high = (signed(language, difference[name]) for name in ("mean", "low", "high"))
    return f"{mean} {between(language, low, high)}"


def _off(language: str, ratio: float) -> str:
    return say(language, "percent", share=signed(language, 100 * (ratio - 1), 0))


def _rate(language: str, rate: float) -> str:
    return f"{rate:.1e}".replace(".", "," if language == "fr" else ".") if rate else "0"


def training_table(language: str, trainings: Sequence[Tuned], running: Collection[str]) -> str:
    if not trainings:
        return html.note(say(language, "train_none"), "empty")
    names = ("model", "dataset", "preset", "state", "steps", "seconds", "trainable", "gain")
    rows = [_row(language, tuned, tuned.id in running) for tuned in trainings]
    return html.table([say(language, f"head_{name}") for name in names], rows, 4)


def _row(language: str, tuned: Tuned, running: bool) -> list[str]:
    trained, scores = tuned.trained, tuned.scores
    cells = [
        training_name(language, tuned),
        tuned.dataset_name,
        label(language, f"preset_{tuned.preset}"),
        say(language, "state_trained")
        if tuned.finished
        else say(language, "state_running" if running else "state_stopped"),
    ]
    if not trained:
        return [*cells, count(language, tuned.resumes_at), *["—"] * 3]
    share = 100 * trained.trainable_parameters / trained.total_parameters
    gain = "—"
    if scores:
        before, after = (decimal(language, scores[at]["ndcg@10"]) for at in ("before", "after"))
        gain = f"{before} → {after} · {_interval(language, scores['difference']['ndcg@10'])}"
    return [
        *cells,
        count(language, trained.steps),
        duration(language, trained.seconds + tuned.late_seconds),
        say(language, "percent", share=decimal(language, share, 2)),
        gain,
    ]


def curves(language: str, trainings: Sequence[Tuned]) -> tuple[Any, Any]:
    """Loss and validation by step; None where there is nothing of the kind."""
    histories = {tuned.id: tuned.history for tuned in trainings}
    names = {tuned.id: figures.plain(training_name(language, tuned)) for tuned in trainings}
    drawn = []
    for value, title in (("loss", "chart_loss"), ("ndcg@10", "chart_validation")):
        rows = {
            name: [(row["step"], row[value]) for row in history if value in row]
            for name, history in histories.items()
        }
        rows = {name: points for name, points in rows.items() if points}
        words = (say(language, title), say(language, "axis_steps"))
        smooth = say(language, "smoothed") if value == "loss" else None
        drawn.append(
            figures.step_lines(rows, names, *words, SEPARATORS[language], smooth) if rows else None
        )
    return drawn[0], drawn[1]


def log_tail(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-LOG_LINES:])
