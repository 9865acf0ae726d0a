"""A model of two layers in the packed file's layout, written here byte by byte."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e5demo.retrieval import bundled, models
from e5demo.retrieval.models import ModelSource

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁la", "▁neige", "▁query", "▁passage", ":",
          "▁train", "<mask>"]  # fmt: skip
HIDDEN, LAYERS, HEADS, FFN, POSITIONS = 32, 2, 2, 64, 24


def shapes() -> dict[str, tuple[int, ...]]:
    """The engine's tensor names; matrices are [out, in]."""
    made: dict[str, tuple[int, ...]] = {
        "emb.word": (len(PIECES), HIDDEN),
        "emb.pos": (POSITIONS, HIDDEN),
        "emb.type": (2, HIDDEN),
        "emb.ln.w": (HIDDEN,),
        "emb.ln.b": (HIDDEN,),
    }
    ins = {"fo": FFN}
    outs = {"fi": FFN}
    for layer in range(LAYERS):
        for part in ("q", "k", "v", "ao", "aln", "fi", "fo", "oln"):
            out = outs.get(part, HIDDEN)
            matrix = (out,) if part.endswith("ln") else (out, ins.get(part, HIDDEN))
            made[f"l{layer}.{part}.w"] = matrix
            made[f"l{layer}.{part}.b"] = (out,)
    return made


def write_packed(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """`emb.word` in 4 bits, all others in float32; `tensors` are what a reader must find."""
    scores = np.array([0.0] * 4 + [-float(i) for i in range(1, 9)], "<f4")
    blob = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, blob)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I", 1)
    head += struct.pack("<7i", HIDDEN, LAYERS, HEADS, FFN, len(PIECES), POSITIONS, 2)
    head += struct.pack("<fi", 1e-12, 32) + struct.pack("<5i", len(PIECES), 0, 2, 1, 3)
    head += struct.pack("<Q", sum(map(len, blob))) + offsets.tobytes() + scores.tobytes()
    head += b"".join(blob)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0x00A0, 1, 0x20)
    raw = {
        name: quantise(values) if name == "emb.word" else values.astype("<f4").tobytes()
        for name, values in tensors.items()
    }
    entry = struct.calcsize("<BIQQ")
    at = len(head) + 4 + sum(2 + len(name) + entry for name in raw)
    head += struct.pack("<i", len(raw))
    for name, data in raw.items():
        kind = 1 if name == "emb.word" else 0
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", kind, tensors[name].size, at, len(data))
        at += len(data)
    path.write_bytes(head + b"".join(raw.values()))


def quantise(values: np.ndarray) -> bytes:
    """Blocks of whole numbers from -8 to 7, at a scale of 0.25."""
    blocks = (values.reshape(-1, 32) / 0.25 + 8).astype(np.uint8)
    return b"".join(
        np.float16(0.25).tobytes() + (block[:16] | block[16:] << 4).tobytes() for block in blocks
    )


@pytest.fixture(scope="session")
def packed_tensors():
    draw = np.random.default_rng(0)
    tensors = {name: draw.normal(0, 0.3, shape) for name, shape in shapes().items()}
    tensors["emb.word"] = draw.integers(-8, 8, (len(PIECES), HIDDEN)) * 0.25
    return {name: values.astype(np.float32) for name, values in tensors.items()}


@pytest.fixture(scope="session")
def packed_file(tmp_path_factory, packed_tensors):
    path = tmp_path_factory.mktemp("packed") / "tiny.bin"
    write_packed(path, packed_tensors)
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, packed_file) -> ModelSource:
    """Read by all, changed by none."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    bundled.unpack_model(packed_file, folder)
    return ModelSource("tiny", folder, "bundled-4bit")


def adapted(base: ModelSource, folder: Path, seed: int = 0, **settings) -> ModelSource:
    """A LoRA model over `base`, its weights drawn at random; `settings` are peft's."""
    import torch
    from peft import LoraConfig, TaskType

    model = models.load(base)
    model.add_adapter(
        LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, **{"r": 4, "lora_alpha": 6} | settings)
    )
    drawn = torch.Generator().manual_seed(seed)
    for name, weights in model.named_parameters():
        if weights.requires_grad or "lora_" in name:
            weights.data += 0.3 * torch.randn(weights.shape, generator=drawn)
    model[0].auto_model.save_pretrained(folder)
    return replace(base, weights="tuned", adapter=folder)
