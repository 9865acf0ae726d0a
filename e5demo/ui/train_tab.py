"""Entraînement: choose how to tune E5, see what it costs, start it as a job, watch and keep it."""

import shlex
from typing import Any

import gradio as gr

from e5demo.backend import Backend
from e5demo.config import LENGTHS, MAX_LENGTH, EvaluationSettings
from e5demo.errors import E5DemoError, TooFewPairs
from e5demo.training.estimate import Estimate
from e5demo.training.recipe import PRESETS, Method, TrainingSettings, make_recipe
from e5demo.ui import html
from e5demo.ui.frame import LIGHT, Frame, current, current_split
from e5demo.ui.guard import guarded, inform
from e5demo.ui.text import explain, label, say
from e5demo.ui.train_form import create_form, read_values, shown_values
from e5demo.ui.train_views import card, cost_note
from e5demo.ui.trainings import create_trainings
from e5demo.workspace import is_public

METHODS: tuple[Method, ...] = ("lora", "full")


def create_train_tab(frame: Frame) -> None:
    t = frame.i18n
    gr.Markdown(t("train_intro"), elem_classes="intro")
    method = gr.Radio(label=t("method"), choices=[], elem_classes="methods")
    preset = gr.Radio(label=t("preset"), choices=[], elem_classes="cards")
    with gr.Row(equal_height=True):
        about = gr.HTML(elem_classes="beside-buttons")
        measure = gr.Button(t("measure_button"), visible=False, scale=0, min_width=280)
        start = gr.Button(t("train_button"), variant="primary", scale=0, min_width=140)
    with gr.Accordion(t("settings"), open=False) as fold:
        form = create_form(t)
        gr.Markdown(t("group_evaluation"), elem_classes="group")
        with gr.Row(elem_classes="settings-grid"):
            kind = gr.Radio(label=t("corpus"), choices=["test", "all"], value="test")
            length = gr.Dropdown(label=t("max_length"), choices=[*LENGTHS], value=MAX_LENGTH)
        votes = gr.Checkbox(label=t("add_votes"), info=t("help_add_votes"))
    with gr.Accordion(t("command"), open=False):
        command = gr.HTML()
    create_trainings(frame)

    asked = [*frame.who, method, preset, kind, length, votes, *form]
    told = [about, measure, command]

    @guarded
    def render(
        visitor: str | None, language: str, method: Method | None, preset: str | None
    ) -> Any:
        methods = [(label(language, f"method_{name}"), name) for name in METHODS]
        kinds = [(label(language, f"corpus_{name}"), name) for name in ("test", "all")]
        cards, *values = choose(visitor, language, method, preset)
        chosen = gr.update(choices=methods, value=method or METHODS[0])
        return chosen, gr.update(choices=kinds), cards, *values

    def estimate(
        backend: Backend, settings: TrainingSettings, evaluation: EvaluationSettings
    ) -> Estimate | None:
        """None too while the model is not there yet: the form does not wait for it."""
        dataset, choices = current(backend)
        if not frame.backends.model_ready or not backend.finds_twins_quickly(dataset):
            return None
        try:
            return backend.estimate(dataset, choices.split, settings, evaluation)
        except E5DemoError:  # no split, or no model: said where that is asked for
            return None

    def choose(
        visitor: str | None, language: str, method: Method | None, preset: str | None
    ) -> Any:
        """The cards, with what each costs, and the chosen preset's settings in the form."""
        backend = frame.backend(visitor)
        method, preset = method or METHODS[0], preset or next(iter(PRESETS))
        settings = {name: make_recipe(method, name, _pairs(backend)) for name in PRESETS}
        cards = [
            (card(language, name, estimate(backend, found, EvaluationSettings())), name)
            for name, found in settings.items()
        ]
        return gr.update(choices=cards, value=preset), *shown_values(settings[preset])

    @guarded
    def price(visitor: str | None, language: str, *chosen: Any) -> Any:
        """After a job, which may have timed what the cards say; the form stays as it was set."""
        return choose(visitor, language, *chosen)[0]

    @guarded
    def show(visitor: str | None, language: str, *values: Any) -> Any:
        """What the form as it stands would cost, and its command; or what is wrong with it."""
        if not values[0]:  # before the form was first filled
            return gr.skip()
        backend = frame.backend(visitor)
        try:
            recipe, evaluation = _asked(*values)
        except E5DemoError as error:
            problem = html.note(explain(language, error), "problem")
            return problem, gr.update(visible=False), ""
        cost = estimate(backend, recipe, evaluation)
        try:
            arguments = _command(backend, values[1], recipe, values)
        except E5DemoError as error:
            return html.note(explain(language, error), "problem"), gr.update(visible=False), ""
        if is_public():  # nor do visitors see the server's folders
            arguments = [part.replace(f"{backend.workspace.recipes}/", "") for part in arguments]
        line = shlex.join(["python", "-m", "e5demo", *arguments])
        return (
            cost_note(language, cost, recipe),
            gr.update(visible=cost is None),
            html.command(say(language, "train_command"), line)
            + html.command(say(language, "train_file"), recipe.to_yaml()),
        )

    @guarded
    def begin(visitor: str | None, language: str, *values: Any) -> Any:
        backend = frame.backend(visitor)
        recipe, _ = _asked(*values)
        current_split(backend)  # refused here rather than in the job's log
        pairs = min(_pairs(backend), recipe.max_pairs or _pairs(backend))
        if pairs < recipe.batch_size:
            raise TooFewPairs(pairs=pairs, batch_size=recipe.batch_size)
        frame.queue(backend, recipe.method, *_command(backend, values[1], recipe, values))
        inform(say(language, "train_queued"))
        return gr.update(open=False)  # so that the training is in sight

    @guarded
    def time_form(visitor: str | None, language: str, *values: Any) -> Any:
        backend = frame.backend(visitor)
        recipe, _ = _asked(*values)
        _, *options = _command(backend, values[1], recipe, values)
        options = [option for option in options if not option.startswith("--extra")]
        frame.queue(backend, recipe.method, "estimate", *options)
        return gr.update(visible=False)

    @guarded
    def time_presets(visitor: str | None, language: str, tab: str, method: Method | None) -> Any:
        """Once for each data set and method, when the tab is opened and nothing else is at work."""
        backend = frame.backend(visitor)
        jobs = frame.jobs(backend)
        busy = any(job.active for job in jobs)
        if tab != "train" or busy or not frame.backends.model_ready:
            return
        method = method or METHODS[0]  # the tab may be opened before its form is filled
        dataset, _ = current(backend)
        asked = {"estimate", dataset.id, f"--method={method}"}
        if any(asked <= set(job.command) for job in jobs):  # tried before: not again by itself
            return
        settings = [make_recipe(method, name, _pairs(backend)) for name in PRESETS]
        timed = all(estimate(backend, found, EvaluationSettings()) for found in settings)
        if backend.finds_twins_quickly(dataset) and not timed:
            frame.submit(backend, method, "estimate", dataset, f"--method={method}")

    cards = [preset, *form]
    drawn = frame.scene.change(
        render, [*frame.who, method, preset], [method, kind, *cards], **LIGHT
    )
    drawn.then(show, asked, told, **LIGHT)
    picked = gr.on(
        [method.input, preset.input],
        guarded(choose),
        [*frame.who, method, preset],
        cards,
        trigger_mode="always_last",
        **LIGHT,
    )
    picked.then(show, asked, told, **LIGHT)
    # Not `change`: a preset sets them all, and `show` follows it anyway.
    changes = [widget.input for widget in (kind, length, votes, *form)]
    gr.on(changes, show, asked, told, trigger_mode="always_last", **LIGHT)
    opened = [*frame.who, frame.tab, method]
    moments = [frame.tab.change, method.input, frame.scene.change, frame.job_signal.change]
    gr.on(moments, time_presets, opened, None, **LIGHT)
    timed = frame.job_signal.change(price, [*frame.who, method, preset], preset, **LIGHT)
    timed.then(show, asked, told, **LIGHT)
    measure.click(time_form, asked, measure, **LIGHT)
    start.click(begin, asked, fold, **LIGHT)


