"""Train one trial's model, by sentence-transformers' trainer and losses."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from quality.news import News, encode
from quality.texts import altered
from quality.trials import Trial

from e5demo.data.corpus import make_corpus
from e5demo.retrieval import models
from e5demo.retrieval.lexical import BM25Retriever, tokenise
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.search import top
from e5demo.training.estimate import text_prompts
from e5demo.training.negatives import add_negatives
from e5demo.training.recipe import TrainingSettings
from e5demo.training.worker import prepare_model, training_arguments

CANDIDATES = 6  # wrong passages beside the right one, of which a distilled loss compares all
CANDIDATE_DEPTH = 50


class Dense:
    """The model as a retriever of the train split, to mine negatives by."""

    recall_of_flat = 1.0

    def __init__(self, corpus: Any, model: Any, max_length: int) -> None:
        self.corpus, self.model, self.max_length = corpus, model, max_length
        self.vectors = encode(model, corpus.passages, "document", max_length)

    def prepare(self, queries: Any, progress: Any = None) -> None: ...

    def encode(self, queries: Any) -> None: ...

    def search(self, queries: Any, k: int, allowed: Any = None) -> list[Any]:
        asked = encode(self.model, list(queries), "query", self.max_length)
        return [top(self.vectors @ one, k) for one in asked]


def tune(trial: Trial, news: News, base: ModelSource) -> Any:
    """A SentenceTransformer in evaluation mode."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer
    from transformers import PrinterCallback

    recipe = trial.recipe()
    model = prepare_model(base, recipe)
    bert = model[0].auto_model
    for layer in bert.encoder.layer[: trial.frozen_layers]:
        layer.requires_grad_(False)
    if trial.frozen_layers:
        bert.embeddings.requires_grad_(False)
    before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    data, prompts = training_data(trial, recipe, news, base)
    mean = Averaging(model, int(trial.steps * (1 - trial.averaged))) if trial.averaged else None
    with tempfile.TemporaryDirectory() as folder:
        trainer = SentenceTransformerTrainer(
            model=model,
            args=training_arguments(recipe, trial.steps, prompts, Path(folder)),
            train_dataset=Dataset.from_dict(data),
            loss=make_loss(trial, recipe, model, base),
            callbacks=[mean.callback()] if mean else [],
        )
        trainer.remove_callback(PrinterCallback)  # the table is what is printed
        trainer.train()
    if mean:
        mean.apply()
    if trial.tuned_share < 1:
        for name, values in model.named_parameters():
            if name in before:
                values.data.lerp_(before[name].to(values), 1 - trial.tuned_share)
    return model.eval()


