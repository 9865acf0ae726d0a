import numpy as np
import pytest

from e5demo.retrieval.reduction import Reduction


def test_the_mean_is_taken_off_and_the_length_is_one(tmp_path):
    reduction = Reduction(
        np.array([1, 0, 0], np.float32), np.array([[1, 0], [0, 2], [5, 0]], np.float32)
    )
    path = tmp_path / "new" / "reduction.safetensors"
    reduction.write(path)
    found = Reduction.read(path).apply(np.array([[4, 2, 0], [1, -3, 0]], np.float32))
    assert found == pytest.approx(np.array([[0.6, 0.8], [0, -1]]))  # (3, 4) and (0, -6)
