"""The loss of late interaction: a batch's titles each choose among its passages.

Imports torch: for those who train.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import cross_entropy, normalize

from e5demo.config import PROMPTS
from e5demo.training.estimate import features_of

SCALE = 50.0  # of the mean cosine: where it settles when it is learned too


class LateLoss(Module):
    """Called with the features of queries and of their passages; the score is `retrieval.late`'s.

    The mean token, which it takes off all others, is of `some` passages, by the model as it is.
    """

    def __init__(self, model: Any, some: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.marks = {role: _marks(model, role) for role in PROMPTS}
        with torch.no_grad():
            tokens, own = self.tokens(features_of(model, some, PROMPTS["document"]))
        self.centre = tokens[own].mean(dim=0)

    def tokens(self, features: dict[str, Tensor], role: str = "document") -> tuple[Tensor, Tensor]:
        """Vectors (texts, tokens, dimensions), and which are a text's own (texts, tokens)."""
        vectors = self.model(features)["token_embeddings"].float()
        read = features["attention_mask"].bool()
        places = torch.arange(read.shape[1], device=read.device)
        end = read.sum(dim=1, keepdim=True) - 1
        return vectors, read & (places >= self.marks[role]) & (places < end)

    def forward(self, features: Sequence[dict[str, Tensor]], labels: Any = None) -> Tensor:
        asked, read = features
        repeated = _repeated(asked["input_ids"]) | _repeated(read["input_ids"])
        queries, asking = self.tokens(asked, "query")
        passages, answering = self.tokens(read)
        words = normalize(queries[asking] - self.centre, dim=-1)
        passages = normalize(passages - self.centre, dim=-1)
        with torch.no_grad(), torch.autocast(words.device.type, enabled=False):  # bf16 would blur
            cosines = torch.einsum("wd,ptd->ptw", words, passages)
            nearest = cosines.masked_fill_(~answering[..., None], -torch.inf).argmax(dim=1)
        both = zip(passages, nearest, strict=True)
        found = torch.stack([(words * passage[at]).sum(dim=-1) for passage, at in both], dim=1)
        counts = asking.sum(dim=1)
        titles = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
        sums = found.new_zeros(len(counts), len(passages)).index_add(0, titles, found)
        scores = SCALE * sums / counts.clamp(min=1)[:, None]
        right = torch.arange(len(scores), device=scores.device)
        return cross_entropy(scores.masked_fill(repeated, -torch.inf), right)


def _repeated(ids: Tensor) -> Tensor:
    """Which texts of a batch are another's again, (texts, texts), by their tokens (texts, tokens):
    right where the other is, and so no wrong answer."""
    return (ids[:, None] == ids[None]).all(dim=-1).fill_diagonal_(False)


def _marks(model: Any, role: str) -> int:
    """Tokens before a text's own: the start's and the prompt's."""
    return 1 + len(model.tokenizer(PROMPTS[role].strip(), add_special_tokens=False)["input_ids"])
