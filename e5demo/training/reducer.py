"""Learns a linear map to fewer dimensions in which texts rank as their whole vectors do.

First beside the encoder, whose vectors come to suit it, then alone, over all that was trained on.
Imports torch: for those who train.
"""

import math
from typing import Any

import numpy as np
import torch
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn.functional import cross_entropy, log_softmax, normalize, softmax

from e5demo.jobs import Progress, silent
from e5demo.retrieval.reduction import Reduction

KEPT = 8192  # passages of the last batches, to rank as well
LIKENESS = 0.5  # the weight of ranking them as the whole vector does
TEACHER_SCALE = 100.0  # E5's own temperature
START_SCALE = 50.0
RATES = {"axes": 1e-3, "log_scale": 1e-2}  # learning rates of its parameters
STEPS, TITLES = 600, 512  # of the second part
NEVER = -1e4  # a score that leaves no weight; of -inf the loss is no number


class Reducer(Module):
    """The map as it is learned, with the vectors of the last `KEPT` passages."""

    mean: Tensor
    passages: Tensor
    count: Tensor

    def __init__(self, dimensions: int, fewer: int) -> None:
        super().__init__()
        self.axes = Parameter(torch.eye(dimensions)[:, :fewer].clone())
        self.log_scale = Parameter(torch.tensor(math.log(START_SCALE)))
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("passages", torch.zeros(KEPT, dimensions))
        self.register_buffer("count", torch.tensor(0))

    def begin(self, vectors: Tensor) -> None:
        """At the principal components of these passages' unit vectors, about their mean."""
        vectors = vectors.cpu()  # Apple's graphics have no eigenvectors
        components = torch.linalg.eigh(torch.cov(vectors.T)).eigenvectors.flip(1)
        self.take(vectors.mean(dim=0), components[:, : self.axes.shape[1]])
        self.count.zero_()

    def take(self, mean: Tensor, axes: Tensor) -> None:
        self.mean.copy_(mean)
        self.axes.data.copy_(axes)

    def cosines(self, queries: Tensor, passages: Tensor) -> Tensor:
        """In fewer dimensions, scaled."""
        asked, read = (
            normalize((vectors - self.mean) @ self.axes, dim=1) for vectors in (queries, passages)
        )
        return self.log_scale.exp() * asked @ read.T

    def forward(self, queries: Tensor, passages: Tensor) -> Tensor:
        """What is lost in fewer dimensions: in finding each query's passage (the same row) among
        these, and in ranking these and the last as the whole vectors do."""
        with torch.autocast(queries.device.type, enabled=False):
            queries, passages = normalize(queries.float()), normalize(passages.float())
            known = torch.cat([passages, self.passages[: int(self.count)]])
            cosines = self.cosines(queries, known)
            right = torch.arange(len(queries), device=queries.device)
            found = cross_entropy(cosines[:, : len(passages)], right)
            loss = found + LIKENESS * unlikeness(cosines, whole_scores(queries, known))
        if self.training:
            self._keep(passages.detach())
        return loss

    def _keep(self, passages: Tensor) -> None:
        self.passages.copy_(torch.cat([passages, self.passages])[:KEPT])
        self.count.fill_(min(KEPT, int(self.count) + len(passages)))

    def reduction(self) -> Reduction:
        return Reduction(self.mean.cpu().numpy(), self.axes.detach().cpu().numpy())


def whole_scores(queries: Tensor, passages: Tensor) -> Tensor:
    """Scaled cosines of unit vectors, without a gradient."""
    return TEACHER_SCALE * (queries @ passages.T).detach()


def unlikeness(cosines: Tensor, whole: Tensor) -> Tensor:
    """Of the softmax of `cosines` to that of `whole`, as scaled: their cross entropy, which is
    Kullback and Leibler's divergence and a constant."""
    return -(softmax(whole, dim=1) * log_softmax(cosines, dim=1)).sum(dim=1).mean()


class RankingLoss(MultipleNegativesRankingLoss):
    """With the loss of the model's reducer added."""

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **options)
        self.reducer = model[0].reducer

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor) -> Tensor:
        whole = super().compute_loss_from_embeddings(embeddings, labels)
        return whole + self.reducer(embeddings[0], torch.cat(embeddings[1:]))


class CachedRankingLoss(CachedMultipleNegativesRankingLoss):
    """The same in chunks, whose gradients are wanted at once."""

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **options)
        self.reducer = model[0].reducer

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        whole = super().calculate_loss(reps, labels, with_backward=with_backward)
        queries, *passages = [torch.cat(chunks) for chunks in reps]
        part = self.reducer(queries, torch.cat(passages))
        if with_backward:
            part.backward()
            part = part.detach()
        return whole + part


def fit(
    start: Reduction,
    titles: np.ndarray,
    passages: np.ndarray,
    right: np.ndarray,
    seed: int,
    progress: Progress = silent,
) -> Reduction:
    """`start` tuned so that each title ranks all `passages` as whole vectors do, and those beside
    its own (the one at `right`) by themselves too: a title that was trained on finds its own so
    well that the others hardly weigh. Both are unit vectors, a text a row."""
    torch.manual_seed(seed)
    asked, read = torch.tensor(titles), torch.tensor(passages)
    own = torch.tensor(right)[:, None]
    reducer = Reducer(*start.axes.shape)
    reducer.take(torch.tensor(start.mean), torch.tensor(start.axes))
    optimiser = torch.optim.Adam(
        [{"params": [getattr(reducer, name)], "lr": rate} for name, rate in RATES.items()]
    )
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, STEPS)
    for step in range(STEPS):
        progress("reduce", step, STEPS)
        rows = torch.randint(len(asked), (TITLES,))
        some = asked[rows]
        cosines, whole = reducer.cosines(some, read), whole_scores(some, read)
        others = [scores.scatter(1, own[rows], NEVER) for scores in (cosines, whole)]
        loss = unlikeness(cosines, whole) + unlikeness(*others)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    progress("reduce", STEPS, STEPS)
    return reducer.reduction()