def training_data(
    trial: Trial, recipe: TrainingSettings, news: News, base: ModelSource
) -> tuple[dict[str, Any], dict[str, str]]:
    """Columns, with texts altered anew for each epoch that the steps reach into; and prompts."""
    pairs = news.train
    if trial.loss == "distilled":
        pairs = with_candidates(pairs, news, base, trial)
    elif recipe.hard_negatives:
        pairs = add_negatives(pairs, miner(recipe, news, base), recipe)
    prompts = text_prompts(pairs)
    fresh = (trial.passages, trial.queries) != ("lead", "whole")
    epochs = -(-trial.steps * recipe.batch_size // len(pairs)) if fresh else 1
    draw = np.random.default_rng(recipe.seed)
    data: dict[str, Any] = {name: [] for name in prompts}
    for _ in range(epochs):
        queries, passages = altered(
            pairs["query"], pairs["passage"], trial.queries, trial.passages, draw
        )
        data["query"] += queries
        data["passage"] += passages
        for name in prompts.keys() - {"query", "passage"}:
            data[name] += pairs[name].tolist()
    if trial.loss == "distilled":
        data["label"] = pairs["label"].tolist() * epochs
    return data, prompts


def miner(recipe: TrainingSettings, news: News, base: ModelSource) -> Any:
    corpus = make_corpus(news.pairs, news.parts, "train")
    if recipe.negatives_from == "bm25":
        return BM25Retriever(corpus)
    return Dense(corpus, models.load(base), recipe.max_length)


def with_candidates(pairs: pd.DataFrame, news: News, base: ModelSource, trial: Trial) -> Any:
    """`label`: what the fusion of BM25 and the base, each in standard deviations of a query's
    candidates, thinks of the right passage and of the best wrong ones, drawn from its first 50."""
    recipe = trial.recipe()
    lexical, dense = (
        miner(recipe.model_copy(update={"negatives_from": name}), news, base)
        for name in ("bm25", "baseline")
    )
    ids, passages = dense.corpus.ids, np.array(dense.corpus.passages, dtype=object)
    right = pairs.groupby("query_id")["passage_id"].agg(set)
    place = {name: at for at, name in enumerate(ids)}
    draw = np.random.default_rng(recipe.seed)
    asked = encode(dense.model, pairs["query"].tolist(), "query", recipe.max_length)
    terms = tokenise(pairs["query"].tolist(), ids=False)
    labels, wrong = [], []
    for row, (query_id, own) in enumerate(zip(pairs["query_id"], pairs["passage_id"], strict=True)):
        cosines = dense.vectors @ asked[row]
        known = [term for term in terms[row] if term in lexical.vocabulary]
        weights = lexical.index.get_scores(known) if known else np.zeros(len(ids), np.float32)
        pool = set(top(cosines, CANDIDATE_DEPTH).positions) | set(
            top(weights, CANDIDATE_DEPTH).positions
        )
        pool = np.array(sorted(at for at in pool if ids[at] not in right[query_id]))
        both = _standard(cosines, pool) + _standard(weights, pool)
        best = pool[np.argsort(-both[pool])][: 3 * CANDIDATES]
        chosen = draw.choice(best, CANDIDATES, replace=False)
        labels.append([float(both[at]) for at in (place[own], *chosen)])
        wrong.append(passages[chosen])
    columns = {f"negative_{i + 1}": [texts[i] for texts in wrong] for i in range(CANDIDATES)}
    return pairs.assign(**columns, label=labels)


def _standard(scores: np.ndarray, pool: np.ndarray) -> np.ndarray:
    return (scores - scores[pool].mean()) / max(float(scores[pool].std()), 1e-6)


def make_loss(trial: Trial, recipe: TrainingSettings, model: Any, base: ModelSource) -> Any:
    from sentence_transformers.sentence_transformer import losses

    loss: Any
    if trial.loss.startswith("guided"):
        options = {
            "temperature": 1 / recipe.scale,
            "margin": trial.guide_margin,
            "contrast_anchors": trial.loss == "guided queries",
            "contrast_positives": False,
        }
        guide = models.load(base)
        guide.max_seq_length = recipe.max_length
        loss = losses.GISTEmbedLoss(model, guide, **options)
    elif trial.loss == "distilled":
        loss = distilled(trial, recipe, model)
    elif trial.loss == "late":
        loss = late(trial, recipe, model)
    else:
        directions = {
            "ranking": ("query_to_doc",),
            "symmetric": ("query_to_doc", "doc_to_query"),
            "all pairs": ("query_to_doc", "doc_to_query", "query_to_query", "doc_to_doc"),
        }[trial.loss]
        mode = "per_direction" if trial.loss == "symmetric" else "joint"
        options = {"scale": recipe.scale, "directions": directions, "partition_mode": mode}
        if recipe.cached:
            loss = losses.CachedMultipleNegativesRankingLoss(
                model, mini_batch_size=recipe.mini_batch, **options
            )
        else:
            loss = losses.MultipleNegativesRankingLoss(model, **options)
    if trial.dimensions:
        loss = losses.MatryoshkaLoss(model, loss, trial.dimensions)
    return loss


def distilled(trial: Trial, recipe: TrainingSettings, model: Any) -> Any:
    """In-batch negatives, and the teacher's view of each query's own candidates beside it."""
    import torch

    def divergence(found: Any, labels: Any) -> Any:
        asked, *passages = [one["sentence_embedding"].float() for one in found]
        own = torch.stack([(asked * one).sum(1) for one in passages], dim=1) * recipe.scale
        teacher = torch.softmax(labels * trial.teacher_scale, dim=1)
        return torch.nn.functional.kl_div(
            torch.log_softmax(own, dim=1), teacher, reduction="batchmean"
        )

    return beside_ranking(model, recipe, 2, trial.teacher_weight, divergence)


def late(trial: Trial, recipe: TrainingSettings, model: Any) -> Any:
    """In-batch negatives by the texts' vectors, and by late interaction of their tokens'."""
    import torch
    from sentence_transformers.util import maxsim

    def by_token(found: Any, labels: Any) -> Any:
        (asked, asked_mask), *passages = [
            (torch.nn.functional.normalize(one["token_embeddings"].float(), dim=-1),
             one["attention_mask"]) for one in found
        ]  # fmt: skip
        scores = [
            maxsim(asked, vectors, a_mask=asked_mask, b_mask=mask, length_normalize=True)
            for vectors, mask in passages
        ]
        right = torch.arange(len(asked), device=asked.device)
        return torch.nn.functional.cross_entropy(torch.cat(scores, dim=1) * trial.late_scale, right)

    return beside_ranking(model, recipe, None, trial.late_weight, by_token)


def beside_ranking(
    model: Any, recipe: TrainingSettings, columns: int | None, share: float, other: Any
) -> Any:
    """A loss of which `share` is `other`, a function of what the model finds in each column and of
    the labels. The rest ranks by vectors, of the first `columns` or of all."""
    import torch
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    ranking = MultipleNegativesRankingLoss(model, scale=recipe.scale)

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: Any, labels: Any) -> Any:
            found = [self.model(one) for one in features]
            vectors = [one["sentence_embedding"].float() for one in found[:columns]]
            ranked = ranking.compute_loss_from_embeddings(vectors, None)
            return (1 - share) * ranked + share * other(found, labels)

    return Both()


class Averaging:
    """The mean of the weights after each step from `first` on."""

    def __init__(self, model: Any, first: int) -> None:
        self.model, self.first, self.count = model, first, 0
        self.means: dict[str, Any] = {}

    def callback(self) -> Any:
        from transformers import TrainerCallback

        averaging = self

        class Each(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if state.global_step > averaging.first:
                    averaging.add()

        return Each()

    def add(self) -> None:
        self.count += 1
        for name, values in self.model.named_parameters():
            if values.requires_grad:
                mean = self.means.setdefault(name, values.detach().clone())
                mean.lerp_(values.detach(), 1 / self.count)

    def apply(self) -> None:
        for name, values in self.model.named_parameters():
            if name in self.means:
                values.data.copy_(self.means[name])
