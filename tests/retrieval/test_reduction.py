import numpy as np
import pytest
from safetensors.numpy import save_file

from e5demo.retrieval.reduction import Reduction


def test_the_mean_is_taken_off_and_the_length_is_one(tmp_path):
    reduction = Reduction(
        np.array([1, 0, 0], np.float32), np.array([[1, 0], [0, 2], [5, 0]], np.float32)
    )
    path = tmp_path / "new" / "reduction.safetensors"
    reduction.write(path)
    found = Reduction.read(path).apply(np.array([[4, 2, 0], [1, -3, 0]], np.float32))
    assert found == pytest.approx(np.array([[0.6, 0.8], [0, -1]]))  # (3, 4) and (0, -6)


@pytest.mark.parametrize(
    "tensors",
    [
        {"mean": np.zeros(3)},
        {"mean": np.zeros(2), "axes": np.zeros((3, 2))},
        {"mean": np.zeros(3), "axes": np.zeros(3)},
        {"mean": np.full(3, np.nan), "axes": np.zeros((3, 2))},
    ],
)
def test_what_is_no_reduction_is_refused(tmp_path, tensors):
    save_file(tensors, tmp_path / "r.safetensors")
    with pytest.raises(ValueError, match="r.safetensors"):
        Reduction.read(tmp_path / "r.safetensors")
