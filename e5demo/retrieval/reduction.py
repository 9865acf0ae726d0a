"""Vectors in fewer dimensions, by a linear map that was learned for them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from e5demo.retrieval.late import unit
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
        from safetensors.numpy import load_file

        return cls(**load_file(path))
