import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from e5demo.retrieval import models
from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.late import interaction
from e5demo.training.interaction import SCALE, LateLoss

TITLES = ["la neige", "train la", "neige train la neige"]
PASSAGES = ["la neige : la neige", "train", "neige neige train : la"]


def features(model, prompt, texts):
    return model.preprocess([prompt + text for text in texts])


def loss_of(model, loss, titles, passages):
    return loss([features(model, "query: ", titles), features(model, "passage: ", passages)])


def own(encoder, text, role):
    tokens = encoder.token_vectors(text, role)
    return tokens.vectors[[end > start for start, end in tokens.offsets]]


@pytest.fixture
def scores(tiny_model):
    """By the retriever's own way, less the mean token of all passages."""
    encoder = E5Encoder(tiny_model, 64)
    found = {
        role: [own(encoder, text, role) for text in texts]
        for role, texts in (("query", TITLES), ("document", PASSAGES))
    }
    centre = np.concatenate(found["document"]).mean(axis=0)

    def unit(vectors):
        return (vectors - centre) / np.linalg.norm(vectors - centre, axis=1, keepdims=True)

    return np.array(
        [[interaction(unit(q), unit(p)) for p in found["document"]] for q in found["query"]]
    )


def test_the_loss_is_of_the_scores_that_rerank(tiny_model, scores):
    model = models.load(tiny_model)
    loss = LateLoss(model, PASSAGES)
    wanted = cross_entropy(SCALE * torch.tensor(scores), torch.arange(3))
    assert loss_of(model, loss, TITLES, PASSAGES).item() == pytest.approx(wanted.item(), rel=1e-4)


def test_a_text_that_is_there_twice_is_no_wrong_answer(tiny_model, scores):
    model = models.load(tiny_model)
    loss = LateLoss(model, PASSAGES)
    at = [0, 1, 2, 0]
    twice = torch.tensor(scores[at][:, at]) * SCALE
    twice[0, 3] = twice[3, 0] = -torch.inf
    wanted = cross_entropy(twice, torch.arange(4))
    found = loss_of(model, loss, [TITLES[i] for i in at], [PASSAGES[i] for i in at])
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)
    same_title = loss_of(model, loss, [*TITLES, TITLES[0]], [*PASSAGES, "la la la"])
    assert torch.isfinite(same_title)


def test_a_title_without_a_token_costs_what_guessing_does(tiny_model):
    model = models.load(tiny_model)
    loss = LateLoss(model, PASSAGES)
    asked = [TITLES[0], " "]
    found = loss_of(model, loss, asked, PASSAGES[:2])
    assert torch.isfinite(found)