def _pairs(backend: Backend) -> int:
    """About as many as the train split has; exact, without looking for twins first."""
    dataset, choices = current(backend)
    shares = (1 - choices.split.test_share) * (1 - choices.split.validation_share)
    if not backend.finds_twins_quickly(dataset):
        return int(dataset.size * shares)
    try:
        return len(backend.split_rows(dataset, choices.split, "train"))
    except E5DemoError:  # too small to split: said where that is asked for
        return int(dataset.size * shares)


def _asked(method: Method, preset: str, kind: str, length: int, votes: bool, *values: Any) -> Any:
    """Raises BadSetting, naming all mistakes at once."""
    recipe = make_recipe(method, preset, **read_values(values))
    if votes and not recipe.hard_negatives:  # as each triplet has one
        recipe = recipe.model_copy(update={"hard_negatives": 1})
    return recipe, EvaluationSettings.checked(corpus=kind, max_length=length)


def _command(backend: Backend, preset: str, recipe: TrainingSettings, values: Any) -> list[str]:
    dataset, choices = current(backend)
    _, _, kind, length, votes, *_ = values
    extra = [f"--extra={backend.keep_votes(dataset)}"] if votes else []
    return [
        "train",
        dataset.id,
        f"--method={recipe.method}",
        f"--preset={preset}",
        f"--config={backend.keep_recipe(recipe)}",
        *choices.split.as_options(),
        f"--corpus={kind}",
        f"--max-length={length}",
        *extra,
    ]
