"""The page: five tabs in the order of work, around what they share."""

from functools import partial

import gradio as gr

from e5demo.backends import Backends
from e5demo.ui.api import create_api
from e5demo.ui.compare_tab import create_compare_tab
from e5demo.ui.data_tab import create_data_tab
from e5demo.ui.frame import LIGHT, Frame, scene_of
from e5demo.ui.language import LANGUAGE, switch_to
from e5demo.ui.search_tab import create_search_tab
from e5demo.ui.sidebar import create_sidebar
from e5demo.ui.splits_tab import create_splits_tab
from e5demo.ui.text import translations
from e5demo.ui.train_tab import create_train_tab
from e5demo.workspace import is_visitor, new_visitor

TABS = {
    "data": create_data_tab,
    "splits": create_splits_tab,
    "search": create_search_tab,
    "train": create_train_tab,
    "compare": create_compare_tab,
}

# The sidebar covers a narrow page: it starts closed there.
CLOSE_ON_PHONE = (
    "if (innerWidth < 768) document.querySelector('.sidebar.open .toggle-button')?.click();"
)

SWEEP = (3600, 24 * 3600)  # seconds: how often gradio's temporary files are swept, and their age


def create_page(backends: Backends) -> tuple[gr.Blocks, gr.I18n]:
    """The page and the texts to launch it with."""
    i18n = gr.I18n(**translations())
    with gr.Blocks(title="E5 · FrenchNews", analytics_enabled=False, delete_cache=SWEEP) as page:
        frame = Frame(
            backends,
            i18n,
            visitor=gr.BrowserState(None, storage_key="e5demo-visitor", secret="e5demo"),
            language=gr.Textbox(visible=False),
            scene=gr.State(""),
            job_signal=gr.State(""),
            training_signal=gr.State(""),
            tab=gr.State("search"),
            address=gr.Textbox(visible=False),
            visit=gr.State(""),
        )
        with gr.Sidebar(width=250):
            create_sidebar(frame)
        with gr.Row(elem_classes="masthead"):
            gr.Markdown(i18n("title"))
            gr.Markdown(i18n("tagline"), elem_classes="tagline")
            with gr.Row(elem_classes="languages"):
                for name in ("fr", "en"):
                    switch = gr.Button(name.upper(), size="sm", min_width=40, elem_id=f"to-{name}")
                    switch.click(None, js=switch_to(name))
        with gr.Tabs(selected="search") as tabs:
            for name, create in TABS.items():
                with gr.Tab(i18n(f"tab_{name}"), id=name) as tab:
                    create(frame)
                tab.select(partial(str, name), None, frame.tab, **LIGHT)

        frame.visit.change(lambda: gr.Tabs(selected="search"), None, tabs, **LIGHT)
        create_api(backends)

        def enter(visitor: str | None, language: str, address: str) -> tuple[str, ...]:
            known = visitor if visitor and is_visitor(visitor) else new_visitor()
            choices = backends.of(known).choices()
            return known, language, address, scene_of(language, choices)

        page.load(
            enter,
            [*frame.who, frame.address],
            [*frame.who, frame.address, frame.scene],
            js=f"visitor => {{ {CLOSE_ON_PHONE} return [visitor, {LANGUAGE}, location.search]; }}",
            **LIGHT,
        )
    return page, i18n
