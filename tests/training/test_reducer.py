import numpy as np
import pytest

from e5demo.retrieval.reduction import Reduction
from e5demo.retrieval.search import unit
from e5demo.training.reducer import KEPT, STEPS, Reducer, fit


def test_the_last_passages_are_ranked_too_and_the_oldest_forgotten():
    import torch

    draw = torch.Generator().manual_seed(0)
    reducer = Reducer(6, 2).train()
    old, new, asked = (
        torch.nn.functional.normalize(torch.randn(count, 6, generator=draw), dim=1)
        for count in (5, 4, 3)
    )
    alone = reducer.eval()(asked, new).item()
    assert reducer.count == 0  # nothing is remembered but in training
    reducer.train()(asked, old)
    assert reducer.count == 5
    beside = reducer(asked, new).item()
    assert reducer.count == 9
    assert torch.allclose(reducer.passages[:9], torch.cat([new, old]))

    known = torch.cat([new, old])
    first = [torch.nn.functional.normalize(texts[:, :2]) for texts in (asked, known)]
    cosines = 50 * first[0] @ first[1].T
    wanted = torch.softmax(100 * asked @ known.T, dim=1)
    likeness = -(wanted * torch.log_softmax(cosines, dim=1)).sum(dim=1).mean()
    found = torch.nn.functional.cross_entropy(cosines[:, :4], torch.arange(3))
    assert beside == pytest.approx((found + 0.5 * likeness).item(), rel=1e-5)
    assert beside != pytest.approx(alone, rel=1e-3)

    reducer(asked, torch.cat([new] * (KEPT // 4)))
    assert reducer.count == KEPT
    assert torch.allclose(reducer.passages[-4:], new)


def test_it_begins_anew_with_nothing_remembered():
    import torch

    reducer = Reducer(6, 2).train()
    vectors = torch.nn.functional.normalize(torch.randn(9, 6), dim=1)
    reducer(vectors[:3], vectors)
    reducer.begin(vectors)
    assert reducer.count == 0
    assert torch.allclose(reducer.mean, vectors.mean(dim=0))


def test_vectors_of_any_length_are_compared_by_their_cosine():
    import torch

    asked, read = torch.randn(3, 6), torch.randn(5, 6)
    reducer = Reducer(6, 2).eval()
    assert reducer(7 * asked, 9 * read).item() == pytest.approx(reducer(asked, read).item())


def texts_that_six_dimensions_tell_apart():
    """Passages, titles as near to them as that, and a start that sees two of the six."""
    draw = np.random.default_rng(0)
    passages = draw.normal(size=(300, 16)).astype(np.float32)
    passages[:, 6:] *= 0.05
    passages = unit(passages + 0.5)
    noise = draw.normal(0, 0.05, passages.shape).astype(np.float32)
    start = Reduction(passages.mean(axis=0), np.eye(16, dtype=np.float32)[:, 4:8])
    return passages, unit(passages + noise), start


def shared(reduction, titles, passages, hits=range(5)):
    """How many of these hits by whole vectors are among them in fewer dimensions."""
    whole = np.argsort(-titles @ passages.T, axis=1)[:, hits]
    fewer = np.argsort(-reduction.apply(titles) @ reduction.apply(passages).T, axis=1)[:, hits]
    pairs = zip(whole, fewer, strict=True)
    return np.mean([len(set(a) & set(b)) / len(hits) for a, b in pairs])


def test_it_is_fitted_to_rank_as_whole_vectors_do():
    passages, titles, start = texts_that_six_dimensions_tell_apart()
    seen, own = [], np.arange(300)
    learned = fit(start, titles, passages, own, 1, lambda *now: seen.append(now))
    assert (seen[0], seen[-1]) == (("reduce", 0, STEPS), ("reduce", STEPS, STEPS))
    assert learned.axes.shape == (16, 4)
    assert shared(learned, titles, passages) > shared(start, titles, passages) + 0.1
    again = fit(start, titles, passages, own, seed=1)
    assert np.array_equal(again.axes, learned.axes)


def test_what_is_beside_a_title_s_own_passage_is_ranked_too():
    passages, _, start = texts_that_six_dimensions_tell_apart()
    own = np.arange(300)
    learned, blind = (
        fit(start, passages, passages, right, seed=1) for right in (own, np.roll(own, 1))
    )
    beside = range(1, 6)  # each is its own title, and first
    found = [shared(reduction, passages, passages, beside) for reduction in (learned, blind)]
    assert found[0] > found[1] + 0.02
