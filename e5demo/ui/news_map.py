"""The map: articles and titles where the two models in question put them."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import pandas as pd

from e5demo import figures
from e5demo.errors import OneExperiment
from e5demo.evaluation.projection import NewsMap, methods
from e5demo.ui import html
from e5demo.ui.compared import Compared, in_question
from e5demo.ui.frame import HEAVY, LIGHT, Frame
from e5demo.ui.guard import guarded
from e5demo.ui.text import count, decimal, label, say

COLOURINGS = ("change", "agency", "cluster")
NARROW = 700  # pixels of the window: panels stand below each other then
WIDTH = "(...all) => [...all.slice(0, -1), window.innerWidth]"


def create_news_map(frame: Frame, tab: gr.Tab, picked: list[gr.State]) -> None:
    t = frame.i18n
    gr.Markdown(t("map"), elem_classes="note")
    with gr.Row(elem_classes="settings"):
        colour = gr.Radio(label=t("map_colour"), choices=[*COLOURINGS], value=COLOURINGS[0])
        method = gr.Radio(label=t("map_method"), choices=[*methods()], value="pca")
        again = gr.Button(t("look"), size="sm", scale=0, min_width=110)
    plot = gr.Plot(show_label=False, visible=False, elem_id="news-map", elem_classes="clickable")
    about = gr.HTML()
    width = gr.Number(visible=False)  # of the window, told by it

    @guarded
    def show(
        visitor: str | None, language: str, by: str, way: str, *wanted_and_width: Any
    ) -> tuple[Any, str]:
        *wanted, pixels = wanted_and_width
        backend = frame.backend(visitor)
        what = in_question(language, backend, wanted)
        if not what.pair:
            raise OneExperiment
        both = {one.id: one for one in what.experiments}
        left, right = (both[one] for one in what.pair)
        found = backend.news_map(left, right, "umap" if way == "umap" else "pca")
        figure = draw(language, found, by, what.names, stacked=(pixels or NARROW) < NARROW)
        return gr.update(value=figure, visible=True), told(language, found, what)

    def words(language: str) -> tuple[Any, Any]:
        colourings = [(label(language, f"colour_{name}"), name) for name in COLOURINGS]
        ways = [(label(language, f"method_{name}"), name) for name in methods()]
        return gr.update(choices=colourings), gr.update(choices=ways)

    asked = [*frame.who, colour, method, *picked, width]
    moments = [tab.select, colour.input, method.input, again.click]
    gr.on(moments, show, asked, [plot, about], js=WIDTH, **HEAVY)
    frame.scene.change(words, frame.language, [colour, method], **LIGHT)
    gone = [frame.scene.change, *(state.change for state in picked)]
    gr.on(gone, lambda: (gr.update(visible=False), ""), None, [plot, about], **LIGHT)


def draw(language: str, found: NewsMap, by: str, names: Mapping[str, str], *, stacked: bool) -> Any:
    sample = found.sample
    told = {
        "shown": count(language, len(sample.passages)),
        "total": count(language, sample.total),
        "queries": count(language, sample.queries["query"].nunique()),
    }
    title = say(language, "map_title", **told)
    words = (title, say(language, "map_queries"))
    called = {one: figures.plain(names[one]) for one in found.places}
    return figures.map_panels(found, groups(language, found, by), called, words, stacked)


def groups(language: str, found: NewsMap, by: str) -> figures.Groups:
    """How each group looks and whether each passage belongs; none is empty."""
    passages = found.sample.passages
    if by == "change":
        gain = passages["gain"]
        belongs = [gain > 0, gain < 0, gain == 0, gain.isna()]
        names = [say(language, f"map_{way}") for way in ("gained", "lost", "same", "unasked")]
        styles = figures.CHANGES
    else:
        of = pd.Series(found.clusters, passages.index) if by == "cluster" else passages["agency"]
        own = [say(language, key) for key in ("map_rest", "map_queries")]
        counts = of.replace("", None).value_counts().drop(own, errors="ignore")
        most = counts.index[: len(figures.GROUPS) - 1]
        belongs = [*(of == name for name in most), ~of.isin(most)]
        names = [*map(str, most), say(language, "map_rest")]
        styles = [*figures.GROUPS[: len(most)], figures.REST]
    told = zip(names, styles, belongs, strict=True)
    return {name: (style, mask.tolist()) for name, style, mask in told if mask.any()}


def told(language: str, found: NewsMap, what: Compared) -> str:
    """How far the map can be trusted, and why there may be one side only."""
    assert what.pair
    sentences = [say(language, "map_neighbours")]
    if found.share is not None:
        share = decimal(language, 100 * found.share, 0)
        sentences = [say(language, "map_share", share=share)]
    if len(found.places) == 1:
        other = next(one for one in what.pair if one not in found.places)
        sentences.append(say(language, "map_one", name=what.names[other]))
    if "umap" not in methods():
        sentences.append(say(language, "map_no_umap"))
    return html.note(" ".join(sentences))
