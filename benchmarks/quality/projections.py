"""Vectors in fewer dimensions."""

import numpy as np

STEPS = 300
TITLES = 256  # a step
SCALE = 20.0
RATE = 1e-3


def components(passages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean, and the principal components as columns, the greatest first."""
    mean = passages.mean(axis=0)
    return mean, np.linalg.svd(passages - mean, full_matrices=False)[2].T


def supervised(titles: np.ndarray, passages: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """`axes` tuned so that each title finds its passage (the same row) among all of these."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    torch.manual_seed(0)
    learned = torch.tensor(axes.copy(), requires_grad=True)
    optimiser = torch.optim.Adam([learned], lr=RATE)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, STEPS)
    asked, read = torch.tensor(titles), torch.tensor(passages)
    for _ in range(STEPS):
        drawn = torch.randint(len(asked), (min(TITLES, len(asked)),))
        cosines = normalize(asked[drawn] @ learned, dim=1) @ normalize(read @ learned, dim=1).T
        loss = cross_entropy(SCALE * cosines, drawn)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    return learned.detach().numpy()
