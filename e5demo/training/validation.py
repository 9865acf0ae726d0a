"""nDCG@10 on a sample of the validation split, between training steps."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from e5demo.data.corpus import Corpus, make_corpus, make_queries
from e5demo.evaluation.metrics import average, score_run
from e5demo.evaluation.runs import DEPTH, make_run
from e5demo.retrieval.search import top
from e5demo.training.recipe import TrainingSettings


def make_validator(
    pairs: pd.DataFrame, parts: pd.Series, settings: TrainingSettings
) -> Callable[[Any], float]:
    """A function of the model. The sample's own passages are its corpus: encoding more would take
    the time that training needs. Raises EmptySplit.
    """
    everything = make_corpus(pairs, parts, "validation")
    queries = make_queries(
        pairs,
        parts,
        everything,
        split="validation",
        limit=settings.validation_queries,
        seed=settings.seed,
    )
    right = {passage for answers in queries.qrels.values() for passage in answers}
    corpus = Corpus(everything.articles.loc[sorted(right)])

    def validate(model: Any) -> float:
        options = {"normalize_embeddings": True, "show_progress_bar": False, "batch_size": 16}
        passages = model.encode_document(corpus.passages, **options)
        asked = model.encode_query(list(queries.texts.values()), **options)
        rankings = [top(scores, DEPTH) for scores in asked @ passages.T]
        run = make_run(list(queries.texts), rankings, corpus)
        return average(score_run(run, queries.qrels, (10,)))["ndcg@10"]

    return validate
