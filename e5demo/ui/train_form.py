"""The form of a training: a widget per setting, each with a sentence of help, in groups."""

from collections.abc import Sequence
from typing import Any, get_args

import gradio as gr

from e5demo.training.recipe import TrainingSettings

GROUPS = {
    "time": ("max_minutes", "rerank_minutes", "epochs", "max_pairs", "seed"),
    "batches": ("batch_size", "max_length", "cached", "mini_batch", "no_duplicates"),
    "learning": (
        "scale",
        "matryoshka",
        "learning_rate",
        "weight_decay",
        "max_grad_norm",
        "warmup_share",
        "freeze_embeddings",
        "dropout",
        "bf16",
    ),
    "negatives": ("hard_negatives", "negatives_from", "negative_margin"),
    "validation": ("validations", "validation_queries", "patience"),
    "lora": ("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "lora_layers"),
}
FIELDS = [name for names in GROUPS.values() for name in names]
NONE_AS_ZERO = (
    "max_minutes", "rerank_minutes", "max_pairs", "patience", "matryoshka", "lora_layers"
)  # fmt: skip


def create_form(text_of: Any) -> list[gr.components.Component]:
    """The widgets, in the order of FIELDS."""
    widgets = []
    for group, names in GROUPS.items():
        gr.Markdown(text_of(f"group_{group}"), elem_classes="group")
        with gr.Row(equal_height=False, elem_classes="settings-grid"):
            widgets += [_widget(text_of, name) for name in names]
    return widgets


def shown_values(settings: TrainingSettings) -> list[Any]:
    """What the widgets hold for these settings."""
    values = settings.model_dump(mode="json")
    return [_shown(name, values[name]) for name in FIELDS]


def read_values(values: Sequence[Any]) -> dict[str, Any]:
    """Settings by name, as `make_recipe` takes them; it says what is wrong with them."""
    return {name: _read(name, value) for name, value in zip(FIELDS, values, strict=True)}


def _widget(text_of: Any, name: str) -> gr.components.Component:
    kind = TrainingSettings.model_fields[name].annotation
    told: dict[str, Any] = {"label": text_of(f"set_{name}"), "info": text_of(f"help_{name}")}
    told |= {"min_width": 210}
    if kind is bool:
        return gr.Checkbox(**told)
    if name == "negatives_from":
        return gr.Dropdown(choices=[(text_of(choice), choice) for choice in get_args(kind)], **told)
    if name == "lora_targets":
        return gr.Textbox(max_lines=1, **told)
    return gr.Number(precision=0 if kind in (int, int | None) else None, **told)


def _shown(name: str, value: Any) -> Any:
    if name in NONE_AS_ZERO:
        return value or 0
    return ", ".join(value) if name == "lora_targets" else value


def _read(name: str, value: Any) -> Any:
    if name in NONE_AS_ZERO:
        return value or None
    if name == "lora_targets":
        return tuple(part.strip() for part in (value or "").split(",") if part.strip())
    return value
