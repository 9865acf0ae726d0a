"""The frame's left side: what is in use, what runs, how much room it takes. True on every tab."""

from html import escape
from typing import Any

import gradio as gr

from e5demo.backend import Backend
from e5demo.backends import Backends
from e5demo.config import EvaluationSettings
from e5demo.errors import restored
from e5demo.jobs import Job
from e5demo.training.tuned import Tuned
from e5demo.ui import html
from e5demo.ui.frame import LIGHT, Frame, current, scene_of
from e5demo.ui.guard import guarded
from e5demo.ui.text import count, decimal, duration, explain, say

POLL_SECONDS = 1.5
ABOUT = ("evaluate", "train", "estimate")  # jobs whose title is a retriever, not a data set


def create_sidebar(frame: Frame) -> gr.Timer:
    shown = gr.HTML(elem_id="side")
    stop = gr.Button(frame.i18n("stop"), size="sm", visible=False)
    timer = gr.Timer(POLL_SECONDS)

    @guarded
    def follow(visitor: str | None, language: str, scene: str) -> Any:
        backend = frame.backend(visitor)
        jobs = frame.jobs(backend)
        active = [job for job in jobs if job.active]
        ended = (job.id for job in jobs if not job.active)
        trainings = backend.all_trainings()
        trained = (tuned.id for tuned in trainings if tuned.trained)
        signal = "|".join([str(frame.backends.model_ready), *ended, *trained])
        training = training_signal(trainings, active)
        page = "".join(
            _section(say(language, f"side_{name}"), lines)
            for name, lines in (
                ("data", _data(language, backend)),
                ("model", _model(language, frame.backends)),
                ("job", _jobs(language, jobs)),
                ("storage", _storage(language, backend)),
            )
        )
        # Chosen otherwise in another of the person's windows: this one follows.
        now = scene_of(language, backend.choices())
        return (
            page,
            gr.update(visible=bool(active)),
            signal,
            training,
            gr.skip() if now == scene else now,
        )

    @guarded
    def cancel(visitor: str | None, language: str) -> Any:
        frame.cancel_jobs(frame.backend(visitor))
        return gr.update(visible=False)

    polled = [shown, stop, frame.job_signal, frame.training_signal, frame.scene]
    gr.on([timer.tick, frame.scene.change], follow, [*frame.who, frame.scene], polled, **LIGHT)
    stop.click(cancel, frame.who, stop, **LIGHT)
    return timer


def training_signal(trainings: list[Tuned], active: list[Job]) -> str:
    """Changes whenever a training, a job's or a command line's, has something new to show."""
    told = [f"{job.id} {job.state} {job.stage} {job.stopping}" for job in active]
    unfinished = (tuned for tuned in trainings if not tuned.finished)
    told += [f"{tuned.id} {len(tuned.history)} {len(tuned.late_history)}" for tuned in unfinished]
    return "|".join(told)


def _section(title: str, lines: list[str]) -> str:
    return (
        f"<section><h4>{escape(title)}</h4>{''.join(f'<p>{line}</p>' for line in lines)}</section>"
    )


def _data(language: str, backend: Backend) -> list[str]:
    dataset, choices = current(backend)
    name = say(language, "sample") if dataset.is_sample else dataset.name
    sizes = {"pairs": count(language, dataset.size), "rows": count(language, dataset.rows)}
    mode = say(language, f"mode_{choices.split.mode}")
    return [
        f"<b>{escape(name)}</b>",
        escape(say(language, "side_pairs", **sizes)),
        escape(say(language, "side_split", mode=mode, seed=choices.split.seed)),
    ]


def _model(language: str, backends: Backends) -> list[str]:
    if backends.model_problem:
        return [escape(explain(language, backends.model_problem))]
    if backends.model is None:
        return [escape(say(language, "model_starting"))]
    state = "model_ready" if backends.model_ready else "model_starting"
    weights = say(language, f"weights_{backends.model.weights}")
    told = [
        f"<b>{escape(backends.model.name)}</b>",
        escape(f"{weights} · {say(language, state)}"),
    ]
    if backends.model_ready:
        encoder = backends.engine.encoder(EvaluationSettings().max_length)
        told.append(escape(say(language, f"backend_{encoder.backend}")))
    return told


def _jobs(language: str, jobs: list[Job]) -> list[str]:
    """The running job, what waits behind it, or how the last one ended."""
    active = [job for job in jobs if job.active]
    if not active:
        return [_ended(language, jobs[0])] if jobs else [escape(say(language, "no_job"))]
    running = next((job for job in active if job.state == "running"), active[-1])
    lines = [f"<b>{escape(_title(language, running))}</b>", escape(_progress(language, running))]
    if running.state == "running":
        lines.append(f'<progress max="1" value="{running.share:.3f}"></progress>')
    waiting = len(active) - 1
    if waiting:
        lines.append(f"+ {waiting} {escape(say(language, 'state_waiting'))}")
    return lines


def _title(language: str, job: Job) -> str:
    about = html.retriever_name(language, job.title) if job.command[0] in ABOUT else job.title
    return say(language, f"job_{job.command[0]}", name=about)


def _progress(language: str, job: Job) -> str:
    state = say(language, "state_stalled" if job.stalled else f"state_{job.state}")
    if job.stopping:
        return say(language, "state_stopping")
    if not job.stage or job.stalled:
        return state
    share = decimal(language, 100 * job.share, 0)
    parts = [f"{say(language, f'stage_{job.stage}')} {say(language, 'percent', share=share)}"]
    if job.seconds_left is not None:
        left = duration(language, job.seconds_left)
        parts.append(say(language, "left", time=left))
    return " · ".join(parts)


def _ended(language: str, job: Job) -> str:
    text = f"<b>{escape(_title(language, job))}</b> · {escape(say(language, f'state_{job.state}'))}"
    if job.state == "failed":
        text += f'<br><span class="problem">{escape(_reason(language, job))}</span>'
    return text


def _reason(language: str, job: Job) -> str:
    """A mistake's sentence, else the last line that the process left behind."""
    if job.error:
        return explain(language, restored(job.error, job.values))
    lines = (job.message or "").strip().splitlines()
    return lines[-1] if lines else say(language, "job_died")


def _storage(language: str, backend: Backend) -> list[str]:
    megabytes = decimal(language, backend.workspace.size() / 1e6, 1)
    lines = [escape(say(language, "megabytes", count=megabytes))]
    if told := backend.unreadable():
        more = f" + {len(told) - 1}" if told[1:] else ""
        lines.append(f'<span class="problem">{escape(explain(language, told[0]))}{more}</span>')
    return lines
