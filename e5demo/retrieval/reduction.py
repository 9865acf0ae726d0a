"""Vectors in fewer dimensions, by a linear map that was learned for them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e5demo.retrieval.search import unit
from e5demo.workspace import draft_file

REDUCTION = "reduction.safetensors"


@dataclass(frozen=True)
class Reduction:
    """`mean` (dimensions,) is taken off a vector before `axes` (dimensions, fewer) are applied."""

    mean: np.ndarray
    axes: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Unit vectors of shape (texts, fewer)."""
        return unit((vectors - self.mean) @ self.axes)

    def write(self, path: Path) -> None:
        from safetensors.numpy import save

        tensors = {"mean": self.mean, "axes": np.ascontiguousarray(self.axes)}
        with draft_file(path) as file:
            file.write(save(tensors))

    @classmethod
    def read(cls, path: Path) -> "Reduction":
        """Raises ValueError or SafetensorError where the file is no reduction."""
        from safetensors.numpy import load_file

        tensors = load_file(path)
        mean, axes = (tensors.get(name, np.empty(0)) for name in ("mean", "axes"))
        if axes.ndim != 2 or mean.shape != axes.shape[:1]:
            raise ValueError(f"{path.name}: mean {mean.shape} does not fit axes {axes.shape}")
        if not all(np.isfinite(tensor).all() for tensor in (mean, axes)):
            raise ValueError(f"{path.name} holds what is no number")
        return cls(mean.astype(np.float32), axes.astype(np.float32))
