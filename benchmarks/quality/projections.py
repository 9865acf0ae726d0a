"""Vectors in fewer dimensions, and in 8 bits."""

from collections.abc import Callable

import numpy as np

Projection = Callable[[np.ndarray], np.ndarray]
STEPS = 300
TITLES = 256  # a step
SCALE = 20.0
RATE = 1e-3


def to_int8(vectors: np.ndarray) -> np.ndarray:
    """As read back from a byte a dimension, each of which spans the vectors' greatest value."""
    span = np.abs(vectors).max(axis=0) / 127
    return (np.round(vectors / span) * span).astype(np.float32)


def principal(passages: np.ndarray, size: int) -> Projection:
    """Onto the first principal components, the mean taken away."""
    mean = passages.mean(axis=0)
    axes = np.linalg.svd(passages - mean, full_matrices=False)[2][:size].T
    return lambda vectors: (vectors - mean) @ axes


def supervised(titles: np.ndarray, passages: np.ndarray, size: int) -> Projection:
    """The same, tuned so that each title finds its passage (the same row) among all of these."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    torch.manual_seed(0)
    mean = passages.mean(axis=0)
    start = np.linalg.svd(passages - mean, full_matrices=False)[2][:size].T.copy()
    axes = torch.tensor(start, requires_grad=True)
    optimiser = torch.optim.Adam([axes], lr=RATE)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, STEPS)
    asked, read = torch.tensor(titles - mean), torch.tensor(passages - mean)
    for _ in range(STEPS):
        drawn = torch.randint(len(asked), (min(TITLES, len(asked)),))
        cosines = normalize(asked[drawn] @ axes, dim=1) @ normalize(read @ axes, dim=1).T
        loss = cross_entropy(SCALE * cosines, drawn)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    learned = axes.detach().numpy()
    return lambda vectors: (vectors - mean) @ learned
