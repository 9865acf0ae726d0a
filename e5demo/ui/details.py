"""Below the verdict: slices of the queries, checks on the data, and the evidence to take along."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import pandas as pd

from e5demo.analysis import CheckUp, Ground, check_ups, copies_of, slices_of, twins_of
from e5demo.backend import Backend
from e5demo.config import LENGTHS, prompting_of
from e5demo.errors import NothingToAblate, OneExperiment
from e5demo.evaluation.experiments import Experiment
from e5demo.evaluation.slices import Slice
from e5demo.ui import html
from e5demo.ui.compare_views import p_value
from e5demo.ui.compared import Compared, in_question
from e5demo.ui.forgetting import create_forgetting
from e5demo.ui.frame import HEAVY, LIGHT, Frame, current
from e5demo.ui.guard import guarded, inform
from e5demo.ui.news_map import create_news_map
from e5demo.ui.text import SPOKEN, between, count, decimal, say, signed
from e5demo.workspace import fresh_download

# One change each to how an evaluation was made.
ABLATIONS: dict[str, dict[str, str]] = {
    "none": {"prompts": "none"},
    "swapped": {"prompts": "swapped"},
    **{str(length): {"max-length": str(length)} for length in LENGTHS},
    "int8": {"precision": "int8"},
    "int8-128": {"precision": "int8-128"},
    "all": {"corpus": "all"},
}


def create_details(frame: Frame, picked: list[gr.State]) -> None:
    """Tabs that compute when they are opened or asked again: each takes some seconds."""
    t = frame.i18n
    with gr.Tab(t("tab_slices")) as slices_tab:
        slices_again = gr.Button(t("look"), size="sm", scale=0, min_width=110)
        slices = gr.HTML()
    with gr.Tab(t("tab_checks")) as checks_tab:
        checks_again = gr.Button(t("look"), size="sm", scale=0, min_width=110)
        checks = gr.HTML()
    with gr.Tab(t("tab_ablations")):
        gr.Markdown(t("ablations"), elem_classes="note")
        with gr.Row():
            buttons = {name: gr.Button(t(f"ablate_{name}"), min_width=150) for name in ABLATIONS}
    with gr.Tab(t("tab_forgetting")):
        create_forgetting(frame, picked)
    with gr.Tab(t("tab_map")) as map_tab:
        create_news_map(frame, map_tab, picked)
    with gr.Tab(t("tab_evidence")):
        gr.Markdown(t("evidence"), elem_classes="note")
        pack = gr.Button(t("evidence_button"), scale=0, min_width=160)
        file = gr.File(show_label=False, visible=False, interactive=False)

    @guarded
    def show_slices(visitor: str | None, language: str, *wanted: str) -> str:
        backend = frame.backend(visitor)
        what = in_question(language, backend, wanted)
        if not what.pair:
            raise OneExperiment
        ground = backend.ground(what.experiments[0])
        both = {one.id: one for one in what.experiments}
        left, right = (both[one] for one in what.pair)
        overall = what.comparison.of(left.id, right.id, what.metric).verdict
        found = slices_of(ground, left, right, what.metric, overall)
        told = {"left": what.names[left.id], "right": what.names[right.id], "metric": what.metric}
        intro = html.note(say(language, "slices_intro", **told))
        return intro + slices_table(language, found)

    @guarded
    def show_checks(visitor: str | None, language: str, *wanted: str) -> str:
        backend = frame.backend(visitor)
        what = in_question(language, backend, wanted)
        ground = backend.ground(what.experiments[0])
        parts = [check_section(language, one, what) for one in check_ups(ground, what.experiments)]
        recounted = [make(language, ground, what) for make in (copies_section, twins_section)]
        return "".join([*parts, *recounted])

    def ablate_by(name: str) -> Any:
        @guarded
        def ablate(visitor: str | None, language: str, *wanted: str) -> None:
            backend = frame.backend(visitor)
            what = in_question(language, backend, wanted)
            chosen = what.picked[2] or what.experiments[0].id
            one = next(one for one in what.experiments if one.id == chosen)
            measured = one.measured
            if not measured.weights:
                raise NothingToAblate(experiment=what.names[one.id])
            options = _options_of(backend, one) | ABLATIONS[name]
            if any(_made_so(backend, other, one, options) for other in backend.experiments()):
                inform(say(language, "already_so", name=what.names[one.id]))
                return
            dataset, _ = current(backend)
            told = [f"--{option}={value}" for option, value in options.items()]
            frame.submit(backend, measured.retriever, "evaluate", dataset, *told)
            inform(say(language, "ablation_queued", name=what.names[one.id]))

        return ablate

    @guarded
    def make_evidence(visitor: str | None, language: str, *wanted: str) -> Any:
        backend = frame.backend(visitor)
        what = in_question(language, backend, wanted)
        path = fresh_download() / "e5demo-evidence.zip"
        backend.write_report([one.id for one in what.experiments], path, language)
        return gr.update(value=str(path), visible=True)

    # What was computed for something else goes.
    moments = [frame.scene.change, *(state.change for state in picked)]
    shown = [slices, checks, file]
    gr.on(moments, lambda: ("", "", gr.update(visible=False)), None, shown, **LIGHT)
    asked = [*frame.who, *picked]
    gr.on([slices_tab.select, slices_again.click], show_slices, asked, slices, **HEAVY)
    gr.on([checks_tab.select, checks_again.click], show_checks, asked, checks, **HEAVY)
    for name, button in buttons.items():
        button.click(ablate_by(name), asked, None, **LIGHT)
    pack.click(make_evidence, asked, file, **HEAVY)


def _options_of(backend: Backend, experiment: Experiment) -> dict[str, str]:
    """As the command line would measure it again; a sample of the queries is drawn by the page's
    own seed."""
    measured = experiment.measured
    assert measured.prompts
    options = {
        "retriever": measured.retriever,
        "corpus": measured.corpus_kind,
        "max-length": str(measured.max_length),
        "cutoffs": ",".join(map(str, measured.cutoffs)),
        "prompts": prompting_of(measured.prompts),
        "precision": str(measured.precision),
    }
    dataset, choices = current(backend)
    asked = backend.split_rows(dataset, choices.split, "test")["query_id"].nunique()
    if experiment.queries < asked:
        options["limit-queries"] = str(experiment.queries)
    return options


def _made_so(backend: Backend, other: Experiment, one: Experiment, options: dict[str, str]) -> bool:
    """Is `other` an evaluation with these options of what `one` is of?"""
    same = ("data", "split", "model_fingerprint", "method")
    alike = all(getattr(other.measured, n) == getattr(one.measured, n) for n in same)
    return alike and _options_of(backend, other) == options


def slices_table(language: str, found: list[Slice]) -> str:
    if not found:
        return html.note(say(language, "slices_none"), "empty")
    heads = [say(language, f"head_{name}") for name in
             ("slice", "queries", "difference", "interval", "corrected", "verdict")]  # fmt: skip
    rows = [
        [
            say(
                language,
                "slice_name",
                feature=say(language, f"feature_{one.feature}"),
                label=_label(language, one.label),
            ),
            count(language, one.queries),
            signed(language, one.mean),
            _interval(language, one),
            p_value(language, one.p_corrected) if one.p_corrected is not None else "—",
            say(language, f"short_{one.verdict}"),
        ]
        for one in found
    ]
    return html.table(heads, rows, numeric=5)


def check_section(language: str, one: CheckUp, what: Compared) -> str:
    """How many queries it concerns, and each experiment's mean without them."""
    check = one.check
    told = {
        "count": count(language, len(check.ids)),
        "queries": count(language, check.queries),
        "share": decimal(language, 100 * check.share, 1),
    }
    sentence = html.note(say(language, f"check_{check.name}", **told), "summary")
    if not check.ids:
        return sentence
    columns = ("all", "without", "difference")
    return sentence + _effects(language, one.effects, what, columns)


