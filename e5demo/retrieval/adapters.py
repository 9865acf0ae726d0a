"""LoRA's factors as inputs of its base's graph, so that models share the base's weights.

Factors are float32 matrices named `<layer>.A`, of shape (rank, inputs), and `<layer>.B`, of shape
(outputs, rank) and scaled: the layer gives W x + B A x.
"""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

Factors = dict[str, np.ndarray]
FILE = "adapter.npz"


def take_factors(bert: Any) -> Factors | None:
    """Those of a model that peft has adapted; None where it is adapted otherwise than by one plain
    LoRA on linear layers, or not at all."""
    settings = list(getattr(bert, "peft_config", {}).values())
    if len(settings) != 1 or not _is_plain(settings[0]):
        return None
    factors: Factors = {}
    for name, layer in bert.named_modules():
        if name.startswith("pooler.") or not type(layer).__module__.startswith("peft."):
            continue  # a mean of tokens has no use for BERT's pooler
        if not _is_plain_layer(layer):
            return None
        (adapter,) = layer.active_adapters
        first, second = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
        scaled = second.detach().float() * layer.scaling[adapter]
        factors[f"{name}.A"] = first.detach().float().contiguous().numpy()
        factors[f"{name}.B"] = scaled.contiguous().numpy()
    return factors or None


def _is_plain(settings: Any) -> bool:
    """Whether an adapter's settings leave all but the product of two factors untrained."""
    more = ("modules_to_save", "trainable_token_indices", "layer_replication", "target_parameters")
    return (
        getattr(settings.peft_type, "value", None) == "LORA"
        and settings.bias == "none"
        and not any(getattr(settings, name, None) for name in more)
    )


def _is_plain_layer(layer: Any) -> bool:
    from torch.nn import Linear

    kind = type(layer)
    return (
        (kind.__module__, kind.__name__) == ("peft.tuners.lora.layer", "Linear")
        and type(layer.base_layer) is Linear
        and list(layer.lora_A) == list(layer.active_adapters)
        and len(layer.lora_A) == 1
        and not layer.lora_variant  # DoRA and its like
        and not layer.fan_in_fan_out
        and not any(layer.lora_bias.values())
        and not layer.merged
        and not layer.disable_adapters
    )


def layers_of(factors: Factors) -> tuple[str, ...]:
    return tuple(sorted(name.removesuffix(".A") for name in factors if name.endswith(".A")))


def add_inputs(graph: Any, layers: Iterable[str], operations: Any) -> None:
    """Let a graph traced as `bert` take the factors of `layers`, of whatever rank.

    `operations` is one of OpenVINO's opsets. Raises ValueError where the graph lacks a layer.
    """
    products = {
        node.input_value(1).get_node().get_friendly_name(): node
        for node in graph.get_ops()
        if node.get_type_name() == "MatMul"
    }
    for layer in layers:
        product = products.get(f"self.bert.{layer}.weight")
        if product is None:
            raise ValueError(f"the graph has no layer {layer}")
        outputs, inputs = product.input_value(1).get_shape()
        shapes = {f"{layer}.A": [-1, inputs], f"{layer}.B": [outputs, -1]}
        users = product.output(0).get_target_inputs()
        adapted = product.input_value(0)
        for name, shape in shapes.items():
            factor = operations.parameter(shape, np.float32, name)
            factor.output(0).set_names({name})
            graph.add_parameters([factor])
            adapted = operations.matmul(adapted, factor, False, True)
        total = operations.add(product, adapted).output(0)
        for user in users:
            user.replace_source_output(total)
    graph.validate_nodes_and_infer_types()


def write_factors(path: Path, factors: Factors) -> None:
    with path.open("wb") as file:
        np.savez(file, **factors)  # type: ignore[arg-type]


def read_factors(path: Path) -> Factors:
    """Raises OSError or ValueError where they cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path.name} is damaged") from error
