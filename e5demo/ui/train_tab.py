"""Entraînement: what is coming, and what can be done already."""

import gradio as gr

from e5demo.ui.frame import Frame


def create_train_tab(frame: Frame) -> None:
    gr.Markdown(frame.i18n("train_intro"), elem_classes="intro")
    gr.Markdown(frame.i18n("train_body"))