def twins_section(language: str, ground: Ground, what: Compared) -> str:
    """Near duplicates of the right passage counted as right."""
    found = {one.experiment: one for one in twins_of(ground, what.experiments)}
    effects = {name: one.effect for name, one in found.items()}
    above = {name: count(language, len(one.outranked.ids)) for name, one in found.items()}
    return _recounted(language, "check_twins", "lenient", effects, what, above)


def copies_section(language: str, ground: Ground, what: Compared) -> str:
    """Copies of the right passage not counted as right."""
    effects = copies_of(ground, what.experiments)
    return _recounted(language, "check_copies", "apart", effects, what)


def _recounted(
    language: str,
    told: str,
    otherwise: str,
    effects: Mapping[str, pd.DataFrame],
    what: Compared,
    above: Mapping[str, str] | None = None,
) -> str:
    """Each experiment's mean as it is and as it would be; `above` is one more column."""
    columns = ["retriever", *(["outranked"] if above else []), "strict", otherwise, "difference"]
    rows = []
    for experiment, effect in effects.items():
        row = effect.loc[what.metric]
        rows.append(
            [
                what.names[experiment],
                *([above[experiment]] if above else []),
                *(decimal(language, row[name]) for name in ("strict", otherwise)),
                signed(language, row["difference"]),
            ]
        )
    intro = html.note(f"{say(language, told)} {what.metric}", "summary")
    heads = [say(language, f"head_{name}") for name in columns]
    return intro + html.table(heads, rows, numeric=len(columns) - 1)


def _effects(language: str, effects: pd.DataFrame, what: Compared, columns: tuple[str, ...]) -> str:
    heads = [say(language, f"head_{name}") for name in ("retriever", *columns)]
    rows = [
        [what.names[one.id], *(_mean(language, effects.loc[(one.id, what.metric), name], name)
                               for name in columns)]
        for one in what.experiments
    ]  # fmt: skip
    return html.table([heads[0], *(f"{head} · {what.metric}" for head in heads[1:])], rows, 3)


def _mean(language: str, value: float, column: str) -> str:
    if pd.isna(value):
        return "—"
    return signed(language, value) if column == "difference" else decimal(language, value)


def _interval(language: str, one: Slice) -> str:
    if one.low is None or one.high is None:
        return "—"
    return between(language, signed(language, one.low), signed(language, one.high))


def _label(language: str, name: str) -> str:
    """A word of ours, or the data's own: an agency, a year, a range."""
    return say(language, f"label_{name}") if f"label_{name}" in SPOKEN else name
