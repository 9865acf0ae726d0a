"""The trainings of the tab: the one that runs or was chosen, its curves, and what to do with it."""

from pathlib import Path
from typing import Any

import gradio as gr

from e5demo.jobs import Job
from e5demo.training.tuned import Tuned
from e5demo.ui.frame import HEAVY, LIGHT, Frame, moment
from e5demo.ui.guard import guarded, inform
from e5demo.ui.text import say
from e5demo.ui.train_views import curves, log_tail, status, training_name, training_table
from e5demo.workspace import fresh_download

MOST_CURVES = 5


def create_trainings(frame: Frame) -> None:
    t = frame.i18n
    with gr.Row(elem_classes="settings", visible=False) as chooser:
        chosen = gr.Dropdown(label=t("training"), choices=[], scale=3, min_width=220)
        beside = gr.Dropdown(
            label=t("curves_beside"), choices=[], multiselect=True, scale=3, min_width=220
        )
        stop = gr.Button(t("stop_training"), visible=False, min_width=110)
        resume = gr.Button(t("resume"), visible=False, variant="primary", min_width=110)
    about = gr.HTML()
    with gr.Row():
        loss = gr.Plot(show_label=False, visible=False, min_width=300)
        validation = gr.Plot(show_label=False, visible=False, min_width=300)
    with gr.Accordion(t("log"), open=False, visible=False) as log_fold:
        log = gr.Textbox(show_label=False, lines=12, max_lines=12, interactive=False)
    with gr.Accordion(t("manage"), open=False, visible=False) as manage:
        with gr.Row():
            name = gr.Textbox(label=t("new_name"), max_lines=1, min_width=180)
            rename = gr.Button(t("rename"), min_width=110)
            delete = gr.Button(t("delete"), min_width=110)
            confirm = gr.Button(t("delete_confirm"), variant="stop", visible=False, min_width=110)
            cancel = gr.Button(t("cancel"), visible=False, min_width=110)
        with gr.Row():
            merged = gr.Checkbox(label=t("merged"), info=t("help_merged"), min_width=240)
            export = gr.Button(t("export"), min_width=160)
            file = gr.File(label=t("export_file"), visible=False, interactive=False)
    table = gr.HTML()
    upload = gr.UploadButton(t("import_training"), file_types=[".zip"], size="sm", scale=0)

    # The id stands here and not in the dropdown, which may not know a new training yet.
    selected, followed = gr.State(""), gr.State("")
    shown = [chooser, selected, chosen, beside, stop, resume, about]
    shown += [loss, validation, log_fold, log, manage, table]
    asked = [*frame.who, selected, beside]

    @guarded
    def refresh(visitor: str | None, language: str, wanted: str, others: list[str] | None) -> Any:
        backend = frame.backend(visitor)
        trainings = backend.all_trainings()
        tuned = next((one for one in trainings if one.id == wanted), None)
        tuned = tuned or next(iter(trainings), None)
        jobs = frame.jobs(backend)
        running = {one.id for one in trainings if _runs(one, jobs)}
        listing = training_table(language, trainings, running)
        if tuned is None:
            hidden = [gr.update(visible=False)] * 3
            return (gr.update(visible=False), "", gr.update(choices=[], value=None),
                    gr.update(choices=[], value=[]), *hidden[:2], "", *hidden[:2], hidden[0], "",
                    hidden[0], listing)  # fmt: skip
        job = _job_of(tuned, jobs)
        names = [(training_name(language, one), one.id) for one in trainings]
        kept = [other for other in others or [] if any(other == one.id for one in trainings)]
        drawn = [tuned, *(one for one in trainings if one.id in kept and one.id != tuned.id)]
        figures = [
            gr.update(value=figure, visible=True) if figure else gr.update(visible=False)
            for figure in curves(language, drawn[:MOST_CURVES])
        ]
        active = bool(job and job.active)
        unfinished = not (tuned.finished and tuned.scores)
        text = _log(frame, tuned, job)
        return (
            gr.update(visible=True),
            tuned.id,
            gr.update(choices=names, value=tuned.id),
            gr.update(choices=[n for n in names if n[1] != tuned.id],
                      value=[o for o in kept if o != tuned.id]),
            gr.update(visible=bool(active and job and not job.stopping)),
            gr.update(visible=unfinished and tuned.id not in running),
            status(language, tuned, job),
            *figures,
            gr.update(visible=bool(text)),
            log_tail(text),
            gr.update(visible=True),
            listing,
        )  # fmt: skip

    @guarded
    def follow_running(visitor: str | None, language: str, followed: str) -> Any:
        """A training that began since is shown; after that the choice is the person's."""
        backend = frame.backend(visitor)
        active = {job.id for job in frame.jobs(backend) if job.active}
        new = [
            one.id
            for one in backend.all_trainings()
            if one.job in active and f"{one.id} {one.job}" not in followed
        ]
        if not new:
            return gr.skip(), gr.skip()
        return new[0], "|".join(f"{one.id} {one.job}" for one in backend.all_trainings())

    @guarded
    def end(visitor: str | None, language: str, wanted: str) -> Any:
        backend = frame.backend(visitor)
        job = _job_of(backend.training(wanted), frame.jobs(backend))
        if job:
            frame.backends.jobs.cancel(job.id)
        return gr.update(visible=False)

    @guarded
    def go_on(visitor: str | None, language: str, wanted: str) -> Any:
        backend = frame.backend(visitor)
        tuned = backend.training(wanted)
        arguments = ["train", tuned.dataset, f"--resume={tuned.id}"]
        frame.queue(backend, tuned.settings.method, *arguments)
        inform(say(language, "train_resumed"))
        return gr.update(visible=False)

    @guarded
    def call(visitor: str | None, language: str, wanted: str, text: str) -> Any:
        frame.backend(visitor).training(wanted).rename(text)
        return "", _changed()

    @guarded
    def remove(visitor: str | None, language: str, wanted: str) -> Any:
        backend = frame.backend(visitor)
        name = training_name(language, backend.training(wanted))
        backend.delete_training(wanted)
        inform(say(language, "deleted", name=name))
        return "", _changed(), *ask(False)

    @guarded
    def hand_out(visitor: str | None, language: str, wanted: str, with_merged: bool) -> Any:
        backend = frame.backend(visitor)
        path = fresh_download() / f"{wanted}.zip"
        backend.export_training(backend.training(wanted), path, merged=with_merged)
        return gr.update(value=str(path), visible=True)

    @guarded
    def take_in(visitor: str | None, language: str, path: str) -> Any:
        backend = frame.backend(visitor)
        tuned = backend.import_training(Path(path))
        inform(say(language, "imported", name=training_name(language, tuned)))
        return tuned.id, _changed()

    @guarded
    def ask_first(visitor: str | None, language: str, wanted: str) -> Any:
        name = training_name(language, frame.backend(visitor).training(wanted))
        hidden, confirming, cancelling = ask(True)
        return hidden, {**confirming, "value": say(language, "delete_named", name=name)}, cancelling

    def ask(asking: bool) -> list[Any]:
        return [gr.update(visible=not asking), *[gr.update(visible=asking)] * 2]

    changes = [frame.scene.change, frame.job_signal.change, frame.training_signal.change]
    following = gr.on(
        changes, follow_running, [*frame.who, followed], [selected, followed],
        trigger_mode="always_last", **LIGHT,
    )  # fmt: skip
    following.then(refresh, asked, shown, **LIGHT)
    picked = chosen.input(lambda choice: choice, chosen, selected, **LIGHT)
    picked.then(refresh, asked, shown, **LIGHT)
    beside.input(refresh, asked, shown, trigger_mode="always_last", **LIGHT)
    which = [*frame.who, selected]
    stop.click(end, which, stop, **LIGHT)
    resume.click(go_on, which, resume, **LIGHT)
    rename.click(call, [*which, name], [name, frame.job_signal], **LIGHT)
    asking = [delete, confirm, cancel]
    delete.click(ask_first, which, asking, **LIGHT)
    cancel.click(lambda: ask(False), None, asking, **LIGHT)
    confirm.click(remove, which, [selected, frame.job_signal, *asking], **LIGHT)
    # What was asked or exported was of the training before.
    selected.change(lambda: [*ask(False), gr.update(visible=False)], None, [*asking, file], **LIGHT)
    export.click(hand_out, [*which, merged], file, **HEAVY)
    upload.upload(take_in, [*frame.who, upload], [selected, frame.job_signal], **HEAVY)


def _job_of(tuned: Tuned, jobs: list[Job]) -> Job | None:
    """The job that works on it or waits to go on with it, else the last one that did."""
    resuming = f"--resume={tuned.id}"
    waiting = (job for job in jobs if job.active and resuming in job.command)
    return next(waiting, None) or next((job for job in jobs if job.id == tuned.job), None)


def _runs(tuned: Tuned, jobs: list[Job]) -> bool:
    """As its job says, if it has one: a killed process may hold its lock for a moment more."""
    job = _job_of(tuned, jobs)
    return job.active if job else tuned.state == "running"


def _changed() -> str:
    """For `job_signal`: as after a job, every tab looks again at what models there are."""
    return f"changed {moment()}"


def _log(frame: Frame, tuned: Tuned, job: Job | None) -> str:
    """The job's, while it is known; then the copy beside the weights."""
    if job:
        return frame.backends.jobs.log(job.id)
    kept = tuned.folder / "log.txt"
    return kept.read_text("utf-8", errors="replace") if kept.is_file() else ""
