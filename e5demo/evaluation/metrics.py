"""Recall, MRR and nDCG at cutoffs k, per query and on average, by ir-measures."""

from collections.abc import Sequence

import ir_measures
import pandas as pd
from ir_measures import RR, R, nDCG

from e5demo.data.corpus import Qrels
from e5demo.evaluation.runs import trec_scores

MEASURES = {"recall": R, "mrr": RR, "ndcg": nDCG}


def score_run(run: pd.DataFrame, qrels: Qrels, cutoffs: Sequence[int] = (1, 5, 10)) -> pd.DataFrame:
    """Scores per query: an index of query ids, columns `recall@k`, `mrr@k`, `ndcg@k`.

    recall@k is the share of a query's right passages within the first k, mrr@k the reciprocal
    rank of the first one, nDCG as in Järvelin and Kekäläinen 2002 with gain 1. A query without a
    hit scores 0, one without a right passage in the corpus too.
    """
    names = {measure @ k: f"{name}@{k}" for name, measure in MEASURES.items() for k in cutoffs}
    scored: dict[str, dict[str, float]] = {name: {} for name in names.values()}
    if not run.empty:
        for value in ir_measures.iter_calc(list(names), qrels, trec_scores(run)):
            scored[names[value.measure]][value.query_id] = value.value
    scores = pd.DataFrame(scored, index=pd.Index(list(qrels), name="query_id"), dtype=float)
    scores = scores.fillna(0.0)
    return scores


def average(scores: pd.DataFrame) -> dict[str, float]:
    """The mean of each metric over queries."""
    return {name: float(mean) for name, mean in scores.mean().items()}
