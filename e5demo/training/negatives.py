"""Hard negatives: passages of the train split that a retriever takes for the right one."""

from itertools import islice

import numpy as np
import pandas as pd

from e5demo.jobs import Progress, silent
from e5demo.retrieval.search import Retriever
from e5demo.training.recipe import TrainingSettings

DEPTH = 50  # ranks looked at


def add_negatives(
    pairs: pd.DataFrame,
    retriever: Retriever,
    settings: TrainingSettings,
    progress: Progress = silent,
) -> pd.DataFrame:
    """`pairs` with columns `negative_1`, ...: the best-ranked passages that answer another title.

    One that scores above (1 - `negative_margin`) times the right passage's score may well be an
    answer too and is left out, as are all where the right one is not found at all (positive-aware
    mining: Moreira et al. 2024, NV-Retriever). What is then missing is drawn at random.
    Where a corpus is too small for so many, all pairs get fewer.
    """
    right = pairs.groupby("query_id")["passage_id"].agg(set)
    ids, passages = retriever.corpus.ids, np.array(retriever.corpus.passages, dtype=object)
    draw = np.random.default_rng(settings.seed)
    queries = pairs["query"].tolist()
    progress("mine", 0, 1)
    retriever.prepare(list(dict.fromkeys(queries)), progress)
    rankings = retriever.search(queries, DEPTH)
    found = []
    for query_id, passage_id, ranking in zip(
        pairs["query_id"], pairs["passage_id"], rankings, strict=True
    ):
        names = ids[ranking.positions]
        own = ranking.scores[names == passage_id]
        limit = (1 - settings.negative_margin) * own[0] if len(own) else -np.inf
        low = ranking.scores <= limit
        wrong = [at for at in ranking.positions[low] if ids[at] not in right[query_id]]
        hard = wrong[: settings.hard_negatives]
        if len(hard) < settings.hard_negatives:
            drawn = draw.permutation(len(ids))
            suspect = np.isin(drawn, ranking.positions[~low])  # may be answers: last of all
            drawn = drawn[np.argsort(suspect, kind="stable")]
            others = (at for at in drawn if ids[at] not in right[query_id] and at not in wrong)
            hard += islice(others, settings.hard_negatives - len(hard))
        found.append(passages[hard])
    progress("mine", 1, 1)
    count = min(map(len, found), default=0)
    columns = {f"negative_{i + 1}": [texts[i] for texts in found] for i in range(count)}
    return pairs.assign(**columns)
